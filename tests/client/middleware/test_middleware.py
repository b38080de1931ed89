"""Code that keeps its own list is managed below it, and every list that it may send finds its conversation."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic
import pytest

import ctxwindow
from ctxwindow import Policy
from ctxwindow.record.events import Appended, Configured, Received
from tests.client.middleware.callers import MODEL, Bench, Caller, said

pytest.importorskip("anthropic")

THOUGHT = {"type": "thinking", "thinking": "Let me see."}


def thinks(text: str) -> list[dict[str, Any]]:
    return [dict(THOUGHT), {"type": "text", "text": text}]


# -- the usual case ---------------------------------------------------------------------------------------


def test_what_is_said_is_in_one_record_once() -> None:
    bench = Bench(["One.", "Two.", "Three."])
    caller = Caller(bench)
    for text in ("a", "b", "c"):
        caller.ask(text)
    record = bench.record()
    assert said(record) == ["a", "One.", "b", "Two.", "c", "Three."]
    assert sum(isinstance(event, (Appended, Received)) for event in record.events) == 6
    assert not any(isinstance(event, Configured) for event in record.events)
    assert record.paid() is not None


@pytest.mark.parametrize("surface", ["stable", "beta"])
def test_the_caller_gets_what_the_api_sends(surface: str) -> None:
    bench = Bench(lambda body: "Hello.")
    plain, managed = bench.fake.client(), bench.client()
    body: Any = {"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": "a"}]}

    def api(client: anthropic.Anthropic) -> Any:
        return client.beta.messages if surface == "beta" else client.messages

    one, other = api(plain).create(**body), api(managed).create(**body)
    assert type(one) is type(other)
    assert one.content == other.content
    raw = api(managed).with_raw_response.create(**body)
    assert raw.status_code == 200
    assert raw.parse().content == one.content
    assert raw.headers["request-id"] == raw.parse()._request_id
    with api(managed).with_streaming_response.create(**body) as response:
        assert b"Hello." in b"".join(response.iter_bytes())
    with api(managed).stream(**body) as stream:
        kinds = [event.type for event in stream]
        assert stream.get_final_text() == "Hello."
    with api(plain).stream(**body) as stream:
        assert kinds == [event.type for event in stream]
    events = [event.type for event in api(managed).create(**body, stream=True)]
    assert events[0] == "message_start"
    assert events[-1] == "message_stop"
    with api(managed).with_streaming_response.create(**body, stream=True) as response:
        assert b"message_stop" in b"".join(response.iter_bytes())
    assert [message["role"] for message in bench.record().messages] == ["user", "assistant"]
    assert len(bench.record().branches) == 6


def test_the_same_awaited() -> None:
    bench = Bench(lambda body: "Hello.")

    async def talk() -> None:
        async with bench.async_client() as client:
            messages: list[Any] = [{"role": "user", "content": "a"}]
            reply = await client.messages.create(model=MODEL, max_tokens=50, messages=messages)
            messages += [{"role": "assistant", "content": reply.content}, {"role": "user", "content": "b"}]
            async with client.messages.stream(model=MODEL, max_tokens=50, messages=messages) as stream:
                assert await stream.get_final_text() == "Hello."
            raw = await client.messages.with_raw_response.create(model=MODEL, max_tokens=50, messages=messages)
            assert (await raw.parse()).content[0].type == "text"

    asyncio.run(talk())
    assert said(bench.record()) == ["a", "Hello.", "b", "Hello."]
    assert len(bench.record().branches) == 2


def test_the_window_is_kept_and_nothing_is_lost() -> None:
    bench = Bench(lambda body: "x" * 2_000, policy=Policy(budget=12_000))
    caller = Caller(bench)
    texts = [f"Question {number}. " + "Why is that so? " * 60 for number in range(60)]
    for text in texts:
        caller.ask(text)
    record = bench.record()
    assert [message["content"] for message in record.messages[::2]] == texts
    assert record.compactions
    assert len(bench.wire) < len(record.messages)
    created = [request.json for request in bench.fake.requests if request.path.startswith("/v1/messages")]
    assert len(created) >= 60


# -- lists that are the same in other words -----------------------------------------------------------------


def test_moved_breakpoints_nulls_and_other_shapes_are_no_edits() -> None:
    bench = Bench(["One.", "Two.", "Three."])
    caller = Caller(bench)
    mark = {"cache_control": {"type": "ephemeral"}}
    caller.messages = [{"role": "user", "content": [{"type": "text", "text": "a", **mark}]}]
    caller.send()
    caller.messages[0] = {"role": "user", "content": "a"}
    caller.messages[1] = {"role": "assistant", "content": [caller.messages[1]["content"][0].model_dump()]}
    caller.messages.append({"role": "user", "content": [{"type": "text", "text": "b", **mark}]})
    caller.send()
    caller.messages[1] = {"role": "assistant", "content": "One."}
    caller.ask("c")
    assert said(bench.record()) == ["a", "One.", "b", "Two.", "c", "Three."]
    assert len(bench.record().branches) == 1
    for request in bench.fake.requests:  # four at most (CACHE-10): those of the caller are not among them
        assert str(request.json).count("cache_control") <= 3


def test_an_echo_without_thinking_leaves_the_thinking_on_the_wire() -> None:
    bench = Bench([thinks("One."), thinks("Two.")])
    caller = Caller(bench, thinking={"type": "adaptive"})
    caller.ask("a")
    caller.messages[1] = {"role": "assistant", "content": "One."}
    caller.ask("b")
    assert [block["type"] for block in bench.wire[1]["content"]] == ["thinking", "text"]
    assert len(bench.record().branches) == 1


def test_two_texts_of_a_reply_may_come_back_as_one() -> None:
    bench = Bench([[{"type": "text", "text": "One."}, {"type": "text", "text": "And more."}], "Two."])
    caller = Caller(bench)
    caller.ask("a")
    caller.messages[1] = {"role": "assistant", "content": "One.\nAnd more."}
    caller.ask("b")
    assert len(bench.names) == 1
    assert len(bench.wire[1]["content"]) == 2


def test_a_reply_whose_calls_are_left_out_is_an_edit() -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
    bench = Bench([[{"type": "text", "text": "I look."}, call], "Two."])
    caller = Caller(bench, tools=[{"name": "look", "input_schema": {"type": "object"}}])
    caller.ask("a")
    caller.messages[1] = {"role": "assistant", "content": "I look."}
    caller.ask("b")
    assert bench.wire == [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "I look."},
        {"role": "user", "content": "b"},
    ]


# -- lists that are others ------------------------------------------------------------------------------------


def test_an_edited_history_is_a_branch() -> None:
    bench = Bench(["One.", "Two.", "Other."])
    caller = Caller(bench)
    caller.ask("a")
    caller.ask("b")
    caller.messages[2:] = []
    caller.ask("instead of b")
    record = bench.record()
    assert said(record) == ["a", "One.", "instead of b", "Other."]
    assert [branch.messages for branch in record.branches] == [4, 4]


def test_the_same_list_again_is_no_new_message() -> None:
    bench = Bench(["One.", "Two.", "Again."])
    caller = Caller(bench)
    caller.ask("a")
    caller.ask("b")
    caller.messages.pop()
    caller.send()
    record = bench.record()
    assert said(record) == ["a", "One.", "b", "Again."]
    assert sum(isinstance(event, Appended) for event in record.events) == 2


def test_many_conversations_that_begin_alike_are_told_apart() -> None:
    bench = Bench(lambda body: f"To {body['messages'][-1]['content']} of {len(body['messages'])}."[:60])
    one, other = Caller(bench), Caller(bench)
    one.ask("Hello")
    one.ask("first")
    other.ask("Hello")
    for turn in range(3):
        one.ask(f"one {turn}")
        other.ask(f"other {turn}")
    assert len(bench.names) == 2
    asked = [[message["content"] for message in bench.record(name).messages[::2]] for name in bench.names]
    assert sorted(asked) == [
        ["Hello", "first", "one 0", "one 1", "one 2"],
        ["Hello", "other 0", "other 1", "other 2"],
    ]


def test_conversations_whose_first_replies_are_the_same_are_told_apart_too() -> None:
    bench = Bench(lambda body: "Yes.")
    callers = [Caller(bench) for _ in range(3)]
    for caller in callers:
        caller.ask("Hello")
    for turn in range(4):
        for number, caller in enumerate(callers):
            caller.ask(f"{number}: {turn}")
    wires = [[message["content"] for message in bench.record(name).messages[2::2]] for name in bench.names]
    assert sorted(wires) == [[f"{number}: {turn}" for turn in range(4)] for number in range(3)]
    assert sum(len(bench.record(name).branches) for name in bench.names) < 3 * 3


def test_a_caller_chooses_among_replies() -> None:
    bench = Bench([thinks("One."), thinks("A."), thinks("B."), thinks("C."), thinks("Two.")])
    caller = Caller(bench, thinking={"type": "adaptive"})
    caller.ask("a")
    caller.ask("b")
    chosen = caller.messages.pop()
    for _ in range(2):
        caller.send()
        caller.messages.pop()
    caller.messages.append({"role": "assistant", "content": "A."})
    caller.ask("c")
    assert [block["type"] for block in bench.wire[3]["content"]] == ["thinking", "text"]
    assert bench.wire[3]["content"][0]["signature"] == chosen["content"][0].signature
    record = bench.record()
    assert len(record.branches) == 3
    assert sum(isinstance(event, Appended) for event in record.events) == 3


def test_another_system_prompt_is_another_record(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(lambda body: "Yes.")
    caller = Caller(bench)
    caller.ask("a")
    caller.settings["system"] = "Be long."
    caller.ask("b")
    assert len(bench.names) == 2
    assert said(bench.record(bench.names[1])) == ["a", "Yes.", "b", "Yes."]
    assert bench.fake.requests[-1].json["system"][0]["text"] == "Be long."
    assert "BIND-12" in caplog.text


def test_other_settings_and_models_are_configured() -> None:
    bench = Bench(lambda body: "Yes.")
    caller = Caller(bench)
    caller.ask("a")
    caller.settings |= {"model": "claude-sonnet-5-5", "metadata": {"user_id": "u"}}
    caller.ask("b")
    record = bench.record()
    assert record.model == "claude-sonnet-5-5"
    assert bench.fake.requests[-1].json["metadata"] == {"user_id": "u"}
    assert bench.fake.requests[-1].json["model"] == "claude-sonnet-5-5"


def test_another_model_alone_is_configured() -> None:
    bench = Bench(lambda body: "Yes.")
    caller = Caller(bench)
    caller.ask("a")
    caller.settings["model"] = "claude-sonnet-5-5"
    caller.ask("b")
    assert bench.record().model == "claude-sonnet-5-5"
    assert bench.fake.requests[-1].json["model"] == "claude-sonnet-5-5"


def test_betas_of_the_caller_stay_and_the_body_has_none() -> None:
    bench = Bench(lambda body: "Yes.")
    Caller(bench, betas=["context-1m-2025-08-07"]).ask("a")
    assert "context-1m-2025-08-07" in bench.fake.requests[-1].headers["anthropic-beta"]
    assert "betas" not in bench.fake.requests[-1].json


# -- restarts, names, many at once ------------------------------------------------------------------------------


def test_after_a_restart_each_of_two_that_began_alike_goes_on_with_its_own() -> None:
    """The newest fits both lists: as one that goes on, and as one that is edited."""
    bench = Bench(lambda body: f"Yes, {len(body['messages'])}.")
    callers = []
    for place in (0, 1):  # each in a process of its own
        bench.restart()
        callers.append(Caller(bench))
        callers[-1].ask("Hello.")
        callers[-1].ask(f"I am {place}.")
    for caller in callers:
        bench.restart()
        caller.client = bench.client()
        caller.ask("Go on.")
    alike = ["Hello.", "Yes, 1."]
    found = [said(bench.record(name)) for name in bench.names]
    assert found == [[*alike, f"I am {place}.", "Yes, 3.", "Go on.", "Yes, 5."] for place in (0, 1)]


def test_found_again_after_a_restart() -> None:
    bench = Bench(lambda body: "Yes.")
    caller = Caller(bench)
    caller.ask("a")
    caller.ask("b")
    bench.restart()
    caller.client = bench.client()
    caller.ask("c")
    assert said(bench.record()) == ["a", "Yes.", "b", "Yes.", "c", "Yes."]


def test_what_another_process_has_recorded_is_caught_up_with(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(lambda body: "Yes.")
    caller = Caller(bench)
    caller.ask("a")
    here = caller.client
    bench.restart()
    caller.client = bench.client()
    caller.ask("b")
    caller.client = here
    caller.ask("c")
    assert said(bench.record()) == ["a", "Yes.", "b", "Yes.", "c", "Yes."]
    assert not caplog.records


def test_two_processes_that_begin_the_same_at_once_have_a_record_each(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(lambda body: "Yes.")
    here, other = Caller(bench), Caller(bench)
    bench.restart()
    other.client = bench.client()
    hold = bench.store.hold

    def faster(name: str) -> Any:
        """The other process begins this conversation between our look at the store and our hold."""
        monkeypatch.setattr(bench.store, "hold", hold)
        other.ask("Hello")
        return hold(name)

    monkeypatch.setattr(bench.store, "hold", faster)
    here.ask("Hello")
    assert [said(bench.record(name)) for name in bench.names] == [["Hello", "Yes."]] * 2
    assert not caplog.records


def test_only_the_newest_that_begin_alike_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(lambda body: "Yes.")
    caller = Caller(bench)
    for number in range(9):
        bench.restart()
        caller = Caller(bench)
        caller.ask("Hello")
        caller.ask(f"I am number {number}")
    assert len(bench.names) == 9
    read = list[str]()
    original = bench.store.read

    def watched(name: str, **more: Any) -> Any:
        read.append(name)
        return original(name, **more)

    monkeypatch.setattr(bench.store, "read", watched)
    bench.restart()
    caller.client = bench.client()
    caller.ask("and I go on")
    assert len(bench.names) == 9
    caller.messages[2]["content"] = "I am nobody"
    bench.restart()
    caller.client = bench.client()
    read.clear()
    caller.messages[3:] = []
    caller.send()
    assert len(read) <= 4


def test_a_name_holds_a_conversation_together_whose_head_is_trimmed() -> None:
    bench = Bench(lambda body: f"Yes {body['messages'][-1]['content'][0]['text']}.")
    caller = Caller(bench)
    with ctxwindow.conversation("ticket-17"):
        for number in range(8):
            caller.ask(f"Question {number}")
            caller.messages = caller.messages[-4:]
            if caller.messages[0]["role"] == "assistant":
                caller.messages.pop(0)
    record = bench.record("ticket-17")
    assert [message["content"] for message in record.messages[::2]] == [f"Question {number}" for number in range(8)]
    assert len(bench.wire) == 15
    assert bench.names == ["ticket-17"]


def test_a_name_holds_single_messages_together() -> None:
    bench = Bench(lambda body: "Yes.")
    with ctxwindow.conversation("ticket-17"):
        for text in ("a", "b", "c"):
            caller = Caller(bench)
            caller.ask(text)
            bench.restart()
    assert said(bench.record("ticket-17")) == ["a", "Yes.", "b", "Yes.", "c", "Yes."]


def test_threads_at_once() -> None:
    numbers = itertools.count()
    bench = Bench(lambda body: f"Yes, {next(numbers)}.")

    def talk(name: int) -> None:
        caller = Caller(bench)
        for turn in range(6):
            caller.ask(f"{name}: {turn}" if turn else "Hello")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(talk, range(8)))
    texts = [said(bench.record(name))[2::2] for name in bench.names]
    whole = [found for found in texts if len(found) == 5]
    assert sorted(found[0] for found in whole) == [f"{name}: 1" for name in range(8)]
    for found in whole:
        assert found == [f"{found[0][0]}: {turn}" for turn in range(1, 6)]


def test_a_second_request_while_one_is_in_flight_does_not_wait() -> None:
    inside, go_on = threading.Event(), threading.Event()
    bench = Bench(lambda body: "Yes.")
    caller = Caller(bench)
    caller.ask("a")

    class Slow(anthropic.Middleware):
        def handle(self, request: Any, call_next: Any) -> Any:
            inside.set()
            assert go_on.wait(10)
            return call_next(request)

    waiting = bench.fake.client(middleware=[bench.middleware, Slow()])
    messages = [*caller.messages, {"role": "user", "content": "slow"}]
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(lambda: waiting.beta.messages.create(messages=messages, **caller.settings))
        assert inside.wait(10)
        caller.ask("quick")
        assert not first.done()
        go_on.set()
        first.result(10)
    assert len(bench.names) == 2
    assert {said(bench.record(name))[2] for name in bench.names} == {"slow", "quick"}


def test_tasks_at_once() -> None:
    bench = Bench(lambda body: "Yes.")

    async def talk(client: anthropic.AsyncAnthropic, name: int) -> None:
        messages: list[Any] = []
        for turn in range(4):
            messages.append({"role": "user", "content": f"{name}: {turn}"})
            reply = await client.messages.create(model=MODEL, max_tokens=50, messages=messages)
            messages.append({"role": "assistant", "content": reply.content})

    async def everybody() -> None:
        async with bench.async_client() as client:
            await asyncio.gather(*(talk(client, name) for name in range(20)))

    asyncio.run(everybody())
    assert len(bench.names) == 20
    assert all(len(said(bench.record(name))) == 8 for name in bench.names)


def test_memory_is_bounded_and_the_store_has_the_rest() -> None:
    bench = Bench(lambda body: "Yes.", conversations=2)
    callers = [Caller(bench, system=f"You are {number}.") for number in range(5)]
    for turn in range(3):
        for caller in callers:
            caller.ask(f"turn {turn}")
    assert len(bench.middleware._recogniser.registry.recent()) == 2
    assert len(bench.names) == 5
    assert all(len(said(bench.record(name))) == 6 for name in bench.names)


# -- what passes untouched ---------------------------------------------------------------------------------------


def test_other_endpoints_pass_untouched() -> None:
    bench = Bench(lambda body: "Yes.")
    client = bench.client()
    messages: Any = [{"role": "user", "content": "a"}]
    assert client.messages.count_tokens(model=MODEL, messages=messages).input_tokens > 0
    assert client.models.retrieve(MODEL).id == MODEL
    assert [model.id for model in client.models.list()]
    request: Any = {"custom_id": "1", "params": {"model": MODEL, "max_tokens": 5, "messages": messages}}
    assert client.messages.batches.create(requests=[request]).id
    assert bench.names == []


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"model": "claude-unheard-of-9"}, "unknown model"),
        ({"max_tokens": 10_000_000}, "CTX-06"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": [{"type": "nonsense"}]}]}, ""),
        ({"messages": [{"role": "user", "content": "x " * 400_000}]}, "goes out unchanged"),
    ],
)
def test_what_cannot_be_managed_goes_out_unchanged(
    body: dict[str, Any], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(lambda body: "Yes.", policy=Policy(budget=20_000))
    given: Any = {"model": MODEL, "max_tokens": 500, "messages": [{"role": "user", "content": "a"}], **body}
    with contextlib.suppress(anthropic.BadRequestError, anthropic.NotFoundError):
        bench.client(timeout=60).messages.create(**given)
    assert bench.fake.requests[-1].json == given
    assert why in caplog.text
    assert "x x x" not in caplog.text


def test_a_store_that_fails_is_no_reason_to_fail(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(lambda body: "Yes.")
    caller = Caller(bench)
    caller.ask("a")
    append = bench.store.append
    bench.store.append = _full  # type: ignore[method-assign]
    caller.ask("b")
    assert bench.wire == [{"role": "user", "content": "a"}, bench.wire[1], {"role": "user", "content": "b"}]
    assert "disk is full" in caplog.text
    bench.store.append = append  # type: ignore[method-assign]
    caller.ask("c")
    assert said(bench.record()) == ["a", "Yes.", "b", "Yes.", "c", "Yes."]


def _full(*_: Any, **__: Any) -> int:
    raise ctxwindow.StoreUnavailable("the disk is full; nothing was written.")


def test_a_mistake_of_ours_is_no_reason_to_fail(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(lambda body: "Yes.")
    caller = Caller(bench)
    caller.ask("a")

    def broken(*_: Any, **__: Any) -> Any:
        raise KeyError("secret content")

    with monkeypatch.context() as patch:
        patch.setattr(ctxwindow.Conversation, "plan", broken)
        caller.ask("b")
    assert "KeyError in test_middleware.py" in caplog.text
    assert "secret content" not in caplog.text
    caller.messages[2:] = []
    caller.ask("c")
    assert said(bench.record()) == ["a", "Yes.", "c", "Yes."]
    assert len(bench.record().branches) == 1  # what no store had is taken back


def test_calls_without_results_are_mended(caplog: pytest.LogCaptureFixture) -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
    bench = Bench([[call], "Two.", "Three."])
    caller = Caller(bench, tools=[{"name": "look", "input_schema": {"type": "object"}}])
    caller.ask("a")
    with caplog.at_level(logging.WARNING, "ctxwindow.client"):
        caller.ask("never mind")
    assert "mended" in caplog.text
    assert bench.wire[2]["content"][0]["type"] == "tool_result"
    caller.ask("c")
    assert len(bench.names) == 1


def test_a_broken_history_is_mended_where_a_conversation_begins() -> None:
    bench = Bench(["Two."])
    caller = Caller(bench)
    result = {"type": "tool_result", "tool_use_id": "toolu_lost", "content": "of nothing"}
    caller.messages = [{"role": "user", "content": [result, {"type": "text", "text": "a"}]}]
    caller.send()
    assert bench.wire == [{"role": "user", "content": "a"}]
