"""Mutations of rounds: what a careless context manager does to calls and their results."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial
from operator import delitem, setitem
from typing import Any

from ctxwindow.record.blocks import call_id, result_id
from ctxwindow.record.turns import is_turn_start
from ctxwindow.testing.subject import Apply, Mutation, Subject, breaks

__all__ = ["ROUNDS"]

ROUNDS: list[Mutation] = []


def _swap(items: list[Any], one: int, other: int) -> None:
    items[one], items[other] = items[other], items[one]


def _result_messages(subject: Subject) -> list[int]:
    """Messages that hold results and nothing else."""
    found = []
    for index, message in enumerate(subject.messages):
        content = message.get("content")
        if isinstance(content, list) and content and all(block.get("type") == "tool_result" for block in content):
            found.append(index)
    return found


@breaks(ROUNDS, "TOOL-01", "CMP-19")
def _drop_a_message_of_results(subject: Subject) -> Iterator[Apply]:
    for index in _result_messages(subject):
        yield partial(delitem, subject.messages, index)


@breaks(ROUNDS, "TOOL-01", "CMP-19")
def _drop_a_result(subject: Subject) -> Iterator[Apply]:
    for place in subject.results():
        yield partial(delitem, place.content, place.at)


@breaks(ROUNDS, "TOOL-02")
def _drop_a_call(subject: Subject) -> Iterator[Apply]:
    for place in subject.calls():
        yield partial(delitem, place.content, place.at)


@breaks(ROUNDS, "TOOL-02")
def _cut_the_head_inside_a_round(subject: Subject) -> Iterator[Apply]:
    for index in _result_messages(subject):
        yield partial(delitem, subject.messages, slice(0, index))


@breaks(ROUNDS, "TOOL-03")
def _answer_twice(subject: Subject) -> Iterator[Apply]:
    for place in subject.results():
        yield partial(list.insert, place.content, place.at, copy.deepcopy(place.block))


@breaks(ROUNDS, "TOOL-03")
def _repeat_a_message_of_results(subject: Subject) -> Iterator[Apply]:
    for index in _result_messages(subject):
        yield partial(list.insert, subject.messages, index, copy.deepcopy(subject.messages[index]))


@breaks(ROUNDS, "TOOL-04")
def _duplicate_an_id(subject: Subject) -> Iterator[Apply]:
    for place in subject.calls():
        yield partial(list.insert, place.content, place.at, copy.deepcopy(place.block))


@breaks(ROUNDS, "TOOL-05")
def _text_before_a_result(subject: Subject) -> Iterator[Apply]:
    for place in subject.results():
        if place.at == 0:
            yield partial(list.insert, place.content, 0, {"type": "text", "text": "Here is the result."})


@breaks(ROUNDS, "TOOL-01", "TOOL-02")
def _swap_a_call_with_its_results(subject: Subject) -> Iterator[Apply]:
    for index in _result_messages(subject):
        if index and subject.messages[index - 1]["role"] == "assistant":
            yield partial(_swap, subject.messages, index - 1, index)


@breaks(ROUNDS, "TOOL-08")
def _drop_a_server_call(subject: Subject) -> Iterator[Apply]:
    answered = {result_id(place.block) for place in subject.places("assistant", "server_result")}
    for place in subject.places("assistant", "server_call"):
        if call_id(place.block) in answered:
            yield partial(delitem, place.content, place.at)


@breaks(ROUNDS, "TOOL-09")
def _drop_a_server_result(subject: Subject) -> Iterator[Apply]:
    starts = [index for index, message in enumerate(subject.messages) if is_turn_start(message)]
    for place in subject.places("assistant", "server_result"):
        if starts and place.message < starts[-1]:
            yield partial(delitem, place.content, place.at)


@breaks(ROUNDS, "TOOL-11")
def _answer_for_the_server(subject: Subject) -> Iterator[Apply]:
    identities = {
        identity for place in subject.places("assistant", "server_call") if (identity := call_id(place.block))
    }
    last = subject.messages[-1]
    if subject.ends_with_user and isinstance(last["content"], list):
        for identity in sorted(identities):
            if identity.startswith("srvtoolu_"):
                yield partial(list.insert, last["content"], 0, {"type": "tool_result", "tool_use_id": identity})


@breaks(ROUNDS, "MSG-20")
def _lose_encrypted_content(subject: Subject) -> Iterator[Apply]:
    for place in subject.places("assistant", "server_result"):
        found = place.block.get("content")
        for result in found if isinstance(found, list) else ():
            if result.get("type") == "web_search_result" and "encrypted_content" in result:
                yield partial(delitem, result, "encrypted_content")


@breaks(ROUNDS, "SHAPE-06")
def _input_that_is_no_object(subject: Subject) -> Iterator[Apply]:
    for place in subject.calls():
        yield partial(setitem, place.block, "input", "{}")


@breaks(ROUNDS, "SHAPE-07")
def _call_of_the_user(subject: Subject) -> Iterator[Apply]:
    for place in subject.calls():
        yield partial(setitem, subject.messages[place.message], "role", "user")


@breaks(ROUNDS, "SHAPE-08")
def _result_of_nothing(subject: Subject) -> Iterator[Apply]:
    for place in subject.results():
        yield partial(setitem, place.block, "content", [])


@breaks(ROUNDS, "TOOL-18")
def _refer_to_no_tool(subject: Subject) -> Iterator[Apply]:
    for place in subject.results():
        yield partial(setitem, place.block, "content", [{"type": "tool_reference", "tool_name": "unknown_tool"}])
