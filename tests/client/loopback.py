"""The emulator behind a real server: uvicorn on loopback in a thread, and a log of all that it saw and said.

log = Log()
with serving(emulator, log=log) as base_url:
    client = anthropic.Anthropic(api_key="k", base_url=base_url)
    ...
assert log.refused == []
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import uvicorn

from ctxwindow.emulator import Emulator
from ctxwindow.emulator.asgi import app
from ctxwindow.record import from_json

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HANG_UP", "Exchange", "Layer", "Log", "Switch", "read_body", "replayed", "serving"]

HANG_UP = "hang_up"
"""Key in the scope of a request: a function `(reset: bool) -> None` that ends its connection there and then."""


class Layer(Protocol):
    """Something between the client and the emulator."""

    def around(self, inner: ASGIApp) -> ASGIApp:
        """The application with this layer around it."""
        ...


@dataclass
class Exchange:
    """One request as it reached the emulator, and what the emulator answered."""

    number: int
    """From 1 on, in the order of arrival."""
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int | None = None
    """None as long as the answer has not begun."""
    response_headers: dict[str, str] = field(default_factory=dict)
    response: bytes = b""
    parts: int = 0
    """Pieces in which the answer came."""
    complete: bool = False

    @property
    def json(self) -> Any:
        """The body of the request."""
        return from_json(self.body)

    @property
    def answer(self) -> Any:
        """The body of an answer that was not streamed."""
        return from_json(self.response)

    def __repr__(self) -> str:
        """Short, for a failed `assert log.refused == []`: the status, and what an error says."""
        said = self.response.decode(errors="replace")[:300] if (self.status or 0) >= 400 else ""
        return f"<{self.number}: {self.method} {self.path} {self.status} {said}>"


class Log:
    """What the emulator saw and said, as a layer around it; it may be read from any thread.

    Attributes:
        exchanges: all of them, in the order of their arrival.
    """

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self._changed = threading.Condition()
        self._due: dict[tuple[int, int], Callable[[], None]] = {}

    @property
    def refused(self) -> list[Exchange]:
        """Exchanges that the emulator answered with an error."""
        return [one for one in self.exchanges if one.status is not None and one.status >= 400]

    @property
    def created(self) -> list[Exchange]:
        """Exchanges with `POST /v1/messages`, on either surface."""
        return [one for one in self.exchanges if one.path.partition("?")[0] == "/v1/messages"]

    def at(self, number: int, do: Callable[[], None], *, parts: int = 0) -> None:
        """Do something at a moment of the exchange of that number, in the thread of the server.

        Args:
            number: of the exchange, from 1 on.
            do: it must be quick: the server waits for it.
            parts: pieces of the answer that have gone out by then; 0: before the emulator sees the request.
        """
        self._due[number, parts] = do

    def wait(self, number: int, *, timeout: float = 20.0) -> None:
        """Wait until so many requests have come.

        Raises:
            TimeoutError: they have not.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.exchanges) >= number, timeout):
                raise TimeoutError(f"{len(self.exchanges)} of {number} requests came in {timeout:g} s")

    def around(self, inner: ASGIApp) -> ASGIApp:
        """The application with this log around it."""
        return functools.partial(self._handle, inner)

    async def _handle(self, inner: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        exchange = self._arrived(scope, body)

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                exchange.response_headers = _decoded(message["headers"])
                await send(message)
                return
            exchange.response += message.get("body", b"")
            await send(message)
            exchange.parts += 1
            exchange.complete = not message.get("more_body", False)
            self._happened(exchange.number, exchange.parts)

        await inner(scope, replayed(body, receive), watched)

    def _arrived(self, scope: Scope, body: bytes) -> Exchange:
        with self._changed:
            query = scope["query_string"].decode()
            exchange = Exchange(
                number=len(self.exchanges) + 1,
                method=scope["method"],
                path=scope["path"] + (f"?{query}" if query else ""),
                headers=_decoded(scope["headers"]),
                body=body,
            )
            self.exchanges.append(exchange)
            self._changed.notify_all()
        self._happened(exchange.number, 0)
        return exchange

    def _happened(self, number: int, parts: int) -> None:
        do = self._due.pop((number, parts), None)
        if do is not None:
            do()


def _decoded(headers: Any) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}


async def read_body(receive: Receive) -> bytes:
    """The whole body of a request."""
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def replayed(body: bytes, receive: Receive) -> Receive:
    """`receive` of a request whose body was read already."""
    given: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return given.pop() if given else await receive()

    return again


def _outermost(inner: ASGIApp) -> ASGIApp:
    """What stands next to the server: it knows how to end a connection."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        # ASGI has no word for ending a connection; the `send` of uvicorn is a method of what holds it.
        transport = send.__self__.transport  # type: ignore[attr-defined]

        def hang_up(reset: bool) -> None:
            if reset:  # SO_LINGER with no time: the other side gets a RST
                linger = struct.pack("ii", 1, 0)
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                transport.abort()
            else:
                transport.close()

        await inner({**scope, HANG_UP: hang_up}, receive, send)

    return handle


class Switch:
    """One server for one emulator after the other: to start and end a server takes a quarter of a second.

    switch = Switch()
    with serving(Emulator(), breaking=switch) as base_url:
        switch.to(emulator, log, pace=0.001)
    """

    def __init__(self) -> None:
        self._handler: ASGIApp | None = None

    def to(self, emulator: Emulator, *layers: Layer, pace: float = 0.0) -> None:
        """Answer with this emulator from now on.

        Args:
            emulator: what answers.
            layers: around it, the innermost first.
            pace: seconds between two pieces of an answer.
        """
        handler: ASGIApp = app(emulator)
        for layer in layers:
            handler = layer.around(handler)
        self._handler = _paced(handler, pace) if pace else handler

    def around(self, inner: ASGIApp) -> ASGIApp:
        """The application that answers with what was switched to, and with `inner` before."""

        async def handle(scope: Scope, receive: Receive, send: Send) -> None:
            await (self._handler or inner)(scope, receive, send)

        return handle


def _paced(inner: ASGIApp, pace: float) -> ASGIApp:
    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        async def paced(message: Message) -> None:
            await send(message)
            if message.get("more_body", False):
                await asyncio.sleep(pace)

        await inner(scope, receive, paced)

    return handle


@contextlib.contextmanager
def serving(
    emulator: Emulator,
    *,
    log: Log | None = None,
    breaking: Layer | None = None,
    pace: float = 0.0,
    clock: Callable[[], float] = time.time,
) -> Iterator[str]:
    """The emulator over HTTP; yields the `base_url` for clients.

    Args:
        emulator: what answers, one request at a time.
        log: of what the emulator sees and says.
        breaking: what goes wrong on the way to the client (`tests.client.breaking`), outside of the log.
        pace: seconds between two pieces of an answer; a stream has a piece for each event.
        clock: seconds since the epoch, for the emulator.
    """
    handler: ASGIApp = app(emulator, clock)
    for layer in (log, breaking):
        handler = handler if layer is None else layer.around(handler)
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    # asyncio sets this for sockets made with IPPROTO_TCP only; without it a small answer waits 40 ms for an ACK.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    settings = uvicorn.Config(
        _outermost(_paced(handler, pace) if pace else handler),
        http="h11",  # `_outermost` knows this one
        loop="asyncio",
        ws="none",
        log_level="critical",
        lifespan="off",
        timeout_keep_alive=300,  # a client that waits for its turn finds its connection as it left it
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="loopback", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listening.close()
    assert not thread.is_alive(), "the server did not end"
