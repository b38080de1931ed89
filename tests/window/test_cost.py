from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.catalog import resolve
from ctxwindow.window import BOUGHT, Bill, bill, rates

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
    for moment in (1e300, -1e300, float("inf"), float("nan")):
        assert bill(resolve("claude-opus-5-5"), Bill(uncached=1), moment) is None, "no day of any calendar"


def test_an_unknown_price_matters_where_it_is_needed() -> None:
    """Claude 3 Sonnet has no prices for the cache."""
    sonnet = resolve("claude-3-sonnet-20240229")
    in_2024 = dt.datetime(2024, 6, 1, tzinfo=dt.UTC).timestamp()
    assert bill(sonnet, Bill(uncached=1_000_000, output=1_000_000), in_2024) == pytest.approx(18)
    assert bill(sonnet, Bill(uncached=1, read=1), in_2024) is None


@pytest.mark.parametrize(
    ("terms", "dollars"),
    [
        ({"batch": True}, 12),
        ({"us": True}, 26.4),
        ({"fast": True}, 48),
        ({"batch": True, "us": True, "fast": True}, 26.4),
    ],
)
def test_multipliers_stack(terms: dict[str, bool], dollars: float) -> None:
    """PRICE-02: 4 dollars in and 20 out on Opus 5.5; batches half, the US 1.1 times, fast mode 8 and 40."""
    million = Bill(uncached=1_000_000, output=1_000_000)
    assert bill(resolve("claude-opus-5-5"), million, NOVEMBER, **terms) == pytest.approx(dollars)


def test_terms_that_a_model_is_not_offered_under_have_no_price() -> None:
    haiku = resolve("claude-haiku-4-5")
    assert bill(haiku, Bill(uncached=1), NOVEMBER, fast=True) is None
    assert bill(haiku, Bill(uncached=1), NOVEMBER, us=True) is None


counts = st.integers(min_value=0, max_value=10**7)
bills = st.builds(Bill, uncached=counts, read=counts, written_5m=counts, written_1h=counts, output=counts)


@given(bills, bills)
def test_a_bill_is_the_sum_of_its_kinds_and_bills_add_up(one: Bill, two: Bill) -> None:
    found = rates(resolve("claude-opus-5-5"), one.prompt, NOVEMBER)
    assert found is not None
    assert sum(found.of(name, getattr(one, name)) for name in BOUGHT) == pytest.approx(found.dollars(one))
    both = found.dollars(one + two)
    assert both == pytest.approx((found.dollars(one) or 0) + (found.dollars(two) or 0))
