"""Before anything is done: the right to go on, what others have stored since, and what a fault has left open."""

from __future__ import annotations

import time
from functools import partial

from ctxwindow.client.actions import Blocking, Pause, Steps
from ctxwindow.client.incidents import log
from ctxwindow.client.talk import Talk
from ctxwindow.errors import StoreConflict
from ctxwindow.stores import Hold

__all__ = ["catch_up", "claim"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.1
"""Seconds between looks whether another driver has ended: short at first, because most operations are."""


def claim(talk: Talk) -> Steps[None]:
    """Claim the conversation and catch up. Whoever calls this must `talk.release()`.

    Raises:
        StoreConflict: somebody else is at it, and went on for longer than `talk.patience`, or `talk.busy` says not to wait.
        StoreUnavailable: the store cannot be read or written.
    """
    yield from _hold(talk)
    try:
        yield from catch_up(talk)
    except BaseException:
        talk.release()
        raise


def _take(talk: Talk, taken: list[Hold]) -> None:
    """Claim the right to go on with the conversation, without waiting. Blocks."""
    hold = talk.store.hold(talk.name)
    if hold is not None:
        talk.hold = hold
        taken.append(hold)


def _hold(talk: Talk) -> Steps[None]:
    pause, until = _FIRST_PAUSE, time.monotonic() + talk.patience
    while True:
        taken: list[Hold] = []
        try:
            yield Blocking(partial(_take, talk, taken))
        except BaseException:
            if taken:  # an interrupt came after it; another operation of this very session may have the hold otherwise
                talk.release()
            raise
        if taken:
            return
        if talk.busy == "raise" or time.monotonic() >= until:
            waited = "" if talk.busy == "raise" else f" for more than {talk.patience:g} seconds"
            raise StoreConflict(
                f"the conversation is in use by another thread or process{waited}; nothing was sent.",
                path=f"conversation {talk.name!r}",
                remedy="Try again when it has ended, or open the session with busy='wait' and more patience.",
            )
        yield Pause(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def catch_up(talk: Talk) -> Steps[None]:
    """Be where the store is, and close what a fault has left open."""
    version = yield Blocking(lambda: talk.store.version(talk.name))
    if version != talk.engine.kept:
        if talk.engine.unkept:
            log.warning("%d events could not be stored, for somebody else has gone on", len(talk.engine.unkept))
        yield Blocking(talk.follow)
        talk.idle = frozenset()  # somebody else may have begun them
    if talk.engine.awaiting:
        # The process that waited for this reply is gone, or what waited in this one was interrupted.
        talk.engine.cut(now=talk.clock())
        talk.begin_none()
    if talk.engine.unkept:
        yield Blocking(talk.keep)
