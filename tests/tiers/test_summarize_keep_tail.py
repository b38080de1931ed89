from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.record.blocks import blocks_of, is_thinking
from ctxwindow.tiers import summarize_keep_tail
from tests.tiers.scenes import FAMILIES, OPUS_46, OPUS_55, Session, situation
from tests.tiers.test_offers import _take

KEEP: dict[str, Any] = {
    "budget": 8_000, "high": 0.9, "cold": None, "methods": ("summarize_keep_tail",), "warm": {"tokens": 500},
}  # fmt: skip


def _loop(model: str, rounds: int = 8) -> Session:
    session = Session(model)
    session.user("Read them. Never touch vendor/.")
    for _ in range(rounds):
        session.round(10, think=2)
    return session


def _talk(session: Session, turns: int) -> Session:
    for _ in range(turns):
        session.user("word " * 100)
        session.say("word " * 100, think=4)
    session.user()
    return session


def test_in_a_loop_that_thinks_a_bound_model_has_no_tail() -> None:
    for model, able in ((OPUS_46, True), (OPUS_55, False)):
        now = _loop(model).situation(policy={"warm": {"tokens": 300}})
        offer = summarize_keep_tail.offer(now, now.total * 2 // 3)
        assert offer.able is able
        assert able or offer.why.endswith("[BIND-28]")


def test_a_cut_inside_a_turn_repeats_the_request_in_progress() -> None:
    session = _loop(OPUS_46)
    now = session.situation(policy={"warm": {"tokens": 300}})
    offer = summarize_keep_tail.offer(now, now.total * 2 // 3)
    edit: Any = offer.plan
    assert (edit.instruction, edit.first, edit.strip_thinking) == (0, 0, False)
    assert offer.why == f"keeps messages {edit.tail} to 16 word for word, from the start of a round"
    after = _take(session.conversation, offer)
    assert "Never touch vendor/." in str(after.wire[0])
    assert list(after.wire[1:]) == list(session.conversation.wire[edit.tail :])


@pytest.mark.parametrize(("model", "keeps"), [(OPUS_46, True), (OPUS_55, False)])
def test_the_thinking_of_the_tail(model: str, keeps: bool) -> None:
    """BIND-28: where it is bound to what stood before it, it leaves; what is lost is charged."""
    session = _talk(Session(model), 8)
    now = session.situation(policy={"warm": {"tokens": 300}})
    offer = summarize_keep_tail.offer(now, now.total * 2 // 3)
    edit: Any = offer.plan
    after = _take(session.conversation, offer)
    kept = [block for message in after.wire for block in blocks_of(message) if is_thinking(block)]
    assert bool(kept) is keeps
    tail = sum(entry.size.thinking.tokens for entry in now.wire.ledger.entries[edit.tail :])
    assert tail > 0
    assert offer.thinking == now.wire.ledger.thinking - (tail if keeps else 0)
    assert edit.strip_thinking is not keeps


def test_a_second_one_must_reach_further() -> None:
    """Law 7."""
    session = _talk(Session(OPUS_46), 8)
    now = session.situation(policy={"warm": {"tokens": 300}})
    offer = summarize_keep_tail.offer(now, now.total * 2 // 3)
    after = _take(session.conversation, offer)
    for target in range(300, after.window.tokens, 150):
        again = summarize_keep_tail.offer(
            situation(after, session.max_tokens, policy={"warm": {"tokens": 300}}), target
        )
        assert not again.able or again.plan.end > offer.plan.end  # type: ignore[union-attr]


@pytest.mark.parametrize("model", FAMILIES)
def test_for_many_turns(model: str) -> None:
    session = _talk(Session(model, **KEEP), 50)
    assert len(session.conversation.compactions) >= 2
    for send, told in zip(session.sends, session.usage, strict=True):
        assert send.window.low <= told <= send.window.high
