from __future__ import annotations

import datetime as dt
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.catalog import resolve
from ctxwindow.errors import MisuseError
from ctxwindow.window.payback import payback, sends_to_pay_back

NOVEMBER = dt.datetime(2026, 11, 20, tzinfo=dt.UTC).timestamp()
money = st.integers(min_value=0, max_value=500).map(lambda cents: cents / 64)
"""Sixty-fourths: sums of them are exact."""


@given(money, money, money, money)
def test_it_is_the_first_send_at_which_the_edit_has_cost_no_more(
    paid: float, without: float, first: float, then: float
) -> None:
    told = sends_to_pay_back(paid=paid, without=without, first=first, then=then)
    by_hand = (n for n in range(1, 70_000) if paid + first + (n - 1) * then <= n * without)
    if told is None:
        assert then >= without
        assert paid + first > without
    else:
        assert told == next(by_hand)


def test_a_compaction_by_hand() -> None:
    """Opus 5.5: 4 dollars per million in, 5 minutes 1.25 times that, read 0.05 times (PRICE-02).

    150,000 tokens read are 0.03 dollars; 10,000 read and 30,000 written are 0.152; 40,000 read are 0.008.
    """
    found = payback(resolve("claude-opus-5-5"), before=150_000, after=40_000, kept=10_000, at=NOVEMBER, paid=0.1)
    assert (found.without, found.first, found.then) == pytest.approx((0.03, 0.152, 0.008))
    # 0.1 + 0.152 - 0.03 = 0.222 more at first, 0.022 less with each later one.
    assert found.sends == 12
    free = payback(resolve("claude-opus-5-5"), before=150_000, after=40_000, kept=40_000, at=NOVEMBER)
    assert free.sends == 1


def test_how_long_the_cache_keeps_it() -> None:
    opus = resolve("claude-opus-5-5")
    hour = payback(opus, before=100_000, after=50_000, kept=0, at=NOVEMBER, ttl="1h")
    assert hour.first == pytest.approx(50_000 * 8 / 1_000_000)
    never = payback(opus, before=100_000, after=50_000, kept=0, at=NOVEMBER, ttl=None)
    assert (never.without, never.first, never.then, never.sends) == pytest.approx((0.4, 0.2, 0.2, 1))


def test_a_tier_can_make_it_pay_at_once() -> None:
    """PRICE-03: below 100,000 tokens Haiku 5.5 costs a fifth."""
    found = payback(resolve("claude-haiku-5-5"), before=120_000, after=30_000, kept=0, at=NOVEMBER)
    assert found.without == pytest.approx(120_000 * 0.05 / 1_000_000)
    assert found.first == pytest.approx(30_000 * 0.125 / 1_000_000)
    assert found.sends == 1


def test_without_a_price_nothing_is_told() -> None:
    found = payback(resolve("claude-mythos-preview"), before=9, after=5, kept=0, at=NOVEMBER)
    assert (found.without, found.first, found.then, found.sends) == (None, None, None, None)


amounts = st.floats(min_value=0, max_value=1_000_000)


@given(amounts, amounts, amounts, amounts)
def test_any_amounts_have_an_answer(paid: float, without: float, first: float, then: float) -> None:
    told = sends_to_pay_back(paid=paid, without=without, first=first, then=then)
    assert told is None or told >= 1


sizes = st.integers(min_value=0, max_value=4_000_000_000)


@given(sizes, sizes, sizes, amounts, st.sampled_from(["5m", "1h", None]))
def test_any_edit_has_an_answer(before: int, after: int, kept: int, paid: float, ttl: object) -> None:
    found = payback(
        resolve("claude-opus-5-5"),
        before=before,
        after=after,
        kept=kept,
        at=NOVEMBER,
        paid=paid,
        ttl=ttl,  # type: ignore[arg-type]
    )
    assert found.paid == paid


def test_an_edit_that_saves_next_to_nothing_pays_back_late() -> None:
    """One token less, at 0.2 dollars per million, pays back 10,000 dollars and a prompt written anew in 5e10 sends."""
    found = payback(resolve("claude-opus-5-5"), before=901_994, after=901_993, kept=0, at=NOVEMBER, paid=1e4)
    assert found.sends == pytest.approx((1e4 + 901_993 * 5e-6 - 901_994 * 0.2e-6) / 0.2e-6, rel=1e-6)


@pytest.mark.parametrize("paid", [math.inf, math.nan, -0.01, 1e308, 10**400, True])
def test_what_no_edit_can_cost_is_refused(paid: float) -> None:
    opus = resolve("claude-opus-5-5")
    with pytest.raises(MisuseError, match="dollars"):
        payback(opus, before=9, after=5, kept=0, at=NOVEMBER, paid=paid)
    with pytest.raises(MisuseError, match="dollars"):
        sends_to_pay_back(paid=paid, without=1.0, first=1.0, then=0.5)


@pytest.mark.parametrize("tokens", [-1, 10**400])
def test_what_is_no_size_of_a_prompt_is_refused(tokens: int) -> None:
    with pytest.raises(MisuseError, match="tokens"):
        payback(resolve("claude-opus-5-5"), before=tokens, after=5, kept=0, at=NOVEMBER)
