"""One scenario with both sessions: a driver that has the face of a `Session`, whichever drives it, and a Claude that says what
a test wants, faults included.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import anthropic
import httpx2

import ctxwindow
from ctxwindow.client.async_session import AsyncSession
from ctxwindow.client.session import Session
from ctxwindow.conversation import Conversation
from ctxwindow.emulator.http import ApiError
from ctxwindow.stores import SqliteStore, load
from ctxwindow.testing import FakeClaude

MODEL = "claude-opus-5-5"
THOUGHT = {"type": "thinking", "thinking": "Let me see."}
"""Of a reply; the emulator signs it."""


class Script:
    """What the model says: each entry once, then short replies for ever. An error is raised, as the API's."""

    def __init__(self, *entries: Any) -> None:
        self.entries = list(entries)
        self.bodies: list[Mapping[str, Any]] = []
        self._more = itertools.count(1)

    def __call__(self, body: Mapping[str, Any]) -> Any:
        self.bodies.append(body)
        found = self.entries.pop(0) if self.entries else f"Reply {next(self._more)}."
        if callable(found):
            found = found(body)
        if isinstance(found, Exception):
            raise found
        return found


def refused(text: str, status: int = 400, **more: Any) -> ApiError:
    """An error of the API. It is not to be tried again, so that a test counts what we do."""
    headers = {"x-should-retry": "false"} if status >= 408 else {}
    return ApiError(status, text, headers=headers, **more)


def call(name: str = "look", identity: str = "toolu_1", **given: Any) -> dict[str, Any]:
    """A call of a tool."""
    return {"type": "tool_use", "id": identity, "name": name, "input": given}


class Driven:
    """A session of either kind, used as if it blocked."""

    def __init__(
        self,
        kind: str,
        path: Path,
        fake: FakeClaude,
        *,
        client: Any = None,
        retries: int = 0,
        store: Any = None,
        **given: Any,
    ) -> None:
        self.kind, self.path, self.fake = kind, path, fake
        self._is_shut = False
        self._runner = asyncio.Runner() if kind == "async" else None
        options = {"max_retries": retries}
        if isinstance(client, Between):
            client = client.client(kind)
        elif client is None:
            client = fake.async_client(**options) if kind == "async" else fake.client(**options)
        opener = AsyncSession.open if kind == "async" else Session.open
        try:
            self.session: Any = self.wait(opener(store or path, client=client, **{"model": MODEL, **given}))
        except BaseException:
            if self._runner is not None:
                self._runner.close()
            raise

    def wait(self, found: Any) -> Any:
        """What an awaitable gives, or the value as it is."""
        if not inspect.isawaitable(found):
            return found
        assert self._runner is not None

        async def waited() -> Any:
            return await found

        return self._runner.run(waited())

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.session, name)
        if not callable(value):
            return value
        return lambda *given, **named: self.wait(value(*given, **named))

    def read(self, content: Any, **given: Any) -> tuple[list[Any], Any]:
        """The events of a stream that is read to its end, and its reply."""
        if self.kind == "sync":
            with self.session.stream(content, **given) as stream:
                return list(stream), stream.reply

        async def read() -> tuple[list[Any], Any]:
            async with self.session.stream(content, **given) as stream:
                return [event async for event in stream], stream.reply

        found: tuple[list[Any], Any] = self.wait(read())
        return found

    def stored(self) -> Conversation:
        """What another process would find."""
        with SqliteStore(self.path) as store:
            return load(store, self.session.name)

    def shut(self) -> None:
        """Close the session and its loop, once."""
        if self._is_shut:
            return
        self._is_shut = True
        try:
            self.close()
        finally:
            if self._runner is not None:
                self._runner.close()

    def goes_on(self, text: str = "And now?") -> None:
        """The conversation goes on: the next turn is answered, by a request that breaks no rule and doubles nothing; and what
        is stored is what there is.
        """
        sent = len(self.fake.requests)
        reply = self.send(text)
        assert reply.stopped == "reply"
        assert reply.text
        assert len(self.fake.requests) == sent + 1, "one request, not tried again"
        body, headers = self.fake.requests[-1].json, self.fake.requests[-1].headers
        betas = [beta for beta in headers.get("anthropic-beta", "").split(",") if beta]
        report = ctxwindow.check(body, betas=betas)
        assert report.ok, report.violations
        texts = [block["text"] for message in body["messages"] for block in _texts(message)]
        assert len(texts) == len(set(texts)), "something is doubled"
        assert texts[-1] == text
        assert self.stored().events == self.session.conversation.events
        assert self.session.conversation.unkept == ()
        assert not self.session.conversation.awaiting
        with SqliteStore(self.path) as store, store.hold(self.session.name) as hold:  # type: ignore[union-attr]
            assert hold is not None


def _texts(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    content = message["content"]
    if isinstance(content, str):
        yield {"text": content}
        return
    yield from (block for block in content if block.get("type") == "text")


class Between(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """A proxy between client and Claude.

    Args:
        fake: who is asked.
        change: gives the response to a request, and may ask for the API's.
    """

    def __init__(self, fake: FakeClaude, change: Callable[[httpx2.Request, Answer], httpx2.Response]) -> None:
        self._fake = fake
        self._change = change

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._answer(request, request.read())

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._answer(request, await request.aread())

    def _answer(self, request: httpx2.Request, body: bytes) -> httpx2.Response:
        def ask() -> httpx2.Response:
            client = httpx2.Client(transport=self._fake._transport)
            found = client.request(request.method, request.url, content=body, headers=request.headers)
            return httpx2.Response(found.status_code, headers=found.headers, content=found.content)

        return self._change(request, ask)

    def client(self, kind: str) -> Any:
        """A client of the SDK behind it."""
        options: dict[str, Any] = {"api_key": "sk-emulated", "base_url": "http://emulator.invalid", "max_retries": 0}
        if kind == "async":
            return anthropic.AsyncAnthropic(**options, http_client=httpx2.AsyncClient(transport=self))
        return anthropic.Anthropic(**options, http_client=httpx2.Client(transport=self))


Answer = Callable[[], httpx2.Response]
Open = Callable[..., Driven]
