from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import pytest
import uvicorn

from ctxwindow.emulator import Emulator, Request, Response, asgi
from ctxwindow.emulator.asgi import app
from tests.emulator.scenes import BOUND, HEADERS, KEEPS, body

HELLO: Any = [{"role": "user", "content": "Hello."}]


@contextlib.contextmanager
def served(emulator: Emulator) -> Iterator[str]:
    """The emulator on loopback, with uvicorn in a thread; its URL."""
    listening = socket.create_server(("127.0.0.1", 0))
    settings = uvicorn.Config(app(emulator), log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listening.close()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """One server for the tests of this file."""
    with served(Emulator()) as found:
        yield found


def test_the_sdk_over_http(url: str) -> None:
    client = anthropic.Anthropic(api_key="k", base_url=url, max_retries=0)
    with client:
        plain = client.messages.create(model=BOUND, max_tokens=100, messages=HELLO)
        with client.messages.stream(model=BOUND, max_tokens=100, messages=HELLO) as stream:
            streamed = stream.get_final_message()
        assert [block.type for block in plain.content] == [block.type for block in streamed.content]
        assert plain.usage.output_tokens == streamed.usage.output_tokens
        with pytest.raises(anthropic.NotFoundError):
            client.messages.create(model="nope", max_tokens=100, messages=HELLO)
        assert client.messages.count_tokens(model=BOUND, messages=HELLO).input_tokens == plain.usage.input_tokens
        assert client.models.retrieve(KEEPS).id == KEEPS
        batch = client.messages.batches.create(
            requests=[{"custom_id": "a", "params": {"model": BOUND, "max_tokens": 9, "messages": HELLO}}]
        )
        client.messages.batches.retrieve(batch.id)
        assert [row.custom_id for row in client.messages.batches.results(batch.id)] == ["a"]


def test_the_async_sdk_over_http(url: str) -> None:
    async def main() -> list[str]:
        async with anthropic.AsyncAnthropic(api_key="k", base_url=url, max_retries=0) as client:
            asked = [client.messages.create(model=BOUND, max_tokens=100, messages=HELLO) for _ in range(4)]
            return [message.stop_reason or "" for message in await asyncio.gather(*asked)]

    assert asyncio.run(main()) == ["end_turn"] * 4


def test_faults_over_http(url: str) -> None:
    """ERR-03: the connection breaks in mid-stream, or nothing comes."""
    with anthropic.Anthropic(api_key="k", base_url=url, max_retries=0) as client:

        def stream(fault: str) -> None:
            headers = {"x-emulate": fault}
            with client.messages.stream(model=BOUND, max_tokens=100, messages=HELLO, extra_headers=headers) as events:
                events.until_done()

        with pytest.raises(httpx2.RemoteProtocolError):
            stream("cut-stream=after-bytes:900")
        with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
            stream("error-event")
        start = time.monotonic()
        with pytest.raises(anthropic.APITimeoutError):
            client.with_options(timeout=0.2).messages.create(
                model=BOUND, max_tokens=100, messages=HELLO, extra_headers={"x-emulate": "timeout;seconds=1"}
            )
        assert time.monotonic() - start < 10


def in_process(emulator: Emulator, **options: Any) -> httpx2.Response:
    """A request to the application itself."""

    async def main() -> httpx2.Response:
        transport = httpx2.ASGITransport(app=app(emulator, clock=lambda: 0.0))
        async with httpx2.AsyncClient(transport=transport, base_url="http://emulator.invalid") as client:
            return await client.request(headers=HEADERS, **options)

    return asyncio.run(main())


def test_what_goes_through_comes_back_as_the_emulator_said_it() -> None:
    response = in_process(Emulator(), method="POST", url="/v1/messages?beta=true", json=body())
    assert response.status_code == 200
    assert response.headers["request-id"] == "req_000000000000000000000001"
    stream = in_process(Emulator(), method="POST", url="/v1/messages", json=body(stream=True))
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.text.startswith("event: message_start\n")
    assert in_process(Emulator(), method="GET", url="/v1/models", params={"limit": 1}).json()["has_more"] is True


def test_other_methods_and_paths_are_typed_errors_too() -> None:
    for method, url in (
        ("DELETE", "/v1/messages"),
        ("GET", "/"),
        ("PUT", "/v1/models/%2e%2e/x"),
        ("FOO", "/v1/models"),
    ):
        response = in_process(Emulator(), method=method, url=url)
        assert (response.status_code, response.json()["error"]["type"]) == (404, "not_found_error")


def test_an_error_of_ours_is_typed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """ERR-01"""
    emulator = Emulator()
    monkeypatch.setattr(emulator, "handle", None)

    async def main() -> httpx2.Response:
        transport = httpx2.ASGITransport(app=app(emulator), raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://emulator.invalid") as client:
            return await client.get("/v1/models")

    response = asyncio.run(main())
    assert (response.status_code, response.json()["error"]["type"]) == (500, "api_error")


def test_ctx_18_a_body_that_is_too_large_is_refused() -> None:
    response = in_process(Emulator(), method="POST", url="/v1/messages", content=b" " * (32 * 1024 * 1024 + 1))
    assert (response.status_code, response.json()["error"]["type"]) == (413, "request_too_large")
    assert json.loads(response.text)["type"] == "error"


def called(fault: str, parts: list[bytes], path: str = "/v1/messages") -> list[dict[str, Any]]:
    """What the application sends, called as a server does."""
    sent: list[dict[str, Any]] = []
    waiting = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    waiting += [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        return waiting.pop(0) if waiting else await asyncio.sleep(60, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(name.encode(), value.encode()) for name, value in {**HEADERS, "x-emulate": fault}.items()]
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers,
        "scheme": "http", "server": ("emulator.invalid", 80), "http_version": "1.1",
    }  # fmt: skip
    asyncio.run(app(Emulator())(scope, receive, send))
    return sent


@pytest.mark.parametrize("fault", ["cut-stream;after-bytes=20", "timeout;seconds=0.01"])
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_breaks_off_is_no_error_of_the_application(fault: str, stream: bool) -> None:
    """ERR-03: it ends before the end of the body, so that the server closes the connection and logs no traceback."""
    sent = called(fault, [json.dumps(body(stream=stream)).encode()])
    assert sent[0]["type"] == "http.response.start"
    assert sum(len(message["body"]) for message in sent[1:]) == (20 if fault.startswith("cut") else 0)
    assert all(message["more_body"] for message in sent[1:])
    assert "content-length" not in {name.decode() for name, _ in sent[0]["headers"]}


def test_ctx_18_what_is_over_the_limit_of_its_endpoint_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    monkeypatch.setattr(asgi, "BODY_BYTES", 100)
    monkeypatch.setattr(asgi, "BATCH_BYTES", 300)

    def handle(self: Emulator, request: Request, *, at: float) -> Response:
        del self, at
        lengths.append(len(request.body))
        return Response(status=200, headers={})

    monkeypatch.setattr(Emulator, "handle", handle)
    for path in ("/v1/messages", "/v1/messages/batches", "/v1/messages/batches/"):
        called("", [b"x" * 90] * 3, path)
    called("", [b"x" * 90] * 9, "/v1/messages/batches")
    assert lengths == [101, 270, 270, 301]
