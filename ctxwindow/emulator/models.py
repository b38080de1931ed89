"""The Models API: the catalog in the shape of `types/model_info.py` (CTX-07)."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from ctxwindow.catalog import ModelProfile
from ctxwindow.emulator.http import ApiError

__all__ = ["model_info", "model_list"]

_DEFAULT_LIMIT = 20
_MOST = 1_000
_EFFORTS = ("low", "medium", "high", "max", "xhigh")
_THINKING = ("adaptive", "enabled", "disabled", "between_tools")


def _supported(answer: object) -> dict[str, bool]:
    return {"supported": bool(answer)}


def _day(date: datetime.date | None) -> str | None:
    return None if date is None else f"{date.isoformat()}T00:00:00Z"


def model_info(profile: ModelProfile) -> dict[str, Any]:
    """One model. What the catalog does not know (citations, server tools, ...) is left out."""
    thinking, features = profile.thinking, profile.features
    return {
        "type": "model",
        "id": profile.id,
        "display_name": profile.display_name or profile.id,
        # A model without a known date has the epoch: the field is required.
        "created_at": _day(profile.released) or "1970-01-01T00:00:00Z",
        "lifecycle": profile.state,
        "line": profile.line,
        "deprecated_at": _day(profile.deprecated_on),
        "retires_at": _day(profile.retires_on or profile.retired_on),
        "max_input_tokens": profile.window,
        "max_tokens": profile.max_output,
        "capabilities": {
            "thinking": {
                **_supported(thinking.accepts),
                "types": {kind: _supported(kind in thinking.accepts) for kind in _THINKING},
            },
            "effort": {
                **_supported(thinking.effort_levels),
                **{level: _supported(level in thinking.effort_levels) for level in _EFFORTS},
            },
            "context_management": {
                **_supported(features.context_editing or features.compaction_threshold),
                "clear_tool_uses_20250919": _supported(features.context_editing),
                "clear_thinking_20251015": _supported(features.context_editing),
                "compact_20260112": _supported(features.compaction_threshold),
            },
            "compaction": {
                **_supported(features.compaction_on_demand),
                "summarize": _supported(features.compaction_on_demand),
            },
        },
    }


def model_list(profiles: Sequence[ModelProfile], query: str) -> dict[str, Any]:
    """A page of the list, the newest first.

    Args:
        profiles: all models.
        query: `limit`, `after_id`, `before_id`, as they stand in the URL.

    Raises:
        ApiError: `limit` is no number from 1 to 1,000.
    """
    given = {name: values[-1] for name, values in parse_qs(query).items()}
    limit = _limit(given)
    ids = [profile.id for profile in profiles]
    rows = list(reversed(profiles))
    ids.reverse()
    first = ids.index(given["after_id"]) + 1 if given.get("after_id") in ids else 0
    last = ids.index(given["before_id"]) if given.get("before_id") in ids else len(rows)
    if given.get("before_id") in ids and "after_id" not in given:
        first = max(0, last - limit)
    page = rows[first:last][:limit]
    more = first > 0 if "before_id" in given else first + len(page) < last
    return {
        "data": [model_info(profile) for profile in page],
        "has_more": more,
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }


def _limit(given: Mapping[str, str]) -> int:
    text = given.get("limit", str(_DEFAULT_LIMIT))
    if not (text.isascii() and text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= _MOST):  # noqa: PLR2004
        raise ApiError(400, f"limit: Input should be a valid integer from 1 to {_MOST}")
    return int(text)
