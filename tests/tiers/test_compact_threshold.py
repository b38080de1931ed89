from __future__ import annotations

from typing import Any

import pytest

from ctxwindow import Policy, Send
from ctxwindow.record.events import Compacted, Declined, Edited
from ctxwindow.tiers import compact_threshold
from tests.tiers.scenes import HAIKU, OPUS_46, OPUS_55, Session, blocks

LARGE: dict[str, Any] = {"budget": 75_000, "high": 0.8, "low": 0.3, "cold": None, "methods": ("compact_threshold",)}


def _filled(session: Session, tokens: int = 52_000) -> Session:
    while session.conversation.window.tokens < tokens:
        session.user("word " * 3_000)
        session.say("word " * 1_000)
    session.user()
    return session


@pytest.fixture(scope="module")
def filled() -> Session:
    return _filled(Session(OPUS_46, methods=("drop",)))


def _why(session: Session, **changes: Any) -> str:
    offer = compact_threshold.offer(session.situation(**changes), 30_000)
    assert not offer.able
    return offer.why


def test_what_rules_it_out_names_its_rule(filled: Session) -> None:
    assert compact_threshold.offer(filled.situation(), 30_000).able
    assert _why(Session(HAIKU)).endswith("[CMP-01]")
    assert "caller's own" in _why(filled, own_edits=True)
    assert _why(filled, declined=frozenset({"compact_threshold"})).endswith("[CMP-04]")
    assert (
        _why(filled, held=Edited(method="compact_threshold", trigger=50_000, before=0, target=0))
        == "it is asked for already"
    )
    assert _why(filled, limit=50_000).endswith("[law 3]")
    assert "pinned" in _why(filled, pins=lambda: (0,))
    block = {"type": "compaction", "content": "x", "signature": "s"}
    signed = Compacted(
        method="compact", first=0, end=2, tail=2, instruction=None, carried=None, strip_thinking=False, summary="x",
        by="x", tokens=1, before=1, target=1, block=block,
    )  # fmt: skip
    assert _why(filled, warm=(signed,)).endswith("[CMP-32]")
    assert compact_threshold.offer(filled.situation(), 4_000).why == "system and tools alone pass 4,000"


def test_under_its_least_trigger_it_does_nothing() -> None:
    assert _why(_filled(Session(OPUS_46), 40_000)) == "under its least trigger of 50,000 tokens [CMP-01]"


def test_what_is_cleared_stays_cleared(filled: Session) -> None:
    """The request was weighed with what the server clears: it must not come back because of another edit."""
    held = Edited(method="clear_tool_uses", uses=3, turns=1, exclude=("search",), before=0, target=0)
    plan = compact_threshold.offer(filled.situation(held=held), 30_000).plan
    assert isinstance(plan, Edited)
    assert (plan.uses, plan.turns, plan.exclude, plan.trigger) == (3, 1, ("search",), 50_000)


@pytest.mark.parametrize("model", [OPUS_46, OPUS_55])
def test_the_server_compacts_inside_the_reply(model: str) -> None:
    """CMP-02: the reply opens with a block; everything before it leaves the wire, and a new epoch starts."""
    session = Session(model, **LARGE)
    session.world.sums_up = "They spoke of words."
    for _ in range(20):
        if session.conversation.compactions:
            break
        session.user("word " * 3_000)
        session.say("word " * 1_000, think=3)
    asked = session.sends[-1]
    assert [edit["type"] for edit in asked.request["context_management"]["edits"]] == ["compact_20260112"]
    assert "compact-2026-01-12" in asked.request["betas"]
    (edit,) = session.conversation.compactions
    assert (edit.method, edit.summary) == ("compact_threshold", "They spoke of words.")
    assert edit.end == len(session.conversation.messages) - 1
    assert session.conversation.epoch == 1
    assert len(session.conversation.wire) == 1
    assert session.conversation.wire[0]["content"][0]["type"] == "compaction"
    assert edit.cost > 0
    assert session.conversation.spending.dollars == pytest.approx(
        sum(one.dollars or 0 for one in session.conversation.spending.sends)
    )
    for _ in range(3):
        session.user("word " * 300)
        send = session.say("word " * 300, think=2)
        assert "context_management" not in send.request, "the next trigger would be an old one"
        assert len(blocks(send.request, "compaction")) == 1
        assert send.window.tokens < 5_000
        assert send.window.low <= session.usage[-1] <= send.window.high


def test_a_null_block_is_declined_and_the_conversation_goes_on() -> None:
    """CMP-04, CMP-09: nothing leaves the wire; it is not asked for again at once, and another method does it."""
    session = Session(OPUS_46, **LARGE)
    session.world.sums_up = ""
    for _ in range(16):
        session.user("word " * 3_000)
        session.say("word " * 1_000)
        if session.declined:
            break
    assert session.conversation.epoch == 0
    (declined,) = session.declined
    assert declined.method == "compact_threshold"
    assert session.conversation.wire[0] == session.conversation.messages[0]
    session.conversation._state.policy = Policy.parse({**LARGE, "methods": ("compact_threshold", "drop")})
    session.user("word " * 300)
    send = session.ready()
    assert "[CMP-04]" in next(row.why for row in send.table if row.method == "compact_threshold")
    assert [edit.method for edit in send.edits] == ["drop"]
    assert "context_management" not in send.request
    session.receive(send, "Good.")


def test_a_null_block_leaves_what_is_cleared_as_it_is() -> None:
    session = Session(OPUS_55, **{**LARGE, "methods": ("drop",)})
    session.user()
    for _ in range(4):
        session.round(600)
    conversation = session.conversation
    conversation._record(Edited(method="clear_tool_uses", uses=2, before=0, target=0))
    tokens = conversation.window.tokens
    conversation._record(Edited(method="compact_threshold", uses=2, trigger=50_000, before=0, target=0))
    assert conversation.window.tokens == tokens
    conversation._record(Declined(method="compact_threshold", why="no block"))
    assert conversation.window.tokens == tokens
    request = session.ready().request
    assert [edit["type"] for edit in request["context_management"]["edits"]] == ["clear_tool_uses_20250919"]


def test_a_request_that_failed_is_asked_the_same_again() -> None:
    session = Session(OPUS_46, **LARGE)
    while True:
        session.user("word " * 3_000)
        send = session.decide()
        assert isinstance(send, Send)
        if "context_management" in send.request:
            break
        session.receive(send, "word " * 1_000)
    session.conversation.fail({"type": "overloaded_error", "message": "Overloaded"})
    again = session.decide()
    assert isinstance(again, Send)
    assert again.request["context_management"] == send.request["context_management"]
    session.world.sums_up = "They spoke of words."
    session.receive(again, "Good.")
    assert session.conversation.epoch == 1
