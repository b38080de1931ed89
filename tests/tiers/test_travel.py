"""Going back, and looking back: nothing is lost, and what was is what is."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow import Branch, Conversation, Policy, Send, Summarize
from ctxwindow.errors import HistoryError, MisuseError, ProtocolError
from ctxwindow.record import decode_event, encode_event
from ctxwindow.record.events import Rewound
from ctxwindow.rules import find_violations
from tests.driver import Case, Run, carry_on, cases, plan, run
from tests.tiers.test_restarts import Talk

NOVEMBER = dt.datetime(2026, 11, 20, tzinfo=dt.UTC).timestamp()
SERVED: tuple[tuple[str, ...], ...] = (
    ("clear_tool_uses", "clear_thinking", "drop"),
    ("spill", "clear_tool_uses", "compact", "summarize_all"),
    ("compact", "drop"),
)
CALL = {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {}}


def reply(text: str, *blocks: Any, tokens: int = 1_000, **fields: Any) -> dict[str, Any]:
    usage = {"input_tokens": tokens, "output_tokens": 50}
    reason = "tool_use" if blocks else "end_turn"
    return {"content": [{"type": "text", "text": text}, *blocks], "usage": usage, "stop_reason": reason, **fields}


@st.composite
def every_case(draw: st.DrawFn, again: tuple[int, ...] = (0, 0, 400, 900)) -> Case:
    """Cases with any methods, those of the server too, and with pins."""
    case = draw(cases(max_turns=4, again=again))
    methods = draw(st.sampled_from([case.policy.methods, *SERVED]))
    pins = {"first_user_message": draw(st.booleans())}
    policy = Policy.parse({**case.policy.model_dump(), "methods": methods, "pins": pins})
    return dataclasses.replace(case, policy=policy)


def talk(*turns: str, **settings: Any) -> Conversation:
    chat = Conversation.start(model="claude-opus-5-5", system="Be brief.", policy=Policy(**settings))
    return go_on(chat, *turns)


def go_on(chat: Conversation, *turns: str) -> Conversation:
    for number, turn in enumerate(turns):
        chat.append({"role": "user", "content": turn}, now=NOVEMBER + number)
        plan(chat, now=NOVEMBER + number)
        chat.receive(reply(f"Answer to {turn}"), now=NOVEMBER + number)
    return chat


def said(chat: Conversation) -> list[str]:
    return [content if isinstance(content := one["content"], str) else content[0]["text"] for one in chat.messages]


def unmarked(value: Any) -> Any:
    """JSON without cache breakpoints, and without what they ask for: that a text is a block."""
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    if isinstance(value, dict) and value.get("type") == "text":
        return {key: inner for key, inner in value.items() if key != "cache_control"}
    if isinstance(value, dict):
        return {key: unmarked(inner) for key, inner in value.items() if key != "cache_control"}
    return [unmarked(inner) for inner in value] if isinstance(value, list) else value


def again(chat: Conversation) -> Conversation:
    return Conversation.fold(decode_event(encode_event(event)) for event in chat.events)


def assert_same(one: Conversation, other: Conversation) -> None:
    assert json.dumps(other.messages) == json.dumps(one.messages)
    assert json.dumps(other.wire) == json.dumps(one.wire)
    assert (other.window, other.hot(), other.epoch, other.model) == (one.window, one.hot(), one.epoch, one.model)
    assert (other.spilled, other.compactions, other.branches) == (one.spilled, one.compactions, one.branches)
    assert (other.spending, other.spending.blocks) == (one.spending, one.spending.blocks)


def assert_moments(chat: Conversation, result: Run) -> None:
    """Every send, of whatever branch, looks as it did when it was live."""
    for number, sent in enumerate(result.sends, start=1):
        moment = chat.at(send=number)
        assert (moment.send, moment.hot, moment.messages) == (sent.send.number, sent.hot, sent.record)
        assert json.dumps(moment.request) == json.dumps(sent.send.request)
        assert (moment.window, moment.epoch) == (sent.send.window, sent.send.epoch)
        assert moment.window.blocks == sent.send.window.blocks
        assert len(moment.wire) == len(moment.request["messages"])


def assert_adds_up(chat: Conversation) -> None:
    book = chat.spending
    assert sum(block.dollars for block in book.blocks) + book.summaries == pytest.approx(book.dollars or 0, abs=1e-12)
    assert sum(turn.dollars for turn in book.by_turn) + book.summaries == pytest.approx(book.dollars or 0, abs=1e-12)


# -- as it was --------------------------------------------------------------------------------------------


@given(every_case())
def test_a_moment_is_what_was_live(case: Case) -> None:
    """Request (breakpoints included), window, wire, hot and epoch, also after the conversation is read back."""
    result = run(case, start=NOVEMBER)
    assert_moments(result.conversation, result)
    assert_moments(again(result.conversation), result)


def test_looking_back_changes_nothing() -> None:
    chat = talk("one", "two")
    before = chat.events
    moment = chat.at(send=1)
    assert (moment.messages, moment.model, moment.at) == (1, "claude-opus-5-5", NOVEMBER)
    assert moment.wire == ({"role": "user", "content": "one"},)
    assert (chat.events, len(chat.messages)) == (before, 4)


@pytest.mark.parametrize("send", [0, 3, -1, True, "1", None])
def test_a_send_that_never_was(send: Any) -> None:
    with pytest.raises(MisuseError, match=r"there is no send .*: sends are numbered from 1 to 2"):
        talk("one", "two").at(send=send)
    with pytest.raises(MisuseError, match="nothing was sent yet"):
        talk().at(send=1)


# -- going back -------------------------------------------------------------------------------------------


@given(every_case(again=(0, 0, 400)), st.data())
def test_going_back_and_on_and_over_again(case: Case, data: st.DataObject) -> None:
    """The record is a prefix of what it was, state is the fold of the path, every send is valid, nothing is lost."""
    result = run(case, start=NOVEMBER)
    chat = result.conversation
    first, paid, ever = list(chat.messages), chat.spending.dollars, len(chat.messages)
    sends = len(result.sends)
    stay = data.draw(st.integers(0, len(first)), label="stay")
    chat.rewind(to=stay, now=NOVEMBER)
    event = chat.events[-1]
    assert isinstance(event, Rewound)
    assert list(chat.messages) == first[:stay]
    assert chat.spending.dollars == paid
    was = Conversation.fold(chat.events[: event.to])
    assert (chat.wire, chat.window, chat.hot(), chat.epoch) == (was.wire, was.window, was.hot(), was.epoch)
    assert_same(chat, again(chat))
    # On with the same steps: what could stand there can stand there again.
    result.overflow = None
    carry_on(result, case.steps[stay:], NOVEMBER + 100)
    for sent in result.sends[sends:]:
        assert not [one for one in find_violations(sent.send.request) if one.severity == "error"]
    assert list(chat.messages) == [step.message for step in case.steps][: len(chat.messages)]
    assert len(list(chat.everything())) == ever + len(chat.messages) - stay
    assert list(chat.everything())[:ever] == first
    assert [sent.send.number for sent in result.sends] == [send.send for send in chat.spending.sends]
    assert_adds_up(chat)
    assert_moments(chat, result)
    assert_same(chat, again(chat))
    # And over to the branch that was left.
    left = next((branch for branch in chat.branches if not branch.current), None)
    if left is not None:
        assert stay in (left.shared, left.messages)
        chat.rewind(to=left)
        assert list(chat.messages) == first[: left.messages]
        assert_same(chat, again(chat))


def test_how_many_messages_stay() -> None:
    chat = talk("one", "two", "three")
    chat.rewind(to=3)
    assert said(chat) == ["one", "Answer to one", "two"]
    chat.append({"role": "user", "content": "and more"})
    assert said(chat)[-1] == "and more"
    chat.rewind(to=0)
    assert (said(chat), chat.window.by["messages"]) == ([], 0)
    with pytest.raises(ProtocolError, match="empty"):
        chat.plan(max_tokens=100)
    go_on(chat, "anew")
    assert said(chat) == ["anew", "Answer to anew"]
    assert [branch.messages for branch in chat.branches] == [6, 4, 2]
    assert len(list(chat.everything())) == 9


def test_going_back_to_a_send_keeps_what_was_sent() -> None:
    chat = talk("one", "two", "three")
    chat.rewind(send=2, now=NOVEMBER + 3)
    assert said(chat) == ["one", "Answer to one", "two"]
    send = plan(chat, now=NOVEMBER + 3)
    assert (send.number, send.epoch) == (4, 0)
    # What that send wrote to the cache is still there.
    assert send.forecast.lives
    assert send.forecast.cached == send.window.tokens
    before = chat.at(send=2)
    assert send.window == before.window
    assert unmarked(send.request) == unmarked(before.request)
    chat.receive(reply("Another answer"))
    assert said(chat)[-1] == "Another answer"


def test_the_prefix_that_two_branches_share_is_still_in_the_cache() -> None:
    chat = talk("one", "two", "three")
    chat.rewind(to=4, now=NOVEMBER + 3)
    chat.append({"role": "user", "content": "another way"})
    send = plan(chat, now=NOVEMBER + 3)
    second = chat.at(send=2)
    assert send.forecast.cached == second.window.tokens
    assert "messages.2.content.0" in send.breakpoints, "where the send before ended (CACHE-06)"


def test_a_request_that_is_out_is_given_up() -> None:
    chat = talk("one")
    chat.append({"role": "user", "content": "two"})
    plan(chat, now=NOVEMBER)
    chat.rewind(to=3)
    with pytest.raises(ProtocolError, match="no reply is due"):
        chat.receive(reply("late"))
    assert chat.spending.unknown == {"whether it was billed": 1}
    assert [send.outcome for send in chat.spending.sends] == ["answered", "given_up"]
    assert plan(chat, now=NOVEMBER).number == 3


def test_an_open_call_may_be_answered_anew() -> None:
    chat = talk("one")
    chat.append({"role": "user", "content": "Read it."})
    plan(chat)
    chat.receive(reply("So.", CALL))
    answer = {"type": "tool_result", "tool_use_id": "toolu_1"}
    chat.append({"role": "user", "content": [{**answer, "content": "wrong"}]})
    plan(chat)
    chat.rewind(to=4)
    with pytest.raises(ProtocolError):
        chat.plan(max_tokens=100)
    with pytest.raises(MisuseError):
        chat.append({"role": "user", "content": "Never mind."})
    chat.append({"role": "user", "content": [{**answer, "content": "right"}]})
    request = plan(chat).request
    assert "right" in json.dumps(request["messages"])
    assert "wrong" not in json.dumps(request["messages"])


def test_a_branch_keeps_its_thinking() -> None:
    """BIND-16: kept thinking that lies before the divergence is no edit."""
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    chat, requests = talk(), []
    for turn in ("one", "two"):
        chat.append({"role": "user", "content": turn})
        requests.append(plan(chat).request)
        chat.receive({"content": [thought, {"type": "text", "text": "Yes."}], "stop_reason": "end_turn"})
    chat.rewind(to=2)
    chat.append({"role": "user", "content": "three"})
    send = plan(chat)
    assert send.request["messages"][1] == requests[1]["messages"][1]
    assert [block["type"] for block in send.request["messages"][1]["content"]] == ["thinking", "text"]


@pytest.mark.parametrize("to", [-1, 5, True, 1.0, "2"])
def test_a_place_that_is_none(to: Any) -> None:
    chat = talk("one", "two")
    before = chat.events
    with pytest.raises(MisuseError, match="0 to 4"):
        chat.rewind(to=to)
    assert chat.events == before


def test_one_place_at_a_time() -> None:
    chat = talk("one")
    for wrong in ({}, {"to": 1, "send": 1}):
        with pytest.raises(MisuseError, match="one place"):
            chat.rewind(**wrong)
    with pytest.raises(MisuseError, match="there is no send 9"):
        chat.rewind(send=9)
    alien = Branch(tip=3, current=False, messages=40, shared=0, at=None)
    with pytest.raises(MisuseError, match="another conversation"):
        chat.rewind(to=alien)


def test_a_branch_of_another_conversation_of_the_same_shape() -> None:
    """Its end would be a place of ours: what is not among `branches` is not ours."""
    chat = talk("one", "two")
    shorter, later = talk("one"), talk()
    later.append({"role": "user", "content": "one"}, now=NOVEMBER + 9)
    go_on(later, "two")
    events = chat.events
    for other in (shorter, later):
        (theirs,) = other.branches
        assert chat.recorded_at(theirs.tip) == theirs.messages
        with pytest.raises(MisuseError, match="another conversation"):
            chat.rewind(to=theirs)
    assert chat.events == events
    chat.rewind(to=chat.branches[0])
    assert len(chat.events) == len(events) + 1


@pytest.mark.parametrize("seq", [99, 0, -3, None, "x", 1.0, True])
def test_an_event_that_is_none(seq: Any) -> None:
    chat = talk("one")
    for ask in (chat.branch_of, chat.recorded_at):
        with pytest.raises(MisuseError, match="there is no event") as caught:
            ask(seq)
        assert caught.value.path == "seq"
    assert chat.recorded_at(len(chat.events)) == chat.recorded == 2


def test_a_log_that_goes_back_to_nowhere() -> None:
    events = [*talk("one").events, Rewound(to=99, sends=1)]
    with pytest.raises(HistoryError, match="goes back to event 99"):
        Conversation.fold(events)


# -- what it cost -----------------------------------------------------------------------------------------


def test_what_was_spent_stays_spent() -> None:
    chat = talk("one", "two")
    paid = chat.spending.dollars
    chat.rewind(to=2)
    assert chat.spending.dollars == paid
    go_on(chat, "three")
    book = chat.spending
    assert book.dollars == pytest.approx((paid or 0) * 3 / 2)
    assert [send.turn for send in book.sends] == [1, 2, 2]
    assert_adds_up(chat)
    paths = [block.path for block in book.blocks if block.path.startswith(("messages", "events"))]
    assert set(paths) == {
        *(f"messages.{index}.content.0" for index in range(4)),
        "events.5.content.0",
        "events.7.content.0",
    }
    seqs = [5, 7]
    assert [chat.branch_of(seq).message for seq in seqs] == [2, 3]
    assert not any(chat.branch_of(seq).branch.current for seq in seqs)


def test_a_summary_that_was_left_is_paid_and_pays_nothing_back() -> None:
    chat = talk(budget=3_000, exact_counts=False)
    number = 0
    while not chat.compactions:
        chat.append({"role": "user", "content": f"{number}: " + "some words to fill the window with " * 30})
        decision = chat.plan(max_tokens=500, now=NOVEMBER)
        if isinstance(decision, Send):
            chat.receive(reply("Yes.", tokens=decision.window.tokens), now=NOVEMBER)
            number += 1
            continue
        assert isinstance(decision, Summarize)
        chat.summarized("A summary.", by="a model", cost=0.5, now=NOVEMBER)
    chat.rewind(to=2)
    assert (chat.epoch, chat.compactions) == (0, ())
    go_on(chat, "small")
    book = chat.spending
    assert (book.summaries, book.edits) == (0.5, ())
    assert_adds_up(chat)


# -- with what the server does ----------------------------------------------------------------------------


def test_compactions_and_clearing_by_the_server_are_undone_too() -> None:
    """The API takes every request, before and after; every moment is as it was."""
    talk = Talk(methods=("clear_tool_uses", "compact"), high=0.9, budget=20_000)
    talk.calling = True
    sends = [talk.say()]
    while not talk.chat.epoch:
        result = {"type": "tool_result", "tool_use_id": f"toolu_{talk.calls}", "content": "a line of it\n" * 300}
        sends.append(talk.say([result]))
    methods = [edit.method for send in sends for edit in send.edits]
    assert {"clear_tool_uses", "compact"} <= set(methods)
    before, ever = talk.chat, len(talk.chat.messages)
    for send in sends:
        assert json.dumps(before.at(send=send.number).request) == json.dumps(send.request)
        assert before.at(send=send.number).window == send.window
    # To before everything, to just after the compaction, and over to the end again.
    starts = [send for send in sends if any(edit.method == "compact" for edit in send.edits)]
    for send, epoch in ((sends[2], 0), (starts[0], 1)):
        chat = talk.chat
        chat.rewind(send=send.number)
        assert chat.epoch == epoch
        assert chat.wire == chat.at(send=send.number).wire
        talk.answer()
        result = {"type": "tool_result", "tool_use_id": f"toolu_{talk.calls}", "content": "another line"}
        talk.say([result])
        chat.rewind(to=next(branch for branch in chat.branches if branch.messages == ever))
        assert (chat.epoch, len(chat.messages)) == (1, ever)
        assert_same(chat, again(chat))
    result = {"type": "tool_result", "tool_use_id": before.messages[-1]["content"][-1]["id"], "content": "the end"}
    talk.calling = False
    talk.say([result])
