from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.emulator import ApiError, Limits
from ctxwindow.emulator.limits import Meter


def test_rate_04_the_defaults_are_the_tier_start() -> None:
    assert Limits() == Limits(requests=1_000, input_tokens=2_000_000, output_tokens=400_000)


def test_rate_02_tokens_are_charged_afterwards_and_come_back() -> None:
    meter = Meter(Limits(requests=10, input_tokens=600, output_tokens=600))
    meter.admit(0.0)
    meter.charge(input_tokens=900, output_tokens=0)
    with pytest.raises(ApiError) as refusal:
        meter.admit(0.0)
    assert refusal.value.headers["retry-after"] == "31"  # 301 tokens at 10 a second
    with pytest.raises(ApiError):
        meter.admit(30.0)
    meter.admit(31.0)
    assert "600 input tokens per minute" in refusal.value.message


def test_a_clock_that_goes_back_gives_nothing() -> None:
    meter = Meter(Limits(requests=1))
    meter.admit(100.0)
    for at in (0.0, 99.0, 100.0):
        with pytest.raises(ApiError):
            meter.admit(at)


@given(st.lists(st.floats(0, 120), max_size=30), st.integers(1, 5))
def test_no_more_than_the_bucket_and_what_came_back(times: list[float], size: int) -> None:
    """In any stretch of time a bucket lets through what it holds and what it gains (RATE-01)."""
    meter, passed = Meter(Limits(requests=size)), 0
    for at in sorted(times):
        try:
            meter.admit(at)
        except ApiError:
            continue
        passed += 1
    assert passed <= size + size * 120 / 60
