"""Small operations on a conversation: a change of the record, and the end of a session."""

from __future__ import annotations

from collections.abc import Callable

from ctxwindow.client.actions import Blocking, Steps
from ctxwindow.client.preparing import collect
from ctxwindow.client.reopening import claim
from ctxwindow.client.talk import Talk
from ctxwindow.conversation import Conversation

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
    """Take in what is prepared beside the conversation, for it is paid for, and store what is not."""
    if talk.aside is None and not talk.engine.unkept:
        return
    yield from claim(talk)
    try:
        yield from collect(talk)
    finally:
        talk.release()
