"""Clients of the real SDK, answered by an emulator in the same process: no socket, no key, no cost."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

import httpx2

from ctxwindow.emulator import Emulator, Request, Response
from ctxwindow.emulator.http import Cut, Unanswered
from ctxwindow.emulator.replies import RepliesLike

if TYPE_CHECKING:
    from anthropic import Anthropic, AsyncAnthropic

__all__ = ["FakeClaude"]

_URL = "http://emulator.invalid"


class FakeClaude:
    """An emulated Claude, and clients that are wired to it.

        fake = FakeClaude(["Hello."])
        fake.client().messages.create(model="claude-opus-5-5", max_tokens=100, messages=[...])

    Both clients share one emulator, so that what one has cached the other can read.

    Attributes:
        emulator: what answers.
        requests: every request that came, in order: `fake.requests[-1].json` is the last body.
    """

    def __init__(self, replies: RepliesLike = None, *, clock: Callable[[], float] = time.time, **settings: Any) -> None:
        """A new emulator.

        Args:
            replies: what the model says, as `Emulator` takes them.
            clock: seconds since the epoch; the prompt cache and rate limits go by it.
            settings: the other arguments of `Emulator`.

        Raises:
            MisuseError: the replies are of no form that is known.
        """
        self.emulator = Emulator(replies, **settings)
        self.requests: list[Request] = []
        self._transport = _Transport(self, clock)

    def client(self, **options: Any) -> Anthropic:
        """A synchronous client. `options` are those of `anthropic.Anthropic`."""
        from anthropic import Anthropic  # noqa: PLC0415 - the SDK takes long to import

        return Anthropic(**self._options(options), http_client=httpx2.Client(transport=self._transport))

    def async_client(self, **options: Any) -> AsyncAnthropic:
        """An asynchronous client. `options` are those of `anthropic.AsyncAnthropic`."""
        from anthropic import AsyncAnthropic  # noqa: PLC0415 - the SDK takes long to import

        return AsyncAnthropic(**self._options(options), http_client=httpx2.AsyncClient(transport=self._transport))

    @staticmethod
    def _options(options: dict[str, Any]) -> dict[str, Any]:
        return {"api_key": "sk-emulated", "base_url": _URL, **options}


class _Transport(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """Hands requests to an emulator. The clients of several threads take turns."""

    def __init__(self, fake: FakeClaude, clock: Callable[[], float]) -> None:
        self._fake = fake
        self._clock = clock
        self._lock = threading.Lock()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._answer(request, request.read())

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._answer(request, await request.aread())

    def _answer(self, request: httpx2.Request, body: bytes) -> httpx2.Response:
        asked = Request(
            method=request.method,
            path=request.url.raw_path.decode("ascii"),
            headers=dict(request.headers),
            body=body,
        )
        with self._lock:
            self._fake.requests.append(asked)
            response = self._fake.emulator.handle(asked, at=self._clock())
        if response.silent is not None:
            raise httpx2.ReadTimeout("the emulator was asked not to answer", request=request)
        return httpx2.Response(
            response.status, headers=response.headers, stream=_Body(response, request), request=request
        )


class _Body(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """The body of a response, which may break off."""

    def __init__(self, response: Response, request: httpx2.Request) -> None:
        self._response = response
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._response.chunks()
        except (Cut, Unanswered):
            raise httpx2.RemoteProtocolError(
                "peer closed connection without sending complete message body (incomplete chunked read)",
                request=self._request,
            ) from None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk
