"""The emulator behind an ASGI server: Starlette routes everything to it. Needs the extra `server`."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response as Plain
from starlette.responses import StreamingResponse
from starlette.routing import Route

from ctxwindow.emulator.admission import BATCH_BYTES
from ctxwindow.emulator.engine import Emulator
from ctxwindow.emulator.http import ApiError, Cut, Request, Response, Unanswered, error_body
from ctxwindow.record import to_json

if TYPE_CHECKING:
    from starlette.requests import Request as Incoming

__all__ = ["app"]

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


def app(emulator: Emulator, clock: Callable[[], float] = time.time) -> Starlette:
    """An ASGI application for one emulator.

    Requests are answered one at a time, away from the event loop, because counting a large one takes a while.

    Args:
        emulator: what answers.
        clock: seconds since the epoch.
    """
    lock = threading.Lock()

    def answer(request: Request) -> Response:
        with lock:
            return emulator.handle(request, at=clock())

    async def endpoint(incoming: Incoming) -> Plain:
        query = f"?{incoming.url.query}" if incoming.url.query else ""
        request = Request(
            method=incoming.method,
            path=incoming.url.path + query,
            headers=dict(incoming.headers),
            body=await _read(incoming),
        )
        response = await run_in_threadpool(answer, request)
        if response.events is None and response.silent is None:
            return Plain(response.body, status_code=response.status, headers=response.headers)
        return StreamingResponse(_chunks(response), status_code=response.status, headers=response.headers)

    routes = [Route("/{path:path}", endpoint, methods=_METHODS)]
    return Starlette(routes=routes, exception_handlers={Exception: _fault_of_ours})


async def _fault_of_ours(incoming: Incoming, error: Exception) -> Plain:
    """What a client sees of an error in the emulator itself; Starlette raises it again, for the log of the server."""
    del incoming, error
    body = error_body(ApiError(500, "Internal server error"), "")
    return Plain(to_json(body), status_code=500, media_type="application/json")


async def _read(incoming: Incoming) -> bytes:
    """The body, as far as it can matter: what is larger than any limit is refused without being kept."""
    parts: list[bytes] = []
    size = 0
    async for part in incoming.stream():
        size += len(part)
        if size <= BATCH_BYTES + 1:
            parts.append(part)
    body = b"".join(parts)
    return body if size <= BATCH_BYTES else body.ljust(BATCH_BYTES + 1)


async def _chunks(response: Response) -> AsyncIterator[bytes]:
    """The body. An exception in it makes the server close the connection, which is what is wanted."""
    try:
        for chunk in response.chunks():
            yield chunk
    except Unanswered as silence:
        await asyncio.sleep(silence.seconds)
        raise ConnectionAbortedError("the emulator was asked not to answer") from None
    except Cut:
        raise ConnectionAbortedError("the emulator was asked to cut the stream") from None
