"""What the usage of a response bills: one share for each time a model was sampled, each at its own model's price."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.rules.view import plain
from ctxwindow.window.cost import Bill, Bought
from ctxwindow.window.usage import MOST_TOKENS, MOST_WINDOWS, SIZED, is_count

__all__ = ["Share", "Terms", "believed", "input_weight", "shares", "terms"]

_APART = ("compaction", "advisor_message")
"""Kinds that are in no top-level field (TOK-08)."""

_READS_COUNT = frozenset({"claude-3-5-haiku-20241022"})
"""Models on which tokens read from the cache count for the rate limit (RATE-02)."""

_MOST_SEARCHES = 1_000
"""Web searches of one response: a hundred for each of its samplings."""

_FIELDS: dict[Bought, str] = {
    "uncached": "input_tokens",
    "read": "cache_read_input_tokens",
    "written_5m": "cache_creation_input_tokens",
    "written_1h": "cache_creation_input_tokens",
    "output": "output_tokens",
}
"""What was bought -> the field of usage that tells it (TOK-01, TOK-02)."""


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

    @property
    def told(self) -> bool:
        """Whether anything of it is known."""
        return self.tokens != Bill() or not self.unknown


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
    read is kept: where iterations cannot, that is the top level.
    """
    if not isinstance(usage, Mapping):
        return ()
    top = _share(usage, "message", None)
    iterations = usage.get("iterations")
    if iterations is None or iterations == []:
        return (top,)
    listed = iterations if isinstance(iterations, list) else []
    entries = [entry for entry in listed if isinstance(entry, Mapping) and isinstance(entry.get("type"), str)]
    found = [_share(entry, entry["type"], entry.get("model")) for entry in entries]
    sized = [share.told for share in found if share.kind in SIZED]
    if found and len(found) == len(listed) and all(sized) and (sized or top.tokens == Bill()):
        return tuple(found)
    if top.told:
        found = [*(share for share in found if share.kind in _APART), top]
    *others, last = found or [top]
    return (*others, msgspec.structs.replace(last, unknown=(*last.unknown, "iterations")))


def _share(entry: Mapping[str, Any], kind: str, model: object) -> Share:
    read = _Reader(entry)
    parts = _Reader(plain(entry.get("cache_creation")), "cache_creation.")
    short, hourly = _written(read, parts)
    tokens = Bill(
        uncached=read.count("input_tokens", always=True) or 0,
        read=read.count("cache_read_input_tokens") or 0,
        written_5m=short,
        written_1h=hourly,
        output=read.count("output_tokens", always=True) or 0,
    )
    named = model if isinstance(model, str) else None
    return Share(kind=kind, model=named, tokens=tokens, unknown=(*read.unknown, *parts.unknown))


def _written(read: _Reader, parts: _Reader) -> tuple[int, int]:
    """Tokens written to the cache for 5 minutes and for an hour: of their sum and the two, any can be missing (TOK-02).

    Where they contradict each other, which is recorded, the sum stands, at the least that it can have cost; that is named.
    """
    total = read.count("cache_creation_input_tokens")
    short, hourly = parts.count("ephemeral_5m_input_tokens"), parts.count("ephemeral_1h_input_tokens")
    if total is None:
        return short or 0, hourly or 0
    if short is None:
        short = total - (hourly or 0)
    if hourly is None:
        hourly = total - short
    if short + hourly == total and short >= 0 and hourly >= 0:
        return short, hourly
    read.unknown.append("cache_creation (not the sum of its parts)")
    return (total - hourly, hourly) if short + hourly < total else (total, 0)


class _Reader:
    """Reads numbers out of one object, and remembers which could not be read."""

    def __init__(self, fields: Mapping[str, Any], under: str = "") -> None:
        self._fields = fields
        self._under = under
        self.unknown: list[str] = []

    def count(self, key: str, *, always: bool = False, most: int = MOST_TOKENS) -> int | None:
        """A count; None where there is none, which is named where the API `always` says it or something else stands there."""
        value = self._fields.get(key)
        if is_count(value, most):
            return value
        if value is not None or always:
            why = " (too large)" if is_count(value, None) else ""
            self.unknown.append(f"{self._under}{key}{why}")
        return None


def believed(share: Share, profile: ModelProfile, most_output: int) -> Share:
    """A share without the numbers that its model cannot have taken.

    Args:
        share: as read.
        profile: its model.
        most_output: tokens that it can have generated at most.
    """
    most = MOST_WINDOWS * profile.window
    limits = {name: most_output if name == "output" else most for name in _FIELDS}
    over = {name for name, limit in limits.items() if getattr(share.tokens, name) > limit}
    tokens = msgspec.structs.replace(share.tokens, **dict.fromkeys(over, 0))
    if tokens.prompt > most:
        over |= _FIELDS.keys() - {"output"}
        tokens = Bill(output=tokens.output)
    if not over:
        return share
    named = dict.fromkeys(f"{field} (too large)" for name, field in _FIELDS.items() if name in over)
    return msgspec.structs.replace(share, tokens=tokens, unknown=(*share.unknown, *named))


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
    used = _Reader(plain(usage.get("server_tool_use")), "server_tool_use.")
    searches = used.count("web_search_requests", most=_MOST_SEARCHES) or 0
    unknown += used.unknown
    if plain(plain(usage.get("fallback_credit")).get("status")).get("type") == "redeemed":
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


def input_weight(profile: ModelProfile, tokens: Bill) -> int:
    """Tokens that a request takes of its limit of input tokens per minute (RATE-02): what was read from the cache does
    not count, on all models but one.
    """
    return tokens.prompt - (0 if profile.id in _READS_COUNT else tokens.read)
