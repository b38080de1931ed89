"""Callers who change what they have said, on a model whose thinking is bound to it: no request of theirs is refused for it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

import ctxwindow
from ctxwindow import Policy
from tests.client.middleware.callers import Bench, Caller, said

pytest.importorskip("anthropic")

pytestmark = pytest.mark.usefixtures("quickly")

THINKS = {"type": "adaptive"}


def thinking_in(messages: list[Any]) -> list[int]:
    """Where thinking stands."""
    return [
        place
        for place, message in enumerate(messages)
        if isinstance(message["content"], list) and any(block["type"] == "thinking" for block in message["content"])
    ]


def thoughtful(*, calls: bool = False, **settings: Any) -> Bench:
    def reply(body: Any) -> Any:
        number = len(body["messages"])
        said = [{"type": "thinking", "thinking": f"Hm {number}."}, {"type": "text", "text": f"Reply {number}."}]
        return [*said, {"type": "tool_use", "id": f"toolu_{number}", "name": "look", "input": {}}] if calls else said

    return Bench(reply, **settings)


def asked(bench: Bench, count: int, **settings: Any) -> Caller:
    caller = Caller(bench, thinking=THINKS, **settings)
    for number in range(count):
        caller.ask(f"Question {number}")
    return caller


def test_thinking_behind_an_edit_is_left_out() -> None:
    bench = thoughtful()
    caller = asked(bench, 4)
    caller.messages[2] = {"role": "user", "content": "Another question"}
    caller.ask("And now?")
    assert len(bench.fake.requests) == 5  # none was refused
    assert thinking_in(bench.wire) == [1]  # what stands before the edit is whole
    assert "block_binding" not in bench.fake.requests[-1].json["thinking"]
    caller.ask("And then?")
    assert thinking_in(bench.wire) == [1, 9]
    assert len(bench.record().branches) == 2


def test_regenerating_and_asking_otherwise_is_no_edit() -> None:
    bench = thoughtful()
    caller = asked(bench, 3)
    caller.messages[-2:] = []
    caller.ask("Another question")
    assert thinking_in(bench.wire) == [1, 3]
    del caller.messages[-1]
    caller.send()
    caller.ask("And now?")
    assert thinking_in(bench.wire) == [1, 3, 5]
    assert len(bench.fake.requests) == 6


def test_in_an_open_tool_loop_the_api_is_asked_to_drop_it() -> None:
    bench = thoughtful(calls=True)
    tools = [{"name": "look", "input_schema": {"type": "object"}}]
    caller = asked(bench, 1, tools=tools)

    def result(text: str) -> dict[str, Any]:
        call = caller.messages[-1]["content"][-1].id
        return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call, "content": text}]}

    for number in range(4):
        caller.messages.append(result(f"result {number}"))
        caller.send()
    caller.messages.append(result("the last"))
    caller.messages[2] = {
        **caller.messages[2],
        "content": [{**caller.messages[2]["content"][0], "content": "[cleared]"}],
    }
    caller.send()
    assert len(bench.fake.requests) == 6
    last = bench.fake.requests[-1]
    assert last.json["thinking"]["block_binding"] == {"prefix_mismatch_behavior": "drop_block"}
    assert "thinking-binding-controls-2026-08-01" in last.headers["anthropic-beta"]
    assert thinking_in(bench.wire) == [1, 3, 5, 7, 9]
    caller.messages.append(result("more"))
    caller.messages[4] = {
        **caller.messages[4],
        "content": [{**caller.messages[4]["content"][0], "content": "[cleared]"}],
    }
    caller.send()  # also when it is edited again
    assert bench.fake.requests[-1].json["thinking"]["block_binding"] == {"prefix_mismatch_behavior": "drop_block"}
    assert len(bench.fake.requests) == 7


@pytest.mark.parametrize("what", ["first", "system", "tools"])
def test_what_changes_at_the_beginning_takes_no_request_with_it(what: str) -> None:
    bench = thoughtful()
    caller = Caller(bench, thinking=THINKS)
    for number in range(6):
        if what == "system":
            caller.settings["system"] = f"The time is {number}."
        elif what == "tools":
            caller.settings["tools"] = [{"name": f"look_{number}", "input_schema": {"type": "object"}}]
        elif caller.messages:
            caller.messages[0] = {"role": "user", "content": f"The time is {number}."}
        caller.ask(f"Question {number}")
    assert len(bench.fake.requests) == 6
    assert thinking_in(bench.wire) == []


def test_what_the_caller_brings_with_him_is_not_known_to_be_stale() -> None:
    bench = thoughtful()
    caller = asked(bench, 3)
    other = Bench(lambda _: "Yes.")
    other.fake = bench.fake  # another process with a store of its own
    moved = Caller(other, thinking=THINKS)
    moved.messages = list(caller.messages)
    moved.ask("And now?")
    assert thinking_in(other.wire) == [1, 3, 5]


def test_what_was_found_out_lasts(caplog: pytest.LogCaptureFixture) -> None:
    """The record is not in memory when the history is edited, so that the API has to tell."""
    bench = thoughtful()
    caller = asked(bench, 3)
    bench.restart()
    caller.client = bench.client()
    caller.settings["system"] = "Be long."
    with caplog.at_level(logging.WARNING):
        caller.ask("And now?")
    assert len(bench.fake.requests) == 5
    assert "another process" not in caplog.text

    def binding() -> Any:
        return bench.fake.requests[-1].json["thinking"].get("block_binding")

    assert binding() == {"prefix_mismatch_behavior": "drop_block"}
    caller.messages[4] = {"role": "user", "content": "Another question"}
    caller.ask("An edit")
    assert binding() == {"prefix_mismatch_behavior": "drop_block"}
    caller.settings["system"] = "Be short."
    caller.ask("Another record")
    assert binding() == {"prefix_mismatch_behavior": "drop_block"}
    assert len(bench.fake.requests) == 7


@pytest.mark.parametrize(
    ("what", "cause"),
    [
        ("message", "the caller's list parts from what was sent at messages.2"),
        ("system", "the record before differs from this one in system or tools"),
        ("first", "the record before differs from this one in the caller's list at messages.0"),
    ],
)
def test_the_cause_is_what_the_caller_has_changed(what: str, cause: str, caplog: pytest.LogCaptureFixture) -> None:
    bench = thoughtful(policy=Policy(assume_binding=False))
    caller = asked(bench, 3)
    if what == "system":
        caller.settings["system"] = "Be long."
    else:
        caller.messages[2 if what == "message" else 0] = {"role": "user", "content": "Another question"}
    caller.ask("And now?")
    assert f"Cause: {cause}" in caplog.text
    caplog.clear()
    bench.restart()
    caller.client = bench.client()
    caller.settings["system"] = "Be different."
    caller.ask("And then?")
    assert "Cause: unknown: this process has sent no request of the conversation before" in caplog.text


def test_a_record_without_some_thinking_is_found_again() -> None:
    bench = thoughtful()
    caller = asked(bench, 4)
    caller.messages[2] = {"role": "user", "content": "Another question"}
    caller.ask("And now?")
    bench.restart()
    caller.client = bench.client()
    caller.ask("And then?")
    [name] = bench.names
    assert len(bench.record(name).branches) == 2
    assert said(bench.record(name))[-2] == "And then?"
    assert len(bench.fake.requests) == 6


def test_under_a_name_other_tools_and_back_again_take_no_request_with_them() -> None:
    bench = thoughtful()
    caller = Caller(bench, thinking=THINKS)
    with ctxwindow.conversation("t"):
        for number, system in enumerate(["A", "A", "B", "B", "A", "B", "A"]):
            caller.settings["system"] = system
            caller.ask(f"Question {number}")
    assert len(bench.fake.requests) == 7
    assert len(bench.wire) == 13
