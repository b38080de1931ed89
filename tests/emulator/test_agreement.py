"""Thinking that the emulator itself signed: what `check` says of an edit, the emulator does (BIND-01 to BIND-16)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.emulator import Emulator
from ctxwindow.rules import check
from tests.emulator.scenes import BINDING, Chat, post, said

Body = dict[str, Any]
Edit = Callable[[Body, int], None]

DROP = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}
TOOLS = [
    {"name": "read", "description": "Reads.", "input_schema": {"type": "object"}},
    {"name": "write", "input_schema": {"type": "object"}},
]


def conversation(turns: int) -> tuple[Chat, tuple[Body, Body]]:
    """Turns with a round each, and thinking in every reply; and the last request with its reply."""
    replies = []
    for turn in range(turns):
        call = {"type": "tool_use", "id": f"toolu_{turn}", "name": "read", "input": {"turn": turn}}
        replies.append([{"type": "thinking", "thinking": f"First {turn}."}, {"type": "text", "text": "I look."}, call])
        replies.append([{"type": "thinking", "thinking": f"Second {turn}."}, {"type": "text", "text": f"Done {turn}."}])
    chat = Chat(Emulator([*replies, "End.", "End."]), system="Be brief.", tools=TOOLS)
    for turn in range(turns):
        chat.say(f"Question {turn}?")
        chat.say([{"type": "tool_result", "tool_use_id": f"toolu_{turn}", "content": f"result {turn}"}])
    before = {**chat.copy(), "messages": chat.copy()["messages"][:-1]}
    chat.body["messages"].append({"role": "user", "content": "And now?"})
    return chat, (before, chat.last)


def of_role(request: Body, role: str, at: int) -> Body:
    found = [message for message in request["messages"] if message["role"] == role]
    message: Body = found[at % len(found)]
    return message


def drop_thinking(request: Body, at: int) -> None:
    content = of_role(request, "assistant", at)["content"]
    content[:] = [block for block in content if block["type"] != "thinking"]


def reword_question(request: Body, at: int) -> None:
    questions = [message for message in request["messages"] if isinstance(message["content"], str)]
    questions[at % len(questions)]["content"] += " Please."


def reword_result(request: Body, at: int) -> None:
    results = [m["content"][0] for m in request["messages"] if m["role"] == "user" and isinstance(m["content"], list)]
    results[at % len(results)]["content"] = "[cleared]"


def reword_reply(request: Body, at: int) -> None:
    of_role(request, "assistant", at)["content"][-1].update({"input": {"turn": -1}} if at % 2 else {})
    of_role(request, "assistant", at)["content"].insert(1, {"type": "text", "text": "Inserted."})


def remove_turn(request: Body, at: int) -> None:
    starts = range(0, len(request["messages"]) - 1, 4)
    start = starts[at % len(starts)]
    if len(request["messages"]) > 5:
        del request["messages"][start : start + 4]


def change_system(request: Body, at: int) -> None:
    request["system"] = f"Be brief {at}."


def change_tool(request: Body, at: int) -> None:
    request["tools"][at % 2]["description"] = "Another."


def add_turn(request: Body, at: int) -> None:
    reply = {"role": "assistant", "content": [{"type": "text", "text": "Yes."}]}
    request["messages"][0:0] = [{"role": "user", "content": f"Before {at}."}, reply]


def mark(request: Body, at: int) -> None:
    of_role(request, "assistant", at)["content"][-1]["cache_control"] = {"type": "ephemeral"}


def white_space(request: Body, at: int) -> None:
    del at
    request["messages"][0]["content"] += " \n"


def reorder_tools(request: Body, at: int) -> None:
    del at
    request["tools"].reverse()


def say_defaults(request: Body, at: int) -> None:
    del at
    request["tools"][0].update({"type": "custom", "strict": False})
    for message in request["messages"]:
        if isinstance(message["content"], list) and message["content"][0]["type"] == "tool_result":
            message["content"][0]["is_error"] = False


def change_settings(request: Body, at: int) -> None:
    request.update(max_tokens=500 + at, stop_sequences=["zzz"], tool_choice={"type": "auto"})


EDITS: list[Edit] = [
    drop_thinking, drop_thinking, drop_thinking, reword_question, reword_result, reword_reply, remove_turn,
    change_system, change_tool, add_turn, mark, white_space, reorder_tools, say_defaults, change_settings,
]  # fmt: skip


@given(st.integers(1, 3), st.lists(st.tuples(st.sampled_from(EDITS), st.integers(0, 9)), min_size=1, max_size=3))
def test_what_check_calls_stale_is_refused_and_nothing_else(turns: int, edits: list[tuple[Edit, int]]) -> None:
    """What `check` calls clean, given the exchange before, the emulator accepts; what it flags, the emulator rejects."""
    chat, exchange = conversation(turns)
    request = chat.copy()
    for edit, at in edits:
        edit(request, at)
    report = check(request, previous=exchange, betas=[])
    response = post(chat.emulator, request)
    assert report.ok == (response.status == 200), (report.violations, response.body)
    if {violation.rule for violation in report.violations} <= {"BIND-05"}:
        # With drop_block: what is reported as dropped is what was called stale, and all behind it (BIND-09).
        dropping = {**request, "thinking": DROP}
        dropped = said(post(chat.emulator, dropping, BINDING))["input_transformations"]
        states = check(dropping, previous=exchange, betas=[BINDING]).thinking
        assert [entry["path"] for entry in dropped] == [state.path for state in states if not state.valid]
