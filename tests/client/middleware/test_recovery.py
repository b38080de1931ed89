"""What goes wrong on the way: recovered below the caller where the rulebook knows a way, untouched where it does not."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import threading
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import msgspec
import pytest

import ctxwindow
from ctxwindow import Conversation, Middleware, Policy
from ctxwindow.catalog import resolve
from ctxwindow.emulator import Emulator, Fault
from ctxwindow.record.events import Appended, Arrived, Failed, Received, Sent
from ctxwindow.stores import MemoryStore, load
from tests.client.breaking import Break, Breaking
from tests.client.loopback import Log, serving
from tests.client.middleware.callers import MODEL, Bench, Caller, said

pytest.importorskip("anthropic")

pytestmark = pytest.mark.usefixtures("quickly")

THOUGHT = {"type": "thinking", "thinking": "Let me see."}


def kinds(record: Conversation) -> list[str]:
    return [type(event).__name__ for event in record.events]


# -- errors -----------------------------------------------------------------------------------------------


def test_a_retry_of_the_sdk_is_the_same_message_again() -> None:
    bench = Bench([Fault(status=529), Fault(status=500), "Yes."])
    caller = Caller(bench)
    caller.client = bench.client(max_retries=2)
    caller.ask("a")
    record = bench.record()
    assert said(record) == ["a", "Yes."]
    assert kinds(record) == ["Started", "Appended", "Sent", "Failed", "Sent", "Failed", "Sent", "Received"]


def test_an_error_reaches_the_caller_as_it_is_and_his_own_retry_is_no_new_message() -> None:
    bench = Bench([Fault(status=429, retry_after=7), "Yes."])
    caller = Caller(bench)
    with pytest.raises(anthropic.RateLimitError) as caught:
        caller.ask("a")
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.type == "rate_limit_error"
    caller.send()
    assert said(bench.record()) == ["a", "Yes."]


def test_no_answer_at_all_is_a_passing_fault() -> None:
    bench = Bench([Fault(kind="timeout"), "Yes."])
    caller = Caller(bench)
    with pytest.raises(anthropic.APITimeoutError):
        caller.ask("a")
    caller.send()
    assert said(bench.record()) == ["a", "Yes."]
    assert "Failed" in kinds(bench.record())


@pytest.mark.parametrize("streams", [False, True])
def test_too_long_a_prompt_is_shrunk_and_the_caller_sees_the_success(streams: bool) -> None:
    small = msgspec.structs.replace(resolve("claude-haiku-4-5"), window=30_000, max_output=4_000)
    bench = Bench(lambda body: "Yes.", emulator={"profiles": [small]}, policy=Policy(budget=180_000))
    caller = Caller(bench, model="claude-haiku-4-5")
    for number in range(8):
        caller.messages.append({"role": "user", "content": f"{number}: " + "Why is that so? " * 1_000})
        caller.messages.append({"role": "assistant", "content": "Because."})
    caller.messages.append({"role": "user", "content": "And now?"})
    body: Any = {"messages": caller.messages, **caller.settings}
    if streams:
        with caller.client.beta.messages.stream(**body) as stream:
            assert stream.get_final_text() == "Yes."
    else:
        assert caller.client.beta.messages.create(**body).content[0].text == "Yes."
    record = bench.record()
    failed = [event for event in record.events if isinstance(event, Failed)]
    assert [event.rule for event in failed] == ["CTX-08"]
    assert record.compactions
    assert len(record.messages) == 18


def test_an_error_that_nothing_helps_against_is_handed_on_after_one_try() -> None:
    bench = Bench([Fault(status=401), Fault(status=401)])
    caller = Caller(bench)
    with pytest.raises(anthropic.AuthenticationError):
        caller.ask("a")
    assert len(bench.fake.requests) == 1


def test_a_page_of_a_proxy_is_handed_on_and_not_recorded(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()

    def page(request: httpx2.Request) -> httpx2.Response:
        del request
        return httpx2.Response(200, text="<html>Sign in</html>", headers={"content-type": "text/html"})

    client = anthropic.Anthropic(
        api_key="k",
        base_url="http://proxy.invalid",
        http_client=httpx2.Client(transport=httpx2.MockTransport(page)),
        middleware=[Middleware(store)],
    )
    found: Any = client.messages.create(model=MODEL, max_tokens=5, messages=[{"role": "user", "content": "a"}])
    assert found == "<html>Sign in</html>"
    record = load(store, store.conversations()[0].id)
    assert kinds(record)[-1] == "Failed"
    assert "no message" in caplog.text


# -- streams ----------------------------------------------------------------------------------------------


def body_of(caller: Caller, text: str) -> dict[str, Any]:
    return {"messages": [*caller.messages, {"role": "user", "content": text}], **caller.settings}


@pytest.mark.parametrize("after", [0, 50, 700, 1_200])
def test_a_stream_that_breaks_off_leaves_evidence(after: int) -> None:
    bench = Bench(["One.", Fault(kind="cut-stream", after_bytes=after), "lost, or a part of it", "Two."])
    caller = Caller(bench)
    caller.ask("a")
    body = body_of(caller, "b")
    with pytest.raises(httpx2.RemoteProtocolError), caller.client.beta.messages.stream(**body) as stream:
        stream.until_done()
    assert caller.client.beta.messages.create(**body).content
    record = bench.record()
    assert [message["content"] for message in record.messages if message["role"] == "user"] == ["a", "b"]
    assert [place for place in range(len(record.messages)) if record.is_evidence(place)] in ([], [3])
    assert bench.wire[-1]["content"] == "b"
    assert bench.store.hold(bench.names[0]) is not None


def test_a_stream_that_its_reader_closes_leaves_evidence_and_lets_go() -> None:
    bench = Bench(["Yes. " * 200, "Two."])
    caller = Caller(bench)
    with caller.client.beta.messages.stream(**body_of(caller, "a")) as stream:
        for event in stream:
            if event.type == "text":
                break
    record = bench.record()
    assert record.messages[-1]["content"][0]["text"].startswith("Yes.")
    assert record.is_evidence(len(record.messages) - 1)
    caller.ask("a")
    assert len(bench.names) == 1
    assert bench.wire == [{"role": "user", "content": "a"}]


def test_a_stream_that_is_dropped_lets_go() -> None:
    bench = Bench(["Yes. " * 200, "Two."])
    caller = Caller(bench)
    stream: Any = caller.client.beta.messages.create(**body_of(caller, "a"), stream=True)
    next(iter(stream))
    assert bench.store.hold(bench.names[0]) is None
    del stream
    gc.collect()
    caller.ask("a")
    assert len(bench.names) == 1
    assert said(bench.record())[-1] == "Two."


@pytest.mark.parametrize("pinned", [False, True])
@pytest.mark.parametrize("read", [0, 3])
def test_a_stream_that_is_left_in_the_middle_forks_nothing(read: int, pinned: bool) -> None:
    """Its variable lives, as behind a `break`, and nobody closes it."""
    bench = Bench(["One.", "Yes. " * 200, "Two.", "Three."])
    caller = Caller(bench)
    with ctxwindow.conversation("t") if pinned else contextlib.nullcontext():
        caller.ask("a")
        stream: Any = caller.client.beta.messages.create(**body_of(caller, "b"), stream=True)
        events = iter(stream)
        for _ in range(read):
            next(events)
        caller.ask("b")
        caller.ask("c")
        rest = "".join(event.delta.text for event in events if event.type == "content_block_delta")
    assert "Yes. Yes." in rest  # he may read on: it is his
    record = bench.record()
    kept = [message for place, message in enumerate(record.messages) if not record.is_evidence(place)]
    assert [message["content"] for message in kept if message["role"] == "user"] == ["a", "b", "c"]
    assert said(record)[-1] == "Three."
    assert bench.store.hold(bench.names[0]) is not None


def test_the_same_awaited() -> None:
    bench = Bench(["Yes. " * 200, "Two."])
    body: Any = {"model": MODEL, "max_tokens": 500, "messages": [{"role": "user", "content": "a"}]}

    async def talk() -> None:
        async with bench.async_client() as client:
            stream = await client.messages.create(**body, stream=True)
            async for _ in stream:
                break
            await client.messages.create(**body)
            await stream.close()

    asyncio.run(talk())
    assert said(bench.record())[-1] == "Two."


def test_a_stream_that_another_thread_reads_is_left_alone() -> None:
    bench = Bench(["Yes. " * 200, "Two."])
    caller = Caller(bench)
    with caller.client.beta.messages.stream(**body_of(caller, "a")) as stream:
        next(iter(stream))
        other = threading.Thread(target=lambda: Caller(bench).ask("a"))
        other.start()
        other.join()
        text = stream.get_final_text()
    assert sorted(said(bench.record(name))[-1] for name in bench.names) == sorted([text, "Two."])


def test_the_conversation_is_free_as_soon_as_the_reply_is_complete() -> None:
    bench = Bench(["One.", "Two."])
    caller = Caller(bench)
    stream = caller.client.beta.messages.create(**body_of(caller, "a"), stream=True)
    for event in stream:
        if event.type == "message_stop":
            caller.messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "One."}]
            caller.ask("b")
    assert said(bench.record()) == ["a", "One.", "b", "Two."]


def test_what_arrives_is_stored_while_it_streams() -> None:
    times = iter(float(number) for number in range(10_000))
    bench = Bench(["word " * 300], clock=lambda: next(times))
    caller = Caller(bench)
    with caller.client.beta.messages.stream(**body_of(caller, "a")) as stream:
        seen = 0
        for _ in stream:
            seen = max(seen, sum(isinstance(event, Arrived) for event in bench.record().events))
    assert seen > 1
    assert said(bench.record())[-1] == stream.get_final_text()


def test_a_stream_that_is_cut_awaiting() -> None:
    bench = Bench([Fault(kind="cut-stream", after_bytes=700), "Lost.", "Two."])

    async def talk() -> None:
        async with bench.async_client() as client:
            body: Any = {"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": "a"}]}
            with pytest.raises(httpx2.RemoteProtocolError):
                async with client.messages.stream(**body) as stream:
                    await stream.until_done()
            async with client.messages.stream(**body) as stream:
                assert await stream.get_final_text() == "Two."

    asyncio.run(talk())
    record = bench.record()
    assert said(record)[-1] == "Two."
    assert bench.store.hold(bench.names[0]) is not None


def test_a_task_that_is_cancelled_while_it_reads_lets_go() -> None:
    async def talk(url: str, middleware: Middleware) -> None:
        async with anthropic.AsyncAnthropic(
            api_key="k", base_url=url, max_retries=0, middleware=[middleware]
        ) as client:
            body: Any = {"model": MODEL, "max_tokens": 2_000, "messages": [{"role": "user", "content": "a"}]}
            begun = asyncio.Event()

            async def read() -> None:
                async with client.messages.stream(**body) as stream:
                    async for _ in stream:
                        begun.set()

            task = asyncio.create_task(read())
            await begun.wait()
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            reply = await client.messages.create(**body)
            assert reply.content

    store = MemoryStore()
    with serving(Emulator(lambda body: "word " * 400), log=Log(), pace=0.01) as url:
        asyncio.run(asyncio.wait_for(talk(url, Middleware(store)), 20))
    [info] = store.conversations()
    record = load(store, info.id)
    assert sum(isinstance(event, Appended) for event in record.events) == 1
    assert record.is_evidence(1)


class _Slices(httpx2.SyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        for place in range(0, len(self._body), 7):
            yield self._body[place : place + 7]


def test_a_compressed_stream_is_followed_too() -> None:
    plain, store = Bench(["Grüße ☃."]), MemoryStore()
    request: Any = {"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": "a"}]}
    with plain.fake.client().messages.with_streaming_response.create(**request, stream=True) as response:
        events = b"".join(response.iter_bytes())

    def compressed(request: httpx2.Request) -> httpx2.Response:
        del request
        headers = {"content-type": "text/event-stream", "content-encoding": "gzip"}
        return httpx2.Response(200, headers=headers, stream=_Slices(gzip.compress(events)))

    client = anthropic.Anthropic(
        api_key="k",
        base_url="http://gzip.invalid",
        http_client=httpx2.Client(transport=httpx2.MockTransport(compressed)),
        middleware=[Middleware(store)],
    )
    with client.messages.stream(**request) as stream:
        assert stream.get_final_text() == "Grüße ☃."
    assert said(load(store, store.conversations()[0].id)) == ["a", "Grüße ☃."]


@pytest.mark.parametrize("spot", ["first byte", "inside a character", "inside a line", "between events"])
@pytest.mark.parametrize("way", ["closed", "reset", "ended", "error event"])
def test_a_connection_that_breaks_anywhere(way: Any, spot: Any) -> None:
    store, breaking = MemoryStore(), Breaking.at({1: Break(way, spot)})
    body: Any = {"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": "a"}]}
    with serving(Emulator(["Grüße ☃ und mehr.", "Two."]), log=Log(), breaking=breaking) as url:
        client = anthropic.Anthropic(api_key="k", base_url=url, max_retries=0, middleware=[Middleware(store)])
        # What the SDK makes of it is not ours: it raises, or takes the end for the end of the reply.
        known = (httpx2.HTTPError, anthropic.APIError, AssertionError, UnicodeDecodeError)
        with client, contextlib.suppress(*known), client.messages.stream(**body) as stream:
            stream.get_final_message()
        client = anthropic.Anthropic(api_key="k", base_url=url, max_retries=0, middleware=client.middleware)
        with client:
            assert client.messages.create(**body).content
    [info] = store.conversations()
    record = load(store, info.id)
    assert said(record)[0] == "a"
    assert said(record)[-1] == "Two."
    assert sum(isinstance(event, Appended) for event in record.events) == 1
    assert sum(isinstance(event, Sent) for event in record.events) == 2


# -- replies that are no turns ------------------------------------------------------------------------------


def test_a_refusal_is_handed_on_and_stays_off_the_wire() -> None:
    refusal = {"content": [{"type": "text", "text": "I"}], "stop_reason": "refusal"}
    bench = Bench([refusal, "Yes."])
    caller = Caller(bench)
    assert caller.ask("a").stop_reason == "refusal"
    caller.ask("b")
    assert [message["content"] for message in bench.wire] == ["a", "b"]
    assert len(bench.names) == 1


def test_a_paused_turn_is_sent_back_by_the_caller() -> None:
    searched: Any = [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
    ]
    bench = Bench([{"content": searched, "stop_reason": "pause_turn"}, "Found."])
    caller = Caller(bench, tools=[{"type": "web_search_20250305", "name": "web_search"}])
    assert caller.ask("a").stop_reason == "pause_turn"
    caller.send()
    assert [message["role"] for message in bench.wire] == ["user", "assistant"]
    record = bench.record()
    assert sum(isinstance(event, Received) for event in record.events) == 2
    assert len(bench.names) == 1


def test_what_arrived_of_a_cut_reply_may_be_gone_on_from() -> None:
    """As the SDK's threads do: the part that arrived stands in the list, as a turn of the model."""
    bench = Bench(
        [Fault(kind="cut-stream", after_bytes=1_500), [dict(THOUGHT), {"type": "text", "text": "word " * 200}], "Two."]
    )
    caller = Caller(bench)
    caller.messages.append({"role": "user", "content": "a"})
    body: Any = {"messages": caller.messages, **caller.settings}
    with pytest.raises(httpx2.RemoteProtocolError), caller.client.beta.messages.stream(**body) as stream:
        stream.until_done()
    arrived = stream.current_message_snapshot.content
    assert [block.type for block in arrived] == ["thinking", "text"]
    caller.messages.append({"role": "assistant", "content": arrived})
    caller.ask("go on")
    assert [message["role"] for message in bench.wire] == ["user", "assistant", "user"]
    assert bench.wire[1]["content"].startswith("word")
    assert len(bench.names) == 1
    assert bench.record().is_evidence(1)


@pytest.mark.parametrize("streams", [False, True])
def test_behind_it_the_sdk_may_fall_back_to_another_model(streams: bool) -> None:
    refusal = {"content": [], "stop_reason": "refusal", "stop_details": {"type": "refusal", "category": "cyber"}}
    bench = Bench([refusal, "Yes.", "And yes."])
    caller = Caller(bench)
    fallback = anthropic.BetaRefusalFallbackMiddleware([{"model": "claude-opus-4-8"}])
    caller.client = bench.fake.client(middleware=[bench.middleware, fallback], max_retries=0)
    body = body_of(caller, "a")
    if streams:
        with caller.client.beta.messages.stream(**body) as stream:
            reply: Any = stream.get_final_message()
    else:
        reply = caller.client.beta.messages.create(**body)
    assert reply.content[-1].text == "Yes."
    caller.messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": reply.content}]
    caller.ask("b")
    assert len(bench.names) == 1
    assert [message["role"] for message in bench.record().messages] == ["user", "assistant", "user", "assistant"]
    assert [message["role"] for message in bench.wire] == ["user", "assistant", "user"]
