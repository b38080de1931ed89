"""Broken histories: generated conversations, and recorded ones, to which something was done."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Literal, get_args

from hypothesis import strategies as st

from ctxwindow.record.blocks import block_type, blocks_of
from ctxwindow.testing import SERVER_TOOLS, conversations

BOUND, SYSTEMLESS, PREFILL = "claude-opus-5-5", "claude-opus-4-6", "claude-sonnet-4-5"
MODELS = (BOUND, SYSTEMLESS, PREFILL)
TOOLS: list[Any] = [
    *({"name": name, "input_schema": {"type": "object"}} for name in ("read_file", "run_tests", "search")),
    *SERVER_TOOLS,
]

OfMessages = Literal[
    "drop", "repeat", "swap", "truncate", "behead", "empty", "no content", "instruct", "end in a reply", "extra"
]  # fmt: skip
OfBlocks = Literal[
    "drop block", "repeat block", "move block", "reverse", "blank", "unsign", "cut in thinking", "same id", "mark",
    "text first", "drop result", "late result", "early result", "result in reply", "half of a server call",
    "thinking in user message",
]  # fmt: skip


@st.composite
def whole(draw: st.DrawFn) -> dict[str, Any]:
    """A request of a generated conversation, without its last reply."""
    model = draw(st.sampled_from(MODELS))
    manual = model == PREFILL and draw(st.booleans())
    steps = draw(
        conversations(
            max_turns=3,
            max_rounds=2,
            long=False,
            system=model == BOUND,
            manual=manual,
            server_tools=draw(st.booleans()),
            waiting=False,
            several=draw(st.booleans()),
        )
    )
    body = request([step.message for step in steps[:-1]], model)
    return {**body, "max_tokens": 2_000, "thinking": {"type": "enabled", "budget_tokens": 1_024}} if manual else body


def request(messages: list[Any], model: str = BOUND) -> dict[str, Any]:
    return {"model": model, "max_tokens": 100, "tools": TOOLS, "messages": messages}


@st.composite
def broken(draw: st.DrawFn, base: st.SearchStrategy[dict[str, Any]] | None = None) -> dict[str, Any]:
    """A request whose history had a few things done to it that often break it."""
    body = copy.deepcopy(draw(base if base is not None else whole()))
    for _ in range(draw(st.integers(1, 4))):
        if body["messages"]:
            if draw(st.integers(0, 2)):
                mutate_blocks(draw, body["messages"], draw(st.sampled_from(get_args(OfBlocks))))
            else:
                mutate(draw, body["messages"], draw(st.sampled_from(get_args(OfMessages))))
    return body


def mutate(draw: st.DrawFn, messages: list[Any], mutation: OfMessages) -> None:
    """Do one thing to the messages."""
    at = draw(st.integers(0, len(messages) - 1))
    match mutation:
        case "drop":
            del messages[at]
        case "repeat":
            messages.insert(at, copy.deepcopy(messages[at]))
        case "swap":
            other = draw(st.integers(0, len(messages) - 1))
            messages[at], messages[other] = messages[other], messages[at]
        case "truncate":
            del messages[at + 1 :]
        case "behead":
            del messages[:at]
        case "empty":
            messages[at] = {**messages[at], "content": draw(st.sampled_from(["", []]))}
        case "no content":
            messages[at] = {**messages[at], "content": None}
        case "instruct":
            scope = draw(st.sampled_from([{}, {"clear_at": "next_user_message"}]))
            messages.insert(at, {"role": "system", "content": "Be brief.", **scope})
        case "end in a reply":
            messages.append({"role": "assistant", "content": draw(st.sampled_from(["As far as I ", "x", ""]))})
        case "extra":
            messages[at] = {**messages[at], "id": "msg_1"}


def mutate_blocks(draw: st.DrawFn, messages: list[Any], mutation: OfBlocks) -> None:
    """Do one thing to the blocks of a message that has such blocks."""
    wanted: dict[str, tuple[str, ...]] = {
        "unsign": ("thinking",),
        "cut in thinking": ("thinking",),
        "thinking in user message": ("thinking",),
        "same id": ("call", "result"),
        "text first": ("result",),
        "drop result": ("result",),
        "late result": ("result",),
        "early result": ("result",),
        "result in reply": ("result",),
        "half of a server call": ("server_call", "server_result"),
    }
    places = [
        (message, place)
        for message in messages
        if isinstance(message.get("content"), list)
        for place, block in enumerate(message["content"])
        if block_type(block).family in wanted.get(mutation, (block_type(block).family,))
    ]
    if places:
        message, place = draw(st.sampled_from(places))
        _DO[mutation](draw, messages, message["content"], place)


def _lists(messages: list[Any], role: str) -> list[list[Any]]:
    return [m["content"] for m in messages if m["role"] == role and isinstance(m.get("content"), list)]


def _repeat(_draw: st.DrawFn, _messages: list[Any], content: list[Any], place: int) -> None:
    content.insert(place, copy.deepcopy(content[place]))


def _drop(_draw: st.DrawFn, _messages: list[Any], content: list[Any], place: int) -> None:
    del content[place]


def _move(draw: st.DrawFn, messages: list[Any], content: list[Any], place: int) -> None:
    role = next(m["role"] for m in messages if m.get("content") is content)
    into = draw(st.sampled_from(_lists(messages, role)))
    block = content.pop(place)
    into.insert(draw(st.integers(0, len(into))), block)


def _reverse(_draw: st.DrawFn, _messages: list[Any], content: list[Any], _place: int) -> None:
    content.reverse()


def _blank(draw: st.DrawFn, _messages: list[Any], content: list[Any], place: int) -> None:
    content.insert(place, {"type": "text", "text": draw(st.sampled_from(["", " ", "\n"]))})


def _unsign(_draw: st.DrawFn, _messages: list[Any], content: list[Any], place: int) -> None:
    content[place].pop("signature", None)


def _cut(_draw: st.DrawFn, _messages: list[Any], content: list[Any], place: int) -> None:
    del content[place + 1 :]


def _same_id(draw: st.DrawFn, messages: list[Any], content: list[Any], place: int) -> None:
    """Give a call or a result the id of another call."""
    ids = [block["id"] for m in messages for block in blocks_of(m) if block["type"] == "tool_use"]
    field = "id" if content[place]["type"] == "tool_use" else "tool_use_id"
    content[place][field] = draw(st.sampled_from([*ids, "toolu_none"]))


def _mark(_draw: st.DrawFn, _messages: list[Any], content: list[Any], _place: int) -> None:
    for block in content:
        block["cache_control"] = {"type": "ephemeral"}


def _text_first(_draw: st.DrawFn, _messages: list[Any], content: list[Any], _place: int) -> None:
    content.insert(0, {"type": "text", "text": "Here:"})


def _elsewhere(role: str, *, front: bool) -> Callable[[st.DrawFn, list[Any], list[Any], int], None]:
    def move(_draw: st.DrawFn, messages: list[Any], content: list[Any], place: int) -> None:
        into = _lists(messages, role)
        if into:
            block = content.pop(place)
            into[0 if front else -1].append(block)

    return move


_DO: dict[str, Callable[[st.DrawFn, list[Any], list[Any], int], None]] = {
    "drop block": _drop,
    "repeat block": _repeat,
    "move block": _move,
    "reverse": _reverse,
    "blank": _blank,
    "unsign": _unsign,
    "cut in thinking": _cut,
    "same id": _same_id,
    "mark": _mark,
    "text first": _text_first,
    "drop result": _drop,
    "late result": _elsewhere("user", front=False),
    "early result": _elsewhere("user", front=True),
    "result in reply": _elsewhere("assistant", front=False),
    "half of a server call": _drop,
    "thinking in user message": _elsewhere("user", front=False),
}
