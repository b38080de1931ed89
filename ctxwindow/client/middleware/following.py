"""A streamed reply on its way through: it is taken in while the caller reads it, and kept at its end."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ctxwindow.client.actions import Blocking, Steps
from ctxwindow.client.incidents import Incident, log, tell
from ctxwindow.client.middleware.managed import Managed
from ctxwindow.client.middleware.sheltering import explain, sheltered
from ctxwindow.client.watching import Watch
from ctxwindow.record import from_json

__all__ = ["Events", "Following", "caller", "end_left", "keep", "record"]


class Events:
    """Server-sent events, decoded as their bytes come."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[dict[str, Any]]:
        """The events that these bytes complete: their data, read as JSON; others are left out."""
        *lines, self._rest = (self._rest + chunk).replace(b"\r\n", b"\n").split(b"\n")
        found = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line.strip(b"\r") and self._data:
                data, self._data = b"\n".join(self._data), []
                try:
                    event = from_json(data)
                except ValueError:
                    continue
                if isinstance(event, dict):
                    found.append(event)
        return found


class Following:
    """Takes in a reply while its bytes go to the caller.

    The conversation is held until the reply is complete, or has ended otherwise. A response that is dropped without being
    closed lets it go too: the next request takes in what was stored of it.
    """

    def __init__(self, managed: Managed, request: dict[str, Any]) -> None:
        """A reply that has not begun. Takes over the hold."""
        talk = managed.talk
        self._managed = managed
        self._request = request
        self._hold, talk.hold = talk.hold, None
        self._events = Events()
        self._watch = Watch(talk.store_events, talk.clock, talk.checkpoint)
        self._ended = False
        self._one_at_a_time = threading.Lock()  # it may be closed while somebody else reads it
        self._reader: object = caller()
        managed.following = weakref.ref(
            self
        )  # the conversation must not keep it: its end is that nobody has it any more

    def take(self, chunk: bytes) -> bool:
        """Take bytes as they come; whether `settle` is to be called before they are handed on."""
        if self._ended:
            return False
        due = False
        try:
            for event in self._events.feed(chunk):
                due = self._watch.feed(event) or due
        except Exception as error:  # noqa: BLE001 - the caller gets his bytes whatever they are
            explain(error, "a streamed reply cannot be followed")
            return True
        return due or self._watch.streamed.complete

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Around the waiting for more bytes: somebody wants them."""
        self._reader = None
        try:
            yield
        finally:
            self._reader = caller()

    def is_left_by(self, who: object) -> bool:
        """Whether somebody has stopped reading: who read it last asks for something else. Another one may be about to go on."""
        return not self._ended and self._reader == who

    def settle(self) -> None:
        """Store what has arrived; at the end of the reply, all of it, and let the conversation go. Blocks."""
        with self._one_at_a_time:
            if self._ended:
                return
            if self._watch.streamed.complete:
                self._end(complete=True)
                return
            with sheltered("what has arrived of a reply is not stored yet"):
                self._watch.checkpoint()

    def end(self) -> None:
        """The stream has ended, whether its reply is complete or not. Blocks."""
        with self._one_at_a_time:
            if not self._ended:
                self._end(complete=self._watch.streamed.complete)

    def _end(self, *, complete: bool) -> None:
        self._ended = True
        try:
            with sheltered("a streamed reply is not in the record"):
                if complete:
                    record(self._managed, self._watch.streamed.message, self._request)
                else:
                    self._cut()
                keep(self._managed)
        finally:
            hold, self._hold = self._hold, None
            with sheltered("the conversation is not let go"):
                if hold is not None:
                    hold.release()

    def _cut(self) -> None:
        """What arrived stays in the record as evidence (MSG-16); whether to go on from it is the caller's to say."""
        talk = self._managed.talk
        engine, now = talk.engine, talk.clock()
        recorded = engine.recorded
        engine.cut(self._watch.streamed.message, now=now)
        line = self._managed.line
        if engine.recorded > recorded:
            line.evidence = recorded
        self._managed.line = line
        done = "the stream ended before the reply did; what arrived is kept as evidence"
        tell(talk.incidents, Incident(at=now, send=engine.sends, kind="cut", status=None, rule="MSG-16", done=done))


def end_left(managed: Managed) -> Steps[None]:
    """End the stream that its reader has left in the middle to ask for something else: what arrived is evidence (MSG-16)."""
    left = managed.following() if managed.following is not None else None
    if left is not None and left.is_left_by(caller()):
        yield Blocking(left.end)


def caller() -> object:
    """Who runs here: a thread, and the task in it, if any."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return threading.get_ident(), weakref.ref(task) if task is not None else None


def record(managed: Managed, message: Any, request: dict[str, Any]) -> None:
    """Take in a reply, or what came in the place of one."""
    talk, line = managed.talk, managed.line
    engine, now = talk.engine, talk.clock()
    if isinstance(message, dict) and isinstance(message.get("content"), list):
        place, reply_id = engine.receive(message, now=now), message.get("id")
        if engine.is_evidence(place):
            line.evidence = place
        else:
            line.reply(engine.messages[place], place, reply_id if isinstance(reply_id, str) else None)
        talk.previous = request
    else:
        engine.cut(now=now)
        log.warning("send %d: what came is no message, and is not in the record", engine.sends)
    managed.line = line


def keep(managed: Managed) -> None:
    """Store what has come. What cannot be stored now is stored with what comes next, for the reply is the caller's. Blocks."""
    with sheltered("what has come is not stored yet"):
        managed.talk.keep()
