"""reference_survival: of the identifiers a reply uses that appeared earlier, how many its wire still holds.

Identifiers are paths, names, ids, numbers of four digits or more and quoted strings. The work per send follows
what is new: for each identifier only its first place in the record and its last place on the wire are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ctxwindow.conversation import Conversation
from ctxwindow.record import identifier_set
from ctxwindow.record.blocks import blocks_of, is_thinking, texts_of
from ctxwindow.tiers import Send
from ctxwindow.transcripts.simulated import Resumed

__all__ = ["Mentions", "Names", "Survival", "Tally"]


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


class Names:
    """The identifiers of messages, each text read once: policies that are compared see the same messages."""

    def __init__(self) -> None:
        self._known: dict[str, frozenset[str]] = {}

    def of(self, message: Mapping[str, Any]) -> frozenset[str]:
        """Identifiers in a message, its thinking left out."""
        text = _text(message)
        found = self._known.get(text)
        if found is None:
            found = self._known[text] = identifier_set(text)
        return found


class Mentions:
    """Where each identifier was said, of messages that go out as they are or not at all."""

    def __init__(self, names: Names) -> None:
        """Nothing is said yet."""
        self.names = names
        self._known: set[str] = set()
        self._last: dict[str, int] = {}

    def take(self, index: int, message: Mapping[str, Any], *, on_wire: bool) -> None:
        """One more message of the record; `on_wire`: it can be sent."""
        said = self.names.of(message)
        self._known |= said
        if on_wire:
            self._last.update(dict.fromkeys(said, index))

    def judge(self, reply: Mapping[str, Any], *, start: int, head: str = "") -> Tally:
        """A reply to a wire of every message from a record index on, under a head; what is not there is gone."""
        used = self.names.of(reply) & self._known
        found = sum(1 for name in used if self._last.get(name, -1) >= start or name in head)
        return Tally(used=len(used), on_wire=found, recallable=found)


class Survival:
    """Follows one replayed conversation send by send. Use one per conversation, from its first send on."""

    def __init__(self, names: Names | None = None) -> None:
        """`names`: what is known already of the identifiers in its messages."""
        self._names = names or Names()
        self._first: dict[str, int] = {}
        self._on_wire: dict[str, int] = {}
        self._sent = 0
        self._epoch = -1
        self._head = ""

    def judge(
        self, conversation: Conversation, send: Send, reply: Mapping[str, Any], *, resumed: Resumed | None = None
    ) -> Tally:
        """Take in what is new in a send, and judge the reply to it.

        Args:
            conversation: after `plan`, before the reply is received.
            send: what `plan` decided.
            reply: the message that answered it.
            resumed: the compaction that the reply went on from: then nothing but system prompt and summary was there.
        """
        self._take_in(conversation, send)
        used = self._names.of(reply) & self._first.keys()
        start = conversation.compactions[-1].tail if conversation.compactions else 0
        head = self._head
        if resumed is not None:
            start = conversation.recorded
            head = f"{_text({'content': send.request.get('system')})}\n{resumed.block['content']}"
        # System prompt and head are searched as text: a summary may quote part of a longer name.
        missing = [name for name in used if self._on_wire.get(name, -1) < start and name not in head]
        found = sum(1 for name in missing if self._recalled(conversation, name))
        return Tally(used=len(used), on_wire=len(used) - len(missing), recallable=len(used) - len(missing) + found)

    def _take_in(self, conversation: Conversation, send: Send) -> None:
        messages, wire, hot = conversation.messages, send.request["messages"], conversation.hot()
        fresh = {index: self._names.of(messages[index]) for index in range(self._sent, len(messages))}
        for index, names in fresh.items():
            for name in names:
                self._first.setdefault(name, index)
        if send.epoch != self._epoch:
            self._epoch = send.epoch
            head = [_text({"content": send.request.get("system")}), _text(wire[0]) if send.epoch else ""]
            self._head = "\n".join(head)
        # The wire ends with the forms of record messages; one that cannot be sent has none. The first may be joined
        # to a head, which a later epoch has not: only the message's own names are noted.
        for index, form in zip(reversed(hot), reversed(wire), strict=False):
            if index < self._sent:
                break
            same = _text(form) == _text(messages[index])  # but for a spilled or joined one: then not judged twice
            for name in fresh[index] if same else self._names.of(form) & fresh[index]:
                self._on_wire[name] = max(self._on_wire.get(name, -1), index)
        self._sent = len(messages)

    def _recalled(self, conversation: Conversation, name: str) -> bool:
        """Whether the record really holds it where it was first seen."""
        return name in _text(conversation.messages[self._first[name]])


def _text(message: Mapping[str, Any]) -> str:
    """What a message says, its thinking left out: it is no source that could be quoted or recalled."""
    shown = [block for block in blocks_of(message) if isinstance(block, Mapping) and not is_thinking(block)]
    return "\n".join(text for block in shown for text in texts_of(block))
