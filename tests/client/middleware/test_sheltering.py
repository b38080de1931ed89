"""Nothing of ours is raised into the caller's code: he gets his response, all of its bytes, or the API's own error."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import pytest

from ctxwindow import Middleware
from ctxwindow.emulator import Fault
from ctxwindow.stores import MemoryStore, Store
from ctxwindow.testing import FakeClaude
from tests.client.middleware.callers import MODEL

pytest.importorskip("anthropic")

pytestmark = pytest.mark.usefixtures("quickly")

WORDS = "word " * 200
ASKED: Any = {"model": MODEL, "max_tokens": 500, "messages": [{"role": "user", "content": "a"}]}
CONTENT = "what was said"


class Odd(MemoryStore):
    """A store of somebody's own, which breaks at one of its calls, and after that always."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._left = at

    def append(self, conversation: str, rows: Any, *, expect: int, counts: Any = ()) -> int:
        self._left -= 1
        if self._left <= 0:
            raise RuntimeError(CONTENT)
        return super().append(conversation, rows, expect=expect, counts=counts)


class Closing(anthropic.Middleware):
    """Closes what is before it when the request is out."""

    def __init__(self, closed: Middleware) -> None:
        self._closed = closed

    def handle(self, request: anthropic.APIRequest, call_next: anthropic.CallNext) -> anthropic.APIResponse[Any]:
        self._closed.close()
        return call_next(request)


def created(client: anthropic.Anthropic) -> str:
    block: Any = client.messages.create(**ASKED).content[0]
    return str(block.text)


def streamed(client: anthropic.Anthropic) -> str:
    with client.messages.stream(**ASKED) as stream:
        return stream.get_final_text()


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("way", [created, streamed])
def test_a_store_that_raises_anything_takes_nothing_from_the_caller(
    at: int, way: Callable[[Any], str], caplog: pytest.LogCaptureFixture
) -> None:
    client = FakeClaude(lambda _: WORDS).client(middleware=[Middleware(Odd(at), checkpoint=0)], max_retries=0)
    assert way(client).strip() == WORDS.strip()
    assert CONTENT not in caplog.text
    assert ("RuntimeError in test_sheltering.py" in caplog.text) == (at < 3 or way is streamed)


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("way", [created, streamed])
def test_nor_does_it_replace_an_error_of_the_api(at: int, way: Callable[[Any], str]) -> None:
    fake = FakeClaude(lambda _: Fault(status=500))
    with pytest.raises(anthropic.InternalServerError):
        way(fake.client(middleware=[Middleware(Odd(at), checkpoint=0)], max_retries=0))


@pytest.mark.parametrize("reply", [WORDS, Fault(status=500)])
def test_a_middleware_may_be_closed_while_a_request_is_out(reply: Any, tmp_path: Path) -> None:
    middleware = Middleware(tmp_path / "agent.db")
    client = FakeClaude(lambda _: reply).client(middleware=[middleware, Closing(middleware)], max_retries=0)
    if isinstance(reply, str):
        assert created(client).strip() == WORDS.strip()
    else:
        with pytest.raises(anthropic.InternalServerError):
            created(client)


def test_a_middleware_may_be_closed_while_a_reply_streams(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    middleware = Middleware(tmp_path / "agent.db", checkpoint=0)
    client = FakeClaude(lambda _: WORDS).client(middleware=[middleware])
    with client.messages.stream(**ASKED) as stream:
        next(iter(stream))
        middleware.close()
        assert stream.get_final_text().strip() == WORDS.strip()
    assert "the store is closed" in caplog.text


def test_the_same_awaited(tmp_path: Path) -> None:
    async def text() -> str:
        middleware = Middleware(tmp_path / "agent.db", checkpoint=0)
        client = FakeClaude(lambda _: WORDS).async_client(middleware=[middleware])
        async with client.messages.stream(**ASKED) as stream:
            async for _ in stream:
                middleware.close()
            return await stream.get_final_text()

    assert asyncio.run(text()).strip() == WORDS.strip()


def test_a_hold_that_cannot_be_let_go_is_told(caplog: pytest.LogCaptureFixture) -> None:
    class Clinging:
        def release(self) -> None:
            raise RuntimeError(CONTENT)

    class Odder(MemoryStore):
        def hold(self, conversation: str) -> Any:
            del conversation
            return Clinging()

    store: Store = Odder()
    with caplog.at_level(logging.ERROR):
        client = FakeClaude(lambda _: WORDS).client(middleware=[Middleware(store)], max_retries=0)
        assert created(client).strip() == streamed(client).strip() == WORDS.strip()
    assert "is not let go" in caplog.text
    assert CONTENT not in caplog.text
