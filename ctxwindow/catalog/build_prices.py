"""The part of `build` that turns a model's price row and the dated stretches into its prices by date."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from ctxwindow.catalog import amendments
from ctxwindow.errors import HistoryError

__all__ = ["RATES", "prices"]

RATES = ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read")


def prices(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The model's prices by date: its row, cut at every day on which a stretch begins or ends.

    Raises:
        HistoryError: a long-context or fast price without dates, dates without price, or unequal factors.
    """
    price, model = row["price"], row["id"]
    if price["input"] is None:
        return []
    stretches = [stretch for stretch in amendments.PRICE_STRETCHES if stretch.model == model]
    dated = {stretch.what for stretch in stretches}
    for key, what in (("long_context", "tier"), ("fast", "fast")):
        if bool(price.get(key)) != (what in dated):
            raise HistoryError(
                "there are dates for this price and no price."
                if what in dated
                else "no dates are known for this price.",
                path=f"{model}.price.{key}",
                remedy="Add or remove its dates in ctxwindow.catalog.amendments.PRICE_STRETCHES.",
            )
    released = dt.date.fromisoformat(row["released"])
    edges = sorted({released, *(day for s in stretches for day in (s.since, s.until) if day and day > released)})
    return [
        _price(row, since, until, [s for s in stretches if s.since <= since and (s.until is None or since < s.until)])
        for since, until in zip(edges, [*edges[1:], None], strict=True)
    ]


def _price(
    row: dict[str, Any], since: dt.date, until: dt.date | None, stretches: Sequence[amendments.PriceStretch]
) -> dict[str, Any]:
    """The price of one stretch of days, in which all of `stretches` hold."""
    price = row["price"]
    made: dict[str, Any] = {"from": since, "until": until, **{rate: price[rate] for rate in RATES}}
    made["batch_multiplier"] = price["batch_multiplier"]
    made["us_multiplier"] = price["us_inference_multiplier"]
    for stretch in stretches:
        if stretch.what == "tier":
            made["tier"] = _tier(row["id"], price)
        elif stretch.what == "fast":
            fast = price["fast"]
            note = "; ".join(fast[key] for key in ("status", "note") if key in fast)
            made["fast"] = {"input": fast["input"], "output": fast["output"], "note": note}
        else:
            made[stretch.what] = stretch.rate
    made["src"] = "; ".join(dict.fromkeys([row["src"]["price"], *(stretch.src for stretch in stretches)]))
    return made


def _tier(model: str, price: dict[str, Any]) -> dict[str, Any]:
    """The long-context price; one factor stands for input and cache alike, which is checked here."""
    long = price["long_context"]
    above = {rate: price[rate] * long["output_mult" if rate == "output" else "input_mult"] for rate in RATES}
    listed = long.get("above", above)
    wrong = [rate for rate in RATES if abs(above[rate] - listed[rate]) > 1e-9]  # noqa: PLR2004 - float noise
    if long["cache_mult"] != long["input_mult"] or wrong:
        raise HistoryError(
            "the long-context price is not one factor for input and cache, and one for output.",
            path=f"{model}.price.long_context",
            remedy="Give PriceTier the factor that is missing.",
        )
    return {
        "over_prompt_tokens": long["threshold_input_tokens"],
        "input_x": long["input_mult"],
        "output_x": long["output_mult"],
    }
