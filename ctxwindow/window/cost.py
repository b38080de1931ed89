"""What a request costs, in dollars as published on its date."""

from __future__ import annotations

import datetime
from typing import Any, Literal

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.catalog.profile import RateName
from ctxwindow.errors import MisuseError

__all__ = ["TTL_SECONDS", "Bill", "Ttl", "bill"]

Ttl = Literal["5m", "1h"]
TTL_SECONDS: dict[Ttl, int] = {"5m": 300, "1h": 3600}
"""How long a cache entry lives after it was written or read (CACHE-04, CACHE-05)."""

_PER = 1_000_000


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens by how they are billed. The prompt is the sum of the first four (CTX-02)."""

    uncached: int = 0
    read: int = 0
    written_5m: int = 0
    written_1h: int = 0
    output: int = 0

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


def bill(
    profile: ModelProfile, tokens: Bill, at: float, *, batch: bool = False, us: bool = False, fast: bool = False
) -> float | None:
    """Dollars for one request at a time in seconds since the epoch; None where no price is known.

    The tier of PRICE-03 is judged per request, on the whole prompt. The multipliers of PRICE-02 stack.

    Args:
        profile: the model.
        tokens: as they are billed.
        at: when the request is made.
        batch: it is an item of a batch.
        us: `inference_geo` is `us`.
        fast: `speed` is `fast`.
    """
    day = datetime.datetime.fromtimestamp(at, tz=datetime.UTC).date()
    try:
        price = profile.price_at(day)
        into, out = 1.0, 1.0
        if price.tier is not None and tokens.prompt > price.tier.over_prompt_tokens:
            into, out = price.tier.input_x, price.tier.output_x
        for asked, factor in ((batch, price.batch_multiplier), (us, price.us_multiplier)):
            if asked and factor is None:
                return None
            into, out = (into * factor, out * factor) if asked and factor is not None else (into, out)
        if fast:
            if price.fast is None:
                return None
            into, out = into * price.fast.input / price.rate("input"), out * price.fast.output / price.rate("output")
        rates: tuple[tuple[RateName, int], ...] = (
            ("input", tokens.uncached),
            ("cache_read", tokens.read),
            ("cache_write_5m", tokens.written_5m),
            ("cache_write_1h", tokens.written_1h),
        )
        prompt = sum(amount * price.rate(name) for name, amount in rates if amount)
        return (prompt * into + tokens.output * price.rate("output") * out) / _PER
    except MisuseError:
        return None
