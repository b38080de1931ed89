"""Carrying out actions with a client of the SDK: one performer that blocks, one that awaits."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ctxwindow.client import actions
from ctxwindow.client.api import Surface, arguments, messages_of
from ctxwindow.client.running import AsyncRunner, Runner
from ctxwindow.client.watching import (
    checked_message,
    checked_stream,
    checked_tokens,
    decoding,
    reading,
    reading_async,
)
from ctxwindow.errors import MisuseError

if TYPE_CHECKING:
    from anthropic import Anthropic, AsyncAnthropic

__all__ = ["AsyncClientPerformer", "ClientPerformer", "in_thread"]


@dataclass
class ClientPerformer:
    """Carries out actions, blocking."""

    client: Anthropic
    surface: Surface
    runner: Runner | None = None
    aside: Future[Any] | None = None

    def perform(self, action: actions.Action) -> Any:
        """See `actions.Performer`."""
        match action:
            case actions.Create():
                return self.create(action)
            case actions.Count():
                method = messages_of(self.client, self.surface).count_tokens
                with decoding():
                    return checked_tokens(method(**arguments(method, action.request)))
            case actions.Blocking():
                return action.function()
            case actions.Pause():
                time.sleep(action.seconds)
            case actions.StartTools():
                self.runner = Runner(action.toolbox, timeout=action.seconds)
                self.runner.start(action.calls)
            case actions.NextResult():
                assert self.runner is not None  # noqa: S101 - calls run
                return self.runner.next()[1]
            case actions.StopTools():
                self.close()
            case actions.Approve():
                return _asked(action.hook, action.call)
            case actions.StartAside():
                self.aside = _in_background(partial(self.create, action.action))
            case actions.Collect():
                return self._collect(wait=action.wait)
        return None

    def create(self, action: actions.Create) -> Any:
        """Send a request, and have its reply whole."""
        messages = messages_of(self.client, self.surface)
        if action.watch is None:
            with decoding():
                return checked_message(messages.create(**arguments(messages.create, action.request)))
        with messages.stream(**arguments(messages.stream, action.request)) as stream:
            for event in reading(stream):
                if action.watch.take(event):
                    action.watch.checkpoint()
            return checked_stream(action.watch, stream)

    def _collect(self, *, wait: bool) -> Any:
        future = self.aside
        if future is None or not (wait or future.done()):
            return None
        found = future.exception() or future.result()
        self.aside = None  # an interrupt of the waiting leaves it to the next who asks
        return found

    def close(self) -> None:
        """Give up what still runs."""
        if self.runner is not None:
            self.runner.close()


@dataclass
class AsyncClientPerformer:
    """Carries out actions, awaiting. What blocks runs in a thread."""

    client: AsyncAnthropic
    surface: Surface
    runner: AsyncRunner | None = None
    aside: asyncio.Task[Any] | None = None

    async def perform(self, action: actions.Action) -> Any:
        """See `actions.AsyncPerformer`."""
        match action:
            case actions.Create():
                return await self.create(action)
            case actions.Count():
                method = messages_of(self.client, self.surface).count_tokens
                with decoding():
                    return checked_tokens(await method(**arguments(method, action.request)))
            case actions.Blocking():
                return await in_thread(action.function)
            case actions.Pause():
                await asyncio.sleep(action.seconds)
            case actions.StartTools():
                self.runner = AsyncRunner(action.toolbox, timeout=action.seconds)
                self.runner.start(action.calls)
            case actions.NextResult():
                assert self.runner is not None  # noqa: S101 - calls run
                return (await self.runner.next())[1]
            case actions.StopTools():
                await self.close()
            case actions.Approve():
                verdict = action.hook(action.call)
                return await verdict if isinstance(verdict, Awaitable) else verdict
            case actions.StartAside():
                self.aside = asyncio.create_task(self.create(action.action))
            case actions.Collect():
                return await self._collect(wait=action.wait)
        return None

    async def create(self, action: actions.Create) -> Any:
        """Send a request, and have its reply whole."""
        messages = messages_of(self.client, self.surface)
        if action.watch is None:
            with decoding():
                return checked_message(await messages.create(**arguments(messages.create, action.request)))
        async with messages.stream(**arguments(messages.stream, action.request)) as stream:
            async for event in reading_async(stream):
                if action.watch.take(event):
                    await in_thread(action.watch.checkpoint)
            return checked_stream(action.watch, stream)

    async def _collect(self, *, wait: bool) -> Any:
        task = self.aside
        if task is None or not (wait or task.done()):
            return None
        if not task.done():
            await asyncio.wait([task])  # a cancellation of the waiting does not end it: it is paid for
        self.aside = None
        if task.cancelled():  # its event loop has ended
            return TimeoutError("cancelled")
        return task.exception() or task.result()

    async def close(self) -> None:
        """Give up what still runs."""
        if self.runner is not None:
            await self.runner.close()


async def in_thread(function: Callable[[], Any]) -> Any:
    """Call what blocks. A cancellation waits for its end: it works on the conversation, which nobody else may then."""
    running = asyncio.ensure_future(asyncio.to_thread(function))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await asyncio.shield(running)
        if not running.cancelled():
            running.exception()  # it is looked at, so that nobody warns of it
        raise


def _in_background(function: Callable[[], Any]) -> Future[Any]:
    """Call a function in a thread that does not keep the process from ending."""
    found: Future[Any] = Future()

    def work() -> None:
        try:
            found.set_result(function())
        except BaseException as error:  # noqa: BLE001 - it is raised, or told, where the result is collected
            found.set_exception(error)

    try:
        threading.Thread(target=work, name="ctxwindow-aside", daemon=True).start()
    except RuntimeError as error:  # the system has no more threads to give
        found.set_exception(error)
    return found


def _asked(hook: actions.Approval, call: Mapping[str, Any]) -> bool | str:
    """What an approval hook says, where nothing can be awaited."""
    verdict = hook(call)
    if not isinstance(verdict, Awaitable):
        return verdict
    if isinstance(verdict, Coroutine):
        verdict.close()
    raise MisuseError("it is async, and this session does not await.", path="approve", remedy="Use AsyncSession.")
