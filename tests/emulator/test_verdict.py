from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.catalog import resolve
from ctxwindow.emulator import ApiError
from ctxwindow.emulator.verdict import Behavior, ReplyMemory, behavior
from ctxwindow.rules import View

DROP = {"block_binding": {"prefix_mismatch_behavior": "drop_block"}}
ERROR = {"block_binding": {"prefix_mismatch_behavior": "error"}}


@pytest.mark.parametrize(
    ("model", "thinking", "new", "batch", "wanted"),
    [
        ("claude-opus-5-5", {}, True, False, "error"),
        ("claude-opus-5-5", {}, True, True, "drop_block"),
        ("claude-opus-5-5", {}, False, False, "off"),
        ("claude-opus-5-5", {}, False, True, "off"),
        ("claude-opus-5-5", DROP, False, False, "drop_block"),
        ("claude-opus-5-5", ERROR, True, True, "error"),
        ("claude-mythos-5-1", {}, True, False, "error"),
        ("claude-fable-5-2", {}, False, False, "error"),
        ("claude-opus-5", ERROR, True, False, "off"),
    ],
)
def test_what_a_mismatch_does(model: str, thinking: dict[str, Any], new: bool, batch: bool, wanted: Behavior) -> None:
    """BIND-03, BIND-04, BIND-25, BIND-27"""
    view = View.of({"thinking": thinking}, profile=resolve(model), enforcement="auto" if new else "off")
    assert behavior(view, batch=batch) == wanted


def reply(number: int) -> list[dict[str, Any]]:
    return [
        {"type": "thinking", "thinking": "", "signature": f"s{number}"},
        {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {}},
    ]


def view(content: list[dict[str, Any]]) -> View:
    result = {"type": "tool_result", "tool_use_id": "toolu_1"}
    return View.of(
        {
            "messages": [
                {"role": "user", "content": "Look."},
                {"role": "assistant", "content": content},
                {"role": "user", "content": [result]},
            ]
        },
        profile=resolve("claude-opus-5"),
    )


def test_replay_02_is_told_from_what_is_remembered() -> None:
    memory = ReplyMemory()
    memory.check(view(reply(9)))  # nothing is known of it
    memory.add(reply(1))
    memory.add(reply(2))
    memory.check(view(reply(1)))
    memory.check(view(reply(2)))
    with pytest.raises(ApiError, match="cannot be modified"):
        memory.check(view(reply(1)[1:]))
    with pytest.raises(ApiError, match="cannot be modified"):
        memory.check(view(reply(9)))


def test_thinking_made_adjacent_is_told_from_what_is_remembered() -> None:
    """BIND-31 and E2 V1: hoisted inside a reply, or two replies merged."""
    memory, text = ReplyMemory(), {"type": "text", "text": "Now."}
    (one, call), (two, _) = reply(1), reply(2)
    memory.add([one, text, two, call])
    memory.check(view([one, text, two, call]))
    with pytest.raises(ApiError, match=r"messages\.1\.content\.1: .* cannot be modified"):
        memory.check(view([one, two, text, call]))
    apart = ReplyMemory()
    apart.add([one, text])
    apart.add([two, call])
    apart.check(view([one, text, two, call]))
    with pytest.raises(ApiError, match=r"messages\.1\.content\.1: .* cannot be modified"):
        apart.check(view([one, two, text, call]))


def test_where_replies_may_have_been_forgotten_nothing_is_said() -> None:
    memory = ReplyMemory()
    for number in range(40):
        memory.add(reply(number))
    memory.check(view(reply(0)))
    memory.check(view(reply(99)))


def test_a_reply_without_thinking_is_told_from_one_that_is_like_it_but_for_its_thinking() -> None:
    memory, (thought, call) = ReplyMemory(), reply(1)
    memory.add([thought, call])
    memory.add([call])
    memory.check(view([call]))
    memory.check(view([thought, call]))
