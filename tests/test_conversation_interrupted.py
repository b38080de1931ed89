"""What stops halfway: replies that are cut at any event of their stream, rounds some of whose calls have their results."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow import Conversation, Policy, Send, check
from ctxwindow.emulator.stream import events_of
from ctxwindow.errors import InvalidRequest, ProtocolError
from ctxwindow.record import decode_event, encode_event
from ctxwindow.record.blocks import blocks_of
from ctxwindow.record.events import Answered, Arrived, Failed, Received
from ctxwindow.record.streamed import Streamed
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

    def __init__(self, kind: Kind, **policy: Any) -> None:
        self.world = World()
        self.thinks = kind is not LAST_TURN
        self.conversation = Conversation.start(
            model=kind.model, system="Be brief.", tools=TOOLS, settings=kind.settings, policy=Policy(**policy)
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
        for batch in itertools.batched(events, checkpoint):
            for event in batch:
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


@given(st.sampled_from(KINDS), st.sampled_from(SAYS), st.booleans(), st.booleans(), st.booleans(), st.data())
def test_a_reply_may_be_cut_anywhere(
    kind: Kind, says: tuple[JSON, ...], loop: bool, told: bool, crash: bool, data: st.DataObject
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
    assert talk.world.emulator is not None


@given(st.sampled_from(KINDS), st.sampled_from(SAYS), st.data())
def test_law_8_and_law_10_at_every_event_of_the_log(kind: Kind, says: tuple[JSON, ...], data: st.DataObject) -> None:
    """Whatever moment a process dies at: the fold of what was kept is what there was then."""
    talk = Talk(kind)
    moments = {}

    def note() -> None:
        moments[len(talk.conversation.events)] = seen(talk.conversation)

    for _ in range(2):
        events = talk.asked(*says)
        for event in events[: data.draw(st.integers(0, len(events)), label="events that arrive")]:
            note()
            talk.conversation.arrived([event], now=talk.world.now)
        note()
        talk.cut()
        note()
        for number in (1, 2):
            if any(block["id"] == f"toolu_{number}" for block in talk.conversation.open_calls):
                talk.conversation.answered(result(number))
                note()
        if talk.conversation.open_calls:
            talk.say(*(result(number) for number in range(1, 1 + len(talk.conversation.open_calls))), TEXT)
        elif talk.conversation.wire[-1]["role"] == "assistant" and not kind is LAST_TURN:
            talk.say("And then?")
        note()
        if talk.conversation.spending.sends[-1].outcome == "answered":
            break  # ids of calls are used once
    for length, expected in moments.items():
        assert seen(again(talk.conversation, length)) == expected
