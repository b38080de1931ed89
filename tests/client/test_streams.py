"""Streams of sessions: entered once, left early, never read, interrupted; and what is left of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ctxwindow.errors import InvalidRequest, MisuseError
from ctxwindow.record.events import Failed, Received
from ctxwindow.stores import SqliteStore
from ctxwindow.testing import FakeClaude
from tests.client.driven import Driven, Open, Script, call

SAID = "It is a monoid in the category of endofunctors, what is the problem?"


def enter(driven: Driven, stream: Any) -> Any:
    return driven.wait(stream.__aenter__()) if driven.kind == "async" else stream.__enter__()


def leave(driven: Driven, stream: Any) -> None:
    driven.wait(stream.close())


def some(driven: Driven, stream: Any, number: int) -> list[Any]:
    """The first events."""
    if driven.kind == "sync":
        return [event for event, _ in zip(stream, range(number), strict=False)]

    async def read() -> list[Any]:
        found: list[Any] = []
        async for event in stream:
            found.append(event)
            if len(found) == number:
                break
        return found

    return list(driven.wait(read()))


def is_free(driven: Driven) -> bool:
    with SqliteStore(driven.path) as store:
        hold = store.hold(driven.session.name)
        if hold is not None:
            hold.release()
        return hold is not None


def test_events_are_the_sdks_and_live(opened: Open) -> None:
    driven = opened(FakeClaude(Script(SAID)))
    events, reply = driven.read("Tell me.")
    kinds = [event.type for event in events]
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")
    assert "".join(event.text for event in events if event.type == "text") == SAID == reply.text
    assert type(events[0]).__module__.startswith("anthropic.")
    driven.goes_on()


def test_a_stream_is_entered_once(opened: Open) -> None:
    driven = opened(FakeClaude())
    stream = driven.session.stream("Hello.")
    enter(driven, stream)
    with pytest.raises(MisuseError) as caught:
        enter(driven, stream)
    assert caught.value.remedy
    leave(driven, stream)
    driven.resume()
    driven.goes_on()


def test_a_stream_that_is_never_entered_does_nothing(opened: Open) -> None:
    driven = opened(FakeClaude())
    stream = driven.session.stream("Hello.")
    assert is_free(driven)
    assert driven.conversation.recorded == 0
    with pytest.raises(MisuseError) as caught:
        _ = stream.reply
    assert "until_done" in str(caught.value)
    leave(driven, stream)
    del stream
    assert driven.fake.requests == []
    driven.goes_on("Hello.")


def test_a_stream_that_is_read_before_it_is_entered(opened: Open) -> None:
    """Not an empty reply."""
    driven = opened(FakeClaude())
    stream = driven.session.stream("Hello.")
    with pytest.raises(MisuseError):
        some(driven, stream, 1)
    assert driven.fake.requests == []
    driven.goes_on("Hello.")


@pytest.mark.parametrize("number", [0, 1, 3, 5])
def test_a_stream_that_is_left_early(opened: Open, number: int) -> None:
    """MSG-16: what has arrived is evidence, and `resume` goes on from it."""
    driven = opened(FakeClaude(Script(SAID)))
    stream = driven.session.stream("Tell me.")
    enter(driven, stream)
    if number:
        assert len(some(driven, stream, number)) == number
    leave(driven, stream)
    leave(driven, stream)
    assert is_free(driven)
    assert not driven.conversation.awaiting
    with pytest.raises(MisuseError):
        _ = stream.reply
    reply = driven.resume()
    cut = [event for event in driven.stored().events if isinstance(event, Received) and event.cut]
    failed = [event for event in driven.stored().events if isinstance(event, Failed)]
    assert len(cut) + len(failed) == 1
    arrived = [block["text"].rstrip() for event in cut for block in event.message["content"] if block["type"] == "text"]
    assert reply.text == "".join(arrived) + "Reply 1.", "all of it"
    assert number < 5 or arrived
    driven.goes_on()


def test_what_has_arrived_is_stored_when_a_stream_is_left(opened: Open) -> None:
    """MSG-16: before another operation begins, for the process may end here."""
    driven = opened(FakeClaude(Script(SAID)))
    stream = driven.session.stream("Tell me.")
    enter(driven, stream)
    some(driven, stream, 5)
    leave(driven, stream)
    assert driven.conversation.unkept == ()
    (cut,) = [event for event in driven.stored().events if isinstance(event, Received)]
    assert cut.cut
    assert SAID.startswith(cut.message["content"][0]["text"])


def test_a_stream_that_is_left_after_its_end(opened: Open) -> None:
    driven = opened(FakeClaude(Script(SAID)))
    stream = driven.session.stream("Tell me.")
    enter(driven, stream)
    some(driven, stream, 10_000)
    leave(driven, stream)
    assert stream.reply.text == SAID
    assert some(driven, stream, 1) == []
    driven.goes_on()


def test_a_reader_that_fails(opened: Open) -> None:
    """What is raised inside the `with` passes through; the stream is closed."""
    driven = opened(FakeClaude(Script(SAID)))

    def sync() -> None:
        with driven.session.stream("Tell me.") as stream:
            for _ in stream:
                raise LookupError

    async def awaiting() -> None:
        async with driven.session.stream("Tell me.") as stream:
            async for _ in stream:
                raise LookupError

    reading: Any = awaiting if driven.kind == "async" else sync
    with pytest.raises(LookupError):
        driven.wait(reading())
    assert is_free(driven)
    assert driven.resume().text == "Reply 1."
    driven.goes_on()


def test_content_that_cannot_be_sent(opened: Open) -> None:
    driven = opened(FakeClaude())
    with pytest.raises(InvalidRequest):
        driven.read("")
    assert is_free(driven)
    assert driven.conversation.recorded == 0
    driven.goes_on("Hello.")


@pytest.mark.parametrize("at", range(1, 9))
def test_an_interrupt_while_it_is_read(opened: Open, at: int) -> None:
    """Ctrl-C inside the SDK's stream, or the cancellation of the task that reads."""
    driven = opened(FakeClaude(Script([{"type": "text", "text": SAID}])))
    error = asyncio.CancelledError if driven.kind == "async" else KeyboardInterrupt
    stream = driven.session.stream("Tell me.")
    enter(driven, stream)
    inner, left = stream._stream, [at]

    class Interrupted:
        def __getattr__(self, name: str) -> Any:
            return getattr(inner, name)

        def _due(self) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise error

        def __iter__(self) -> Any:
            for event in inner:
                self._due()
                yield event

        async def __aiter__(self) -> Any:
            async for event in inner:
                self._due()
                yield event

    stream._stream = Interrupted()
    with pytest.raises(error):
        some(driven, stream, 10_000)
    assert is_free(driven)
    assert driven.conversation.unkept == (), "what had arrived is stored"
    leave(driven, stream)
    assert driven.resume().text.endswith("Reply 1.")
    driven.goes_on()


def test_a_stream_that_nobody_closes_lets_go(opened: Open) -> None:
    """A reader that forgets it: the hold goes with the stream."""
    driven = opened(FakeClaude(Script(SAID)))
    stream = driven.session.stream("Tell me.")
    enter(driven, stream)
    assert not is_free(driven)
    del stream
    assert is_free(driven)
    driven.resume()
    driven.goes_on()


def test_a_run_is_one_stream(opened: Open) -> None:
    def look(place: str) -> str:
        """Look."""
        return f"Nothing {place}."

    driven = opened(FakeClaude(Script([call(place="here")], "Done.")), tools=[look])
    events, reply = driven.read("Look.", run=True)
    assert [event.type for event in events].count("message_stop") == 2
    assert (reply.text, reply.rounds) == ("Done.", 1)
    driven.goes_on()
