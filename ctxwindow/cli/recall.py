"""The end of the demo: something that the model used after it had left the window, found again in the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ctxwindow.conversation import Conversation
from ctxwindow.record import identifier_set
from ctxwindow.record.blocks import blocks_of, is_thinking, texts_of
from ctxwindow.stores import Store

__all__ = ["Found", "Missed", "missed", "recall"]

_LONGEST = 60
"""Characters of a text that is shown on one line."""

_SEARCHED = 20


class Missed(msgspec.Struct, frozen=True, kw_only=True):
    """A request whose reply used a text that its wire did not hold."""

    request: int
    """Its number."""
    wire: Sequence[Mapping[str, Any]]
    """What it sent."""
    at: int
    """Record index of its reply."""
    name: str = ""
    """The text; empty until `missed` has looked."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Where a search found it."""

    query: str
    path: str
    kind: str
    message: int
    """Record index."""
    lines: tuple[str, ...]
    """The line that holds it, and its neighbours."""


def missed(miss: Missed, conversation: Conversation) -> Missed | None:
    """The longest text of one line that the reply used, that stood in the record before, and not in the wire."""
    reply = conversation.messages[miss.at]
    wire = "\n".join(_text(message) for message in miss.wire)
    before = "\n".join(_text(message) for message in conversation.messages[: miss.at])
    names = [
        name
        for name in identifier_set(_text(reply))
        if len(name) <= _LONGEST and name.isprintable() and name not in wire and name in before
    ]
    if not names:
        return None
    return msgspec.structs.replace(miss, name=max(names, key=lambda name: (len(name), name)))


def recall(store: Store, conversation_name: str, miss: Missed, conversation: Conversation) -> Found | None:
    """Search for it as anybody would; the best hit of before that holds it."""
    for hit in store.search(conversation_name, miss.name, k=_SEARCHED):
        place = hit.path.split(".")
        if place[0] != "messages" or int(place[1]) >= miss.at:
            continue
        block = blocks_of(conversation.messages[int(place[1])])[int(place[3])]
        lines = [line for text in texts_of(block) for line in text.splitlines()]
        for number, line in enumerate(lines):
            if miss.name in line:
                around = lines[max(0, number - 1) : number + 2]
                return Found(
                    query=miss.name,
                    path=hit.path,
                    kind=hit.kind,
                    message=int(place[1]),
                    lines=tuple(text.strip() for text in around if text.strip()),
                )
    return None


def _text(message: Mapping[str, Any]) -> str:
    return "\n".join(_texts(message))


def _texts(message: Mapping[str, Any]) -> Iterator[str]:
    """Its texts, thinking left out: that is no source to be quoted."""
    for block in blocks_of(message):
        if isinstance(block, Mapping) and not is_thinking(block):
            yield from texts_of(block)
