"""Types of the fields at the top of a body, which the rules take as given.

The API's own schema errors are not part of the rulebook; the texts here are worded like those that were recorded.
Unknown fields are VER-08's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctxwindow.emulator.http import ApiError

__all__ = ["check_types", "only_for_create"]

_TYPES: dict[str, type] = {
    "model": str, "messages": list, "max_tokens": int, "stream": bool, "stop_sequences": list,
    "temperature": float, "top_p": float, "top_k": int, "tool_choice": dict, "thinking": dict, "metadata": dict,
    "output_config": dict, "context_management": dict, "compaction": dict, "cache_control": dict, "thread": dict,
    "service_tier": str, "speed": str, "inference_geo": str, "mcp_servers": list, "diagnostics": dict,
}  # fmt: skip
"""Of anthropic 2.12.0, types/message_create_params.py and types/beta/message_create_params.py."""

_NAMES: dict[type, str] = {
    str: "string", list: "list", int: "integer", bool: "boolean", float: "number", dict: "object"
}  # fmt: skip

_NEVER_NULL = frozenset({"model", "messages", "max_tokens", "stream", "stop_sequences", "thinking", "tool_choice"})

_NOT_IN_BODY = frozenset(
    {"betas", "anthropic_version", "anthropic_beta", "extra_headers", "extra_query", "extra_body", "timeout"}
)
"""Headers, and arguments of the SDK, which the rules let pass because recordings have them in the body."""

_ONLY_CREATE = (
    "max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "metadata", "service_tier"
)  # fmt: skip


def check_types(body: Mapping[str, Any], *, required: tuple[str, ...]) -> None:
    """See that the fields at the top are there and of their types.

    Raises:
        ApiError: one is not; the first in the order of `required`, then of the body.
    """
    for field in required:
        if field not in body:
            raise ApiError(400, f"{field}: Field required")
    for field, value in body.items():
        if field in _NOT_IN_BODY:
            raise ApiError(400, f"{field}: Extra inputs are not permitted")
        wanted = _TYPES.get(field)
        if wanted is None or (value is None and field not in _NEVER_NULL):
            continue
        if not _is(value, wanted):
            raise ApiError(400, f"{field}: Input should be a valid {_NAMES[wanted]}")
    least = 0
    if isinstance(body.get("max_tokens"), int) and body["max_tokens"] < least:
        raise ApiError(400, f"max_tokens: Input should be greater than or equal to {least}")
    for index, text in enumerate(body.get("stop_sequences") or ()):
        if not isinstance(text, str):
            raise ApiError(400, f"stop_sequences.{index}: Input should be a valid string")
        if not text.strip():
            raise ApiError(400, "stop_sequences: each stop sequence must contain non-whitespace")


def _is(value: object, wanted: type) -> bool:
    if isinstance(value, bool):
        return wanted is bool
    return isinstance(value, (int, float) if wanted is float else wanted)


def only_for_create(body: Mapping[str, Any]) -> None:
    """TOK-13: count_tokens takes no field that bears on the reply alone.

    Raises:
        ApiError: there is one.
    """
    for field in _ONLY_CREATE:
        if field in body:
            raise ApiError(400, f"{field}: Extra inputs are not permitted")
