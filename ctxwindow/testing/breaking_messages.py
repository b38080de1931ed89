"""Mutations of the messages: what a careless context manager does to a history."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial
from operator import delitem, setitem
from typing import Any

from ctxwindow.record.blocks import block_type, call_id, is_thinking, result_id
from ctxwindow.record.turns import is_turn_start
from ctxwindow.testing.subject import Apply, Mutation, Place, Subject, breaks

__all__ = ["MESSAGES"]

MESSAGES: list[Mutation] = []

_SEAL = "s" * 40


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _swap(items: list[Any], one: int, other: int) -> None:
    items[one], items[other] = items[other], items[one]


# ---- rounds


def _result_messages(subject: Subject) -> list[int]:
    """Messages that hold results and nothing else."""
    found = []
    for index, message in enumerate(subject.messages):
        content = message.get("content")
        if isinstance(content, list) and content and all(block.get("type") == "tool_result" for block in content):
            found.append(index)
    return found


@breaks(MESSAGES, "TOOL-01", "CMP-19")
def _drop_a_message_of_results(subject: Subject) -> Iterator[Apply]:
    for index in _result_messages(subject):
        yield partial(delitem, subject.messages, index)


@breaks(MESSAGES, "TOOL-01", "CMP-19")
def _drop_a_result(subject: Subject) -> Iterator[Apply]:
    for place in subject.results():
        yield partial(delitem, place.content, place.at)


@breaks(MESSAGES, "TOOL-02")
def _drop_a_call(subject: Subject) -> Iterator[Apply]:
    for place in subject.calls():
        yield partial(delitem, place.content, place.at)


@breaks(MESSAGES, "TOOL-02")
def _cut_the_head_inside_a_round(subject: Subject) -> Iterator[Apply]:
    for index in _result_messages(subject):
        yield partial(delitem, subject.messages, slice(0, index))


@breaks(MESSAGES, "TOOL-03")
def _answer_twice(subject: Subject) -> Iterator[Apply]:
    for place in subject.results():
        yield partial(list.insert, place.content, place.at, copy.deepcopy(place.block))


@breaks(MESSAGES, "TOOL-03")
def _repeat_a_message_of_results(subject: Subject) -> Iterator[Apply]:
    for index in _result_messages(subject):
        yield partial(list.insert, subject.messages, index, copy.deepcopy(subject.messages[index]))


@breaks(MESSAGES, "TOOL-04")
def _duplicate_an_id(subject: Subject) -> Iterator[Apply]:
    for place in subject.calls():
        yield partial(list.insert, place.content, place.at, copy.deepcopy(place.block))


@breaks(MESSAGES, "TOOL-05")
def _text_before_a_result(subject: Subject) -> Iterator[Apply]:
    for place in subject.results():
        if place.at == 0:
            yield partial(list.insert, place.content, 0, _text("Here is the result."))


@breaks(MESSAGES, "TOOL-01", "TOOL-02")
def _swap_a_call_with_its_results(subject: Subject) -> Iterator[Apply]:
    for index in _result_messages(subject):
        if index and subject.messages[index - 1]["role"] == "assistant":
            yield partial(_swap, subject.messages, index - 1, index)


@breaks(MESSAGES, "TOOL-08")
def _drop_a_server_call(subject: Subject) -> Iterator[Apply]:
    answered = {result_id(place.block) for place in subject.places("assistant", "server_result")}
    for place in subject.places("assistant", "server_call"):
        if call_id(place.block) in answered:
            yield partial(delitem, place.content, place.at)


@breaks(MESSAGES, "TOOL-09")
def _drop_a_server_result(subject: Subject) -> Iterator[Apply]:
    starts = [index for index, message in enumerate(subject.messages) if is_turn_start(message)]
    for place in subject.places("assistant", "server_result"):
        if starts and place.message < starts[-1]:
            yield partial(delitem, place.content, place.at)


@breaks(MESSAGES, "TOOL-11")
def _answer_for_the_server(subject: Subject) -> Iterator[Apply]:
    identities = {
        identity for place in subject.places("assistant", "server_call") if (identity := call_id(place.block))
    }
    last = subject.messages[-1]
    if subject.ends_with_user and isinstance(last["content"], list):
        for identity in sorted(identities):
            if identity.startswith("srvtoolu_"):
                yield partial(list.insert, last["content"], 0, {"type": "tool_result", "tool_use_id": identity})


@breaks(MESSAGES, "MSG-20")
def _lose_encrypted_content(subject: Subject) -> Iterator[Apply]:
    for place in subject.places("assistant", "server_result"):
        found = place.block.get("content")
        for result in found if isinstance(found, list) else ():
            if result.get("type") == "web_search_result" and "encrypted_content" in result:
                yield partial(delitem, result, "encrypted_content")


# ---- texts, roles and ends


@breaks(MESSAGES, "MSG-06")
def _blank_a_text(subject: Subject) -> Iterator[Apply]:
    for role in ("user", "assistant"):
        for place in subject.places(role, "text"):
            if place.block.get("type") == "text":
                yield partial(setitem, place.block, "text", "")


@breaks(MESSAGES, "MSG-07")
def _empty_a_message(subject: Subject) -> Iterator[Apply]:
    for message in subject.messages:
        if message["role"] == "user":
            yield partial(setitem, message, "content", [])
            yield partial(setitem, message, "content", "")


@breaks(MESSAGES, "MSG-01", "SHAPE-07")
def _a_role_that_is_none(subject: Subject) -> Iterator[Apply]:
    for message in subject.messages:
        yield partial(setitem, message, "role", "tool")


@breaks(MESSAGES, "MSG-04")
def _prefill_where_it_is_refused(subject: Subject) -> Iterator[Apply]:
    refused = subject.profile is not None and not subject.profile.features.prefill
    excused = "compaction" in subject.body or "fallback_credit_token" in subject.body
    if refused and not excused and subject.ends_with_user:
        yield partial(list.append, subject.messages, {"role": "assistant", "content": "The answer is"})


@breaks(MESSAGES, "MSG-05")
def _prefill_with_a_space_at_its_end(subject: Subject) -> Iterator[Apply]:
    if subject.profile is not None and subject.profile.features.prefill and subject.ends_with_user:
        yield partial(list.append, subject.messages, {"role": "assistant", "content": "The answer is "})


@breaks(MESSAGES, "VER-02")
def _document_in_a_reply(subject: Subject) -> Iterator[Apply]:
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
    for place in subject.places("assistant", "text"):
        yield partial(list.insert, place.content, place.at, document)


@breaks(MESSAGES, "VER-03")
def _cited_text_of_the_user(subject: Subject) -> Iterator[Apply]:
    cited = {"type": "char_location", "cited_text": "x", "document_index": 0, "document_title": None}
    for place in subject.places("user", "text"):
        yield partial(setitem, place.block, "citations", [{**cited, "start_char_index": 0, "end_char_index": 1}])


# ---- thinking


@breaks(MESSAGES, "MSG-09")
def _end_with_thinking(subject: Subject) -> Iterator[Apply]:
    thought = {"type": "thinking", "thinking": "", "signature": _SEAL}
    for message in subject.messages[:-1]:
        if message["role"] == "assistant" and isinstance(message["content"], list) and not _paused(message):
            yield partial(list.append, message["content"], dict(thought))


def _paused(message: dict[str, Any]) -> bool:
    return not message["content"] or block_type(message["content"][-1]).family == "server_call"


@breaks(MESSAGES, "REPLAY-04", "SHAPE-06")
def _forge_thinking(subject: Subject) -> Iterator[Apply]:
    for place in subject.thinking():
        yield partial(setitem, place.block, "signature" if place.block["type"] == "thinking" else "data", "")


@breaks(MESSAGES, "MSG-10")
def _text_before_thinking(subject: Subject) -> Iterator[Apply]:
    if subject.manual:
        for place in subject.thinking():
            if place.at == 0:
                yield partial(list.insert, place.content, 0, _text("Let me see."))


@breaks(MESSAGES, "THINK-07")
def _drop_the_thinking_of_an_open_turn(subject: Subject) -> Iterator[Apply]:
    starts = [index for index, message in enumerate(subject.messages) if is_turn_start(message)]
    if not subject.manual or not starts or starts[-1] == len(subject.messages) - 1:
        return
    first = next((place for place in subject.thinking() if place.message > starts[-1]), None)
    if first is not None and first.message == starts[-1] + 1:
        yield partial(_only_others, first)


def _only_others(place: Place) -> None:
    place.content[:] = [block for block in place.content if not is_thinking(block)]


# ---- system messages


def _order(message: dict[str, Any]) -> dict[str, Any]:
    return {"role": "system", "content": "Be brief.", **message}


@breaks(MESSAGES, "SYS-01", "SYS-04")
def _begin_with_a_system_message(subject: Subject) -> Iterator[Apply]:
    yield partial(list.insert, subject.messages, 0, _order({}))


@breaks(MESSAGES, "SYS-01", "SYS-04")
def _insert_a_system_message(subject: Subject) -> Iterator[Apply]:
    """Directly behind a reply; where calls are open, between them and their results."""
    for index, message in enumerate(subject.messages):
        content = message.get("content")
        last = content[-1] if isinstance(content, list) and content else {}
        if message["role"] == "assistant" and block_type(last).family not in ("server_call", "server_result"):
            yield partial(list.insert, subject.messages, index + 1, _order({}))


@breaks(MESSAGES, "SYS-05")
def _image_in_a_system_message(subject: Subject) -> Iterator[Apply]:
    image = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    for message in subject.messages:
        if message["role"] == "system":
            yield partial(setitem, message, "content", [image])


@breaks(MESSAGES, "SYS-08")
def _expire_a_user_message(subject: Subject) -> Iterator[Apply]:
    for message in subject.messages:
        if message["role"] == "user":
            yield partial(setitem, message, "clear_at", "next_user_message")


@breaks(MESSAGES, "SYS-08")
def _mark_a_turn_scoped_message(subject: Subject) -> Iterator[Apply]:
    for place in subject.places("system", "text"):
        if subject.messages[place.message].get("clear_at") == "next_user_message":
            yield partial(setitem, place.block, "cache_control", {"type": "ephemeral"})


# ---- compaction blocks


def _summary(signature: str | None = _SEAL) -> dict[str, Any]:
    return {"type": "compaction", "content": "They fixed it.", **({"signature": signature} if signature else {})}


@breaks(MESSAGES, "CMP-21")
def _compaction_block_in_the_middle(subject: Subject) -> Iterator[Apply]:
    for place in subject.places("assistant", "text"):
        if place.message:
            yield partial(list.insert, place.content, place.at, _summary())


@breaks(MESSAGES, "CMP-20")
def _two_compaction_blocks(subject: Subject) -> Iterator[Apply]:
    pair = [{"role": "assistant", "content": [_summary()]}, {"role": "assistant", "content": [_summary(None)]}]
    yield partial(setitem, subject.messages, slice(0, 0), pair)


@breaks(MESSAGES, "CMP-04")
def _empty_compaction_block(subject: Subject) -> Iterator[Apply]:
    for place in subject.places("assistant", "compaction"):
        yield partial(setitem, place.block, "content", "")


# ---- shape


@breaks(MESSAGES, "SHAPE-01")
def _no_messages(subject: Subject) -> Iterator[Apply]:
    yield partial(setitem, subject.body, "messages", [])


@breaks(MESSAGES, "SHAPE-02", "SHAPE-03", "SHAPE-04", "SHAPE-05")
def _wrong_types(subject: Subject) -> Iterator[Apply]:
    for index, message in enumerate(subject.messages):
        if message["role"] == "user":
            yield partial(setitem, subject.messages, index, "hello")
            yield partial(setitem, message, "content", 7)
            yield partial(setitem, message, "content", ["hello"])
            yield partial(delitem, message, "role")


@breaks(MESSAGES, "SHAPE-06")
def _input_that_is_no_object(subject: Subject) -> Iterator[Apply]:
    for place in subject.calls():
        yield partial(setitem, place.block, "input", "{}")


@breaks(MESSAGES, "SHAPE-07")
def _call_of_the_user(subject: Subject) -> Iterator[Apply]:
    for place in subject.calls():
        yield partial(setitem, subject.messages[place.message], "role", "user")


@breaks(MESSAGES, "SHAPE-08")
def _result_of_nothing(subject: Subject) -> Iterator[Apply]:
    for place in subject.results():
        yield partial(setitem, place.block, "content", [])


@breaks(MESSAGES, "TOOL-18")
def _refer_to_no_tool(subject: Subject) -> Iterator[Apply]:
    for place in subject.results():
        yield partial(setitem, place.block, "content", [{"type": "tool_reference", "tool_name": "unknown_tool"}])
