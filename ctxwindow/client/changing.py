"""Small operations on a conversation: a change of the record, and the end of a session."""

from __future__ import annotations

from collections.abc import Callable

from ctxwindow.client.actions import Blocking, Steps
from ctxwindow.client.preparing import collect
from ctxwindow.client.reopening import claim
from ctxwindow.client.talk import Talk
from ctxwindow.conversation import Conversation
from ctxwindow.errors import MisuseError, StoreConflict

__all__ = ["changed", "finish"]


def changed(talk: Talk, change: Callable[[Conversation, float], None]) -> Steps[None]:
    """Change the record by a call of the engine, and store the change."""
    yield from claim(talk)
    try:
        try:
            change(talk.engine, talk.clock())
            yield Blocking(talk.keep)
        except BaseException:
            talk.forget()
            raise
    finally:
        talk.release()


def finish(talk: Talk) -> Steps[None]:
    """Wait for an operation of this very session, take in what is prepared beside the conversation, for it is paid for, and
    store what is not.

    Raises:
        MisuseError: an operation of this session has not ended: it needs the store, so the session stays open.
    """
    if talk.hold is None and talk.aside is None and not talk.engine.unkept:
        return
    try:
        yield from claim(talk)
    except StoreConflict:
        if talk.hold is None:
            raise
        raise MisuseError(
            "an operation of this session has not ended, so the session is still open.",
            remedy="Let it end, or leave the stream that is open, and close again.",
        ) from None
    try:
        yield from collect(talk)
    finally:
        talk.release()
