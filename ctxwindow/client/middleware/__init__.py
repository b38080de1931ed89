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

from ctxwindow.client.actions import drive, drive_async
from ctxwindow.client.checking import PolicyLike, as_policy, check_store
from ctxwindow.client.middleware.asking import asked_of
from ctxwindow.client.middleware.managed import Registry
from ctxwindow.client.middleware.performing import AsyncChainPerformer, ChainPerformer
from ctxwindow.client.middleware.recognising import Recogniser
from ctxwindow.client.middleware.relaying import relay
from ctxwindow.client.middleware.teeing import teed
from ctxwindow.client.naming import named
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
            StoreUnavailable: the store cannot be opened.
            MisuseError: this is no store, or no policy.
        """
        check_store(store)
        kept = SqliteStore(os.fspath(store)) if isinstance(store, (str, os.PathLike)) else store
        self._owned = kept if kept is not store else None
        managing = (as_policy(policy) or Policy()).model_copy(update={"recall": False, "background": None})
        self._recogniser = Recogniser(kept, managing, Registry(conversations), clock, checkpoint, patience)
        self._marks = managing.cache is not None

    def handle(self, request: APIRequest, call_next: CallNext) -> APIResponse[Any]:
        """See `anthropic.Middleware`."""
        asked = asked_of(request, marks=self._marks)
        relayed = None
        if asked is not None:
            relayed = drive(relay(self._recogniser, asked, named()), ChainPerformer(asked, call_next))
        if relayed is None:
            return call_next(request)
        response: APIResponse[Any] = relayed.response  # type: ignore[assignment]
        if relayed.following is not None:
            response.http_response = teed(response.http_response, relayed.following, awaiting=False)
        return response

    async def handle_async(self, request: APIRequest, call_next: AsyncCallNext) -> AsyncAPIResponse[Any]:
        """See `anthropic.Middleware`."""
        asked = asked_of(request, marks=self._marks)
        relayed = None
        if asked is not None:
            relayed = await drive_async(relay(self._recogniser, asked, named()), AsyncChainPerformer(asked, call_next))
        if relayed is None:
            return await call_next(request)
        response: AsyncAPIResponse[Any] = relayed.response  # type: ignore[assignment]
        if relayed.following is not None:
            response.http_response = teed(response.http_response, relayed.following, awaiting=True)
        return response

    def close(self) -> None:
        """Close the store, if it was opened here."""
        if self._owned is not None:
            self._owned.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
