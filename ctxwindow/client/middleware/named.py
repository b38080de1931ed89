"""The conversation that the caller has named (`ctxwindow.conversation`): one at a time, with all that was said under its name.

System and tools are the prefix of a record, so that other ones make another record (BIND-12): `ticket`, `ticket~2`. Whichever
is used, it has all that was said in the others. The hold on the first one is the right to go on with any of them.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from ctxwindow.client.actions import Blocking, Pause, Steps
from ctxwindow.client.incidents import log
from ctxwindow.client.middleware.aligning import continued, whole
from ctxwindow.client.middleware.asking import Asked
from ctxwindow.client.middleware.following import end_left
from ctxwindow.client.middleware.managed import Managed, newest, numbered
from ctxwindow.client.middleware.recognising import Recogniser
from ctxwindow.client.reopening import catch_up
from ctxwindow.errors import StoreConflict
from ctxwindow.stores import Hold

__all__ = ["claim_named"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.1
"""Seconds between looks whether another request has ended."""

_LEFT = "nothing in it is known. What was said before is kept as a branch, and off the wire. This is told once."
_CARRIED = "another record is begun, with all that was said under this name"


def claim_named(recogniser: Recogniser, asked: Asked, name: str) -> Steps[Managed | None]:
    """As `Recogniser.claim`, of a request whose conversation the caller has named. Waits while another request of this name
    is in flight.

    Raises:
        StoreConflict: it is in flight for longer than the recogniser's patience.
        CtxwindowError: the request cannot be managed; nothing is held, and nothing of it is in the record.
    """
    for known in recogniser.registry.recent():
        if known.family == name:
            yield from end_left(known)
    holds = [(yield from _waited(recogniser, name))]
    try:
        managed = yield from _found(recogniser, asked, name, holds)
        if managed is not None:
            managed.talk.hold = Hold(partial(_release, holds))
            return managed
    except BaseException:
        _release(holds)
        raise
    _release(holds)
    return None


def _release(holds: list[Hold]) -> None:
    for hold in holds:
        hold.release()


def _waited(recogniser: Recogniser, name: str) -> Steps[Hold]:
    """The right to go on with a record, as soon as nobody else has it."""
    pause, until = _FIRST_PAUSE, time.monotonic() + recogniser.patience
    while True:
        hold: Hold | None = yield Blocking(partial(recogniser.store.hold, name))
        if hold is not None:
            return hold
        if time.monotonic() >= until:
            raise StoreConflict(
                f"another request of this conversation was in flight for more than {recogniser.patience:g} seconds.",
                path=f"conversation {name!r}",
                remedy="Send one request of a conversation at a time, or give the middleware more patience.",
            )
        yield Pause(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _found(recogniser: Recogniser, asked: Asked, name: str, holds: list[Hold]) -> Steps[Managed | None]:
    """The record that has the request's system and tools, with all that it says; None where it is a thread that nothing is
    known of.
    """
    known, number = yield from _known(recogniser, name)
    messages = asked.messages
    if asked.previous is not None:
        known = [managed for managed in known if managed.line.following(asked.previous) is not None][:1]
    if known:
        found, messages = yield from _gone_on(recogniser, asked, known, holds)
        if found is not None:
            return found
    if asked.previous is not None:
        return None
    record = numbered(name, number)
    if number > 1:
        holds.append((yield from _waited(recogniser, record)))
    managed: Managed = yield Blocking(lambda: recogniser.started(asked, messages, record, name))
    return managed


def _gone_on(
    recogniser: Recogniser, asked: Asked, known: list[Managed], holds: list[Hold]
) -> Steps[tuple[Managed | None, list[dict[str, Any]]]]:
    """The record among those known that has the request's system and tools, None where there is none; and the caller's whole
    list, which goes on from the record that was used last.
    """
    last = known[0]
    yield from _caught_up(recogniser, last, holds)
    if asked.previous is None:
        messages = whole(last.line, asked.messages)
    elif last.line.following(asked.previous) is not None:
        messages = continued(last.line, asked)
    else:
        return None, []  # another process has just gone back behind that reply
    if last.line.sent and not last.line.common(messages) and last.left_behind(messages, 0) is None:
        recogniser.tell_once({last.family}, f"the list of conversation {last.family!r} is begun anew: {_LEFT}")
    framed = next((managed for managed in known if managed.is_framed_by(asked)), None)
    if framed is None:
        log.warning("system or tools have changed, and they are the prefix: %s [BIND-12]", _CARRIED)
        return None, messages
    if framed is not last:
        log.info("system or tools are those of an earlier record again, which goes on with all that was said")
        yield from _caught_up(recogniser, framed, holds)
    return (framed if (yield from recogniser.align(framed, asked, messages)) else None), messages


def _known(recogniser: Recogniser, name: str) -> Steps[tuple[list[Managed], int]]:
    """The records of a name, the most recently used first, and a number that none has."""
    names, number = yield Blocking(lambda: newest(recogniser.store, name))
    known = [managed for managed in recogniser.registry.recent() if managed.family == name]
    in_memory = {managed.talk.name for managed in known}
    unread = [stored for stored in names if stored not in in_memory]
    if unread:
        new = yield Blocking(lambda: [recogniser.stored(stored, name) for stored in unread])
        known = sorted([*known, *new], key=_used_at, reverse=True)
        for managed in reversed(known):
            recogniser.registry.put(managed)
    return known, number


def _used_at(managed: Managed) -> float:
    return managed.talk.engine.events[-1].at or 0.0


def _caught_up(recogniser: Recogniser, managed: Managed, holds: list[Hold]) -> Steps[None]:
    """Have a record be where the store is. Those behind the first one have a hold of their own, too, for sessions."""
    if managed.talk.name != managed.family:
        holds.append((yield from _waited(recogniser, managed.talk.name)))
    yield from catch_up(managed.talk)
    managed.follow()
