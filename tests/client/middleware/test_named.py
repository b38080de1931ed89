"""Under a name, whatever list comes goes on with all that was said under it, one request at a time."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic
import pytest

import ctxwindow
from ctxwindow.emulator import Fault
from ctxwindow.errors import MisuseError
from ctxwindow.record.events import Appended
from tests.client.middleware.callers import MODEL, Bench, Caller, said

pytest.importorskip("anthropic")

LOOK = [{"name": "look", "input_schema": {"type": "object"}}]


def numbered() -> Bench:
    """An API whose replies are all different."""
    numbers = itertools.count()
    return Bench(lambda body: f"Part {next(numbers)}.")


class Slow(anthropic.Middleware):
    """Behind a middleware of ours: a request says that it is in flight, and goes on when it may."""

    def __init__(self) -> None:
        self.inside, self.go_on = threading.Event(), threading.Event()

    def handle(self, request: Any, call_next: Any) -> Any:
        self.inside.set()
        assert self.go_on.wait(20)
        return call_next(request)


# -- which list it is -----------------------------------------------------------------------------------------


def test_a_whole_list_whose_first_message_is_edited_is_a_branch() -> None:
    bench = numbered()
    caller = Caller(bench)
    with ctxwindow.conversation("t"):
        caller.ask("a")
        caller.ask("b")
        caller.messages[0] = {"role": "user", "content": "a edited"}
        caller.ask("c")
        caller.ask("d")
    assert said(bench.record("t"))[::2] == ["a edited", "b", "c", "d"]
    assert len(bench.wire) == 7
    assert len(bench.record("t").branches) == 2
    assert bench.names == ["t"]


def test_a_head_that_is_replaced_by_a_summary_is_a_branch(caplog: pytest.LogCaptureFixture) -> None:
    bench = numbered()
    caller = Caller(bench)
    with ctxwindow.conversation("t"):
        for text in "abcd":
            caller.ask(text)
        caller.messages = [{"role": "user", "content": "Summary: a and b were said."}, *caller.messages[5:]]
        caller.ask("e")
        caller.ask("f")
    assert said(bench.record("t"))[::2] == ["Summary: a and b were said.", "d", "e", "f"]
    assert len(bench.wire) == 7
    assert caplog.text.count("is begun anew") == 1


@pytest.mark.parametrize(
    "texts",
    [
        ["Hello", "What is 1 + 1?", "Hello", "Go on"],
        ["Continue", "Continue", "Continue"],
        ["Yes.", "Yes.", "a", "Yes."],
    ],
)
@pytest.mark.parametrize("alike", [True, False])
def test_a_single_message_that_was_said_before_is_said_again(texts: list[str], alike: bool) -> None:
    bench = Bench(lambda body: "Yes.") if alike else numbered()
    with ctxwindow.conversation("t"):
        for text in texts:
            Caller(bench).ask(text)
    assert said(bench.record("t"))[::2] == texts
    assert len(bench.record("t").branches) == 1


def test_the_same_first_message_begins_nothing_anew() -> None:
    bench = numbered()
    for day in range(3):
        with ctxwindow.conversation("daily"):
            caller = Caller(bench)
            caller.ask("Check the inbox.")
            caller.ask(f"Details of day {day}.")
    texts = [text for day in range(3) for text in ("Check the inbox.", f"Details of day {day}.")]
    assert said(bench.record("daily"))[::2] == texts
    assert len(bench.record("daily").branches) == 1


def test_what_was_not_answered_and_comes_again_is_one_message() -> None:
    bench = Bench(["Part 0.", Fault(status=500), "Part 1."])
    with ctxwindow.conversation("t"):
        Caller(bench).ask("a")
        with pytest.raises(anthropic.InternalServerError):
            Caller(bench).ask("b")
        Caller(bench).ask("b")
    record = bench.record("t")
    assert said(record)[::2] == ["a", "b"]
    assert sum(isinstance(event, Appended) for event in record.events) == 2
    assert len(record.branches) == 1


@pytest.mark.parametrize("keep", [3, 5])
def test_a_trimmed_list_may_be_sent_again_for_another_reply(keep: int) -> None:
    bench = numbered()
    caller = Caller(bench)
    with ctxwindow.conversation("t"):
        for text in "abcde":
            caller.ask(text)
        caller.messages = caller.messages[-keep - 1 : -1]
        caller.send()
        caller.ask("f")
    assert said(bench.record("t"))[::2] == list("abcdef")
    assert len(bench.record("t").branches) == 2
    assert len(bench.wire) == 11


def test_a_whole_list_is_edited_where_it_differs() -> None:
    bench = numbered()
    caller = Caller(bench)
    with ctxwindow.conversation("t"):
        for text in "abc":
            caller.ask(text)
        caller.messages[4:] = []
        caller.ask("instead of c")
    assert said(bench.record("t"))[::2] == ["a", "b", "instead of c"]


# -- one at a time --------------------------------------------------------------------------------------------


def test_a_request_waits_for_the_one_in_flight() -> None:
    bench, slow = numbered(), Slow()
    with ctxwindow.conversation("t"):
        Caller(bench).ask("a")
    client = bench.fake.client(middleware=[bench.middleware, slow], max_retries=0)

    def ask(text: str) -> None:
        caller = Caller(bench)
        caller.client = client
        with ctxwindow.conversation("t"):
            caller.ask(text)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, "b")
        assert slow.inside.wait(10)
        second = pool.submit(ask, "c")
        slow.go_on.set()
        first.result(20)
        second.result(20)
    assert said(bench.record("t"))[::2] == ["a", "b", "c"]
    assert len(bench.wire) == 5
    assert bench.names == ["t"]


def test_two_that_begin_a_conversation_at_once_are_in_one_record() -> None:
    bench = numbered()

    async def ask(client: anthropic.AsyncAnthropic, text: str) -> None:
        with ctxwindow.conversation("t"):
            await client.messages.create(model=MODEL, max_tokens=50, messages=[{"role": "user", "content": text}])

    async def everybody() -> None:
        async with bench.async_client() as client:
            await asyncio.gather(*(ask(client, text) for text in "abcd"))

    asyncio.run(everybody())
    assert bench.names == ["t"]
    assert sorted(said(bench.record("t"))[::2]) == list("abcd")


def test_who_has_waited_too_long_goes_out_unchanged(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(lambda body: "Yes.", patience=0.05)
    with ctxwindow.conversation("t"):
        Caller(bench).ask("a")
        hold = bench.store.hold("t")
        assert hold is not None
        Caller(bench).ask("b")
        assert bench.fake.requests[-1].json["messages"] == [{"role": "user", "content": "b"}]
        hold.release()
        Caller(bench).ask("c")
    assert "unchanged" in caplog.text
    assert "0.05 seconds" in caplog.text
    assert said(bench.record("t"))[::2] == ["a", "c"]
    assert bench.names == ["t"]


def test_a_request_without_a_name_does_not_wait_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    bench = numbered()
    caller = Caller(bench)
    caller.ask("a")
    hold = bench.store.hold(bench.names[0])
    assert hold is not None
    with caplog.at_level(logging.INFO, "ctxwindow.client"):
        caller.ask("b")
    assert "in flight" in caplog.text
    assert len(bench.names) == 2
    hold.release()


def test_two_processes_take_turns_under_one_name(caplog: pytest.LogCaptureFixture) -> None:
    bench = numbered()
    here, there = Caller(bench), Caller(bench)
    bench.restart()
    there.client = bench.client()
    with ctxwindow.conversation("t"):
        for turn in range(3):
            for caller in (here, there):
                caller.messages = []
                caller.ask(f"turn {turn}")
    assert said(bench.record("t"))[::2] == [f"turn {turn}" for turn in range(3) for _ in range(2)]
    assert len(bench.wire) == 11
    assert not caplog.records


# -- other system, other tools --------------------------------------------------------------------------------


@pytest.mark.parametrize("restart", [False, True])
def test_with_other_tools_all_that_was_said_is_known(restart: bool, caplog: pytest.LogCaptureFixture) -> None:
    bench = numbered()
    with ctxwindow.conversation("t"):
        Caller(bench).ask("My name is Ann.")
        if restart:
            bench.restart()
        Caller(bench, tools=LOOK).ask("What is my name?")
        assert [message["content"] for message in bench.wire] == ["My name is Ann.", "Part 0.", "What is my name?"]
        assert caplog.text.count("BIND-12") == 1
        if restart:
            bench.restart()
        Caller(bench).ask("And yours?")  # those from before: the first record again
    assert bench.fake.requests[-1].json.get("tools") is None
    assert [message["content"] for message in bench.wire[::2]] == ["My name is Ann.", "What is my name?", "And yours?"]
    assert sorted(bench.names) == ["t", "t~2"]
    assert caplog.text.count("BIND-12") == 1


def test_a_whole_list_with_another_system_prompt_goes_on() -> None:
    bench = numbered()
    caller = Caller(bench)
    with ctxwindow.conversation("t"):
        for text, system in (("a", "Be brief."), ("b", "Be long."), ("c", "Be brief."), ("d", "Be long.")):
            caller.settings["system"] = system
            caller.ask(text)
            assert bench.wire == [
                {"role": message["role"], "content": message["content"]}
                if isinstance(message["content"], str)
                else {"role": message["role"], "content": message["content"][0].text}
                for message in caller.messages[:-1]
            ]
    assert sorted(bench.names) == ["t", "t~2"]


def test_without_a_name_another_system_prompt_is_told_of_after_a_restart(caplog: pytest.LogCaptureFixture) -> None:
    bench = numbered()
    caller = Caller(bench)
    caller.ask("a")
    bench.restart()
    caller.client = bench.client()
    caller.settings["system"] = "Be long."
    caller.ask("b")
    assert "begins a record of its own" in caplog.text


@pytest.mark.parametrize("what", ["first message", "system", "trimmed"])
def test_a_record_for_every_request_is_told_of_once(what: str, caplog: pytest.LogCaptureFixture) -> None:
    bench = numbered()
    caller = Caller(bench)
    for minute in range(5):
        if what == "system":
            caller.settings["system"] = f"It is minute {minute}."
        elif what == "first message" and caller.messages:
            caller.messages[0] = {"role": "user", "content": f"It is minute {minute}."}
        elif what == "trimmed":
            caller.messages = caller.messages[2:] if minute > 1 else caller.messages
        caller.ask(f"question {minute}")
    assert len(bench.names) >= 3
    assert caplog.text.count("ctxwindow.conversation()") == 1


# -- names ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["user~2", "user~~17", "sdk-0123", "a\nb~3", "sdk-"])
def test_names_of_the_middleware_are_none_of_the_callers(name: str) -> None:
    with pytest.raises(MisuseError, match="middleware") as caught, ctxwindow.conversation(name):
        pytest.fail("it is no name")
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["user~", "user~two", "my-sdk-1", "user~2b", "~", "user~2\n"])
def test_other_names_are(name: str) -> None:
    bench = numbered()
    with ctxwindow.conversation(name):
        Caller(bench).ask("a")
    assert bench.names == [name]


def test_a_name_is_not_read_out_of_another_one() -> None:
    bench = numbered()
    for name in ("user~two", "user"):
        with ctxwindow.conversation(name):
            Caller(bench).ask(f"I am {name}.")
    assert said(bench.record("user")) == ["I am user.", "Part 1."]
