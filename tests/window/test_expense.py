from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.catalog import resolve
from ctxwindow.testing import json_values
from ctxwindow.window import Bill, bill
from ctxwindow.window.expense import Expense, answered, unanswered

NOVEMBER = dt.datetime(2026, 11, 20, tzinfo=dt.UTC).timestamp()
OPUS = "claude-opus-5-5"
"""4 dollars per million in, 20 out, 0.2 read, 5 written for 5 minutes, 8 for an hour."""


def spent(usage: Any, asked: str = OPUS, *, at: float | None = NOVEMBER, **known: Any) -> Expense:
    sent = Expense(send=1, turn=1, model=asked, at=at, warm=0.01, cold=0.02, lives=True)
    return answered(sent, usage, profile=resolve(asked), **known)


def usage(sent: Any = 1_000, output: Any = 100, **fields: Any) -> dict[str, Any]:
    return {"input_tokens": sent, "output_tokens": output, **fields}


def thought(tokens: int) -> dict[str, Any]:
    return {"output_tokens_details": {"thinking_tokens": tokens}}


SEARCHES = "server_tool_use.web_search_requests"

CACHED = {
    "cache_read_input_tokens": 50_000,
    "cache_creation_input_tokens": 3_000,
    "cache_creation": {"ephemeral_5m_input_tokens": 2_000, "ephemeral_1h_input_tokens": 1_000},
}


def test_a_send_by_hand() -> None:
    """TOK-01 to TOK-04: each kind of token at its own price, thinking as a part of the output."""
    found = spent(usage(**CACHED, output_tokens_details={"thinking_tokens": 60}))
    assert found.tokens == Bill(uncached=1_000, read=50_000, written_5m=2_000, written_1h=1_000, output=100)
    by_hand = {"uncached": 0.004, "read": 0.01, "written_5m": 0.01, "written_1h": 0.008, "output": 0.002}
    assert found.by == pytest.approx(by_hand)
    assert found.dollars == pytest.approx(sum(by_hand.values()))
    assert (found.thinking, found.thinking_dollars) == pytest.approx((60, 0.0012))
    assert (found.outcome, found.unknown) == ("answered", ())


def test_the_forecast_is_compared_with_the_prompt_alone() -> None:
    """Law 12."""
    found = spent(usage(sent=4_000))
    assert (found.forecast, found.prompt_dollars) == pytest.approx((0.01, 0.016))
    assert found.error == pytest.approx((0.01 - 0.016) / 0.016)
    assert spent(None).error is None
    assert spent({"output_tokens": 5}).error is None, "the size of the prompt is not told"


@pytest.mark.parametrize(("told", "arrived", "output"), [(1, 400, 400), (700, 400, 700), (1, 0, 1), (None, 400, 400)])
def test_tok_06_a_reply_that_was_cut_costs_what_came_of_it_at_least(told: Any, arrived: int, output: int) -> None:
    found = spent(usage(output=told, **CACHED), arrived=arrived)
    assert found.tokens == Bill(uncached=1_000, read=50_000, written_5m=2_000, written_1h=1_000, output=output)
    assert found.prompt_dollars == spent(usage(**CACHED)).prompt_dollars
    assert found.dollars == pytest.approx(0.032 + output * 20e-6)
    assert found.outcome == "cut"
    assert found.unknown[-1] == "output that was cut off"
    nothing = spent(None, arrived=arrived)
    assert (nothing.outcome, nothing.dollars, nothing.unknown) == ("cut", None, ("usage",))


@pytest.mark.parametrize(
    ("fields", "factor"),
    [
        ({"service_tier": "batch"}, 0.5),
        ({"inference_geo": "us"}, 1.1),
        ({"speed": "fast"}, 2.0),
        ({"service_tier": "batch", "inference_geo": "us", "speed": "fast"}, 1.1),
        ({"service_tier": "standard", "inference_geo": "global", "speed": "standard"}, 1.0),
        ({"service_tier": None, "inference_geo": "not_available", "speed": None}, 1.0),
    ],
)
def test_the_terms_of_a_response_multiply_its_price(fields: dict[str, Any], factor: float) -> None:
    """PRICE-02: they all stack."""
    assert spent(usage(**CACHED, **fields)).dollars == pytest.approx((spent(usage(**CACHED)).dollars or 0) * factor)


def test_searches_are_charged_each() -> None:
    """PRICE-09: 10 dollars per 1,000 searches, which no batch makes cheaper."""
    found = spent(usage(server_tool_use={"web_search_requests": 3, "web_fetch_requests": 2}, service_tier="batch"))
    assert (found.searches, found.by["web_search"]) == pytest.approx((3, 0.03))
    assert found.dollars == pytest.approx(0.03 + (0.004 + 0.002) / 2)


def test_hours_of_code_execution_are_said_to_be_unknown() -> None:
    """PRICE-09: no usage tells them."""
    ran = {"content": [{"type": "server_tool_use", "id": "s", "name": "bash_code_execution", "input": {}}]}
    assert spent(usage(), message=ran).unknown == ("hours of code execution",)
    searched = {"content": [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}]}
    assert spent(usage(), message=searched).unknown == ()


def test_the_tier_is_judged_for_each_sampling() -> None:
    """PRICE-03, V-PRICE-1; a prompt of 60,000 sampled twice is no prompt of 120,000."""
    haiku = "claude-haiku-5-5"
    assert spent(usage(100_000, 1_000), haiku).dollars == pytest.approx(0.0105)
    assert spent(usage(100_001, 1_000), haiku).dollars == pytest.approx(0.0525005)
    half = {"type": "message", "input_tokens": 60_000, "output_tokens": 0}
    assert spent(usage(120_000, 0, iterations=[half, half]), haiku).dollars == pytest.approx(0.012)


def test_compaction_and_advice_have_prices_of_their_own() -> None:
    """TOK-08, V-TOK-2, V-TOK-3: neither is in the top-level usage; advice is billed at its own model's price."""
    iterations = [
        {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3_500},
        {"type": "message", "input_tokens": 23_000, "output_tokens": 1_000},
        {"type": "advisor_message", "model": "claude-fable-5", "input_tokens": 1_000, "output_tokens": 100},
    ]
    found = spent(usage(23_000, 1_000, iterations=iterations))
    by_hand = {"compaction": 0.79, "uncached": 0.092, "output": 0.02, "advisor_message": 0.015}
    assert found.by == pytest.approx(by_hand)
    assert found.dollars == pytest.approx(sum(by_hand.values()))


def test_a_fallback_is_billed_at_the_price_of_each_attempt() -> None:
    """TOK-11, FB-02: an attempt refused before any output is not billed."""
    tried = {"type": "message", "model": "claude-fable-5", "input_tokens": 1_000, "output_tokens": 10}
    served = {"type": "fallback_message", "model": OPUS, "input_tokens": 1_000, "output_tokens": 100}
    found = spent(usage(iterations=[tried, served]), "claude-fable-5", model=OPUS)
    assert found.model == OPUS
    assert found.dollars == pytest.approx((0.01 + 0.0005) + (0.004 + 0.002))
    refused = spent(usage(iterations=[{**tried, "output_tokens": 0}, served]), "claude-fable-5", model=OPUS)
    assert refused.dollars == pytest.approx(0.004 + 0.002)
    assert refused.tokens == Bill(uncached=1_000, output=100)


def test_a_refusal_before_any_output_is_not_billed() -> None:
    """FB-02: mid-stream it is."""
    assert spent(usage(106, 1), message={"content": []}, stop_reason="refusal").dollars == 0
    partly = spent(usage(), message={"content": [{"type": "text", "text": "I"}]}, stop_reason="refusal")
    assert partly.dollars == pytest.approx(0.006)


def test_a_credit_is_named_and_not_guessed() -> None:
    """FB-12: nothing says what it was worth."""
    assert spent(usage(fallback_credit={"status": {"type": "redeemed"}})).unknown == ("the fallback credit",)
    assert spent(usage(fallback_credit={"status": {"type": "not_applied"}})).unknown == ()


@pytest.mark.parametrize(
    ("found", "unknown"),
    [
        (spent(usage(), at=0.0), "the price of claude-opus-5-5"),
        (spent(usage(), at=None), "the price of claude-opus-5-5"),
        (spent(usage(), at=1e300), "the price of claude-opus-5-5"),
        (spent(usage(), "claude-mythos-preview"), "the price of claude-mythos-preview"),
        (spent(usage(), model="claude-of-2031"), "the price of claude-of-2031"),
        (spent(usage(service_tier="priority")), "the price of this service_tier"),
        (spent(usage(inference_geo="eu")), "the price of this inference_geo"),
        (spent(usage(speed=["fast"])), "the price of this speed"),
        (spent(None), "usage"),
        (spent("12"), "usage"),
    ],
)
def test_what_has_no_price_costs_no_dollars_that_are_told(found: Expense, unknown: str) -> None:
    assert found.dollars is None
    assert found.by == {}
    assert found.unknown == (unknown,)


@pytest.mark.parametrize(
    ("fields", "unknown", "dollars"),
    [
        (usage(sent=-1), ["input_tokens"], 0.002),
        (usage(sent="1000"), ["input_tokens"], 0.002),
        (usage(sent=10**400), ["input_tokens (too large)"], 0.002),
        (usage(sent=10**8), ["input_tokens (too large)"], 0.002),
        (usage(output=10**6), ["output_tokens (too large)"], 0.004),
        (usage(server_tool_use={"web_search_requests": 10**12}), [f"{SEARCHES} (too large)"], 0.006),
        (usage(output=None), ["output_tokens"], 0.004),
        ({"input_tokens": 1_000}, ["output_tokens"], 0.004),
        (usage(cache_read_input_tokens=None), [], 0.006),
        (usage(cache_read_input_tokens=1.5), ["cache_read_input_tokens"], 0.006),
        (
            usage(cache_creation={"ephemeral_1h_input_tokens": True}),
            ["cache_creation.ephemeral_1h_input_tokens"],
            0.006,
        ),
        (usage(server_tool_use={"web_search_requests": -3}), [SEARCHES], 0.006),
        (usage(output_tokens_details={"thinking_tokens": 101}), ["output_tokens_details.thinking_tokens"], 0.006),
        (usage(output_tokens_details="much"), [], 0.006),
        (usage(iterations=[{"type": "message"}]), ["iterations"], 0.006),
        (usage(iterations=["x"]), ["iterations"], 0.006),
    ],
)
def test_of_a_damaged_usage_what_is_known_is_kept(fields: dict[str, Any], unknown: list[str], dollars: float) -> None:
    found = spent(fields)
    assert list(found.unknown) == unknown
    assert found.dollars == pytest.approx(dollars)


@pytest.mark.parametrize(
    "fields", [{}, usage(None, -1), usage(10**11, 10**11), {"iterations": ["x"]}, {"iterations": [{}]}]
)
def test_where_nothing_can_be_read_no_dollars_are_told(fields: dict[str, Any]) -> None:
    found = spent(fields)
    assert (found.dollars, found.by) == (None, {})
    assert found.unknown, "the reason stands beside"
    assert spent(fields, message={"content": []}, stop_reason="refusal").dollars == 0, "FB-02"


def test_a_reply_is_no_longer_than_was_asked_for() -> None:
    """CTX-06, TOK-09: each sampling has `max_tokens` of its own."""
    sent = Expense(send=1, turn=1, model=OPUS, at=NOVEMBER, max_tokens=1_000)
    call = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}

    def dollars(output: int, content: list[dict[str, Any]]) -> float | None:
        profile = resolve(OPUS)
        return answered(sent, usage(0, output), profile=profile, message={"content": content}).by.get("output")

    assert dollars(1_000, []) == pytest.approx(0.02)
    assert dollars(1_001, []) is None
    assert dollars(2_000, [call]) == pytest.approx(0.04)
    assert dollars(2_001, [call]) is None


def test_in_a_batch_a_reply_may_be_longer() -> None:
    """CTX-06"""
    long = usage(0, 300_000)
    assert spent(long, "claude-opus-4-8").unknown == ("output_tokens (too large)",)
    assert spent({**long, "service_tier": "batch"}, "claude-opus-4-8").unknown == ()


def test_a_prompt_that_is_not_all_told_is_compared_with_no_forecast() -> None:
    """Law 12."""
    for damage in ({"cache_read_input_tokens": -1}, {"cache_read_input_tokens": 10**9}, {"iterations": ["x"]}):
        assert spent(usage(**damage)).error is None


def test_requests_without_a_reply() -> None:
    sent = Expense(send=1, turn=1, model=OPUS, at=NOVEMBER)
    failed, lost = unanswered(sent), unanswered(sent, billed=None)
    assert (failed.outcome, failed.dollars, failed.unknown) == ("failed", 0.0, ())
    assert (lost.outcome, lost.dollars, lost.unknown) == ("given_up", None, ("whether it was billed",))


def test_thinking_of_a_refusal_costs_nothing() -> None:
    """FB-02"""
    found = spent(usage(20, 50, **thought(50)), message={"content": []}, stop_reason="refusal")
    assert (found.dollars, found.by, found.thinking_dollars) == (0.0, {}, 0.0)


def test_thinking_is_priced_at_the_model_that_made_the_reply() -> None:
    """TOK-11: more of it than that one wrote is no share of its output."""
    tried = {"type": "message", "model": "claude-fable-5", "input_tokens": 20, "output_tokens": 50}
    served = {"type": "fallback_message", "model": OPUS, "input_tokens": 20, "output_tokens": 10}
    fields = {"iterations": [tried, served]}
    found = spent(usage(20, 10, **fields, **thought(8)), "claude-fable-5", model=OPUS)
    assert (found.thinking, found.thinking_dollars) == pytest.approx((8, 8 * 20 / 1_000_000))
    other = spent(usage(20, 60, **fields, **thought(55)), "claude-fable-5", model=OPUS)
    assert (other.thinking, other.thinking_dollars) == (None, None)
    assert other.unknown == ("output_tokens_details.thinking_tokens",)


counts = st.integers(min_value=0, max_value=200_000)


outputs = st.integers(min_value=0, max_value=64_000)


bills = st.builds(Bill, uncached=counts, read=counts, written_5m=counts, written_1h=counts, output=outputs)


@given(bills, st.sampled_from([OPUS, "claude-haiku-5-5", "claude-opus-4-6"]))
def test_what_was_bought_sums_up_to_the_bill(tokens: Bill, model: str) -> None:
    found = spent({**tokens.as_usage(), "output_tokens": tokens.output}, model)
    assert found.tokens == tokens
    assert found.dollars == pytest.approx(bill(resolve(model), tokens, NOVEMBER))
    assert sum(found.by.values()) == pytest.approx(found.dollars)


@given(json_values())
def test_no_usage_makes_it_fail(value: Any) -> None:
    fields = ("input_tokens", "iterations", "server_tool_use", "cache_creation", "service_tier", "fallback_credit")
    for given_usage in (value, *(usage(**{field: value}) for field in fields if field != "input_tokens"), usage(value)):
        found = spent(given_usage, message={"content": value}, stop_reason="refusal")
        assert found.outcome == "answered"
        assert found.dollars is None or found.dollars == pytest.approx(sum(found.by.values()))
        cut = spent(given_usage, message={"content": value}, arrived=9)
        assert cut.outcome == "cut"
        assert cut.dollars is None or cut.dollars == pytest.approx(sum(cut.by.values()))


samplings = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["message", "fallback_message", "compaction", "advisor_message"]),
        "input_tokens": st.integers(min_value=0, max_value=200_000),
        "output_tokens": st.integers(min_value=0, max_value=1_000),
    },
    optional={"model": st.sampled_from([OPUS, "claude-haiku-5-5", "claude-fable-5", "claude-of-2031"])},
)


@given(st.lists(samplings, max_size=4), st.integers(0, 2_000), st.sampled_from(["refusal", "end_turn"]), st.booleans())
def test_thinking_is_a_part_of_what_the_output_cost(
    iterations: list[dict[str, Any]], thinking: int, stop_reason: str, empty: bool
) -> None:
    """TOK-04, TOK-11, FB-02"""
    message: dict[str, Any] = {"content": [] if empty else [{"type": "text", "text": "I"}]}
    found = spent(usage(iterations=iterations, **thought(thinking)), message=message, stop_reason=stop_reason)
    if found.thinking_dollars is not None:
        assert 0 <= found.thinking_dollars <= found.by.get("output", 0.0) + 1e-12
