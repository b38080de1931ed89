from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.record.events import Edited
from ctxwindow.tiers import clear_thinking
from tests.tiers.scenes import HAIKU, OPUS_5, OPUS_46, OPUS_55, Session

CLEARING: dict[str, Any] = {"budget": 9_000, "high": 0.9, "low": 0.5, "cold": None, "methods": ("clear_thinking",)}


def _turns(session: Session, number: int, *, think: int = 15) -> Session:
    for _ in range(number):
        session.user("And this? " + "word " * 50)
        session.say(think=think)
    session.user()
    return session


def test_what_rules_it_out_names_its_rule() -> None:
    forgets = clear_thinking.offer(_turns(Session(HAIKU, methods=("drop",)), 3).situation(), 500)
    assert forgets.why == "claude-haiku-4-5-20251001 keeps no thinking of earlier turns [RET-02]"
    own = clear_thinking.offer(_turns(Session(OPUS_55), 3).situation(own_edits=True), 500)
    assert "caller's own" in own.why
    for settings in ({}, {"thinking": {"type": "disabled"}}):
        off = clear_thinking.offer(Session(OPUS_46, settings=settings).situation(), 500)
        assert off.why == "it needs thinking to be on [EDIT-06]"
    on = clear_thinking.offer(Session(OPUS_5, settings={}).situation(), 500)
    assert "EDIT-06" not in on.why, "on this model thinking is on where nothing is said"


def test_in_one_long_turn_there_is_nothing_to_clear() -> None:
    """RET-06: thinking of the turn in progress always stays."""
    session = Session(OPUS_55, **CLEARING)
    session.user()
    for _ in range(5):
        session.round(2, think=10)
    offer = clear_thinking.offer(session.situation(), 500)
    assert offer.why == "the thinking of all earlier turns does not bring it down to 500"


def test_as_many_of_the_oldest_turns_as_are_needed() -> None:
    """What goes is lost, and charged as output: 20 dollars for a million tokens on Opus 5.5."""
    session = _turns(Session(OPUS_55), 8)
    now = session.situation()
    thinking = [entry.size.thinking.tokens for entry in now.wire.ledger.entries if entry.size.thinking.tokens]
    assert len(thinking) == 8
    offer = clear_thinking.offer(now, now.total - sum(thinking[:2]) + 20)
    assert offer.plan is not None
    assert offer.plan.turns == 2  # type: ignore[union-attr]
    assert offer.thinking == sum(thinking[:2])
    assert offer.lost == pytest.approx(sum(thinking[:2]) * 20 / 1e6)
    assert offer.breaks == "cache"


@pytest.mark.parametrize("model", [OPUS_46, OPUS_55])
def test_the_server_and_the_window_agree(model: str) -> None:
    """The edge stays where it is between edits, and the API's usage is the window."""
    session = Session(model, **CLEARING)
    for _ in range(38):
        session.user("And this? " + "word " * 50)
        session.say(think=15)
    edits = [event for event in session.conversation.events if isinstance(event, Edited)]
    assert len(edits) >= 2
    turns = [edit.turns for edit in edits]
    assert turns == sorted(set(turns))
    for send, told in zip(session.sends, session.usage, strict=True):
        assert send.window.low <= told <= send.window.high
    edges = [
        len([block for block in send.window.blocks if block.disposition == "cleared"]) for send in session.sends
    ]  # fmt: skip
    assert edges == sorted(edges)
    assert set(edges) == {0, *turns}


def test_both_edits_at_once_are_listed_in_their_order() -> None:
    """EDIT-07: thinking first. The one that is asked for later keeps what the other clears."""
    session = Session(OPUS_55, **{**CLEARING, "methods": ("clear_thinking", "clear_tool_uses"), "prefer": "order"})
    for _ in range(20):
        session.user()
        session.round(12, think=5)
        session.say(think=5)
    both = [
        [edit["type"] for edit in send.request["context_management"]["edits"]]
        for send in session.sends if "context_management" in send.request
    ]  # fmt: skip
    assert ["clear_thinking_20251015", "clear_tool_uses_20250919"] in both
    assert ["clear_tool_uses_20250919", "clear_thinking_20251015"] not in both
    for send, told in zip(session.sends, session.usage, strict=True):
        assert send.window.low <= told <= send.window.high
