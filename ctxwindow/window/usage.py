"""Reading the usage of a response: what it says about the size of the prompt, and about what was billed.

A response may take several samplings (server tools, advice, compaction, fallbacks); `iterations` then has an entry for
each, and the top-level numbers are sums (TOK-07 to TOK-11). The first sampling read the request as it was sent, the last
one what the window held at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import msgspec

__all__ = ["MOST_TOKENS", "MOST_WINDOWS", "SIZED", "Usage", "is_count", "latest", "read_usage"]

SIZED = ("message", "fallback_message")
"""Types of iterations that sampled the conversation's own prompt (CTX-17)."""

MOST_TOKENS = 1_000_000_000
"""Tokens: no window is a hundredth as large, so that a larger number is no count."""

MOST_WINDOWS = 10
"""Windows of a model that no prompt comes near, nor the sum of those of one response: a beta once widened a window five
times over (CTX-12), and a server goes on by itself for ten samplings at most (MSG-13)."""

_LEAST_CACHED = 512
"""Tokens: no model caches a shorter prefix (CACHE-08)."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of one response, in tokens."""

    prompt: int | None
    """Exact size of the prompt (CTX-02): of the last sampling, where iterations tell (CTX-17). None when it cannot be told."""
    sent: int | None = None
    """Exact size of the request as it was sent: the prompt of the first sampling. None after a compaction (TOK-10)."""
    samplings: int = 1
    """Times that a model read the prompt and wrote of the reply; 1 where it is not said."""
    model: str | None = None
    """The model that read `prompt`, where it is said (TOK-11)."""
    sent_model: str | None = None
    """The model that read `sent`, where it is said."""
    uncached: int = 0
    read: int = 0
    written_5m: int = 0
    written_1h: int = 0
    output: int | None = None
    """Tokens generated, thinking included (TOK-03); None when not said."""
    last_output: int | None = None
    """Tokens that the last of several samplings generated; None where there was one, or it is not said."""
    thinking: int | None = None
    """The share of output that was thinking (TOK-04), None when not said."""
    doubt: str | None = None
    """Why these numbers are not to be learnt from, or None."""


class _Prompt(msgspec.Struct, frozen=True):
    """The input side of one entry."""

    uncached: int
    read: int
    written: int
    hourly: int
    doubt: str | None = None

    @property
    def size(self) -> int:
        return self.uncached + self.read + self.written


def latest(start: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """The usage of a stream after one more event: `message_delta` is cumulative, so its numbers replace (TOK-06).

    Args:
        start: the usage of `message_start`, or what came of it so far.
        later: the usage of the event; fields that are null or missing say nothing, nor do numbers that fell, which
            cumulative ones cannot.
    """
    told = {
        key: value for key, value in later.items() if value is not None and not _fell(before=start.get(key), now=value)
    }
    return {**start, **told}


def _fell(*, before: Any, now: Any) -> bool:
    return is_count(before) and is_count(now) and now < before


def read_usage(usage: Mapping[str, Any] | None) -> Usage | None:
    """The usage of a response, or None when there is none.

    Missing and null fields are zero (the API omits what does not apply). What is no number of tokens makes the whole
    doubtful, and so do numbers that contradict each other: nothing is learnt from nonsense.
    """
    if not isinstance(usage, Mapping):
        return None
    entries, several = _entries(usage)
    if entries is None:
        return Usage(prompt=None, doubt="its iterations hold no message")
    first, last = _prompt(entries[0]), _prompt(entries[-1])
    output = _number(usage, "output_tokens")
    if first is None or last is None or output is None:
        return Usage(prompt=None, doubt="it has a count that is negative, too large, or no whole number")
    said = output if usage.get("output_tokens") is not None else None
    if last.size == 0 and not several:
        return Usage(prompt=None, output=said, doubt="it tells of no prompt")
    return Usage(
        prompt=last.size,
        sent=first.size if not several or usage["iterations"][0] is entries[0] else None,
        samplings=len(entries),
        model=_model(entries[-1]) if several else None,
        sent_model=_model(entries[0]) if several else None,
        uncached=last.uncached,
        read=last.read,
        written_5m=max(0, last.written - last.hourly),
        written_1h=min(last.written, last.hourly),
        output=said,
        last_output=_number(entries[-1], "output_tokens") or None if several else None,
        thinking=_thinking(usage, output),
        doubt=first.doubt or last.doubt,
    )


def _entries(usage: Mapping[str, Any]) -> tuple[Sequence[Mapping[str, Any]] | None, bool]:
    """The entries that tell the size of a prompt, and whether they are iterations."""
    iterations = usage.get("iterations")
    if not isinstance(iterations, list) or not iterations:
        return [usage], False
    return [entry for entry in iterations if isinstance(entry, Mapping) and entry.get("type") in SIZED] or None, True


def _prompt(entry: Mapping[str, Any]) -> _Prompt | None:
    """The input side of an entry (TOK-01, TOK-02); None when a number is nonsense."""
    uncached, read, written = (
        _number(entry, key) for key in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    )
    parts = entry.get("cache_creation")
    parts = parts if isinstance(parts, Mapping) else {}
    short, hourly = (_number(parts, f"ephemeral_{ttl}_input_tokens") for ttl in ("5m", "1h"))
    if uncached is None or read is None or written is None or short is None or hourly is None:
        return None
    doubt = None
    if entry.get("cache_creation_input_tokens") is None:
        written = short + hourly
    elif parts and short + hourly != written:
        doubt = f"it tells of {written:,} tokens written to the cache, and of {short + hourly:,} by lifetime (TOK-02)"
    if 0 < read + written < _LEAST_CACHED:
        doubt = f"it tells of {read + written:,} cached tokens, fewer than any model caches (CACHE-08)"
    return _Prompt(uncached, read, written, hourly, doubt)


def _thinking(usage: Mapping[str, Any], output: int) -> int | None:
    """The share of thinking (TOK-04); None where it is not said, or cannot be."""
    details = usage.get("output_tokens_details")
    if not isinstance(details, Mapping) or details.get("thinking_tokens") is None:
        return None
    thinking = _number(details, "thinking_tokens")
    return thinking if thinking is not None and thinking <= output else None


def _model(entry: Mapping[str, Any]) -> str | None:
    model = entry.get("model")
    return model if isinstance(model, str) else None


def is_count(value: Any, most: int | None = MOST_TOKENS) -> TypeGuard[int]:
    """Whether it is a number of tokens that can be, `most` of them: what is not is neither learnt from nor billed."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole and value >= 0 and (most is None or value <= most)


def _number(entry: Mapping[str, Any], key: str) -> int | None:
    """A count; 0 when missing or null, None when it is nonsense."""
    value = entry.get(key)
    if value is None:
        return 0
    return value if is_count(value) else None
