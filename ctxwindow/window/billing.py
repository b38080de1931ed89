"""What the usage of a response bills: one share for each time a model was sampled, each at its own model's price."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.window.cost import Bill
from ctxwindow.window.usage import read_usage

__all__ = ["Share", "input_weight", "shares"]

_READS_COUNT = frozenset({"claude-3-5-haiku-20241022"})
"""Models on which tokens read from the cache count for the rate limit (RATE-02)."""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What one sampling of a model took."""

    kind: str
    """`message`, `compaction`, `advisor_message` or `fallback_message` (TOK-07)."""
    model: str | None
    """The model whose price it is; None: that of the response."""
    tokens: Bill


def shares(usage: Mapping[str, Any] | None) -> tuple[Share, ...]:
    """The parts of a response's usage that are billed; together they are all of it (TOK-08).

    The top-level fields are none of their own where there are iterations: they leave out compaction and advice, and sum
    up the rest (TOK-09). With fallbacks each attempt is a share of its model's (TOK-11).
    """
    if not isinstance(usage, Mapping):
        return ()
    iterations = usage.get("iterations")
    if not isinstance(iterations, list) or not iterations:
        return (_share({**usage, "type": "message", "model": None}),)
    return tuple(_share(entry) for entry in iterations if isinstance(entry, Mapping))


def _share(entry: Mapping[str, Any]) -> Share:
    read = read_usage({key: value for key, value in entry.items() if key != "iterations"})
    model = entry.get("model")
    tokens = Bill()
    if read is not None:
        tokens = Bill(
            uncached=read.uncached,
            read=read.read,
            written_5m=read.written_5m,
            written_1h=read.written_1h,
            output=read.output or 0,
        )
    return Share(kind=str(entry.get("type")), model=model if isinstance(model, str) else None, tokens=tokens)


def input_weight(profile: ModelProfile, tokens: Bill) -> int:
    """Tokens that a request takes of its limit of input tokens per minute (RATE-02): what was read from the cache does
    not count, on all models but one.
    """
    return tokens.prompt - (0 if profile.id in _READS_COUNT else tokens.read)
