"""Answers that wait until the test lets them go."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ctxwindow.record import from_json
from tests.client.loopback import read_body, replayed

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Delaying"]


class Delaying:
    """A layer around the emulator that keeps some requests from it for a while.

    Attributes:
        came: how many of them have come.
        arrived: set when the first has.
        gate: set it to let them through.
    """

    def __init__(self, which: Callable[[dict[str, Any]], bool]) -> None:
        """`which` says of a body whether its request has to wait."""
        self.came = 0
        self.arrived, self.gate = threading.Event(), threading.Event()
        self._which = which

    def around(self, inner: ASGIApp) -> ASGIApp:
        """The application with this layer around it."""
        return functools.partial(self._handle, inner)

    async def _handle(self, inner: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        if self._which(from_json(body)):
            self.came += 1
            self.arrived.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(10):  # a test that has failed shall end
                    while not self.gate.is_set():  # noqa: ASYNC110 - it is set from another thread
                        await asyncio.sleep(0.002)
        await inner(scope, replayed(body, receive), send)
