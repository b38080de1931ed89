"""Work that is done while a reply is awaited (CMP-34), handed back early, late or never."""

from __future__ import annotations

from typing import Any

import pytest

from ctxwindow import Compact, Conversation, ProtocolError, Send, Summarize
from ctxwindow.record.blocks import blocks_of, is_thinking
from tests.driver import summary
from tests.tiers.scenes import OPUS_46, OPUS_55, Session, blocks

WARM = {"share": 0.3, "tokens": 600}
ASIDE: dict[str, Any] = {
    "budget": 12_000, "high": 1.0, "low": 0.4, "cold": None, "background": 0.6, "warm": WARM, "methods": ("compact",),
}  # fmt: skip


def _asked(session: Session) -> Send:
    """The first request with something to do beside it, before its reply."""
    session.user("What is in the files?")
    for number in range(40):
        send = session.ready()
        if send.aside is not None:
            return send
        _answer(session, send, number)
    raise AssertionError("nothing was ever prepared")


def _answer(session: Session, send: Send, number: int) -> None:
    """The reply to a request, and what the user says next."""
    session.receive(send, [*session._thought(3), {"type": "text", "text": f"Answer {number}."}])
    session.user("word " * 400)


def _adopted(session: Session, aside: Compact) -> bool:
    reply = session.world.create(aside.request)
    return session.conversation.compacted(reply, now=session.world.now)


def test_nothing_is_prepared_below_its_mark() -> None:
    session = Session(OPUS_55, **ASIDE)
    send = _asked(session)
    room = session.situation().room
    fixed = session.situation().fixed
    assert send.window.tokens > fixed + int(room * 0.6)
    assert all(earlier.window.tokens <= fixed + int(room * 0.6) for earlier in session.sends)
    assert isinstance(send.aside, Compact)
    assert send.aside.background
    assert send.aside.why.startswith("in the background, while the reply is awaited; ")


def test_handed_back_after_the_reply() -> None:
    """CMP-28: what came since stays behind the block, its thinking too (the API drops none: see `Session`)."""
    session = Session(OPUS_55, **ASIDE)
    send = _asked(session)
    aside = send.aside
    assert isinstance(aside, Compact)
    _answer(session, send, 90)
    record = len(session.conversation.messages)
    assert _adopted(session, aside)
    assert session.conversation.epoch == 1
    assert session.conversation.hot() == tuple(range(aside.end, record))
    again = session.ready()
    assert [block["type"] for block in again.request["messages"][0]["content"]] == ["compaction"]
    assert any(is_thinking(block) for message in again.request["messages"] for block in blocks_of(message))
    _answer(session, again, 91)
    _answer(session, session.ready(), 92)


def test_handed_back_after_more_rounds() -> None:
    session = Session(OPUS_55, **ASIDE)
    send = _asked(session)
    aside = send.aside
    assert isinstance(aside, Compact)
    for number in range(90, 93):
        _answer(session, send, number)
        send = session.ready()
        assert send.aside is None, "one at a time"
    _answer(session, send, 93)
    assert _adopted(session, aside)
    assert session.conversation.hot()[0] == aside.end
    _answer(session, session.ready(), 94)


def test_handed_back_before_the_reply() -> None:
    """The request that is out was made on the old history; its reply goes behind the block all the same."""
    session = Session(OPUS_55, **ASIDE)
    send = _asked(session)
    aside = send.aside
    assert isinstance(aside, Compact)
    assert _adopted(session, aside)
    assert session.conversation.epoch == 1
    _answer(session, send, 90)
    again = session.ready()
    assert again.request["messages"][0]["content"][0]["type"] == "compaction"
    _answer(session, again, 91)
    _answer(session, session.ready(), 92)


def test_never_handed_back_nothing_is_lost() -> None:
    session = Session(OPUS_55, **{**ASIDE, "methods": ("compact", "summarize_all")})
    send = _asked(session)
    for number in range(90, 110):
        _answer(session, send, number)
        send = session.ready()
    assert session.conversation.epoch >= 1, "the window demanded it, and it was done in the foreground"


def test_without_a_summary_the_next_request_asks_later() -> None:
    session = Session(OPUS_55, **ASIDE)
    send = _asked(session)
    session.world.sums_up = ""
    assert isinstance(send.aside, Compact)
    assert not _adopted(session, send.aside)
    _answer(session, send, 90)
    assert session.conversation.epoch == 0
    assert session.ready().aside is None
    assert [one.method for one in session.declined] == ["compact"]
    with pytest.raises(ProtocolError, match="no compaction is due"):
        session.conversation.compacted({"content": []})


@pytest.mark.parametrize("event", ["switch", "failure", "rewind"])
def test_it_is_dropped_when_its_range_is_not_sent_any_more_as_it_was(event: str) -> None:
    session = Session(OPUS_55, **ASIDE)
    send = _asked(session)
    aside = send.aside
    assert isinstance(aside, Compact)
    if event == "switch":
        session.conversation.configure(model="claude-opus-5")
    elif event == "failure":
        session.conversation.fail({"type": "overloaded_error", "message": "Overloaded"})
    else:
        session.conversation.rewind(send=send.number)
    before = session.conversation.events
    with pytest.raises(ProtocolError, match="no compaction is due"):
        _adopted(session, aside)
    assert session.conversation.events == before


def test_a_summary_in_the_background() -> None:
    session = Session(OPUS_46, **{**ASIDE, "methods": ("summarize_keep_tail",)})
    send = _asked(session)
    aside = send.aside
    assert isinstance(aside, Summarize)
    assert aside.prefix["messages"] == [
        {**message, "content": aside.prefix["messages"][place]["content"]}
        for place, message in enumerate(send.request["messages"][: len(aside.prefix["messages"])])
    ]
    text = summary(session.conversation, aside)
    _answer(session, send, 90)
    session.conversation.summarized(text, by="extractive")
    assert session.conversation.epoch == 1
    assert session.conversation.hot()[0] == aside.segment.end
    _answer(session, session.ready(), 91)
    with pytest.raises(ProtocolError, match="no summary is due"):
        session.conversation.summary_failed("late")


def test_one_block_at_a_time() -> None:
    """CMP-20: the next compaction takes the block of the one before in."""
    session = Session(OPUS_55, **ASIDE)
    send = _asked(session)
    number = 90
    for _ in range(60):
        if session.conversation.epoch == 3:
            return
        aside = send.aside
        _answer(session, send, number)
        number += 1
        if aside is not None:
            assert isinstance(aside, Compact)
            assert len(blocks(aside.request, "compaction")) == min(1, session.conversation.epoch)
            assert _adopted(session, aside)
        send = session.ready()
        assert len(blocks(send.request, "compaction")) <= 1
    raise AssertionError("it was not compacted three times")


def test_in_an_open_loop_the_request_in_progress_is_repeated_behind() -> None:
    """CMP-30: in the next user message to be sent, whenever the block comes."""
    session = Session(OPUS_55, **ASIDE)
    session.user("Read every file. Never touch vendor/.")
    aside = None
    while aside is None:
        aside = session.round(20, think=3).aside
    assert isinstance(aside, Compact)
    assert session.conversation.epoch == 0
    assert _adopted(session, aside)
    for _ in range(3):
        assert "Never touch vendor/." in str(session.round(20, think=3).request["messages"])


def test_what_came_too_late_is_still_paid_for() -> None:
    session = Session(OPUS_55, **ASIDE)
    _asked(session)
    conversation = session.conversation
    conversation.configure(model="claude-opus-5")
    before, wire = conversation.spending.dollars or 0.0, conversation.wire
    conversation.wasted(0.25)
    assert conversation.spending.dollars == before + 0.25
    assert conversation.spending.summaries == 0.25
    assert conversation.wire == wire
    assert Conversation.fold(conversation.events).spending.dollars == before + 0.25
    for wrong in (-1.0, float("nan"), "much"):
        with pytest.raises(ProtocolError):
            conversation.wasted(wrong)  # type: ignore[arg-type]


def test_what_was_wasted_keeps_no_method_from_being_taken() -> None:
    session = Session(OPUS_55, **ASIDE)
    send = _asked(session)
    session.conversation.fail({"type": "overloaded_error", "message": "Overloaded"})
    session.conversation.wasted(0.25)
    again = session.ready()
    assert again.number == send.number + 1
    assert isinstance(again.aside, Compact)


def test_a_message_that_is_taken_back_leaves_it_as_it_is() -> None:
    session = Session(OPUS_55, **ASIDE)
    send = _asked(session)
    conversation = session.conversation
    _answer(session, send, 90)
    conversation.mark_kept(len(conversation.events))
    conversation.append({"role": "user", "content": "word " * 50_000})
    conversation.take_back()
    assert isinstance(send.aside, Compact)
    assert _adopted(session, send.aside)
    assert conversation.epoch == 1


def test_it_is_not_of_a_request_that_is_taken_back() -> None:
    session = Session(OPUS_55, **ASIDE)
    conversation = session.conversation
    session.user("What is in the files?")
    while True:
        conversation.mark_kept(len(conversation.events))
        send = session.ready()
        if send.aside is not None:
            break
        _answer(session, send, 1)
    conversation.take_back()
    with pytest.raises(ProtocolError, match="no compaction is due"):
        _adopted(session, send.aside)  # type: ignore[arg-type]
    assert isinstance(session.ready().aside, Compact), "it is asked for again"


def test_pressed_is_what_leaves_no_room_for_the_next_request() -> None:
    session = Session(OPUS_55, **ASIDE)
    send = _asked(session)
    conversation = session.conversation
    assert not conversation.is_pressed(max_tokens=500)
    assert conversation.is_pressed(max_tokens=8_000)
    _answer(session, send, 90)
    conversation.append({"role": "user", "content": "word " * 6_000})
    assert conversation.is_pressed(max_tokens=500)
    assert isinstance(conversation.plan(max_tokens=500, now=session.world.now), Compact)
