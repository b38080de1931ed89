"""CTX: what follows the rules about the window."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given

from ctxwindow.catalog import models, resolve
from ctxwindow.emulator.generation import generate
from ctxwindow.emulator.replies import make_reply
from ctxwindow.testing import requests
from ctxwindow.tiers.state import usable
from ctxwindow.window import Bill, bill, count
from ctxwindow.window.cost import TTL_SECONDS
from ctxwindow.window.tokens import estimate_text

NOVEMBER = 1_795_132_800.0
"""2026-11-20 in seconds since the epoch."""


def without_markers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_markers(inner) for key, inner in value.items() if key != "cache_control"}
    return [without_markers(inner) for inner in value] if isinstance(value, list) else value


@given(requests())
def test_caching_changes_no_count(request: dict[str, Any]) -> None:
    """CTX-03: caching changes price and rate limits, never what the window holds."""
    marked = copy.deepcopy(request)
    marked["system"] = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    assert set(TTL_SECONDS) == {"5m", "1h"}
    assert count(marked).tokens == count(without_markers(marked)).tokens


def test_windows_are_by_model() -> None:
    """CTX-04, CTX-05."""
    million = {profile.id for profile in models() if profile.window == 1_000_000}
    assert {
        "claude-opus-4-6",
        "claude-sonnet-4-6",
        "claude-haiku-5-5",
        "claude-fable-5",
        "claude-mythos-5-2",
    } <= million
    assert {resolve(model).window for model in ("claude-sonnet-4-5", "claude-opus-4-5", "claude-haiku-4-5")} == {
        200_000
    }


def test_a_reply_ends_at_the_edge_of_the_window() -> None:
    """CTX-09, V-CTX-3: 150k of a window of 200k, max_tokens 64k: at most 50k are generated."""
    reply = make_reply("So it goes. " * 30_000)
    profile = resolve("claude-sonnet-4-5")
    generated = generate(reply, {"max_tokens": 64_000}, profile, 150_000)  # type: ignore[arg-type] # no fault
    assert generated.stop_reason == "model_context_window_exceeded"
    assert 49_000 < generated.output <= 50_000
    cut = generate(reply, {"max_tokens": 1_000}, profile, 150_000)  # type: ignore[arg-type] # no fault
    assert (cut.stop_reason, cut.output <= 1_000) == ("max_tokens", True)


def test_a_reply_that_ended_at_the_edge_is_kept_where_it_is_whole() -> None:
    """CTX-11: like one cut by max_tokens (MSG-14)."""
    text = {"role": "assistant", "content": [{"type": "text", "text": "So it"}]}
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]}
    for stop_reason in ("max_tokens", "model_context_window_exceeded"):
        assert usable(text, stop_reason)
        assert not usable(call, stop_reason)
    assert usable(call, "tool_use")


@pytest.mark.parametrize("model", ["claude-opus-4-6", "claude-sonnet-5-5", "claude-fable-5-1"])
def test_a_long_prompt_costs_no_more_per_token(model: str) -> None:
    """CTX-13, PRICE-04."""
    short, long = (bill(resolve(model), Bill(uncached=tokens), NOVEMBER) for tokens in (9_000, 900_000))
    assert short is not None
    assert long == pytest.approx(100 * short)


def test_which_models_are_told_their_budget() -> None:
    """CTX-14."""
    told = {profile.id for profile in models() if profile.features.context_awareness}
    assert told == {"claude-sonnet-5", "claude-sonnet-4-6", "claude-sonnet-4-5-20250929", "claude-haiku-4-5-20251001"}


def test_text_that_the_server_adds_is_counted() -> None:
    """CTX-15, PRICE-08, TOOL-14: the prompt for tools, and that of manual thinking."""
    plain: dict[str, Any] = {"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "hi"}]}
    tool = {"name": "f", "input_schema": {"type": "object"}}
    assert count({**plain, "tools": [tool]}).overheads["tool prompt"] == 496
    assert count({**plain, "tools": [tool], "tool_choice": {"type": "any"}}).overheads["tool prompt"] == 588
    assert "tool prompt" not in count(plain).overheads
    thinking = {"type": "enabled", "budget_tokens": 1_024}
    assert count({**plain, "thinking": thinking}).tokens == count(plain).tokens + 29  # recorded: 28 to 30


def test_length_by_four_is_no_rule() -> None:
    """CTX-21: the same length is a different number of tokens, by text and by tokenizer."""
    prose, numbers = "It was a bright cold day in April. " * 8, "4 17 92 0x3f {} [] :: -> != 8a " * 9
    estimates = {
        (name, tokenizer): estimate_text(text[:272], tokenizer).tokens
        for name, text in (("prose", prose), ("numbers", numbers))
        for tokenizer in ("v3", "v4.7")
    }
    assert len(set(estimates.values())) == 4
    assert max(estimates.values()) > 1.4 * 272 / 4
