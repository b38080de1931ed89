"""Reading the usage of a response: what it says about the size of the prompt, and about what was billed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = ["Usage", "latest", "read_usage"]


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of one response, in tokens."""

    prompt: int | None
    """Exact size of the request (CTX-02; of the last message iteration, CTX-17). None when it cannot be told."""
    uncached: int = 0
    read: int = 0
    written_5m: int = 0
    written_1h: int = 0
    output: int | None = None
    """Tokens generated, thinking included (TOK-03); None when not said."""
    thinking: int | None = None
    """The share of output that was thinking (TOK-04), None when not said."""
    doubt: str | None = None
    """Why these numbers are not to be learnt from, or None."""


_SIZED = ("message", "fallback_message")


def latest(start: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """The usage of a stream after one more event: `message_delta` is cumulative, so its numbers replace (TOK-06).

    Args:
        start: the usage of `message_start`, or what came of it so far.
        later: the usage of the event; fields that are null or missing say nothing.
    """
    return {**start, **{key: value for key, value in later.items() if value is not None}}


def read_usage(usage: Mapping[str, Any] | None) -> Usage | None:
    """The usage of a response, or None when there is none.

    Missing and null fields are zero (the API omits what does not apply). Negative or non-integer numbers make
    the whole doubtful: nothing is learnt from nonsense.
    """
    if not isinstance(usage, Mapping):
        return None
    entry, several = _last_prompt(usage)
    if entry is None:
        return Usage(prompt=None, doubt="no message iteration")
    numbers = [
        _number(entry, key) for key in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    ]
    said = usage.get("output_tokens") is not None
    output = _number(usage, "output_tokens")
    if any(number is None for number in numbers) or output is None:
        return Usage(prompt=None, doubt="a negative or non-integer count")
    uncached, read, written = (number or 0 for number in numbers)
    hourly = _number(entry.get("cache_creation") or {}, "ephemeral_1h_input_tokens") or 0
    details = usage.get("output_tokens_details")
    thinking = _number(details, "thinking_tokens") if isinstance(details, Mapping) and details else None
    if uncached + read + written == 0 and not several:
        return Usage(prompt=None, output=output if said else None, doubt="a prompt of zero tokens")
    return Usage(
        prompt=uncached + read + written,
        uncached=uncached,
        read=read,
        written_5m=max(0, written - hourly),
        written_1h=min(written, hourly),
        output=output if said else None,
        thinking=thinking,
    )


def _last_prompt(usage: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, bool]:
    """The entry that describes the last prompt: an iteration when there are any, else the top level."""
    iterations = usage.get("iterations")
    if not isinstance(iterations, list) or not iterations:
        return usage, False
    sized = [entry for entry in iterations if isinstance(entry, Mapping) and entry.get("type") in _SIZED]
    return (sized[-1] if sized else None), True


def _number(entry: Any, key: str) -> int | None:
    """A count; 0 when missing or null, None when it is nonsense."""
    value = entry.get(key) if isinstance(entry, Mapping) else None
    if value is None:
        return 0
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
