"""What the usage of a response bills: one share for each time a model was sampled, each at its own model's price."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.window.cost import Bill

__all__ = ["Share", "Terms", "input_weight", "shares", "terms"]

_READS_COUNT = frozenset({"claude-3-5-haiku-20241022"})
"""Models on which tokens read from the cache count for the rate limit (RATE-02)."""


_MOST = 10**12
"""Larger numbers are no counts: a million windows of the largest models."""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What one sampling of a model took."""

    kind: str
    """`message`, `compaction`, `advisor_message` or `fallback_message` (TOK-07)."""
    model: str | None
    """The model whose price it is; None: that of the response."""
    tokens: Bill
    """What is known; a field that is not is 0 here and named in `unknown`."""
    unknown: tuple[str, ...] = ()
    """Fields that are missing and should not be, or that hold no number of tokens."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What multiplies the prices of one response, and what it is charged beside tokens."""

    batch: bool = False
    us: bool = False
    fast: bool = False
    priced: bool = True
    """False: the prices under these terms are published nowhere, so that no dollars can be told."""
    searches: int = 0
    """Web searches, each at a price of its own (PRICE-09)."""
    unknown: tuple[str, ...] = ()
    """What is charged, or may be, and is not known: in words."""


def shares(usage: Mapping[str, Any] | None) -> tuple[Share, ...]:
    """The parts of a response's usage that are billed; together they are all of it (TOK-08).

    The top-level fields are none of their own where there are iterations: they leave out compaction and advice, and sum
    up the rest (TOK-09). With fallbacks each attempt is a share of its model's (TOK-11). Of a damaged usage what can be
    read is kept.
    """
    if not isinstance(usage, Mapping):
        return ()
    iterations = usage.get("iterations")
    if not isinstance(iterations, list) or not iterations:
        return (_share(usage, "message", None),)
    entries = [entry for entry in iterations if isinstance(entry, Mapping)]
    return tuple(_share(entry, str(entry.get("type")), entry.get("model")) for entry in entries)


def _share(entry: Mapping[str, Any], kind: str, model: object) -> Share:
    read = _Reader(entry)
    created = entry.get("cache_creation")
    parts = _Reader(created if isinstance(created, Mapping) else {}, "cache_creation.")
    short, hourly = parts.tokens("ephemeral_5m_input_tokens"), parts.tokens("ephemeral_1h_input_tokens")
    written = read.tokens("cache_creation_input_tokens")
    if entry.get("cache_creation_input_tokens") is None:
        written = short + hourly  # TOK-02: the one is the sum of the others
    tokens = Bill(
        uncached=read.tokens("input_tokens", always=True),
        read=read.tokens("cache_read_input_tokens"),
        written_5m=max(0, written - hourly),
        written_1h=min(written, hourly),
        output=read.tokens("output_tokens", always=True),
    )
    named = model if isinstance(model, str) else None
    return Share(kind=kind, model=named, tokens=tokens, unknown=(*read.unknown, *parts.unknown))


class _Reader:
    """Reads numbers of tokens out of one object, and remembers which could not be read."""

    def __init__(self, fields: Mapping[str, Any], under: str = "") -> None:
        self._fields = fields
        self._under = under
        self.unknown: list[str] = []

    def tokens(self, key: str, *, always: bool = False) -> int:
        """A count; missing or null is 0, except where the API `always` says it."""
        value = self._fields.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST:
            return value
        if value is not None or always:
            self.unknown.append(f"{self._under}{key}")
        return 0


def terms(usage: Mapping[str, Any] | None) -> Terms:
    """Under which terms a response was served, as its usage says (PRICE-02, PRICE-09).

    Priority tier is a commitment of its own, and regions other than the US have prices of their platforms: no dollars
    are told for either.
    """
    if not isinstance(usage, Mapping):
        return Terms()
    unknown: list[str] = []
    chosen: dict[str, bool] = {}
    for field, known in _TERMS.items():
        value = usage.get(field)
        if value is not None and value not in known:
            unknown.append(f"the price of this {field}")
        chosen[field] = value == known[0]
    priced = not unknown
    used = _Reader(_object(usage.get("server_tool_use")), "server_tool_use.")
    searches = used.tokens("web_search_requests")
    unknown += used.unknown
    if _object(_object(usage.get("fallback_credit")).get("status")).get("type") == "redeemed":
        unknown.append("the fallback credit")  # FB-12: it was applied, and nothing says what it was worth
    return Terms(
        batch=chosen["service_tier"],
        us=chosen["inference_geo"],
        fast=chosen["speed"],
        priced=priced,
        searches=searches,
        unknown=tuple(unknown),
    )


_TERMS: dict[str, tuple[object, ...]] = {
    "service_tier": ("batch", "standard"),
    "inference_geo": ("us", "global", "not_available", ""),  # recorded: an empty string, in the place of null
    "speed": ("fast", "standard"),
}
"""Field of usage -> the value that has a price of its own, then those that have none. Any other is not known."""


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def input_weight(profile: ModelProfile, tokens: Bill) -> int:
    """Tokens that a request takes of its limit of input tokens per minute (RATE-02): what was read from the cache does
    not count, on all models but one.
    """
    return tokens.prompt - (0 if profile.id in _READS_COUNT else tokens.read)
