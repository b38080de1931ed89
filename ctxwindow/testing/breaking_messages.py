"""Mutations of the messages: texts, roles, thinking, system messages, compaction blocks and shape."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from operator import delitem, setitem
from typing import Any

from ctxwindow.record.blocks import block_type, is_thinking
from ctxwindow.record.turns import is_turn_start
from ctxwindow.testing.subject import Apply, Mutation, Place, Subject, breaks

__all__ = ["MESSAGES"]

MESSAGES: list[Mutation] = []

_SEAL = "s" * 40


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


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
