from __future__ import annotations

from typing import Any

import pytest

from ctxwindow import Conversation, Policy, Send, Summarize
from tests.driver import plan

LINE = "a line of text that a tool returned, number {}\n"


METHODS = ("spill", "summarize_keep_tail", "summarize_all")


def _filled(tokens: int, model: str = "claude-opus-5", **policy: Any) -> Conversation:
    """A conversation whose window holds about that many tokens, in finished turns."""
    conversation = Conversation.start(model=model, policy=Policy(methods=()))
    number = 0
    while conversation.window.tokens < tokens:
        conversation.append({"role": "user", "content": LINE.format(number) * 10})
        plan(conversation)
        conversation.receive({"content": LINE.format(number) * 5})
        number += 1
    conversation.append({"role": "user", "content": "Go on."})
    conversation._state.policy = Policy.parse({"high": 0.85, "methods": METHODS, **policy})
    return conversation


def test_under_the_mark_nothing_is_done() -> None:
    assert isinstance(_filled(5_000, budget=8_000).plan(max_tokens=1_000), Send)


def test_above_the_mark_the_history_is_shrunk_to_the_low_mark() -> None:
    conversation = _filled(6_200, budget=8_000)
    decision = conversation.plan(max_tokens=1_000)
    assert isinstance(decision, Summarize)
    low = decision.target
    assert 3_400 < low < 3_600
    conversation.summarized("They spoke of lines.", by="test")
    send = conversation.plan(max_tokens=1_000)
    assert isinstance(send, Send)
    assert send.window.tokens <= low
    assert send.edits[0].freed >= decision.freed > 0


def test_an_edit_that_frees_too_little_is_not_made() -> None:
    """Law 7: an edit frees at least what the policy asks for or is not made."""
    assert isinstance(_filled(5_960, budget=8_000, min_gain=0.9).plan(max_tokens=1_000), Send)


def test_unless_the_request_would_not_fit_without_it() -> None:
    assert isinstance(_filled(7_500, budget=8_000, min_gain=1.0).plan(max_tokens=1_000), Summarize)


def test_a_cut_at_the_start_of_a_turn_is_preferred() -> None:
    decision = _filled(6_200, budget=8_000).plan(max_tokens=1_000)
    assert isinstance(decision, Summarize)
    assert "from the start of a turn" in decision.why


@pytest.mark.parametrize(
    "methods", [("summarize_keep_tail",), ("summarize_all",), ("summarize_all", "summarize_keep_tail")]
)
def test_only_the_policys_methods_in_its_order(methods: tuple[str, ...]) -> None:
    decision = _filled(6_200, budget=8_000, methods=methods, prefer="order").plan(max_tokens=1_000)
    assert isinstance(decision, Summarize)
    assert decision.method == methods[0]


def test_the_target_moves_up_when_the_newest_message_is_large() -> None:
    conversation = Conversation.start(model="claude-opus-4-6", policy=Policy(budget=8_000))
    for number in range(4):
        conversation.append({"role": "user", "content": LINE.format(number) * 40})
        plan(conversation)
        conversation.receive({"content": LINE.format(number) * 40})
    conversation.append({"role": "user", "content": LINE.format(9) * 330})
    decision = conversation.plan(max_tokens=1_000)
    assert isinstance(decision, Summarize)
    assert 3_500 < decision.target <= 7_000
    send = plan(conversation, max_tokens=1_000)
    assert send.window.high + 1_000 <= 8_000


def test_where_the_upper_bound_cannot_be_met_the_estimate_shrinks() -> None:
    """A built-in tool is bounded at thousands of tokens; what can be sent by the estimate is sent, and says so."""
    tools = [{"type": "web_fetch_20250910", "name": "web_fetch"}]
    conversation = Conversation.start(model="claude-haiku-4-5", tools=tools, policy=Policy(budget=8_000))
    for number in range(40):
        conversation.append({"role": "user", "content": LINE.format(number) * 20})
        send = plan(conversation, max_tokens=1_000)
        assert send.window.tokens + 1_000 <= 8_000
        assert not send.sure
        conversation.receive({"content": LINE.format(number) * 5})
    assert conversation.compactions
