from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.window.doubt import Suspicion, contradiction, is_open_ended
from ctxwindow.window.tokens import Count

EXPECTED = Count(tokens=10_000, low=9_900, high=10_200, exact=False)


def doubt(reported: int, expected: Count = EXPECTED, **facts: Any) -> str | None:
    return contradiction(reported, expected, **{"window": 200_000, "open_ended": False, **facts})


@pytest.mark.parametrize("reported", [9_900, 10_000, 10_200, 6_500, 14_000])
def test_what_can_be_is_believed(reported: int) -> None:
    """Clients add reminders and shorten old results, so that it may be off by a good part."""
    assert doubt(reported) is None


@pytest.mark.parametrize(
    ("reported", "facts", "why"),
    [
        (4_000, {}, "less than half"),
        (0, {}, "no request"),
        (20_000, {}, "far more"),
        (3_000_000, {"open_ended": True}, "windows"),
        (6_990, {"tools": 3_000}, "without its tools"),
        (18_050, {"cached": 8_000, "open_ended": True}, "counted twice"),
        (9_000, {"output": 150}, "round numbers"),
    ],
)
def test_what_cannot_be_is_doubted(reported: int, facts: dict[str, Any], why: str) -> None:
    found = doubt(reported, **facts)
    assert found is not None
    assert why in found


def test_a_gateway_may_add_what_nobody_knows_of() -> None:
    assert doubt(150_000, open_ended=True) is None
    assert doubt(150_000) is not None


def test_round_numbers_within_the_bounds_are_numbers_like_others() -> None:
    assert doubt(10_000, output=200) is None
    assert doubt(9_050, output=201) is None


def test_the_cached_tokens_are_only_missing_once() -> None:
    assert doubt(12_000, cached=8_000) is None


@given(st.integers(-(10**12), 10**12), st.integers(0, 10**7), st.integers(0, 10**6), st.integers(0, 10**6))
def test_what_is_within_the_bounds_is_believed(reported: int, tokens: int, below: int, above: int) -> None:
    expected = Count(tokens=tokens, low=max(0, tokens - below), high=tokens + above, exact=False)
    found = contradiction(reported, expected, window=10**9, tools=500, cached=700, output=50)
    if expected.low <= reported <= expected.high and reported > 0:
        assert found is None
    if reported <= 0:
        assert found is not None


@pytest.mark.parametrize(
    ("second", "confirmed"),
    [
        ((30_500, 10_480), True),  # a prompt of 20,000 that a gateway adds
        ((30_500, 10_300), False),
        ((30_000, 10_500), False),  # the same number again
        ((30_005, 10_005), False),  # too little to tell
        ((8_400, 5_000), False),
        ((25_010, 5_000), True),  # the same prompt after a compaction
    ],
)
def test_a_report_that_is_off_by_the_same_confirms_the_one_before(second: tuple[int, int], confirmed: bool) -> None:
    assert Suspicion(reported=30_000, expected=10_000).confirmed_by(*second) is confirmed


@given(st.integers(100, 10**6), st.integers(1, 10**5))
def test_neither_doubled_nor_constant_numbers_confirm_each_other(expected: int, grown: int) -> None:
    assert not Suspicion(reported=2 * expected, expected=expected).confirmed_by(
        2 * (expected + grown), expected + grown
    )
    assert not Suspicion(reported=77, expected=expected).confirmed_by(77, expected + grown)


@pytest.mark.parametrize(
    ("request_", "open_ended"),
    [
        ({}, False),
        ({"tools": [{"name": "read", "input_schema": {}}, {"type": "custom", "name": "write"}]}, False),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, True),
        ({"mcp_servers": [{"type": "url", "url": "https://example.org", "name": "x"}]}, True),
        ({"container": "container_1"}, True),
    ],
)
def test_servers_add_what_the_client_cannot_count(request_: dict[str, Any], open_ended: bool) -> None:
    assert is_open_ended(request_) is open_ended
