"""Conversations of code that keeps its own list of messages, managed below it: one argument of the SDK's client.

    client = anthropic.Anthropic(middleware=[ctxwindow.Middleware("agent.db", policy=...)])

The caller sends his whole list, as ever. What goes out in its place is the window that the policy keeps.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import anthropic
from anthropic import APIRequest, APIResponse, AsyncAPIResponse, AsyncCallNext, CallNext

from ctxwindow.client.actions import Steps, drive, drive_async
from ctxwindow.client.checking import PolicyLike, as_policy, check_seconds, check_store
from ctxwindow.client.middleware.asking import Asked, asked_of
from ctxwindow.client.middleware.following import Following
from ctxwindow.client.middleware.managed import Registry
from ctxwindow.client.middleware.performing import AsyncChainPerformer, ChainPerformer
from ctxwindow.client.middleware.recognising import Recogniser
from ctxwindow.client.middleware.relaying import UNCHANGED, Relayed, relay
from ctxwindow.client.middleware.sheltering import sheltered
from ctxwindow.client.middleware.teeing import teed
from ctxwindow.client.naming import named
from ctxwindow.client.report import SessionReport
from ctxwindow.errors import MisuseError
from ctxwindow.stores import SqliteStore, Store
from ctxwindow.tiers import Policy

__all__ = ["Middleware"]


class Middleware(anthropic.Middleware):
    """Manages the window of every conversation of a client, sync or async, beta or stable, streaming or not.

    It owns `POST /v1/messages`; every other request passes. One of them may serve several clients and threads.
    """

    def __init__(
        self,
        store: str | os.PathLike[str] | Store,
        *,
        policy: PolicyLike | None = None,
        checkpoint: float = 1.0,
        conversations: int = 256,
        patience: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """A middleware with its store open.

        Args:
            store: a file for an `SqliteStore`, or a store, which stays the caller's to close.
            policy: how to keep conversations inside their windows; its keys or a preset's name will do. `recall` and `background` are not taken: nobody here could
                answer the tool, and nobody waits for what is prepared beside a conversation.
            checkpoint: seconds of streaming after which what has arrived is stored.
            conversations: how many are kept in memory; the others are read from the store when they go on.
            patience: seconds that a request under a name (`ctxwindow.conversation`) waits while another one of the same name is in
                flight; after that it goes out unchanged.
            clock: seconds since the epoch.

        Raises:
            MisuseError: one of them is none; `path` names it.
            StoreUnavailable: the store cannot be opened.
        """
        check_store(store)
        _check(conversations, clock)
        check_seconds("checkpoint", checkpoint)
        check_seconds("patience", patience)
        self._policy = (as_policy(policy) or Policy()).model_copy(update={"recall": False, "background": None})
        self._clock, self._checkpoint, self._patience, self._most = clock, checkpoint, patience, conversations
        self._marks = self._policy.cache is not None
        self._path = os.fspath(store) if isinstance(store, (str, os.PathLike)) else None
        self._inherited = list[Recogniser]()
        self._process = os.getpid()
        self._recogniser = self._over(SqliteStore(self._path) if isinstance(self._path, str) else store)

    def _over(self, store: Any) -> Recogniser:
        return Recogniser(store, self._policy, Registry(self._most), self._clock, self._checkpoint, self._patience)

    def _current(self) -> Recogniser:
        """Over a store of this process: the child of a fork opens the file anew, and knows what is in it."""
        if self._path is not None and self._process != os.getpid():
            # Of two threads that come first both open it; one is used from then on.
            opened = self._over(SqliteStore(self._path))
            self._inherited.append(self._recogniser)  # the parent's connection is not ours to close, nor to collect
            self._recogniser, self._process = opened, os.getpid()
        return self._recogniser

    def _begun(self, request: APIRequest) -> tuple[Asked, Steps[Relayed | None]] | None:
        """What a request asks for, and the way to its response; None where it goes as it is."""
        with sheltered(UNCHANGED):
            asked = asked_of(request, marks=self._marks)
            if asked is not None:
                return asked, relay(self._current(), asked, named())
        return None

    def handle(self, request: APIRequest, call_next: CallNext) -> APIResponse[Any]:
        """See `anthropic.Middleware`."""
        begun = self._begun(request)
        relayed = drive(begun[1], ChainPerformer(begun[0], call_next)) if begun is not None else None
        if relayed is None:
            return call_next(request)
        response: APIResponse[Any] = relayed.response  # type: ignore[assignment]
        _tee(response, relayed.following, awaiting=False)
        return response

    async def handle_async(self, request: APIRequest, call_next: AsyncCallNext) -> AsyncAPIResponse[Any]:
        """See `anthropic.Middleware`."""
        begun = self._begun(request)
        relayed = await drive_async(begun[1], AsyncChainPerformer(begun[0], call_next)) if begun is not None else None
        if relayed is None:
            return await call_next(request)
        response: AsyncAPIResponse[Any] = relayed.response  # type: ignore[assignment]
        _tee(response, relayed.following, awaiting=True)
        return response

    @property
    def conversations(self) -> list[str]:
        """The names of all conversations in the store, the one used last first."""
        return [info.id for info in self._current().store.conversations()]

    def report(self, name: str) -> SessionReport:
        """Where a conversation stands, what it cost, what was done to it, and what went wrong: as far as it is stored.

        Raises:
            HistoryError: the store has none of this name.
        """
        return self._current().report(name)

    def close(self) -> None:
        """Close the store, if it was opened here."""
        if isinstance(self._recogniser.store, SqliteStore) and self._path is not None:
            self._recogniser.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _tee(response: Any, following: Following | None, *, awaiting: bool) -> None:
    """Have the bytes of a streamed response followed."""
    if following is None:
        return
    with sheltered("a streamed reply cannot be followed"):
        response.http_response = teed(response.http_response, following, awaiting=awaiting)


def _check(conversations: Any, clock: Any) -> None:
    """Check what a middleware is given: a mistake is told there, and not at the first request."""
    if type(conversations) is not int or conversations < 1:
        raise MisuseError("this is no number of conversations.", path="conversations", remedy="Pass 1 or more.")
    if not callable(clock):
        raise MisuseError(
            "this is no clock.", path="clock", remedy="Pass a function that gives seconds, as time.time does."
        )
