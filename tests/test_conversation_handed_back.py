"""Results of work that was asked for: which one it is, what nobody wants any more, and what happens when none comes."""

from __future__ import annotations

from typing import Any

import pytest

from ctxwindow import Conversation, Policy, Send, Summarize
from ctxwindow.errors import ProtocolError

MODELS = ("claude-haiku-4-5", "claude-opus-4-6", "claude-opus-5-5")


def _grown(conversation: Conversation, number: int) -> Any:
    conversation.append({"role": "user", "content": f"line {number} " * 300}, now=float(number))
    return conversation.plan(max_tokens=500, now=float(number))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("methods", [("summarize_keep_tail", "summarize_all"), ("summarize_all",)])
def test_where_nobody_can_summarise_the_conversation_goes_on(model: str, methods: Any) -> None:
    """Law 7: a summariser that always fails is asked once, and what leaves the wire leaves without a summary."""
    conversation = Conversation.start(model=model, policy=Policy(budget=20_000, methods=methods))
    asked = 0
    for number in range(60):
        decision = _grown(conversation, number)
        while not isinstance(decision, Send):
            assert isinstance(decision, Summarize)
            asked += 1
            conversation.summary_failed("it broke", of=decision)
            again = conversation.plan(max_tokens=500, now=float(number))
            assert isinstance(again, Send), "asked twice in a row"
            decision = again
        conversation.receive({"content": "Yes.", "stop_reason": "end_turn"}, now=float(number))
    assert asked >= 1
    assert len(conversation.compactions) >= asked
    assert all((edit.summary, edit.by) == ("", "") for edit in conversation.compactions)
    assert "are left out here" in str(conversation.wire[0])
    assert len(conversation.messages) == 120


def test_what_was_overtaken_is_not_taken_for_what_is_due() -> None:
    """A summary that was prepared in the background stands for its own range, never for that of another one."""
    policy = Policy(budget=20_000, methods=("summarize_keep_tail",), background=0.7)
    conversation = Conversation.start(model="claude-opus-4-6", policy=policy)
    aside: Any = None
    due: Any = None
    for number in range(60):
        due = _grown(conversation, number)
        if isinstance(due, Summarize):
            break
        aside = due.aside or aside
        conversation.receive({"content": "Yes.", "stop_reason": "end_turn"}, now=float(number))
    assert isinstance(aside, Summarize)
    assert isinstance(due, Summarize)
    assert aside.segment.end < due.segment.end
    with pytest.raises(ProtocolError, match="more than one summary"):
        conversation.summarized("Of some range.", by="test")
    with pytest.raises(ProtocolError, match="not wanted any more"):
        conversation.summarized("Of the older range.", by="test", of=aside)
    conversation.summarized("Of the newer range.", by="test", of=due)
    assert conversation.compactions[-1].end == due.segment.end


@pytest.mark.parametrize("model", MODELS)
def test_no_summary_is_prepared_that_a_tool_loop_could_make_invalid(model: str) -> None:
    """REPLAY-01: a tail loses its thinking on models that bind it, and a loop may open before the summary comes."""
    policy = Policy(budget=20_000, methods=("summarize_keep_tail", "summarize_all"), background=0.7)
    conversation = Conversation.start(model=model, policy=policy)
    asides = []
    for number in range(30):
        decision = _grown(conversation, number)
        if not isinstance(decision, Send):
            break
        asides.append(decision.aside is not None)
        conversation.receive({"content": "Yes.", "stop_reason": "end_turn"}, now=float(number))
    assert any(asides) == (model != "claude-opus-5-5")
