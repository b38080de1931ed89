from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given

from ctxwindow import Conversation
from ctxwindow.tiers import summarize_all
from ctxwindow.tiers.situation import MIN_SUMMARY
from tests.tiers.scenes import FAMILIES, OPUS_55, Session, situation
from tests.tiers.test_offers import _take, moments

ALL: dict[str, Any] = {
    "budget": 8_000,
    "high": 0.9,
    "cold": None,
    "methods": ("summarize_all",),
    "warm": {"tokens": 500},
}


def _loop(model: str = OPUS_55, rounds: int = 8, **policy: Any) -> Session:
    session = Session(model, **policy)
    session.user("Read them. Never touch vendor/.")
    for _ in range(rounds):
        session.round(10, think=2)
    return session


def test_nothing_is_old_or_nothing_is_new() -> None:
    session = Session(OPUS_55)
    session.user("word " * 500)
    assert not summarize_all.offer(session.situation(), 300).able
    assert summarize_all.floor(session.situation()) is None
    assert summarize_all.standing(session.situation()) == {}


def test_nothing_has_come_since_the_last_summary() -> None:
    """Law 7."""
    session = _loop(**ALL)
    now = session.situation()
    floor = summarize_all.floor(now)
    assert floor is not None
    after = _take(session.conversation, summarize_all.offer(now, floor))
    for target in range(0, after.window.tokens + 1_000, 50):
        assert not summarize_all.offer(situation(after, session.max_tokens), target).able


def test_the_newest_messages_alone_may_be_too_large() -> None:
    session = _loop(rounds=2)
    session.round(100)
    now = session.situation()
    newest = now.size(now.forms[len(now) - 1])
    assert not summarize_all.offer(now, now.fixed + newest).able
    assert summarize_all.offer(now, now.fixed + newest + 1_000).able


def test_as_many_rounds_are_written_out_as_there_is_room_for() -> None:
    """They are not summarised; the request in progress stands before them, word for word."""
    session = _loop(**ALL)
    now = session.situation()
    firsts = []
    for target in (1_200, 1_800, 2_400, 3_000):
        offer = summarize_all.offer(now, target)
        assert offer.able
        assert offer.plan is not None
        edit: Any = offer.plan
        firsts.append(edit.carried[0])
        assert edit.instruction == 0
        assert edit.end == (edit.carried[0] if edit.carried[0] < len(now) - 1 else len(now))
        head = str(_take(session.conversation, offer).wire[-1]["content"])
        assert "Never touch vendor/." in head
        assert head.count("[Result of read_file, call toolu_") == max(1, (len(now) - edit.carried[0]) // 2)
    assert firsts == sorted(firsts, reverse=True)
    assert len(set(firsts)) > 2


def test_no_thinking_is_left_to_be_stale() -> None:
    session = _loop(**ALL)
    now = session.situation()
    offer = summarize_all.offer(now, 1_500)
    assert offer.thinking == now.wire.ledger.thinking > 0
    assert _take(session.conversation, offer).window.by["thinking"] == 0


@given(moments(factors=(None,)))
def test_the_floor_is_the_smallest_that_it_can_make(moment: tuple[Conversation, int]) -> None:
    """With less it cannot, and what stands word for word is named."""
    conversation, max_tokens = moment
    assume(conversation.wire)
    now = situation(conversation, max_tokens, policy={"warm": {"tokens": 500, "share": 0.5}})
    floor = summarize_all.floor(now)
    assume(floor is not None)
    assert floor is not None
    assert not summarize_all.offer(now, floor - 1).able or now.summary_budget() < MIN_SUMMARY
    standing = sum(now.size(form) for form in summarize_all.standing(now).values())
    assert standing >= 0
    found = summarize_all.offer(now, floor)
    assert found.able
    assert found.after <= floor


@pytest.mark.parametrize("model", FAMILIES)
def test_for_many_rounds(model: str) -> None:
    """The API accepts what comes of it, in one long turn, on every family."""
    session = _loop(model, 40, **ALL)
    assert len(session.conversation.compactions) >= 2
    assert {edit.method for edit in session.conversation.compactions} == {"summarize_all"}
    for send, told in zip(session.sends, session.usage, strict=True):
        assert send.window.low <= told <= send.window.high
    for send in session.sends:
        assert "Never touch vendor/." in str(send.request["messages"])
