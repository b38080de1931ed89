"""reference_survival: of the identifiers a reply uses that appeared earlier, how many its wire still holds.

Identifiers are paths, names, ids, numbers of four digits or more and quoted strings. The work per send follows
what is new: for each identifier only its first place in the record and its last place on the wire are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ctxwindow.conversation import Conversation
from ctxwindow.record.blocks import blocks_of, is_thinking, texts_of
from ctxwindow.summarize import identifier_set
from ctxwindow.tiers import Send

__all__ = ["Survival", "Tally"]


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Counts over one or more replies."""

    used: int = 0
    """Identifiers used that had appeared earlier in the session."""
    on_wire: int = 0
    """Of these, present in the wire at that send."""
    recallable: int = 0
    """Of these, present in the wire or found in the record."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            used=self.used + other.used,
            on_wire=self.on_wire + other.on_wire,
            recallable=self.recallable + other.recallable,
        )


class Survival:
    """Follows one replayed conversation send by send."""

    def __init__(self) -> None:
        self._first: dict[str, int] = {}
        self._on_wire: dict[str, int] = {}
        self._read = 0
        self._sent = 0
        self._epoch = 0
        self._head: tuple[str, frozenset[str]] = ("", frozenset())

    def judge(self, conversation: Conversation, send: Send, reply: Mapping[str, Any]) -> Tally:
        """Take in what is new in a send, and judge the reply to it."""
        self._take_in(conversation, send)
        used = _used(reply) & self._first.keys()
        start = conversation.compactions[-1].tail if conversation.compactions else 0
        text, names = self._head
        missing = [
            name for name in used if self._on_wire.get(name, -1) < start and name not in names and name not in text
        ]
        found = sum(1 for name in missing if self._recalled(conversation, name))
        return Tally(used=len(used), on_wire=len(used) - len(missing), recallable=len(used) - len(missing) + found)

    def _take_in(self, conversation: Conversation, send: Send) -> None:
        messages = conversation.messages
        for index in range(self._read, len(messages)):
            for name in _names(messages[index]):
                self._first.setdefault(name, index)
        self._read = len(messages)
        wire = send.request["messages"]
        if send.epoch != self._epoch:
            self._epoch = send.epoch
            text = "\n".join(text for block in blocks_of(wire[0]) for text in texts_of(block))
            self._head = text, identifier_set(text)
        fresh = len(messages) - self._sent
        for offset, form in enumerate(reversed(wire[-fresh:] if fresh else [])):
            for name in _names(form):
                self._on_wire[name] = max(self._on_wire.get(name, -1), len(messages) - 1 - offset)
        self._sent = len(messages)

    def _recalled(self, conversation: Conversation, name: str) -> bool:
        """Whether the record really holds it where it was first seen."""
        message = conversation.messages[self._first[name]]
        return any(name in text for block in blocks_of(message) for text in texts_of(block))


def _names(message: Mapping[str, Any]) -> frozenset[str]:
    """Identifiers in a message, its thinking left out: it is no source that could be quoted or recalled."""
    return identifier_set("\n".join(text for block in _shown(message) for text in texts_of(block)))


def _used(reply: Mapping[str, Any]) -> frozenset[str]:
    return _names(reply)


def _shown(message: Mapping[str, Any]) -> list[Any]:
    return [block for block in blocks_of(message) if isinstance(block, Mapping) and not is_thinking(block)]
