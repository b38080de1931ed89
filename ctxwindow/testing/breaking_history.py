"""Mutations of a history that was sent before: edits that make thinking stale on bound models (BIND-10 to BIND-12), and
those that take it from a tool loop that is still open, on any model (REPLAY-01, REPLAY-02).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from operator import delitem, setitem
from typing import Any

from ctxwindow.record.blocks import blocks_of, is_blank_text, seal
from ctxwindow.record.turns import is_turn_start
from ctxwindow.testing.subject import Apply, Mutation, Place, Subject, breaks

__all__ = ["HISTORY"]

HISTORY: list[Mutation] = []


def _bound_thinking(subject: Subject) -> list[Place]:
    """Thinking that the prefix check looks at: behind the last compaction block with content (BIND-15)."""
    if subject.profile is None or not subject.profile.bound or subject.before is None:
        return []
    start = _restart(subject.messages)
    return [place for place in subject.thinking() if (place.message, place.at) > start]


def _restart(messages: list[Any]) -> tuple[int, int]:
    found = (0, -1)
    for index, message in enumerate(messages):
        for at, block in enumerate(blocks_of(message)):
            if block.get("type") == "compaction" and block.get("content"):
                found = (index, at)
    return found


def _checked(subject: Subject, role: str, *families: str) -> Iterator[Place]:
    """Blocks that the request before held too, and that some checked thinking stands behind."""
    thinking = _bound_thinking(subject)
    sent = len((subject.before or {"messages": ()})["messages"])
    start = _restart(subject.messages)
    for place in subject.places(role, *families):
        behind = bool(thinking) and thinking[-1].message > place.message
        if behind and place.message < sent and (place.message, place.at) > start:
            yield place


@breaks(HISTORY, "BIND-05")
def _change_system(subject: Subject) -> Iterator[Apply]:
    if _bound_thinking(subject):
        yield partial(setitem, subject.body, "system", "Today is another day.")


@breaks(HISTORY, "BIND-05")
def _change_a_description(subject: Subject) -> Iterator[Apply]:
    for tool in subject.body.get("tools") or () if _bound_thinking(subject) else ():
        if "description" in tool and not tool.get("defer_loading"):
            yield partial(setitem, tool, "description", "Does something else.")


@breaks(HISTORY, "BIND-05")
def _change_a_text(subject: Subject) -> Iterator[Apply]:
    for place in _checked(subject, "user", "text"):
        if not is_blank_text(place.block):
            yield partial(setitem, place.block, "text", f"Rewritten: {place.block['text']}")


@breaks(HISTORY, "BIND-05")
def _clear_a_result(subject: Subject) -> Iterator[Apply]:
    for place in _checked(subject, "user", "result"):
        yield partial(setitem, place.block, "content", "[cleared by the client]")


@breaks(HISTORY, "BIND-05")
def _change_an_input(subject: Subject) -> Iterator[Apply]:
    for place in _checked(subject, "assistant", "call"):
        yield partial(setitem, place.block, "input", {"path": "somewhere/else.py"})


@breaks(HISTORY, "BIND-05")
def _insert_a_text(subject: Subject) -> Iterator[Apply]:
    for place in _checked(subject, "user", "text"):
        yield partial(
            list.insert, place.content, place.at + 1, {"type": "text", "text": "<reminder>Be brief.</reminder>"}
        )


@breaks(HISTORY, "BIND-05")
def _drop_a_block(subject: Subject) -> Iterator[Apply]:
    for place in _checked(subject, "user", "text", "image", "document"):
        if len(place.content) > 1 and not is_blank_text(place.block):
            yield partial(delitem, place.content, place.at)


@breaks(HISTORY, "BIND-05", "REPLAY-02")
def _drop_thinking_from_the_middle(subject: Subject) -> Iterator[Apply]:
    thinking = _bound_thinking(subject)
    for place in thinking[1:-1]:
        if _sent_before(subject, place):
            yield partial(delitem, place.content, place.at)


@breaks(HISTORY, "BIND-05", "REPLAY-02")
def _swap_thinking(subject: Subject) -> Iterator[Apply]:
    thinking = _bound_thinking(subject)
    for one, other in itertools.pairwise(thinking):
        if _sent_before(subject, one) and seal(one.block) != seal(other.block):
            yield partial(_swap, one, other)


def _sent_before(subject: Subject, place: Place) -> bool:
    return place.message < len((subject.before or {"messages": ()})["messages"])


def _swap(one: Place, other: Place) -> None:
    one.content[one.at], other.content[other.at] = other.block, one.block


def _open_turn(subject: Subject) -> list[Place]:
    """Thinking of a turn whose last calls are answered and whose reply is due; none in any other request."""
    starts = [index for index, message in enumerate(subject.messages) if is_turn_start(message)]
    open_turn = subject.before is not None and subject.ends_with_user and starts[-1:] != [len(subject.messages) - 1]
    return [place for place in subject.thinking() if place.message > max(starts, default=-1)] if open_turn else []


@breaks(HISTORY, "REPLAY-02")
def _drop_thinking_of_the_latest_reply(subject: Subject) -> Iterator[Apply]:
    latest = max(
        (index for index, message in enumerate(subject.messages) if message["role"] == "assistant"), default=-1
    )
    for place in _open_turn(subject):
        if place.message == latest:
            yield partial(delitem, place.content, place.at)


@breaks(HISTORY, "REPLAY-01")
def _drop_thinking_of_an_open_loop(subject: Subject) -> Iterator[Apply]:
    thinking = _open_turn(subject)
    for place in thinking if subject.profile is not None and not subject.profile.bound else ():
        if _sent_before(subject, place):
            yield partial(delitem, place.content, place.at)
