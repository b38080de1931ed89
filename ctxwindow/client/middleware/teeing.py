"""The bytes of a streamed response, to the caller untouched and live, and beside that to whoever follows the reply."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx2

from ctxwindow.client.middleware.following import Following
from ctxwindow.client.middleware.sheltering import sheltered
from ctxwindow.client.performing import in_thread

__all__ = ["AsyncTee", "Tee", "teed"]


class _Outer:
    """Has what the stream inside has, such as the `stream_observer` of the SDK's tracing."""

    def __init__(self, inner: Any, following: Following) -> None:
        self._inner = inner
        self._following = following

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_inner"], name)


class Tee(_Outer, httpx2.SyncByteStream):
    """A stream that is read blocking."""

    def __iter__(self) -> Iterator[bytes]:
        try:
            inner = iter(self._inner)
            while True:
                with self._following.reading():
                    chunk = next(inner, None)
                if chunk is None:
                    break
                if self._following.take(chunk):
                    self._following.settle()
                yield chunk
        except GeneratorExit:
            raise  # dropped, perhaps by the collector, where nothing may block; `close` follows if anybody cares
        except BaseException:
            self._following.end()
            raise
        self._following.end()

    def close(self) -> None:
        """End it, wherever it is."""
        try:
            self._inner.close()
        finally:
            self._following.end()


class AsyncTee(_Outer, httpx2.AsyncByteStream):
    """A stream that is read awaiting."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            inner = aiter(self._inner)
            while True:
                with self._following.reading():
                    chunk = await anext(inner, None)
                if chunk is None:
                    break
                if self._following.take(chunk):
                    await _beside(self._following.settle)
                yield chunk
        except GeneratorExit:
            raise
        except BaseException:
            await _beside(self._following.end)
            raise
        await _beside(self._following.end)

    async def aclose(self) -> None:
        """End it, wherever it is."""
        try:
            await self._inner.aclose()
        finally:
            await _beside(self._following.end)


async def _beside(function: Callable[[], None]) -> None:
    """Call what blocks. Where no thread can be had any more, as at the end of a program, the caller is served all the same."""
    with sheltered("a streamed reply is not in the record"):
        await in_thread(function)


class _Decoded(httpx2.SyncByteStream):
    def __init__(self, response: httpx2.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        yield from self._response.iter_bytes()

    def close(self) -> None:
        self._response.close()


class _AsyncDecoded(httpx2.AsyncByteStream):
    def __init__(self, response: httpx2.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.aiter_bytes():
            yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


def teed(response: httpx2.Response, following: Following, *, awaiting: bool) -> httpx2.Response:
    """The response with its bytes followed: itself, or one with the same bytes decoded where they come compressed.

    Args:
        response: of which nothing has been read.
        following: takes the bytes in.
        awaiting: whether it is read by an `async` client.
    """
    inner: Any = response.stream
    if response.headers.get("content-encoding", "identity") != "identity":
        decoded = _AsyncDecoded(response) if awaiting else _Decoded(response)
        headers = response.headers.copy()
        for name in ("content-encoding", "content-length"):
            headers.pop(name, None)
        response = httpx2.Response(
            response.status_code,
            headers=headers,
            stream=decoded,
            request=response.request,
            extensions=response.extensions,
        )
        inner = decoded
    response.stream = AsyncTee(inner, following) if awaiting else Tee(inner, following)
    return response
