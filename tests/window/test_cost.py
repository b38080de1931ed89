from __future__ import annotations

import datetime as dt

import pytest

from ctxwindow.catalog import resolve
from ctxwindow.window import Bill, bill

NOVEMBER = dt.datetime(2026, 11, 20, tzinfo=dt.UTC).timestamp()


def test_the_tier_is_judged_on_the_whole_prompt() -> None:
    """PRICE-03: over 100,000 prompt tokens the whole request is billed at the higher price (V-PRICE-1)."""
    haiku = resolve("claude-haiku-4-5")
    assert haiku.prices
    haiku = resolve("claude-haiku-5-5")
    assert bill(haiku, Bill(uncached=100_000, output=1_000), NOVEMBER) == pytest.approx(0.0105)
    assert bill(haiku, Bill(uncached=100_001, output=1_000), NOVEMBER) == pytest.approx(0.0525005)
    assert bill(haiku, Bill(uncached=1, read=100_000), NOVEMBER) == pytest.approx((0.5 + 0.05 * 100_000) / 1_000_000)


def test_cache_prices() -> None:
    """PRICE-02: 5m write 1.25x, 1h write 2x, read 0.05x on Opus 5.5."""
    opus = resolve("claude-opus-5-5")
    million = 1_000_000
    assert bill(opus, Bill(uncached=million), NOVEMBER) == pytest.approx(4)
    assert bill(opus, Bill(read=million), NOVEMBER) == pytest.approx(0.2)
    assert bill(opus, Bill(written_5m=million), NOVEMBER) == pytest.approx(5)
    assert bill(opus, Bill(written_1h=million), NOVEMBER) == pytest.approx(8)
    assert bill(opus, Bill(output=million), NOVEMBER) == pytest.approx(20)


def test_prices_are_dated() -> None:
    sonnet = resolve("claude-sonnet-5-5")
    early = dt.datetime(2026, 10, 1, tzinfo=dt.UTC).timestamp()
    assert bill(sonnet, Bill(read=1_000_000), early) == pytest.approx(0.2)
    assert bill(sonnet, Bill(read=1_000_000), NOVEMBER) == pytest.approx(0.1)


def test_an_unknown_price_is_none() -> None:
    assert bill(resolve("claude-mythos-preview"), Bill(uncached=1), NOVEMBER) is None
    assert bill(resolve("claude-opus-5-5"), Bill(uncached=1), 0.0) is None
