"""The emulator behind an ASGI server: Starlette routes everything to it. Needs the extra `server`."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response as Plain
from starlette.responses import StreamingResponse
from starlette.routing import Route

from ctxwindow.emulator.admission import BATCH_BYTES, BODY_BYTES
from ctxwindow.emulator.engine import Emulator
from ctxwindow.emulator.http import ApiError, Cut, Request, Response, Unanswered, error_body
from ctxwindow.record import to_json

if TYPE_CHECKING:
    from starlette.requests import Request as Incoming
    from starlette.types import Send

__all__ = ["app"]

_BATCHES = "v1/messages/batches"


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
        if response.events is None and response.silent is None and response.cut_after is None:
            return Plain(response.body, status_code=response.status, headers=response.headers)
        return _Streamed(_chunks(response), status_code=response.status, headers=response.headers)

    route = Route("/{path:path}", endpoint)
    route.methods = None  # all of them, whatever they are called: the emulator itself says what it has not
    return Starlette(routes=[route], exception_handlers={Exception: _fault_of_ours})


async def _fault_of_ours(incoming: Incoming, error: Exception) -> Plain:
    """What a client sees of an error in the emulator itself; Starlette raises it again, for the log of the server."""
    del incoming, error
    body = error_body(ApiError(500, "Internal server error"), "")
    return Plain(to_json(body), status_code=500, media_type="application/json")


async def _read(incoming: Incoming) -> bytes:
    """The body, as far as it can matter: what is larger than the limit of its endpoint is refused without being kept."""
    limit = BATCH_BYTES if incoming.url.path.strip("/") == _BATCHES else BODY_BYTES
    parts: list[bytes] = []
    size = 0
    async for part in incoming.stream():
        size += len(part)
        if size <= limit:
            parts.append(part)
    body = b"".join(parts)
    return body if size <= limit else body.ljust(limit + 1)


class _Streamed(StreamingResponse):
    """A body in pieces, which may break off."""

    async def stream_response(self, send: Send) -> None:
        """Send it. Where it breaks off this ends without the end of the body, and the server closes the connection."""
        with contextlib.suppress(Cut):
            await super().stream_response(send)


async def _chunks(response: Response) -> AsyncIterator[bytes]:
    """The body.

    Raises:
        Cut: here it breaks off.
    """
    try:
        for chunk in response.chunks():
            yield chunk
    except Unanswered as silence:
        await asyncio.sleep(silence.seconds)
        raise Cut from None
