"""PRICE: what follows the rules about prices."""

from __future__ import annotations

import pytest

from ctxwindow.catalog import resolve
from ctxwindow.window import Bill, bill

NOVEMBER = 1_795_132_800.0
"""2026-11-20 in seconds since the epoch."""
MILLION = 1_000_000


def cost(model: str, tokens: Bill, **how: bool) -> float:
    dollars = bill(resolve(model), tokens, NOVEMBER, **how)
    assert dollars is not None
    return dollars


@pytest.mark.parametrize(
    ("model", "into", "out"),
    [
        ("claude-fable-5-2", 8, 40),
        ("claude-fable-5-1", 10, 50),
        ("claude-opus-5-5", 4, 20),
        ("claude-opus-4-5", 5, 25),
        ("claude-sonnet-5-5", 2, 10),
        ("claude-sonnet-4-6", 3, 15),
        ("claude-haiku-4-5", 1, 5),
    ],
)
def test_base_prices(model: str, into: float, out: float) -> None:
    """PRICE-01."""
    assert cost(model, Bill(uncached=MILLION)) == pytest.approx(into)
    assert cost(model, Bill(output=MILLION)) == pytest.approx(out)


def test_multipliers_stack() -> None:
    """PRICE-02: half in a batch, 1.1 in the US, and fast mode by a table of its own."""
    tokens = Bill(uncached=MILLION, read=MILLION, output=MILLION)
    plain = cost("claude-opus-5-5", tokens)
    assert plain == pytest.approx(4 + 0.2 + 20)
    assert cost("claude-opus-5-5", tokens, batch=True) == pytest.approx(plain / 2)
    assert cost("claude-opus-5-5", tokens, us=True, batch=True) == pytest.approx(plain * 1.1 / 2)
    assert cost("claude-opus-5-5", tokens, fast=True) == pytest.approx(2 * plain)
    assert cost("claude-opus-5", Bill(output=MILLION), fast=True) == pytest.approx(50)


def test_what_is_not_offered_has_no_price() -> None:
    """PRICE-02: fast mode and inference in the US are for newer models."""
    sonnet = resolve("claude-sonnet-4-5")
    assert bill(sonnet, Bill(output=1), NOVEMBER, fast=True) is None
    assert bill(sonnet, Bill(output=1), NOVEMBER, us=True) is None
    assert bill(sonnet, Bill(output=1), NOVEMBER, batch=True) is not None


@pytest.mark.parametrize(("field", "reads"), [("written_5m", 1), ("written_1h", 2)])
def test_a_cached_prefix_pays_after_a_read_or_two(field: str, reads: int) -> None:
    """PRICE-07, at reads of 0.1 of the price."""

    def saved(times: int) -> float:
        cached = cost("claude-sonnet-4-5", Bill(**{field: MILLION})) + times * cost(
            "claude-sonnet-4-5", Bill(read=MILLION)
        )
        return (times + 1) * cost("claude-sonnet-4-5", Bill(uncached=MILLION)) - cached

    assert saved(reads - 1) < 0 < saved(reads)
