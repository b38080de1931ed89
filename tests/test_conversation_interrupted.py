"""What stops halfway: replies that are cut at any event of their stream, rounds some of whose calls have their results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow import Conversation, Policy, Send, Summarize, check
from ctxwindow.emulator.stream import events_of
from ctxwindow.errors import InvalidRequest, ProtocolError
from ctxwindow.record import decode_event, encode_event
from ctxwindow.record.events import Answered, Appended, Arrived, Failed, Received
from ctxwindow.record.streamed import Streamed
from ctxwindow.testing import SERVER_TOOLS
from ctxwindow.testing.content import server_result, server_use
from tests.driver import MANUAL, TOOLS
from tests.machine.world import World

JSON = dict[str, Any]


class Kind(NamedTuple):
    """A model of a family, and how it thinks."""

    model: str
    settings: JSON


SHOWN: JSON = {"thinking": {"type": "adaptive", "display": "summarized"}}
LAST_TURN, MANUALLY = Kind("claude-haiku-4-5", {"betas": []}), Kind("claude-haiku-4-5", {**MANUAL, "betas": []})
KEEP_ALL = Kind("claude-opus-4-6", {"thinking": {"type": "adaptive"}, "betas": []})
BOUND = Kind("claude-opus-5-5", {**SHOWN, "betas": []})
KINDS = (LAST_TURN, MANUALLY, KEEP_ALL, BOUND)

TEXT = {"type": "text", "text": "The cause is in src/app/main.py, line 1234: the zebra was renamed. "}
THOUGHT = {"type": "thinking", "thinking": "Which file could it be? " * 5}
MAX_TOKENS = 1_500


def call(number: int) -> JSON:
    return {"type": "tool_use", "id": f"toolu_{number}", "name": "read_file", "input": {"path": f"src/{number}.py" * 9}}


def result(number: int) -> JSON:
    return {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": f"def number_{number}(): ..."}


class Talk:
    """A conversation with an emulated API that streams."""

    def __init__(self, kind: Kind, tools: Sequence[JSON] = TOOLS, **policy: Any) -> None:
        self.world = World()
        self.thinks = kind is not LAST_TURN
        self.conversation = Conversation.start(
            model=kind.model, system="Be brief.", tools=tools, settings=kind.settings, policy=Policy(**policy)
        )
        self.say("Why does it fail?")

    def say(self, *content: Any) -> None:
        said = content[0] if isinstance(content[0], str) else list(content)
        self.conversation.append({"role": "user", "content": said}, now=self.world.now)

    def asked(self, *says: JSON) -> list[JSON]:
        """Send the next request; the events of the reply, which say this, after thinking where the model does."""
        send = self.conversation.plan(max_tokens=MAX_TOKENS, now=self.world.now)
        assert isinstance(send, Send)
        assert check(send.request).ok
        self.world.says = {"content": [THOUGHT, *says] if self.thinks else list(says)}
        reply = self.world.create(send.request)
        assert not reply.get("input_transformations"), "thinking was dropped"
        return [dict(event.data) for event in events_of(reply)]

    def arrive(self, events: Sequence[JSON], *, checkpoint: int = 7) -> Streamed:
        """Take events of a stream, with a checkpoint after so many of them."""
        streamed = Streamed()
        for start in range(0, len(events), checkpoint):
            for event in events[start : start + checkpoint]:
                streamed.feed(event)
            self.conversation.arrived(streamed.taken(), now=self.world.now)
        return streamed

    def answer(self, *says: JSON) -> None:
        """A reply that comes whole."""
        streamed = self.arrive(self.asked(*says))
        self.conversation.receive(streamed.message, now=self.world.now)

    def reopen(self) -> None:
        """Another process goes on."""
        self.conversation = again(self.conversation)

    def cut(self) -> JSON | None:
        """Cut the reply, and append what resumes it."""
        resumed = self.conversation.cut(now=self.world.now)
        if resumed is not None:
            self.conversation.append(resumed, now=self.world.now)
        return resumed


def again(conversation: Conversation, length: int | None = None) -> Conversation:
    """The conversation as read back from its first events."""
    return Conversation.fold(decode_event(encode_event(event)) for event in conversation.events[:length])


def seen(conversation: Conversation) -> Any:
    """All that can be seen of a conversation."""
    return (
        *(json.dumps(conversation.messages), json.dumps(conversation.wire), conversation.window, conversation.hot()),
        *(conversation.awaiting, conversation.open_calls, dict(conversation.answers), conversation.spending),
        *(conversation.epoch, conversation.branches),
    )


def until(events: Sequence[JSON], kind: str, *, delta: str = "", after: int = 1) -> list[JSON]:
    """The events up to the one of a kind, and so many more that follow it."""
    for place, event in enumerate(events):
        if event["type"] == kind and event.get("delta", {}).get("type", "") == delta:
            return list(events[: place + after])
    raise AssertionError(f"no {kind} {delta}")


# -- cut anywhere ---------------------------------------------------------------------------------------------

SAYS = ((TEXT,), (call(1),), (TEXT, call(1), call(2)), (TEXT, call(1), TEXT))


@given(
    kind=st.sampled_from(KINDS),
    says=st.sampled_from(SAYS),
    data=st.data(),
    **dict.fromkeys(("loop", "told", "crash"), st.booleans()),
)
def test_a_reply_may_be_cut_anywhere(
    *, kind: Kind, says: tuple[JSON, ...], loop: bool, told: bool, crash: bool, data: st.DataObject
) -> None:
    """MSG-16: the record holds what arrived, the wire does not; the next request is valid, is answered, and keeps all
    thinking that was there. `told`: the caller says what arrived. `crash`: another process goes on.
    """
    talk = Talk(kind)
    if loop:
        talk.answer(TEXT, call(8), call(9))
        talk.say(result(8), result(9))
    for _ in range(data.draw(st.integers(1, 3), label="cuts")):
        events = talk.asked(*says)
        end = next(place for place, event in enumerate(events) if event["type"] == "message_delta")
        stop = data.draw(st.integers(0, end), label="events that arrive")
        streamed = talk.arrive(events[:stop], checkpoint=data.draw(st.integers(1, 9), label="checkpoint"))
        if crash:
            talk.reopen()
        chat, record, wire = talk.conversation, talk.conversation.recorded, json.dumps(talk.conversation.wire)
        resumed = chat.cut(streamed.message if told else None, now=talk.world.now)
        assert json.dumps(chat.wire) == wire
        assert not chat.awaiting
        assert chat.open_calls == ()
        if streamed.message is None:
            assert chat.recorded == record
            assert isinstance(chat.events[-1], Failed)
        else:
            assert chat.messages[record:] == ({"role": "assistant", "content": streamed.message["content"]},)
        assert (resumed is not None) == bool(streamed.text.strip())
        if resumed is not None:
            assert streamed.text.rstrip() in resumed["content"][0]["text"]
            chat.append(resumed, now=talk.world.now)
    talk.answer(TEXT)
    talk.say("Thanks.")
    talk.answer(TEXT)
    assert seen(again(talk.conversation)) == seen(talk.conversation)


@given(st.sampled_from(KINDS), st.sampled_from(SAYS), st.data())
def test_law_8_and_law_10_at_every_event_of_the_log(kind: Kind, says: tuple[JSON, ...], data: st.DataObject) -> None:
    """Whatever moment a process dies at: the fold of what was kept is what there was then."""
    talk = Talk(kind)
    chat, moments = talk.conversation, {}

    def note() -> None:
        moments[len(chat.events)] = seen(chat)

    for whole in (False, False, True):
        events = talk.asked(*says)
        arrive = len(events) if whole else data.draw(st.integers(0, len(events) - 3), label="events that arrive")
        for event in events[:arrive]:
            note()
            chat.arrived([event], now=talk.world.now)
        note()
        talk.cut()
    note()
    calls = [block["id"] for block in chat.open_calls]
    assert len(calls) == sum(block["type"] == "tool_use" for block in says)
    for number in range(1, 1 + len(calls)):
        chat.answered(result(number))
        note()
    talk.say(*chat.answers.values(), TEXT)
    note()
    for length, expected in moments.items():
        assert seen(again(chat, length)) == expected


# -- what came, and what it cost ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_where_nothing_arrived_the_same_is_sent_again(kind: Kind) -> None:
    """Nobody can tell what it cost."""
    talk = Talk(kind)
    talk.asked(TEXT)
    before = talk.conversation.plan(max_tokens=MAX_TOKENS, now=talk.world.now)
    assert talk.cut() is None
    after = talk.conversation.plan(max_tokens=MAX_TOKENS, now=talk.world.now)
    assert isinstance(before, Send)
    assert isinstance(after, Send)
    assert json.dumps(after.request) == json.dumps(before.request)
    assert [send.outcome for send in talk.conversation.spending.sends] == ["given_up", "waiting"]
    assert talk.conversation.spending.unknown == {"whether it was billed": 1}


@pytest.mark.parametrize("kind", [MANUALLY, KEEP_ALL, BOUND])
def test_thinking_that_was_cut_is_evidence_and_never_replayed(kind: Kind) -> None:
    talk = Talk(kind)
    talk.arrive(until(talk.asked(TEXT), "content_block_delta", delta="thinking_delta", after=2))
    assert talk.cut() is None
    assert "Which file" in json.dumps(talk.conversation.messages[-1])
    send = talk.conversation.plan(max_tokens=MAX_TOKENS)
    assert isinstance(send, Send)
    assert "Which file" not in json.dumps(send.request)


@pytest.mark.parametrize("kind", KINDS)
def test_calls_that_were_cut_off_are_made_anew(kind: Kind) -> None:
    """Also one that had come whole: the turn it stands in did not."""
    talk = Talk(kind)
    events = talk.asked(TEXT, call(1), call(2))
    stops = [place for place, event in enumerate(events) if event["type"] == "content_block_stop"]
    talk.arrive(events[: stops[-1] - 1])
    assert talk.cut() is not None
    evidence = talk.conversation.messages[-2]["content"]
    first, second = (block for block in evidence if block["type"] == "tool_use")
    assert first == call(1)
    assert second["input"] == {}
    assert second["partial_json"].startswith('{"path":')
    assert not talk.conversation.open_calls
    talk.answer(call(1))
    assert talk.conversation.open_calls == (call(1),)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("told", [True, False])
def test_a_reply_whose_end_has_come_is_received_whole(kind: Kind, *, told: bool) -> None:
    """The process died, or the stream broke, just behind it: it is not paid for a second time (law 10)."""
    talk = Talk(kind)
    events = talk.asked(TEXT, call(1))
    whole = Streamed(events).message
    talk.arrive(until(events, "message_delta"))
    talk.reopen()
    assert talk.conversation.cut(whole if told else None) is None
    assert talk.conversation.open_calls == (call(1),)
    received = talk.conversation.events[-1]
    assert isinstance(received, Received)
    assert (received.cut, received.stop_reason) == (False, "tool_use")
    twin = Talk(kind)
    twin.conversation.receive(Streamed(twin.asked(TEXT, call(1))).message)
    assert twin.conversation.spending.dollars == pytest.approx(talk.conversation.spending.dollars)
    talk.say(result(1))
    talk.answer(TEXT)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_cut_reply_cost_at_least(kind: Kind) -> None:
    """TOK-06: the prompt is known from the first event on; of the output, what arrived is the least."""
    talk, twin = Talk(kind), Talk(kind)
    text = {"type": "text", "text": "word and word " * 200}
    events = talk.asked(text)
    talk.arrive(events[: len(events) * 3 // 4])
    talk.cut()
    whole = twin.asked(text)
    twin.conversation.receive(Streamed(whole).message, now=twin.world.now)
    (cut,), (answered,) = talk.conversation.spending.sends, twin.conversation.spending.sends
    assert (cut.outcome, cut.unknown) == ("cut", ("output that was cut off",))
    assert answered.unknown == ()
    assert cut.dollars is not None
    assert answered.dollars is not None
    assert cut.prompt_dollars == answered.prompt_dollars
    assert answered.tokens.output / 2 < cut.tokens.output < answered.tokens.output
    assert cut.dollars < answered.dollars
    book = talk.conversation.spending
    assert book.unknown == {"output that was cut off": 1}
    assert sum(block.dollars for block in book.blocks) == pytest.approx(book.dollars)
    assert sum(book.by.values()) == pytest.approx(book.dollars)


def test_a_prompt_that_was_read_is_paid_for_though_nothing_came_of_it() -> None:
    talk = Talk(BOUND)
    talk.arrive(until(talk.asked(TEXT), "message_start"))
    assert talk.cut() is None
    (send,) = talk.conversation.spending.sends
    assert send.outcome == "cut"
    assert (send.prompt_dollars or 0.0) > 0
    assert talk.conversation.messages[-1] == {"role": "assistant", "content": []}


def test_its_prompt_is_an_exact_size() -> None:
    """The usage of a reply that was cut pins the window as that of any other does."""
    talk = Talk(BOUND)
    events = talk.asked(TEXT)
    talk.arrive(events[:-3])
    talk.conversation.cut()
    window = talk.conversation.window
    assert window.tokens == events[0]["message"]["usage"]["input_tokens"]
    assert (window.low, window.high) == (window.tokens, window.tokens)


# -- what it follows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [KEEP_ALL, BOUND])
def test_msg_13_a_paused_turn_that_is_cut_goes_back_as_it_is(kind: Kind) -> None:
    talk = Talk(kind, [*TOOLS, *SERVER_TOOLS])
    send = talk.conversation.plan(max_tokens=MAX_TOKENS)
    assert isinstance(send, Send)
    said = [server_use("srvtoolu_1"), server_result("srvtoolu_1"), {"type": "text", "text": "So far."}]
    talk.world.says = {"content": [THOUGHT, *said], "stop_reason": "pause_turn"}
    talk.conversation.receive(talk.world.create(send.request))
    talk.arrive(talk.asked(TEXT)[:-3])
    assert talk.cut() is None
    talk.reopen()
    talk.answer(TEXT)
    assert [message["role"] for message in talk.conversation.wire] == ["user", "assistant", "assistant"]


@pytest.mark.parametrize("when", ["before", "behind"])
def test_sys_04_behind_a_system_message_the_text_is_written_again(when: str) -> None:
    """Nothing can stand between a system message and the reply."""
    talk = Talk(Kind("claude-opus-5-5", {**SHOWN, "betas": []}))
    if when == "before":
        talk.conversation.append({"role": "system", "content": "Answer in English."})
    talk.arrive(talk.asked(TEXT)[:-3])
    resumed = talk.cut()
    assert (resumed is None) == (when == "before")
    talk.answer(TEXT)


@pytest.mark.parametrize("kind", KINDS)
def test_the_request_in_progress_is_still_the_users(kind: Kind) -> None:
    """What asks to go on is no request: it is the user's that is repeated behind a summary, and the newest results are too."""
    methods = ("summarize_all",)
    talk = Talk(kind, budget=MAX_TOKENS + 2_500, methods=methods, warm={"tokens": 250}, high=0.7)
    edit = None
    for number in range(30):
        talk.answer({"type": "text", "text": "I look. " * 20}, call(number))
        talk.say(result(number))
        decision = talk.conversation.plan(max_tokens=MAX_TOKENS)
        if not isinstance(decision, Send):
            talk.conversation.summarized("[Goal]\n- Look.", by="test")
            edit = talk.conversation.compactions[-1]
            break
        talk.world.says = {"content": [*([THOUGHT] if talk.thinks else []), TEXT]}
        events = [dict(event.data) for event in events_of(talk.world.create(decision.request))]
        talk.arrive(events[:-3])
        talk.cut()
    assert edit is not None
    assert edit.instruction == 0
    assert "Why does it fail?" in str(talk.conversation.wire[0])
    assert f"def number_{number}()" in str(talk.conversation.wire[0])


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_cut_is_found_once_and_is_nobodys_request(kind: Kind) -> None:
    """As checkpoints, as evidence, and quoted: its words stand in three places. They are the model's."""
    talk = Talk(kind)
    talk.arrive(talk.asked(TEXT)[:-3])
    assert talk.conversation.recall("zebra") == []
    resumed = talk.cut()
    assert "zebra" in str(resumed)
    talk.answer({"type": "text", "text": "So it is."})
    for chat in (talk.conversation, again(talk.conversation)):
        (found,) = chat.recall("zebra")
        assert (found.role, found.path) == ("assistant", f"messages.1.content.{int(talk.thinks)}")
        assert "zebra" in chat.open("m2.0")["text"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_resumes_a_reply_is_not_summarised_as_the_users(kind: Kind) -> None:
    talk = Talk(kind, budget=MAX_TOKENS + 2_500, methods=("summarize_all",), warm={"tokens": 250}, high=0.7)
    talk.arrive(talk.asked(TEXT)[:-3])
    talk.cut()
    talk.reopen()
    for _ in range(30):
        talk.answer({"type": "text", "text": "I look. " * 40})
        talk.say("And then?")
        due = talk.conversation.plan(max_tokens=MAX_TOKENS)
        if isinstance(due, Summarize):
            break
    else:
        raise AssertionError("nothing is to be summarised")
    told = [str(message) for message in due.segment.messages]
    assert [("zebra" in message, message[:18]) for message in told[:3]].count((True, "{'role': 'assistan")) == 1
    assert not any("zebra" in message or "cut off" in message for message in told[2:])
    assert len(talk.conversation.messages[2]["content"]) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_whoever_opens_it_again_sees_what_is_to_be_done(kind: Kind) -> None:
    talk = Talk(kind)
    talk.arrive(talk.asked(TEXT)[:-3])
    resumed = talk.conversation.cut()
    assert resumed is not None
    talk.reopen()
    assert (talk.conversation.resumption, talk.conversation.unanswered) == (resumed, True)
    talk.conversation.append(resumed)
    talk.reopen()
    assert (talk.conversation.resumption, talk.conversation.unanswered) == (None, True)
    talk.arrive(until(talk.asked(call(1)), "message_start"))
    talk.cut()
    talk.reopen()
    assert (talk.conversation.resumption, talk.conversation.unanswered) == (None, True)
    talk.answer(TEXT)
    assert not talk.conversation.unanswered
    kept = [event.resumes for event in talk.conversation.events if isinstance(event, Appended)]
    assert kept == [False, True]


def test_another_message_may_come_in_its_place() -> None:
    """What the caller says himself is his own, also if it comes between."""
    talk = Talk(KEEP_ALL)
    talk.arrive(talk.asked(TEXT)[:-3])
    resumed = talk.conversation.cut()
    talk.say("Forget it. The zebra is fine.")
    talk.conversation.append(resumed)
    kept = [event.resumes for event in talk.conversation.events if isinstance(event, Appended)]
    assert kept == [False, False, False]


@pytest.mark.parametrize("kind", [MANUALLY, KEEP_ALL, BOUND])
def test_behind_evidence_the_window_can_still_be_shrunk(kind: Kind) -> None:
    """What was cut has answered nothing: the newest message is still the one before it."""
    talk = Talk(kind, budget=MAX_TOKENS + 3_500, methods=("summarize_all",), warm={"tokens": 250})
    while talk.conversation.window.tokens < 2_500:
        talk.answer({"type": "text", "text": "I look. " * 40})
        talk.say("And then?")
    talk.arrive(until(talk.asked(TEXT), "content_block_delta", delta="thinking_delta"))
    assert talk.cut() is None
    due = talk.conversation.plan(max_tokens=MAX_TOKENS + 1_500)
    assert isinstance(due, Summarize)
    talk.conversation.summarized("[Goal]\n- Look.", by="test")
    assert "And then?" in str(talk.conversation.wire[-1])
    talk.answer(TEXT)


def test_a_compaction_inside_a_reply_that_is_cut_is_not_taken() -> None:
    """CMP-04: the block is evidence with the rest; the next request asks for it again."""
    methods = ("compact_threshold", "summarize_all")
    talk = Talk(BOUND, budget=130_000, methods=methods, high=0.5, low=0.3)
    while True:
        talk.say("some words to fill the window " * 400)
        send = talk.conversation.plan(max_tokens=MAX_TOKENS)
        assert isinstance(send, Send)
        if "context_management" in send.request:
            break
        talk.world.says = "Yes."
        talk.conversation.receive(talk.world.create(send.request))
    block = {"type": "compaction", "content": "A summary of it all.", "encrypted_content": "e"}
    reply = {"content": [block, TEXT], "usage": {"input_tokens": 20_000, "output_tokens": 1}}
    talk.conversation.cut(reply)
    assert talk.conversation.epoch == 0
    following = talk.conversation.plan(max_tokens=MAX_TOKENS)
    assert isinstance(following, Send)
    assert following.request["context_management"] == send.request["context_management"]


# -- where it may be called -----------------------------------------------------------------------------------


def test_nothing_arrives_where_nothing_is_due() -> None:
    talk = Talk(BOUND)
    with pytest.raises(ProtocolError, match="no reply is due"):
        talk.conversation.arrived([])
    with pytest.raises(ProtocolError, match="no reply is due"):
        talk.conversation.cut()
    talk.arrive(talk.asked(TEXT)[:9])
    talk.say("Never mind.")
    assert not talk.conversation.awaiting
    with pytest.raises(ProtocolError, match="no reply is due"):
        talk.conversation.cut()
    talk.answer(TEXT)


def test_what_is_no_event_is_not_kept() -> None:
    talk = Talk(BOUND)
    talk.asked(TEXT)
    length = len(talk.conversation.events)
    talk.conversation.arrived([])
    talk.conversation.arrived([None, 4, "event"])
    assert len(talk.conversation.events) == length
    for events in ([{"type": "ping", "at": float("nan")}], [{"type": b"bytes"}]):
        with pytest.raises(InvalidRequest):
            talk.conversation.arrived(events)
    assert len(talk.conversation.events) == length
    assert talk.conversation.awaiting


@pytest.mark.parametrize(
    "reply", [{}, {"content": None}, {"content": []}, {"content": ""}, {"content": 4}, "odd", [1], 5]
)
def test_a_reply_without_content_is_none(reply: Any) -> None:
    talk = Talk(BOUND)
    talk.arrive(talk.asked(TEXT)[:9])
    assert talk.conversation.cut(reply) is None
    assert isinstance(talk.conversation.events[-1], Failed)


def test_a_reply_may_be_told_as_text() -> None:
    talk = Talk(BOUND)
    talk.asked(TEXT)
    resumed = talk.conversation.cut({"content": "As far as I"})
    assert "As far as I" in str(resumed)
    assert talk.conversation.messages[-1]["content"] == "As far as I"


def test_what_else_came_with_it_is_kept() -> None:
    talk = Talk(BOUND)
    talk.asked(TEXT)
    talk.conversation.cut({"content": [TEXT], "id": "msg_7", "model": BOUND.model, "container": {"id": "c"}})
    event = talk.conversation.events[-1]
    assert isinstance(event, Received)
    assert (event.reply_id, event.model, event.rest) == ("msg_7", BOUND.model, {"container": {"id": "c"}})


def test_what_arrived_is_of_the_request_that_is_out() -> None:
    """A request that is sent again begins anew; what had come of the first is in the log alone."""
    talk = Talk(BOUND)
    talk.arrive(talk.asked(TEXT)[:9])
    talk.conversation.fail(ConnectionError("gone"))
    talk.asked(TEXT)
    assert talk.conversation.cut() is None
    assert talk.conversation.recorded == 1
    talk.arrive(talk.asked(TEXT)[:9])
    talk.asked(TEXT)
    assert talk.conversation.cut() is None
    talk.arrive(talk.asked(TEXT)[:9])
    talk.conversation.configure(settings={**BOUND.settings, "metadata": {"user_id": "u"}})
    assert not talk.conversation.awaiting
    arrived = [event.send for event in talk.conversation.events if isinstance(event, Arrived)]
    assert arrived == [1, 1, 3, 3, 5, 5]
    talk.answer(TEXT)
    assert seen(again(talk.conversation)) == seen(talk.conversation)


def test_going_back_over_what_was_cut() -> None:
    talk = Talk(BOUND)
    talk.arrive(talk.asked(TEXT)[:-3])
    talk.cut()
    talk.answer(call(1), call(2))
    talk.conversation.answered(result(2))
    left = next(branch for branch in talk.conversation.branches if branch.current)
    talk.conversation.rewind(send=1)
    assert not talk.conversation.awaiting
    with pytest.raises(ProtocolError):
        talk.conversation.cut()
    assert (talk.conversation.recorded, dict(talk.conversation.answers)) == (1, {})
    talk.answer(TEXT)
    talk.conversation.rewind(to=left)
    assert talk.conversation.open_calls == (call(1), call(2))
    assert dict(talk.conversation.answers) == {"toolu_2": result(2)}
    assert seen(again(talk.conversation)) == seen(talk.conversation)
    talk.say(result(1), talk.conversation.answers["toolu_2"])
    talk.answer(TEXT)
    assert len(talk.conversation.branches) == 2


# -- results, one by one --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_results_are_kept_one_by_one_and_sent_together(kind: Kind) -> None:
    talk = Talk(kind)
    talk.answer(call(1), call(2), call(3))
    wire = json.dumps(talk.conversation.wire)
    assert talk.conversation.open_calls == (call(1), call(2), call(3))
    talk.conversation.answered(result(3))
    talk.conversation.answered(result(1))
    talk.reopen()
    assert json.dumps(talk.conversation.wire) == wire
    assert talk.conversation.open_calls == (call(1), call(2), call(3))
    assert dict(talk.conversation.answers) == {"toolu_3": result(3), "toolu_1": result(1)}
    with pytest.raises(ProtocolError):
        talk.conversation.plan(max_tokens=MAX_TOKENS)
    known = talk.conversation.answers
    talk.say(*(known.get(block["id"], result(2)) for block in talk.conversation.open_calls))
    assert not talk.conversation.answers
    talk.answer(TEXT)


def test_results_that_come_in_two_messages() -> None:
    talk = Talk(LAST_TURN)
    talk.answer(call(1), call(2))
    talk.conversation.answered(result(1))
    talk.conversation.answered(result(2))
    talk.say(result(1))
    assert talk.conversation.open_calls == (call(2),)
    assert list(talk.conversation.answers) == ["toolu_2"]
    talk.say(result(2))
    assert not talk.conversation.answers


@pytest.mark.parametrize(
    "block",
    [
        *(None, 4, "text", [], {}, TEXT, call(1), result(9), {"type": "tool_result"}, {**result(1), "type": "new"}),
        *({"type": "tool_result", "tool_use_id": None}, {"type": "tool_result", "tool_use_id": ["toolu_1"]}),
    ],
)
def test_what_answers_no_open_call_is_refused(block: Any) -> None:
    talk = Talk(BOUND)
    talk.answer(call(1))
    length = len(talk.conversation.events)
    with pytest.raises(ProtocolError, match="open"):
        talk.conversation.answered(block)
    assert len(talk.conversation.events) == length


def test_a_call_is_answered_once() -> None:
    talk = Talk(BOUND)
    with pytest.raises(ProtocolError):
        talk.conversation.answered(result(1))
    talk.answer(call(1), call(2))
    given = {**result(1), "content": [{"type": "text", "text": "One."}]}
    talk.conversation.answered(given)
    given["content"][0]["text"] = "spoilt"
    with pytest.raises(ProtocolError):
        talk.conversation.answered(result(1))
    with pytest.raises(InvalidRequest):
        talk.conversation.answered({**result(2), "content": b"bytes"})
    assert talk.conversation.answers["toolu_1"]["content"][0]["text"] == "One."
    talk.say(result(1), result(2))
    with pytest.raises(ProtocolError):
        talk.conversation.answered(result(1))
    kept = [event for event in talk.conversation.events if isinstance(event, Answered)]
    assert len(kept) == 1


def test_what_is_being_summarised_is_not_overtaken() -> None:
    """More of a reply, and results of calls, change nothing of what came before."""
    talk = Talk(KEEP_ALL, budget=MAX_TOKENS + 2_000, methods=("summarize_all",), warm={"tokens": 250})
    for _ in range(3):
        talk.answer({"type": "text", "text": "I look. " * 100})
        talk.say("And then?")
    events = talk.asked(TEXT)
    due = talk.conversation.plan(max_tokens=MAX_TOKENS + 1_000)
    assert isinstance(due, Summarize)
    assert talk.conversation.awaiting
    talk.conversation.arrived(events[:4])
    talk.conversation.summarized("[Goal]\n- Look.", by="test", of=due)
    assert talk.conversation.epoch == 1
    talk.conversation.arrived(events[4:])
    talk.conversation.receive(Streamed(events).message)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("sent", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_when_something_else_is_said_nobody_is_asked_to_go_on(kind: Kind, sent: bool, times: int) -> None:
    """What asked the model to go on, or was its own words given back, had no answer: it leaves the wire, the record keeps it."""
    talk = Talk(kind)
    talk.answer({"type": "text", "text": "I look."}, call(1))
    talk.say(result(1))
    before = talk.conversation.wire
    for _ in range(times):
        talk.arrive(talk.asked(TEXT)[:-3])
        assert talk.cut() is not None
    assert talk.conversation.wire != before
    if sent:
        talk.asked(TEXT)
        talk.conversation.fail({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    talk.say("Never mind: what is 2+2?")
    chat = talk.conversation
    assert chat.wire[:-1] == before
    assert chat.wire[-1] == chat.messages[-1]
    assert sum("zebra" in str(message) for message in chat.messages) == 2 * times
    assert all(chat.is_evidence(place) for place in range(len(before), chat.recorded - 1))
    assert seen(again(chat)) == seen(chat)
    reference = Talk(kind)
    reference.answer({"type": "text", "text": "I look."}, call(1))
    reference.say(result(1))
    reference.say("Never mind: what is 2+2?")
    assert chat.window.tokens == pytest.approx(reference.conversation.window.tokens, rel=0.05)
    talk.answer({"type": "text", "text": "4."})
    talk.say("Thank you.")
    talk.answer({"type": "text", "text": "Welcome."})
    assert seen(again(chat)) == seen(chat)


def test_an_answered_continuation_stays() -> None:
    talk = Talk(BOUND)
    talk.arrive(talk.asked(TEXT)[:-3])
    resumed = talk.cut()
    talk.answer({"type": "text", "text": "So it is."})
    talk.say("And then?")
    assert talk.conversation.wire[1] == resumed
