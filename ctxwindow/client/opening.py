"""Opening a conversation in a store: a new one, or the one that is there."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.client.actions import Blocking, Steps
from ctxwindow.client.api import Surface
from ctxwindow.client.changing import following_settings
from ctxwindow.client.reopening import claim
from ctxwindow.client.talk import Talk
from ctxwindow.client.tools import Toolbox
from ctxwindow.conversation import Conversation
from ctxwindow.errors import MisuseError, StoreConflict
from ctxwindow.recall.tool import TOOL_NAME
from ctxwindow.record import intake
from ctxwindow.record.events import Started
from ctxwindow.stores import SqliteStore, Store, load
from ctxwindow.stores.protocol import check_conversation
from ctxwindow.tiers import Policy

__all__ = ["Opening", "known_tools", "open_talk"]


@dataclass(frozen=True)
class Opening:
    """What `Session.open` is given."""

    store: str | os.PathLike[str] | Store
    name: str
    model: str | ModelProfile | None
    system: Any
    toolbox: Toolbox
    policy: Policy | None
    settings: Mapping[str, Any] | None
    max_tokens: int
    surface: Surface
    streaming: bool | None
    busy: Literal["wait", "raise"]
    patience: float
    checkpoint: float
    clock: Callable[[], float]


def open_talk(given: Opening) -> Steps[Talk]:
    """The conversation, as it is in the store.

    Raises:
        StoreUnavailable: the store cannot be opened.
        MisuseError: a new conversation needs a model; or system, tools or policy are not those that it began with.
        UnknownModel: the model is not in the catalog.
        PolicyError, InvalidRequest: as for `Conversation.start`.
    """
    check_conversation(given.name)
    store = given.store
    if isinstance(store, (str, os.PathLike)):
        path = os.fspath(store)
        store = yield Blocking(lambda: SqliteStore(path))
    try:
        return (yield from _open(given, store))
    except BaseException:
        if store is not given.store:
            store.close()
        raise


def _open(given: Opening, store: Store) -> Steps[Talk]:
    if not (yield Blocking(lambda: store.version(given.name))):
        talk = _talk(given, store, _started(given))
        try:
            yield Blocking(talk.keep)
        except StoreConflict:
            pass  # somebody else has started it just now
        else:
            return talk
    engine = yield Blocking(lambda: load(store, given.name))
    _check_same(engine, given)
    talk = _talk(given, store, engine)
    yield from _configure(talk, given)
    return talk


def _talk(given: Opening, store: Store, engine: Conversation) -> Talk:
    talk = Talk(
        engine=engine,
        store=store,
        name=given.name,
        max_tokens=given.max_tokens,
        clock=given.clock,
        surface=given.surface,
        streaming=given.streaming,
        busy=given.busy,
        patience=given.patience,
        checkpoint=given.checkpoint,
    )
    talk.call(given.model)
    return talk


def _started(given: Opening) -> Conversation:
    if given.model is None:
        raise MisuseError(
            f"there is no conversation {given.name!r} yet, and a new one needs a model.",
            path="model",
            remedy="Pass model=..., or the name of one that is there.",
        )
    return Conversation.start(
        model=given.model,
        system=given.system,
        tools=given.toolbox.definitions or None,
        policy=given.policy,
        settings=given.settings,
        now=given.clock(),
    )


def _check_same(engine: Conversation, given: Opening) -> None:
    """System, tools and policy stay for the life of a conversation: they are its prefix (BIND-12)."""
    first = engine.events[0]
    assert isinstance(first, Started)  # noqa: S101 - by the engine
    if given.system is not None and intake(given.system, "system") != first.system:
        raise _changed("system")
    if given.toolbox.definitions and given.toolbox.definitions != _recorded_tools(engine):
        raise _changed("tools")
    if given.policy is not None and given.policy.model_dump(mode="json") != engine.policy.model_dump(mode="json"):
        raise _changed("policy")


def _recorded_tools(engine: Conversation) -> list[dict[str, Any]]:
    """The tools that the conversation began with, but for that of recall."""
    first = engine.events[0]
    assert isinstance(first, Started)  # noqa: S101 - by the engine
    return [tool for tool in first.tools or () if not (engine.policy.recall and tool.get("name") == TOOL_NAME)]


def known_tools(talk: Talk, given: Toolbox) -> Toolbox:
    """The tools of a session: those given, or else those that are recorded, which do not run here."""
    return given if given.definitions else Toolbox(_recorded_tools(talk.engine))


def _changed(what: str) -> MisuseError:
    return MisuseError(
        "this is not what the conversation began with.",
        rule="BIND-12",
        path=what,
        remedy=f"Leave {what} out to go on with what is recorded, or begin another conversation under another name.",
    )


def _configure(talk: Talk, given: Opening) -> Steps[None]:
    """Switch to another model or other settings, if they are given."""
    model = given.model if given.model is not None and resolve(given.model).id != talk.engine.model else None
    settings = following_settings(talk.engine, given.settings, model)
    if settings == talk.engine.settings:
        settings = None
    if model is None and settings is None:
        return
    yield from claim(talk)
    try:
        talk.engine.configure(model=model, settings=settings, now=talk.clock())
        yield Blocking(talk.keep)
    finally:
        talk.release()
