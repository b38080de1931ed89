from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from ctxwindow.testing import json_values
from ctxwindow.window import read_usage
from ctxwindow.window.usage import latest


def test_the_prompt_is_the_sum_of_three_fields() -> None:
    """CTX-02: total prompt size is the sum of three usage fields (V-CTX-1)."""
    usage = read_usage({"input_tokens": 50, "cache_read_input_tokens": 100_000, "cache_creation_input_tokens": 0})
    assert usage is not None
    assert usage.prompt == 100_050
    assert usage.output is None


def test_written_tokens_by_lifetime() -> None:
    """TOK-02: cache_creation_input_tokens = 5m + 1h."""
    usage = read_usage(
        {
            "input_tokens": 0,
            "cache_creation_input_tokens": 248,
            "cache_creation": {"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100},
        }
    )
    assert usage is not None
    assert (usage.written_5m, usage.written_1h) == (148, 100)


def test_size_comes_from_the_last_message_iteration() -> None:
    """CTX-17: never from a compaction or advisor entry, and never from the summed top level (V-TOK-2, V-TOK-3)."""
    compacted = {
        "input_tokens": 23_000,
        "output_tokens": 1_000,
        "iterations": [
            {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3_500},
            {"type": "message", "input_tokens": 23_000, "output_tokens": 1_000},
        ],
    }
    advised = {
        "input_tokens": 1_760,
        "cache_read_input_tokens": 412,
        "output_tokens": 531,
        "iterations": [
            {"type": "message", "input_tokens": 412, "output_tokens": 89},
            {"type": "advisor_message", "input_tokens": 823, "output_tokens": 1_612},
            {"type": "message", "input_tokens": 1_348, "cache_read_input_tokens": 412, "output_tokens": 442},
        ],
    }
    sizes = [usage.prompt for usage in map(read_usage, (compacted, advised)) if usage is not None]
    assert sizes == [23_000, 1_760]


def test_several_compactions_in_one_response() -> None:
    """CMP-10, CMP-11: the prompt is that of the last message iteration, however many compactions were made before it."""
    usage = read_usage(
        {
            "input_tokens": 46_000,
            "output_tokens": 1_500,
            "iterations": [
                {"type": "compaction", "input_tokens": 3_000, "output_tokens": 2_000},
                {"type": "message", "input_tokens": 21_000, "output_tokens": 500},
                {"type": "compaction", "input_tokens": 4_000, "output_tokens": 2_500},
                {"type": "message", "input_tokens": 25_000, "output_tokens": 1_000},
            ],
        }
    )
    assert usage is not None
    assert (usage.prompt, usage.output) == (25_000, 1_500)


def test_thinking_share() -> None:
    usage = read_usage({"input_tokens": 1, "output_tokens": 90, "output_tokens_details": {"thinking_tokens": 60}})
    assert usage is not None
    assert (usage.output, usage.thinking) == (90, 60)


@pytest.mark.parametrize(
    "usage",
    [
        {},
        {"input_tokens": None},
        {"input_tokens": -5},
        {"input_tokens": 1.5},
        {"input_tokens": True, "cache_read_input_tokens": "9"},
        {"input_tokens": 10, "output_tokens": -1},
        {"input_tokens": 10, "iterations": [{"type": "compaction", "input_tokens": 9}]},
        {"input_tokens": 10**30},
        {"input_tokens": 10, "cache_creation": {"ephemeral_5m_input_tokens": -3}},
    ],
)
def test_nothing_is_learnt_from_nonsense(usage: dict[str, Any]) -> None:
    read = read_usage(usage)
    assert read is not None
    assert read.prompt is None
    assert read.doubt


@given(json_values())
def test_any_json_is_read_without_an_error(value: Any) -> None:
    read_usage(value)
    read_usage({"input_tokens": value, "iterations": value, "cache_creation": value, "output_tokens_details": value})


def test_the_usage_of_a_stream_is_cumulative() -> None:
    """TOK-06."""
    usage: dict[str, Any] = {"input_tokens": 25, "cache_read_input_tokens": 7, "output_tokens": 1}
    for output in (15, 40):
        usage = latest(usage, {"input_tokens": None, "output_tokens": output})
    assert usage == {"input_tokens": 25, "cache_read_input_tokens": 7, "output_tokens": 40}


def test_written_tokens_may_be_told_by_lifetime_alone() -> None:
    usage = read_usage({"input_tokens": 5, "cache_creation": {"ephemeral_5m_input_tokens": 2_000}})
    assert usage is not None
    assert (usage.prompt, usage.written_5m, usage.doubt) == (2_005, 2_000, None)


def test_a_stream_that_falls_says_nothing() -> None:
    """TOK-06: cumulative numbers do not fall; some proxies send zeros at the end."""
    usage = latest({"input_tokens": 25, "output_tokens": 1}, {"input_tokens": 0, "output_tokens": 40})
    assert usage == {"input_tokens": 25, "output_tokens": 40}


def test_the_first_sampling_tells_the_request_and_the_last_the_window() -> None:
    """TOK-09, TOK-11: each entry is of its own model; a compaction before the first hides the request (TOK-10)."""
    first = {"type": "message", "input_tokens": 1_128, "output_tokens": 110}
    advice = {"type": "advisor_message", "input_tokens": 2_518, "output_tokens": 22, "model": "claude-opus-5"}
    last = {"type": "fallback_message", "input_tokens": 1_262, "output_tokens": 11, "model": "claude-opus-4-8"}
    usage = read_usage({"input_tokens": 2_390, "output_tokens": 121, "iterations": [first, advice, last]})
    assert usage is not None
    assert (usage.sent, usage.prompt, usage.samplings, usage.output) == (1_128, 1_262, 2, 121)
    assert (usage.sent_model, usage.model) == (None, "claude-opus-4-8")
    compacted = read_usage({"iterations": [{"type": "compaction", "input_tokens": 55_196}, first]})
    assert compacted is not None
    assert (compacted.sent, compacted.prompt) == (None, 1_128)


@pytest.mark.parametrize(
    ("usage", "why"),
    [
        ({"input_tokens": 9, "cache_creation_input_tokens": 1, "cache_read_input_tokens": 2}, "CACHE-08"),
        (
            {
                "input_tokens": 1_231,
                "cache_creation_input_tokens": 1_200,
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            },
            "TOK-02",
        ),
    ],
)
def test_numbers_that_contradict_each_other_are_read_and_doubted(usage: dict[str, Any], why: str) -> None:
    """As two recorded proxies sent them."""
    read = read_usage(usage)
    assert read is not None
    assert read.doubt is not None
    assert why in read.doubt
    assert read.prompt == sum(value for value in usage.values() if isinstance(value, int))


def test_more_thinking_than_output_is_none() -> None:
    """TOK-04: thinking_tokens <= output_tokens."""
    usage = read_usage({"input_tokens": 9, "output_tokens": 5, "output_tokens_details": {"thinking_tokens": 60}})
    assert usage is not None
    assert (usage.output, usage.thinking, usage.doubt) == (5, None, None)
