"""TOK: what follows the rules about usage and count_tokens."""

from __future__ import annotations

from typing import Any

import pytest

from ctxwindow import Conversation
from ctxwindow.catalog import resolve
from ctxwindow.rules import find_violations
from ctxwindow.tiers.decisions import Count
from ctxwindow.tiers.requests import count_of
from ctxwindow.window import count, read_usage
from ctxwindow.window.billing import shares
from ctxwindow.window.served import serve

BOUND, KEEPS, STRIPS = "claude-opus-5-5", "claude-opus-4-6", "claude-haiku-4-5"
HI: dict[str, Any] = {"role": "user", "content": "hi"}
TEXT: dict[str, Any] = {"type": "text", "text": "a"}
THOUGHT: dict[str, Any] = {"type": "thinking", "thinking": "Why? " * 100, "signature": "s"}
REPLY = {"role": "assistant", "content": [THOUGHT, TEXT]}


def tokens(*messages: Any, model: str = KEEPS, **more: Any) -> int:
    return count({"model": model, "messages": list(messages), **more}).tokens


def test_tok_05() -> None:
    """Streamed estimates of thinking are hints, and come only where thinking is omitted."""

    def found(model: str, **thinking: Any) -> list[tuple[str, str, str]]:
        settings = {"thinking": {"type": "adaptive", **thinking}, "betas": ["thinking-token-count-2026-05-13"]}
        violations = find_violations({"model": model, "messages": [HI], **settings})
        return [(violation.rule, violation.path, violation.severity) for violation in violations]

    warning = [("TOK-05", "betas", "warning")]
    assert found(BOUND) == found(KEEPS, display="omitted") == []
    assert found(BOUND, display="summarized") == warning
    assert found(KEEPS) == warning


def test_what_usage_says() -> None:
    """TOK-01, TOK-02, TOK-03, TOK-04, THINK-05: the uncached rest, what was written by lifetime, and the reply with its
    thinking, which max_tokens bounds together."""
    usage = read_usage(
        {
            "input_tokens": 50,
            "cache_read_input_tokens": 100_000,
            "cache_creation_input_tokens": 248,
            "cache_creation": {"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100},
            "output_tokens": 700,
            "output_tokens_details": {"thinking_tokens": 512},
        }
    )
    assert usage is not None
    assert (usage.uncached, usage.written_5m, usage.written_1h) == (50, 148, 100)
    assert usage.prompt == 50 + 100_000 + 248
    assert (usage.output, usage.thinking) == (700, 512)


def test_an_entry_of_a_compaction_sizes_nothing() -> None:
    """TOK-09, TOK-10: neither it nor the sum of several prompts is the size of one."""
    first, second = ({"type": "message", "input_tokens": size, "output_tokens": 9} for size in (400, 1_300))
    closing = {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3_500}
    usage = read_usage({"input_tokens": 1_700, "output_tokens": 18, "iterations": [first, second, closing]})
    assert usage is not None
    assert usage.prompt == 1_300


def test_count_tokens_is_asked_what_create_is_asked_but_for_the_reply() -> None:
    """TOK-12, TOK-13."""
    settings = {
        "stop_sequences": ["."],
        "metadata": {"user_id": "u"},
        "service_tier": "auto",
        "thinking": {"type": "adaptive"},
    }
    conversation = Conversation.start(model=KEEPS, system="s", settings=settings)
    conversation.append(HI)
    asked = count_of(conversation._state, 100)
    assert isinstance(asked, Count)
    assert asked.request == {"model": KEEPS, "system": "s", "messages": [HI], "thinking": {"type": "adaptive"}}


def test_a_count_with_edits_and_without_them() -> None:
    """TOK-14."""
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "x y z " * 500}
    clear = {"type": "clear_tool_uses_20250919", "keep": {"type": "tool_uses", "value": 0}}
    edits = [{**clear, "trigger": {"type": "input_tokens", "value": 100}}]
    messages = [HI, call, {"role": "user", "content": [result]}]
    plain = {"model": KEEPS, "messages": messages}
    served = serve({**plain, "context_management": {"edits": edits}}, resolve(KEEPS))
    assert served.original_tokens == count(plain).tokens
    assert served.window.tokens < served.original_tokens - 500


def test_a_count_covers_what_is_sent() -> None:
    """TOK-16: of a server tool its definition and what the history holds, not what it will find."""
    search = {"type": "web_search_20250305", "name": "web_search"}
    assert tokens(HI, tools=[search]) > tokens(HI)
    found = {
        "type": "web_search_tool_result",
        "tool_use_id": "s",
        "content": [{"type": "web_search_result", "title": "t"}],
    }
    asked = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    reply = {"role": "assistant", "content": [asked, found, TEXT]}
    assert tokens(HI, reply, HI, tools=[search]) > tokens(HI, {**reply, "content": [TEXT]}, HI, tools=[search])


def test_a_body_to_be_counted_is_judged_as_one_to_be_answered() -> None:
    """TOK-17, TOK-18: bound thinking and a forced tool_choice, without max_tokens."""
    before = {"model": BOUND, "messages": [HI, REPLY, HI]}
    edited = {"model": BOUND, "messages": [{"role": "user", "content": "hello"}, REPLY, HI]}
    assert [violation.rule for violation in find_violations(edited, previous=before)] == ["BIND-05"]
    forced = {"model": BOUND, "messages": [HI], "tool_choice": {"type": "any"}}
    assert [violation.rule for violation in find_violations(forced)] == ["TOOL-15"]


def test_thinking_of_earlier_turns_counts_by_model() -> None:
    """TOK-19, PRICE-05, REPLAY-06: on keep-all models it is input again, and never output."""
    silent = {"role": "assistant", "content": [TEXT]}
    assert tokens(HI, REPLY, HI) > tokens(HI, silent, HI) + 100
    assert tokens(HI, REPLY, HI, model=STRIPS) == tokens(HI, silent, HI, model=STRIPS)


def test_results_for_code_are_outside() -> None:
    """TOK-20."""

    def window(caller: dict[str, str]) -> int:
        call = {"type": "tool_use", "id": "t", "name": "f", "input": {}, "caller": caller}
        result = {"type": "tool_result", "tool_use_id": "t", "content": "x y z " * 500}
        return tokens(HI, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]})

    assert window({"type": "code_execution_20250825", "tool_id": "s"}) < window({"type": "direct"}) - 500


def test_citations_count_nothing() -> None:
    """TOK-21."""
    cited = {**TEXT, "citations": [{"type": "char_location", "cited_text": "x y z " * 500}]}
    assert tokens(HI, {"role": "assistant", "content": [cited]}, HI) == tokens(
        HI, {"role": "assistant", "content": [TEXT]}, HI
    )


def test_what_is_left_out_counts_nothing() -> None:
    """TOK-23, PRICE-06: thinking that is dropped or cannot be read, as if it were not sent."""
    request = {"model": BOUND, "messages": [HI, REPLY, HI]}
    path = ["messages.1.content.0"]
    sent = serve(request, resolve(BOUND)).window
    for window in (
        serve(request, resolve(BOUND), dropped=path).window,
        serve(request, resolve(BOUND), unreadable=path).window,
    ):
        assert window.tokens == sent.tokens - sent.by["thinking"]
        assert sum(window.not_counted.values()) == sent.by["thinking"]


@pytest.mark.parametrize("model", [KEEPS, BOUND])
def test_two_messages_of_a_role_cost_a_little_more_than_one(model: str) -> None:
    """TOK-24: about a token; here the frame of a message, less that of a second text in one message."""
    two = tokens(HI, HI, model=model)
    one = tokens({"role": "user", "content": [{"type": "text", "text": "hi"}] * 2}, model=model)
    assert 0 < two - one <= 2


def test_a_fallback_that_sticks_shows_in_the_usage_alone() -> None:
    """FB-08, TOK-11: the fallback model answers at once, without a `fallback` block."""
    entry = {"type": "fallback_message", "model": "claude-opus-5", "input_tokens": 9, "output_tokens": 3}
    (share,) = shares({"input_tokens": 9, "output_tokens": 3, "iterations": [entry]})
    assert (share.model, share.tokens.prompt, share.tokens.output) == ("claude-opus-5", 9, 3)
