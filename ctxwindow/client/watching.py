"""Following a reply while it streams: what has arrived, when to store it, whether it came whole."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any

from ctxwindow.errors import EndpointError, StreamCut
from ctxwindow.record import intake
from ctxwindow.record.streamed import RAW_EVENTS, Streamed

__all__ = [
    "Watch",
    "checked_message",
    "checked_stream",
    "checked_tokens",
    "decoding",
    "reading",
    "reading_async",
]

_BARE = frozenset({"content_block_stop", "message_stop"})
"""Events to which the SDK adds a snapshot, which is none of theirs."""


class Watch:
    """One reply that is streamed.

    Attributes:
        streamed: what has arrived.
    """

    def __init__(
        self, store: Callable[[list[dict[str, Any]]], None] | None, clock: Callable[[], float], every: float
    ) -> None:
        """A reply that has not begun.

        Args:
            store: keeps events that have arrived; None: nothing is kept before the end.
            clock: seconds.
            every: seconds after which what has arrived is kept.
        """
        self.streamed = Streamed()
        self._store = store
        self._clock = clock
        self._every = every
        self._kept_at = clock()

    def take(self, event: Any) -> bool:
        """Take one event of the SDK's stream; whether it is time for a `checkpoint`."""
        kind = getattr(event, "type", None)
        if kind not in RAW_EVENTS:
            return False
        if kind in _BARE:
            return self.feed({"type": kind, "index": getattr(event, "index", None)})
        return self.feed(intake(event, "event"))

    def feed(self, event: dict[str, Any]) -> bool:
        """Take one event as the API sends it; whether it is time for a `checkpoint`."""
        self.streamed.feed(event)
        return self._store is not None and self._clock() - self._kept_at >= self._every

    def checkpoint(self) -> None:
        """Store what has arrived since the last time. Blocks."""
        self._kept_at = self._clock()  # also where it fails: it is not tried with every event then
        if self._store is not None:
            self._store(self.streamed.taken())

    def end(self) -> dict[str, Any]:
        """The reply, when the stream has ended.

        Raises:
            StreamCut: it ended before the reply did.
        """
        if self.streamed.message is None:
            raise StreamCut("the stream ended before anything had arrived.", rule="MSG-16")
        if not self.streamed.complete:
            raise StreamCut("the stream ended before the reply was complete.", rule="MSG-16")
        return self.streamed.message


def checked_stream(watch: Watch, stream: Any) -> Any:
    """The message of a stream of the SDK that has ended, as the SDK has put it together.

    Raises:
        EndpointError: it was none: the SDK finds no event in a page of HTML, and says nothing.
        StreamCut: it ended before the reply did.
    """
    kind = stream.response.headers.get("content-type", "")
    if watch.streamed.message is None and "event-stream" not in kind:
        raise not_the_api("a page" if "html" in kind else "no stream")
    watch.end()
    return stream.current_message_snapshot


@contextlib.contextmanager
def decoding() -> Iterator[None]:
    """Around a call of the SDK, which decodes what comes as if it could not be anything else.

    Raises:
        EndpointError: an answer that calls itself JSON is none, or none in UTF-8.
    """
    try:
        yield
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise not_the_api("what is no JSON") from error


def reading(stream: Iterable[Any]) -> Iterator[Any]:
    """The events of the SDK's stream.

    Raises:
        EndpointError: what comes cannot be decoded: it is no text, or no JSON.
    """
    try:
        yield from stream
    except ValueError as error:
        raise not_the_api("bytes that are no events") from error


async def reading_async(stream: AsyncIterable[Any]) -> AsyncIterator[Any]:
    """The same of a stream that is awaited."""
    try:
        async for event in stream:
            yield event
    except ValueError as error:
        raise not_the_api("bytes that are no events") from error


def checked_message(message: Any) -> Any:
    """The message that the SDK gave, if it is one: the SDK hands out a page of HTML as a string.

    Raises:
        EndpointError: it is none.
    """
    content = message.get("content") if isinstance(message, dict) else getattr(message, "content", None)
    if isinstance(content, list):
        return message
    raise not_the_api("a page or a text" if isinstance(message, str) else "something else")


def checked_tokens(counted: Any) -> int:
    """The tokens of an answer of `count_tokens`, if it is one.

    Raises:
        EndpointError: it is none.
    """
    tokens = getattr(counted, "input_tokens", None)
    if type(tokens) is int and tokens >= 0:
        return tokens
    raise not_the_api("a page or a text" if isinstance(counted, str) else "something else")


def not_the_api(what: str) -> EndpointError:
    """The error for an answer that no Messages API gives."""
    return EndpointError(
        f"the base URL answered with {what}, not as the Messages API does.",
        path="base_url",
        remedy="Check the client's base_url, and the proxy behind it.",
    )
