"""Small operations on a conversation: a change of the record, and the end of a session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.client.actions import Blocking, Steps
from ctxwindow.client.preparing import collect
from ctxwindow.client.reopening import claim
from ctxwindow.client.talk import Talk
from ctxwindow.conversation import Conversation
from ctxwindow.errors import MisuseError, StoreConflict
from ctxwindow.tiers.intake import checked_settings
from ctxwindow.tiers.recovery import with_binding

__all__ = ["changed", "configured", "finish", "following_settings"]


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


def configured(talk: Talk, model: str | ModelProfile | None, settings: Mapping[str, Any] | None) -> Steps[None]:
    """Switch the model, or replace the settings."""

    def change(engine: Conversation, now: float) -> None:
        engine.configure(model=model, settings=following_settings(engine, settings, model), now=now)

    yield from changed(talk, change)
    talk.call(model)


def following_settings(
    engine: Conversation, given: Mapping[str, Any] | None, model: str | ModelProfile | None
) -> dict[str, Any] | None:
    """The settings that a conversation gets by those that the caller gives: what a recovery has set stays (BIND-26)."""
    if given is None:
        return None
    same = model is None or resolve(model).id == engine.model
    return with_binding(checked_settings(given), engine.settings, same_model=same)


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
