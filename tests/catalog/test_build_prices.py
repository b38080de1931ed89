from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ctxwindow.catalog.amendments import PRICE_STRETCHES
from ctxwindow.catalog.build_prices import prices
from ctxwindow.errors import HistoryError


def row(model: str, released: str, **price: Any) -> dict[str, Any]:
    base = {
        "input": 2.0,
        "output": 10.0,
        "cache_write_5m": 2.5,
        "cache_write_1h": 4.0,
        "cache_read": 0.1,
        "batch_multiplier": 0.5,
        "us_inference_multiplier": 1.1,
    }
    return {"id": model, "released": released, "price": {**base, **price}, "src": {"price": "D-PRICE"}}


LONG = {"threshold_input_tokens": 200_000, "input_mult": 2.0, "output_mult": 1.5, "cache_mult": 2.0}


def test_a_model_without_dated_changes_has_one_price() -> None:
    (price,) = prices(row("claude-plain", "2026-01-02"))
    assert (price["from"], price["until"], price["src"]) == (dt.date(2026, 1, 2), None, "D-PRICE")


def test_overlapping_stretches_are_cut_at_every_edge() -> None:
    made = prices(row("claude-opus-4-6", "2026-02-05", long_context=LONG, fast={"input": 30, "output": 150}))
    shape = [(str(price["from"]), "tier" in price, "fast" in price) for price in made]
    assert shape == [
        ("2026-02-05", True, False),
        ("2026-02-07", True, True),
        ("2026-03-13", False, True),
        ("2026-06-29", False, False),
    ]
    assert [price["until"] for price in made] == [*(price["from"] for price in made[1:]), None]


def test_a_price_without_input_is_no_price() -> None:
    assert prices(row("claude-plain", "2026-01-02", input=None)) == []


@pytest.mark.parametrize(
    "change", [{"cache_mult": 3.0}, {"above": {"input": 4.0, "output": 15.0, "cache_write_5m": 9.9}}]
)
def test_a_long_context_price_of_unequal_factors_is_refused(change: dict[str, Any]) -> None:
    above = {"input": 4.0, "output": 15.0, "cache_write_5m": 5.0, "cache_write_1h": 8.0, "cache_read": 0.2}
    long = {**LONG, "above": above}
    assert prices(row("claude-sonnet-4-6", "2026-02-17", long_context=long))
    changed = {**long, **change, "above": {**above, **change.get("above", {})}}
    with pytest.raises(HistoryError, match="not one factor"):
        prices(row("claude-sonnet-4-6", "2026-02-17", long_context=changed))


def test_dates_without_a_price_are_refused() -> None:
    with pytest.raises(HistoryError, match="dates for this price and no price") as refused:
        prices(row("claude-sonnet-4-6", "2026-02-17"))
    assert refused.value.path == "claude-sonnet-4-6.price.long_context"


def test_every_stretch_names_days_in_order_and_a_source() -> None:
    for stretch in PRICE_STRETCHES:
        assert stretch.until is None or stretch.since < stretch.until
        assert stretch.src
        assert (stretch.rate is None) == (stretch.what in {"tier", "fast"})
