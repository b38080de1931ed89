"""What a request costs, in dollars as published on its date."""

from __future__ import annotations

import datetime
from typing import Any, Literal

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.errors import MisuseError

__all__ = [
    "BOUGHT", "MOST_DOLLARS", "TTL_SECONDS", "Bill", "Bought", "Rates", "Ttl", "bill", "is_money", "latest_price", "lives",
    "rates",
]  # fmt: skip

Ttl = Literal["5m", "1h"]
TTL_SECONDS: dict[Ttl, int] = {"5m": 300, "1h": 3600}
"""How long a cache entry lives after it was written or read (CACHE-04, CACHE-05)."""

_PER = 1_000_000

MOST_DOLLARS = 1_000_000.0
"""A larger amount is no cost of one request or summary, but a mistake; sums of such amounts would overflow."""

Bought = Literal["uncached", "read", "written_5m", "written_1h", "output"]
BOUGHT: tuple[Bought, ...] = ("uncached", "read", "written_5m", "written_1h", "output")
"""The kinds of tokens that have a price of their own: the fields of a `Bill` and of its `Rates`."""


def lives(since: float, ttl: Ttl | None, now: float) -> bool:
    """Whether what was written to the cache, or read from it, at `since` is still there (CACHE-05); both in seconds."""
    return ttl is not None and 0 <= now - since <= TTL_SECONDS[ttl]


def latest_price(profile: ModelProfile) -> float:
    """A moment at which the price published last holds, in seconds since the epoch."""
    day = profile.prices[-1].since if profile.prices else datetime.date(1970, 1, 1)
    return datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.UTC).timestamp()


def is_money(amount: Any) -> bool:
    """Whether it is an amount that one request or summary can cost, in dollars."""
    number = isinstance(amount, (int, float)) and not isinstance(amount, bool)
    return number and 0 <= amount <= MOST_DOLLARS


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens by how they are billed. The prompt is the sum of the first four (CTX-02)."""

    uncached: int = 0
    read: int = 0
    written_5m: int = 0
    written_1h: int = 0
    output: int = 0

    def __add__(self, other: Bill) -> Bill:
        """Both together."""
        return Bill(**{name: getattr(self, name) + getattr(other, name) for name in BOUGHT})

    @property
    def prompt(self) -> int:
        """Tokens of the whole prompt."""
        return self.uncached + self.read + self.written_5m + self.written_1h

    def as_usage(self) -> dict[str, Any]:
        """The input fields of a response's `usage` (TOK-01, TOK-02)."""
        return {
            "input_tokens": self.uncached,
            "cache_read_input_tokens": self.read,
            "cache_creation_input_tokens": self.written_5m + self.written_1h,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.written_5m,
                "ephemeral_1h_input_tokens": self.written_1h,
            },
        }


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Dollars per million tokens for one request, all multipliers of PRICE-02 in; None where none is published."""

    uncached: float | None
    read: float | None
    written_5m: float | None
    written_1h: float | None
    output: float | None

    def dollars(self, tokens: Bill) -> float | None:
        """What tokens cost at these rates; None where one of those that are needed is not known."""
        total = 0.0
        for name in BOUGHT:
            amount: int = getattr(tokens, name)
            rate: float | None = getattr(self, name)
            if amount and rate is None:
                return None
            total += amount * (rate or 0.0)
        return total / _PER

    def of(self, name: Bought, tokens: float = 1) -> float:
        """Dollars for tokens of one kind, by default for one; 0 where its price is not known."""
        return tokens * (getattr(self, name) or 0.0) / _PER


def rates(
    profile: ModelProfile, prompt: int, at: float, *, batch: bool = False, us: bool = False, fast: bool = False
) -> Rates | None:
    """The prices of one request; None where none is known for its day, or for a multiplier that it needs.

    The tier of PRICE-03 is judged per request, on the whole prompt. The multipliers of PRICE-02 stack.

    Args:
        profile: the model.
        prompt: tokens of the whole prompt, read and written ones included.
        at: when the request is made, in seconds since the epoch.
        batch: it is an item of a batch.
        us: `inference_geo` is `us`.
        fast: `speed` is `fast`.
    """
    try:
        price = profile.price_at(datetime.datetime.fromtimestamp(at, tz=datetime.UTC).date())
    except (MisuseError, OverflowError, OSError, ValueError):  # no price on that day, or no day of any calendar
        return None
    into, out = 1.0, 1.0
    if price.tier is not None and prompt > price.tier.over_prompt_tokens:
        into, out = price.tier.input_x, price.tier.output_x
    for asked, factor in ((batch, price.batch_multiplier), (us, price.us_multiplier)):
        if asked and factor is None:
            return None
        into, out = (into * factor, out * factor) if asked and factor is not None else (into, out)
    if fast:
        if price.fast is None or not price.input or not price.output:
            return None
        into, out = into * price.fast.input / price.input, out * price.fast.output / price.output
    return Rates(
        uncached=_times(price.input, into),
        read=_times(price.cache_read, into),
        written_5m=_times(price.cache_write_5m, into),
        written_1h=_times(price.cache_write_1h, into),
        output=_times(price.output, out),
    )


def _times(price: float | None, factor: float) -> float | None:
    return None if price is None else price * factor


def bill(
    profile: ModelProfile, tokens: Bill, at: float, *, batch: bool = False, us: bool = False, fast: bool = False
) -> float | None:
    """Dollars for one request, with the arguments of `rates`; None where no price is known."""
    found = rates(profile, tokens.prompt, at, batch=batch, us=us, fast=fast)
    return None if found is None else found.dollars(tokens)
