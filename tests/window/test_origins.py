from __future__ import annotations

from typing import Any

from ctxwindow.window.origins import places, tool_at, tool_names

RECORD: list[dict[str, Any]] = [
    {"role": "user", "content": "Read it."},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "So.", "signature": "s"},
            {"type": "text", "text": " "},
            {"type": "tool_use", "id": "t1", "name": "read", "input": {}},
        ],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "long " * 100}]},
]


def paths(message: dict[str, Any], source: int | None) -> list[str]:
    recorded = None if source is None else RECORD[source]
    return [path for path, _ in places(message, recorded, f"messages.{source}", 2)]


def test_a_message_that_is_sent_as_it_came() -> None:
    assert paths(RECORD[0], 0) == ["messages.0.content.0"]
    marked = {"type": "text", "text": "Read it.", "cache_control": {"type": "ephemeral"}}
    assert paths({"role": "user", "content": [marked]}, 0) == ["messages.0.content.0"]


def test_blocks_that_were_left_out_do_not_shift_the_others() -> None:
    thinking, _, call = RECORD[1]["content"]
    assert paths({"role": "assistant", "content": [thinking, call]}, 1) == [
        "messages.1.content.0",
        "messages.1.content.2",
    ]
    assert paths({"role": "assistant", "content": [call]}, 1) == ["messages.1.content.2"]


def test_the_preview_of_a_result_stands_for_it() -> None:
    preview = {"type": "tool_result", "tool_use_id": "t1", "content": "long ... [more as m2.0]"}
    assert paths({"role": "user", "content": [preview]}, 2) == ["messages.2.content.0"]


def test_a_summary_is_not_in_the_record() -> None:
    summary = {"type": "text", "text": "[Summary of messages 0 to 1]"}
    assert paths({"role": "user", "content": [summary]}, None) == ["summary.2.content.0"]
    joined = [summary, {"type": "text", "text": "Read it."}]
    assert paths({"role": "user", "content": joined}, 0) == ["summary.2.content.0", "messages.0.content.0"]


def test_what_is_no_block_is_found_by_its_equal() -> None:
    odd: list[Any] = [{"role": "user", "content": ["a", 7, {"type": "text", "text": "b"}]}]
    assert [path for path, _ in places({"role": "user", "content": [7, "c"]}, odd[0], "messages.0", 1)] == [
        "messages.0.content.1",
        "summary.1.content.1",
    ]


def test_names_of_tools() -> None:
    assert tool_names(RECORD) == {"t1": "read"}
    tools: list[Any] = [{"name": "read"}, {"type": "odd"}, 7]
    assert [tool_at(tools, f"tools.{place}") for place in range(4)] == ["read", None, None, None]
