from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.record.events import Compacted
from ctxwindow.tiers import drop
from ctxwindow.tiers.situation import Situation
from tests.tiers.scenes import FAMILIES, HAIKU, OPUS_46, OPUS_55, Session

DROPPING: dict[str, Any] = {"budget": 8_000, "high": 0.9, "cold": None, "methods": ("drop",)}


def _offer(now: Situation, share: float = 0.6) -> Any:
    return drop.offer(now, int(now.total * share))


def _talk(session: Session, turns: int, think: int = 5) -> Session:
    for _ in range(turns):
        session.user("word " * 100)
        session.say("word " * 100, think=think)
    session.user()
    return session


def test_in_a_loop_that_thinks_a_bound_model_has_no_tail() -> None:
    """BIND-28 would take the thinking out, and REPLAY-01 forbids that inside a loop."""
    for model, able in ((OPUS_46, True), (OPUS_55, False)):
        session = Session(model)
        session.user("Read them.")
        for _ in range(6):
            session.round(10, think=2)
        offer = _offer(session.situation())
        assert offer.able is able
        assert able or offer.why.endswith("[BIND-28]")


def test_it_costs_nothing_but_the_thinking() -> None:
    session = _talk(Session(OPUS_46), 8)
    now = session.situation()
    offer = _offer(now)
    assert (offer.paid, offer.breaks, offer.kept) == (0.0, "epoch", now.fixed)
    gone = [entry.size.thinking.tokens for entry in now.wire.ledger.entries[: offer.plan.end]]
    assert offer.thinking == sum(gone) > 0
    bound = _talk(Session(OPUS_55), 8).situation()
    assert _offer(bound).thinking == bound.wire.ledger.thinking, "the tail's thinking goes too"


def test_what_is_gone_cannot_be_dropped_again() -> None:
    """Law 7: each reaches further than the one before."""
    session = _talk(Session(OPUS_46, **DROPPING), 8)
    now = session.situation()
    offer = _offer(now)
    session.conversation._record(offer.plan)
    again = session.situation()
    found = [drop.offer(again, target) for target in range(again.fixed, again.total, 100)]
    plans: list[Any] = [one.plan for one in found if one.able]
    assert plans
    assert all(plan.first == offer.plan.end < plan.end for plan in plans)


@pytest.mark.parametrize("model", FAMILIES)
def test_what_leaves_is_named_and_can_be_recalled(model: str) -> None:
    session = Session(model, **DROPPING)
    session.user("The number is 4711.")
    session.say(think=3)
    _talk(session, 50)
    conversation = session.conversation
    assert {edit.method for edit in conversation.compactions} == {"drop"}
    assert len(conversation.compactions) >= 2
    head = str(conversation.wire[0]["content"])
    last = conversation.compactions[-1]
    assert f"[Messages 0 to {last.end - 1} of this conversation are left out here." in head
    assert head.count("are left out here.") == 1, "gaps that meet are one"
    for edit in conversation.compactions:
        assert (edit.level, edit.tokens, edit.cost) == (0, 0, 0.0)
    assert "4711" not in str(conversation.wire)
    assert [hit.message for hit in conversation.recall("4711")] == [0]


def test_the_text_of_a_block_stays_when_the_block_cannot() -> None:
    """CMP-21: a server's block goes first or not at all."""
    session = Session(OPUS_46, **{**DROPPING, "methods": ("compact",), "warm": {"tokens": 500}})
    session.world.sums_up = "They spoke of 4711."
    while not session.conversation.epoch:
        session.user("word " * 100)
        session.say("word " * 100)
    _talk(session, 4)
    offer = _offer(session.situation(), 0.7)
    assert (offer.plan.first, offer.plan.summary) == (0, "They spoke of 4711.")
    session.conversation._record(offer.plan)
    assert session.conversation.wire[0]["role"] == "user"
    assert "They spoke of 4711." in str(session.conversation.wire[0])
    session.say()


def test_the_last_resort_of_costs() -> None:
    """A method with a summary goes before it, whatever that costs; by the policy's order it may come first."""
    for prefer, method in (("cost", "summarize_keep_tail"), ("order", "drop")):
        policy = {
            **DROPPING,
            "methods": ("drop", "summarize_keep_tail"),
            "prefer": prefer,
            "hot": {"tokens": 1},
            "horizon": 100,
        }
        session = Session(HAIKU, settings={}, **{**policy, "warm": {"tokens": 400}})
        while not session.conversation.epoch:
            session.user("word " * 100)
            session.say("word " * 100)
        assert session.conversation.compactions[0].method == method


def test_dropping_does_not_fill_the_window_with_its_own_lines() -> None:
    """Its head has one size, and the size that an offer tells of it holds."""
    session = _talk(Session(OPUS_46, **{**DROPPING, "budget": 3_000}), 30)
    texts = [block["text"] for block in session.conversation.wire[0]["content"]]
    assert len(session.conversation.compactions) > 5
    assert sum("left out here" in text for text in texts) == 1
    now = session.situation()
    offer = drop.offer(now, int(now.total * 0.7))
    assert isinstance(offer.plan, Compacted)
    session.conversation._record(offer.plan)
    assert session.situation().total <= offer.after
