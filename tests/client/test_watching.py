from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from ctxwindow.client.watching import checked_message, checked_tokens, decoding, reading, reading_async
from ctxwindow.errors import EndpointError


def not_json() -> Any:
    return json.loads('{"id": "msg_1", "content": [{"ty')


def not_utf_8() -> Any:
    return b"\x80".decode("utf-8")


@pytest.mark.parametrize("decode", [not_json, not_utf_8])
def test_what_the_sdk_cannot_decode_is_no_answer_of_the_api(decode: Callable[[], Any]) -> None:
    """A body, or a stream, of bytes that are none: the SDK lets the decoder's own error through."""
    with pytest.raises(EndpointError, match="the base URL answered with what is no JSON"), decoding():
        decode()

    def stream() -> Iterator[Any]:
        yield "first"
        yield decode()

    events = reading(stream())
    assert next(events) == "first"
    with pytest.raises(EndpointError, match="bytes that are no events"):
        next(events)

    async def awaited() -> None:
        async def stream() -> AsyncIterator[Any]:
            yield "first"
            yield decode()

        events = reading_async(stream())
        assert await anext(events) == "first"
        with pytest.raises(EndpointError, match="bytes that are no events"):
            await anext(events)

    asyncio.run(awaited())


def test_mistakes_of_the_caller_are_not_the_endpoints() -> None:
    """The SDK refuses with a ValueError what would take too long without a stream (SDK-02)."""
    with pytest.raises(ValueError, match="Streaming is required"), decoding():
        raise ValueError("Streaming is required for operations that may take longer than 10 minutes")


def test_a_count_is_a_number_of_tokens() -> None:
    assert checked_tokens(SimpleNamespace(input_tokens=12)) == 12
    others: list[Any] = ["<html>", None, SimpleNamespace(input_tokens=None), SimpleNamespace(input_tokens=True), {}]
    for wrong in others:
        with pytest.raises(EndpointError):
            checked_tokens(wrong)


def test_a_message_has_content() -> None:
    message = SimpleNamespace(content=[])
    assert checked_message(message) is message
    with pytest.raises(EndpointError, match="a page or a text"):
        checked_message("<html>")
    with pytest.raises(EndpointError, match="something else"):
        checked_message(SimpleNamespace(content=None))
