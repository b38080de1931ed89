"""Replies that somebody reads as they stream: the events are the SDK's own, live.

The steps of `rounds` run underneath. Where they ask for a reply, its stream is handed to the reader event by event; when it
ends, or breaks off, they go on: another reply may follow in the same stream (a paused turn, a reply that was cut off and is
gone on with, the next round of a run).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ctxwindow.client.actions import Action, Create, Steps
from ctxwindow.client.api import arguments, messages_of
from ctxwindow.client.performing import AsyncClientPerformer, ClientPerformer, in_thread
from ctxwindow.client.reply import Reply
from ctxwindow.client.watching import checked_stream, reading, reading_async
from ctxwindow.errors import MisuseError

if TYPE_CHECKING:
    from anthropic.lib.streaming import BetaAsyncMessageStream, BetaMessageStream, ParsedBetaMessageStreamEvent

__all__ = ["AsyncSessionStream", "SessionStream"]


class _LeftError(BaseException):
    """The reader has left the stream before its end: the steps are told, so that they store what has arrived."""


class _Stream:
    """What both kinds of stream know."""

    def __init__(self, steps: Steps[Reply]) -> None:
        self._steps = steps
        self._creating: Create | None = None
        self._reply: Reply | None = None
        self._entered = False

    @property
    def reply(self) -> Reply:
        """What came of it, once the stream has been read to its end.

        Raises:
            MisuseError: it has not.
        """
        if self._reply is None:
            raise MisuseError("the stream has not ended.", remedy="Read it to its end, or call `until_done()`.")
        return self._reply

    def _next_action(self, found: Any, error: BaseException | None) -> Action | None:
        """The next step; None when all is done."""
        try:
            return self._steps.throw(error) if error is not None else self._steps.send(found)
        except StopIteration as end:
            self._reply = end.value
            return None

    def _is_live(self, action: Action) -> bool:
        return isinstance(action, Create) and action.purpose == "reply" and action.watch is not None

    def _enter(self) -> None:
        if self._entered:
            raise MisuseError("a stream is entered once.", remedy="Call `stream` again.")
        self._entered = True

    def _check_entered(self) -> None:
        if not self._entered:
            raise MisuseError(
                "the stream has not been entered, so nothing was sent.", remedy="Read it inside its `with`."
            )


class SessionStream(_Stream):
    """A stream of one operation of a `Session`. Use it in `with`; iterate it for events, or `text_stream` for text."""

    def __init__(self, steps: Steps[Reply], performer: ClientPerformer) -> None:
        super().__init__(steps)
        self._performer = performer
        self._stream: BetaMessageStream[Any] | None = None

    def __enter__(self) -> Self:
        self._enter()
        self._advance()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[ParsedBetaMessageStreamEvent[Any]]:
        self._check_entered()
        while self._stream is not None:
            assert self._creating is not None and self._creating.watch is not None  # noqa: S101, PT018
            watch = self._creating.watch
            try:
                for event in reading(self._stream):
                    if watch.take(event):
                        watch.checkpoint()
                    yield event
                found = checked_stream(watch, self._stream)
            except GeneratorExit:
                raise  # the reader has stopped; `close` ends it
            except BaseException as error:  # noqa: BLE001 - the steps decide
                self._advance(error=error)
            else:
                self._advance(found)

    @property
    def text_stream(self) -> Iterator[str]:
        """The text, as it comes."""
        for event in self:
            if event.type == "text":
                yield event.text

    def until_done(self) -> Reply:
        """Read to the end; what came of it."""
        for _ in self:
            pass
        return self.reply

    def get_final_message(self) -> Any:
        """Read to the end; the last message, as the SDK gave it."""
        return self.until_done().message

    def get_final_text(self) -> str:
        """Read to the end; the text of the reply."""
        return self.until_done().text

    def close(self) -> None:
        """Stop reading. What has arrived of a reply that is not complete is stored as evidence, and `resume` goes on from it."""
        stream, self._stream = self._stream, None
        try:
            if stream is not None:
                stream.close()
        finally:
            if stream is not None:
                with contextlib.suppress(_LeftError):
                    self._advance(error=_LeftError())
            self._steps.close()

    def _advance(self, found: Any = None, error: BaseException | None = None) -> None:
        """Carry out steps until a reply streams, or all is done."""
        self._stream = None
        action = self._next_action(found, error)
        while action is not None:
            found, error = None, None
            try:
                if self._is_live(action):
                    assert isinstance(action, Create)  # noqa: S101 - it is live
                    messages = messages_of(self._performer.client, self._performer.surface)
                    manager = messages.stream(**arguments(messages.stream, action.request))
                    self._creating, self._stream = action, manager.__enter__()
                    return
                found = self._performer.perform(action)
            except BaseException as raised:  # noqa: BLE001 - the steps decide
                error = raised
            action = self._next_action(found, error)


class AsyncSessionStream(_Stream):
    """A stream of one operation of an `AsyncSession`. Use it in `async with`; iterate it for events, or `text_stream` for text."""

    def __init__(self, steps: Steps[Reply], performer: AsyncClientPerformer) -> None:
        super().__init__(steps)
        self._performer = performer
        self._stream: BetaAsyncMessageStream[Any] | None = None

    async def __aenter__(self) -> Self:
        self._enter()
        await self._advance()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[ParsedBetaMessageStreamEvent[Any]]:
        self._check_entered()
        while self._stream is not None:
            assert self._creating is not None and self._creating.watch is not None  # noqa: S101, PT018
            watch = self._creating.watch
            try:
                async for event in reading_async(self._stream):
                    if watch.take(event):
                        await in_thread(watch.checkpoint)
                    yield event
                found = checked_stream(watch, self._stream)
            except GeneratorExit:
                raise  # the reader has stopped; `close` ends it
            except BaseException as error:  # noqa: BLE001 - the steps decide
                await self._advance(error=error)
            else:
                await self._advance(found)

    @property
    async def text_stream(self) -> AsyncIterator[str]:
        """The text, as it comes."""
        async for event in self:
            if event.type == "text":
                yield event.text

    async def until_done(self) -> Reply:
        """Read to the end; what came of it."""
        async for _ in self:
            pass
        return self.reply

    async def get_final_message(self) -> Any:
        """Read to the end; the last message, as the SDK gave it."""
        return (await self.until_done()).message

    async def get_final_text(self) -> str:
        """Read to the end; the text of the reply."""
        return (await self.until_done()).text

    async def close(self) -> None:
        """Stop reading. What has arrived of a reply that is not complete is stored as evidence, and `resume` goes on from it."""
        stream, self._stream = self._stream, None
        try:
            if stream is not None:
                await stream.close()
        finally:
            if stream is not None:
                with contextlib.suppress(_LeftError):
                    await self._advance(error=_LeftError())
            self._steps.close()

    async def _advance(self, found: Any = None, error: BaseException | None = None) -> None:
        """Carry out steps until a reply streams, or all is done."""
        self._stream = None
        action = self._next_action(found, error)
        while action is not None:
            found, error = None, None
            try:
                if self._is_live(action):
                    assert isinstance(action, Create)  # noqa: S101 - it is live
                    messages = messages_of(self._performer.client, self._performer.surface)
                    manager = messages.stream(**arguments(messages.stream, action.request))
                    self._creating, self._stream = action, await manager.__aenter__()
                    return
                found = await self._performer.perform(action)
            except BaseException as raised:  # noqa: BLE001 - the steps decide
                error = raised
            action = self._next_action(found, error)
