"""Requests with arbitrary JSON in one or two places of an otherwise real one."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

from ctxwindow.testing import json_values, requests

__all__ = ["nested", "odd_requests"]

_WORDS = [
    "text", "thinking", "tool_use", "tool_result", "compaction", "image", "document", "system", "user", "ephemeral", "1h",
    "base64", "url", "file", "content", "tool_reference", "clear_tool_uses_20250919", "claude-opus-5-5", "2026-11-26",
]  # fmt: skip
_ODD: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(_WORDS),
    st.sampled_from([None, True, 0, -1, 2**70, 1.5, "", "\ud800", [], {}, [None], [[]], [{}], {"a": 1}, {"type": []}]),
    st.dictionaries(st.sampled_from(["type", "content", "source", "name", "text", "value"]), st.sampled_from(_WORDS)),
    json_values(),
)


def nested(levels: int) -> Any:
    """A value of so many levels."""
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


@st.composite
def odd_requests(draw: st.DrawFn) -> dict[str, Any]:
    """A request that the API would take, but for what stands in some places of it."""
    body: dict[str, Any] = copy.deepcopy(draw(requests()))
    for _ in range(draw(st.integers(1, 2))):
        place: Any = body
        while True:
            key = (
                draw(st.sampled_from(sorted(place)))
                if isinstance(place, dict)
                else draw(st.integers(0, len(place) - 1))
            )
            inner = place[key]
            if not isinstance(inner, dict | list) or not inner or draw(st.integers(0, 3)) == 0:
                place[key] = draw(_ODD)
                break
            place = inner
        if not body:
            break
    return body
