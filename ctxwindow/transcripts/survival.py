"""reference_survival: of the identifiers a reply uses that appeared earlier, how many its wire still holds.

Identifiers are paths, names, ids, numbers of four digits or more and quoted strings. The work per send follows
what is new: for each identifier only its last place on the wire is kept. What is not on the wire is looked up by
`Conversation.recall`, once for each identifier. What the server clears from its copy is not on the wire (EDIT-02).
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from ctxwindow.conversation import Conversation
from ctxwindow.recall import Recalled
from ctxwindow.record import identifier_set
from ctxwindow.record.blocks import blocks_of, is_thinking, texts_of
from ctxwindow.tiers import Send
from ctxwindow.tiers.standing import hidden_blocks
from ctxwindow.transcripts.simulated import Resumed

__all__ = ["Mentions", "Names", "Survival", "Tally"]


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Counts over one or more replies."""

    used: int = 0
    """Identifiers used that had appeared earlier in the session."""
    on_wire: int = 0
    """Of these, present in the wire at that send."""
    recallable: int = 0
    """Of these, present in the wire or found by recall."""

    @property
    def survival(self) -> float:
        """Share present in the wire; where nothing was used again, nothing was missed."""
        return self.on_wire / self.used if self.used else 1.0

    @property
    def survival_recallable(self) -> float:
        """Share present in the wire or found by recall; where nothing was used again, nothing was missed."""
        return self.recallable / self.used if self.used else 1.0

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
        self._known: set[str] = set()
        self._on_wire: dict[str, int] = {}
        self._sent = 0
        self._epoch = -1
        self._head = ""
        self._hidden: dict[int, frozenset[int]] = {}
        self._found: dict[str, bool] = {}

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
        used = self._names.of(reply) & self._known
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
        self._known.update(*(self._names.of(message) for message in messages[self._sent :]))
        since, hidden = self._sent, _hidden(send)
        if send.epoch != self._epoch or hidden != self._hidden:
            first = _shown(wire[0], hidden.get(0, ())) if send.epoch else {}
            self._head = "\n".join([_text({"content": send.request.get("system")}), _text(first)])
        if hidden != self._hidden:  # what stood on the wire may do so no more: all of it is looked at again
            self._on_wire, since = {}, 0
        self._epoch, self._hidden = send.epoch, hidden
        # The wire ends with the forms of record messages; one that cannot be sent has none. The first may be joined
        # to a head, which a later epoch has not: only the message's own names are noted.
        for index, position in zip(reversed(hot), range(len(wire) - 1, -1, -1), strict=False):
            if index < since:
                break
            form = _shown(wire[position], hidden.get(position, ()))
            own = self._names.of(messages[index])
            # As it is but for a spilled, cleared or joined one: then its names are not read twice.
            for name in own if _text(form) == _text(messages[index]) else self._names.of(form) & own:
                self._on_wire[name] = max(self._on_wire.get(name, -1), index)
        self._sent = len(messages)

    def _recalled(self, conversation: Conversation, name: str) -> bool:
        """Whether one of the texts that recall returns holds it. Asked once a name, for the record only grows."""
        found = self._found.get(name)
        if found is None:
            hits = conversation.recall(name)
            found = self._found[name] = any(name in hit.text or name in _whole(conversation, hit) for hit in hits)
        return found


def _whole(conversation: Conversation, hit: Recalled) -> str:
    """The text behind a hit, which shows a part of it."""
    return "\n".join(line.text for line in conversation.open_lines(hit.handle, 1, sys.maxsize).lines)


def _hidden(send: Send) -> dict[int, frozenset[int]]:
    """What the server does not show the model of a request: blocks by message of the wire. Only where it is asked to edit."""
    found: dict[int, set[int]] = {}
    if send.request.get("context_management"):
        for message, block in hidden_blocks(send.window):
            found.setdefault(message, set()).add(block)
    return {message: frozenset(blocks) for message, blocks in found.items()}


def _shown(message: Mapping[str, Any], hidden: Collection[int]) -> Mapping[str, Any]:
    """A message of the wire without some of its blocks."""
    if not hidden:
        return message
    return {**message, "content": [block for place, block in enumerate(blocks_of(message)) if place not in hidden]}


def _text(message: Mapping[str, Any]) -> str:
    """What a message says, its thinking left out: it is no source that could be quoted or recalled."""
    shown = [block for block in blocks_of(message) if isinstance(block, Mapping) and not is_thinking(block)]
    return "\n".join(text for block in shown for text in texts_of(block))
