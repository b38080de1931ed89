"""The conversations that a middleware manages: those in memory, and the names of those in the store."""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ctxwindow.client.middleware.asking import Asked
from ctxwindow.client.middleware.lines import Line
from ctxwindow.client.middleware.unbinding import seals_of
from ctxwindow.client.talk import Talk
from ctxwindow.record import to_json
from ctxwindow.record.canonical import canonical_message, canonical_system, canonical_tools, deferred_tools
from ctxwindow.record.events import Started
from ctxwindow.stores import Store

if TYPE_CHECKING:
    from ctxwindow.client.middleware.following import Following

__all__ = ["Left", "Managed", "Registry", "family_of", "keys_of", "newest", "numbered"]

_LOOKED_AT = 4
"""Conversations in the store that begin alike and are looked at, the newest, after a restart."""

_LEFT = 4
"""Branches that a caller has left and may come back to, the newest, that are remembered."""


@dataclass(frozen=True)
class Left:
    """A branch that the caller has left."""

    line: Line
    tip: int
    """The number of its last event."""


@dataclass
class Managed:
    """One conversation of a caller."""

    talk: Talk
    system: Any
    """As the caller sends it, with his cache breakpoints; so are the tools."""
    tools: Any
    family: str
    """The caller's name for it, or what is made of its beginning: several records may share it."""

    following: weakref.ref[Following] | None = None
    """The stream that a reply of it comes by, if any, and if anybody still has it."""

    _left: tuple[Left, ...] = ()

    def __post_init__(self) -> None:
        self._engine, self._recorded = self.talk.engine, self.talk.engine.recorded
        self._line = Line.of(self.talk.engine)

    @classmethod
    def stored(cls, talk: Talk, family: str) -> Managed:
        """A conversation as a store has it."""
        first = talk.engine.events[0]
        assert isinstance(first, Started)  # noqa: S101 - by the engine
        return cls(talk, first.system, first.tools, family)

    @property
    def line(self) -> Line:
        """The caller's list, as far as the record has it. It may be read by whoever does not hold the conversation."""
        return self._line

    @line.setter
    def line(self, line: Line) -> None:
        self._line, self._engine, self._recorded = line, self.talk.engine, self.talk.engine.recorded

    def leave(self, line: Line, tip: int) -> None:
        """Remember a branch that the caller has just left."""
        self._left = (Left(line, tip), *self._left)[:_LEFT]

    def left_behind(self, messages: Sequence[dict[str, Any]], common: int) -> Left | None:
        """The branch that he has left which a list has more in common with than with the current one; None where there is none.

        Args:
            messages: the list.
            common: how many of them it has in common with the current one.
        """
        if common == len(self._line.sent):
            return None
        best = max(self._left, key=lambda left: left.line.common(messages), default=None)
        return best if best is not None and best.line.common(messages) > common else None

    def known(self, messages: Sequence[dict[str, Any]]) -> int:
        """How many messages of a list, from the first on, are known, on this branch or one that was left."""
        return max(line.common(messages) for line in (self._line, *(left.line for left in self._left)))

    def follow(self) -> None:
        """Read the list from the record where the record has changed otherwise: another process went on, or something that
        was left open was closed. Costs the length of the history then.
        """
        if self._engine is not self.talk.engine or self._recorded != self.talk.engine.recorded:
            self.line = Line.of(self.talk.engine)

    def take_back(self) -> None:
        """Undo what no store has. A conversation that has just begun is given up by letting go of it."""
        if self.talk.engine.kept:
            self.talk.forget()
            self.line = Line.of(self.talk.engine)

    def is_framed_by(self, asked: Asked) -> bool:
        """Whether system and tools are those with which it began (BIND-12)."""
        if asked.previous is not None:
            return True
        if asked.system != self.system and canonical_system(asked.system) != canonical_system(self.system):
            return False
        return bool(asked.tools == self.tools) or _tools(asked.tools) == _tools(self.tools)


def _tools(tools: Any) -> Any:
    return canonical_tools(tools), deferred_tools(tools)


class Registry:
    """The conversations in memory, the least recently used first. Whichever is dropped, the store has it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._managed: OrderedDict[str, Managed] = OrderedDict()

    def put(self, managed: Managed) -> None:
        """Remember a conversation, as the most recently used one."""
        with self._lock:
            self._managed[managed.talk.name] = managed
            self._managed.move_to_end(managed.talk.name)
            while len(self._managed) > self._most:
                self._managed.popitem(last=False)

    def get(self, name: str) -> Managed | None:
        """The conversation of this name, if it is in memory."""
        with self._lock:
            return self._managed.get(name)

    def recent(self) -> list[Managed]:
        """All of them, the most recently used first."""
        with self._lock:
            return list(reversed(self._managed.values()))

    def ancestor(self, messages: Sequence[dict[str, Any]]) -> Managed | None:
        """The conversation that the thinking in a list comes from, if it is in memory."""
        seals = seals_of(messages)
        if not seals:
            return None
        return next((managed for managed in self.recent() if _has_any(managed.line, seals)), None)


def _has_any(line: Line, seals: set[str]) -> bool:
    return any(not seals.isdisjoint(seals_of([message])) for message in reversed(line.sent))


def family_of(asked: Asked) -> str:
    """What the names of all conversations that begin like this one have in common."""
    return f"sdk-{_hash([*_frame(asked), canonical_message(asked.messages[0])])}"


def keys_of(asked: Asked) -> set[str]:
    """What tells, in two ways, that lists are of one caller: the same system and tools, or the same first message."""
    return {_hash(_frame(asked)), _hash(canonical_message(asked.messages[0]))}


def _frame(asked: Asked) -> list[Any]:
    return [canonical_system(asked.system), *_tools(asked.tools)]


def _hash(value: Any) -> str:
    return hashlib.blake2b(to_json(value), digest_size=10).hexdigest()


def newest(store: Store, family: str) -> tuple[list[str], int]:
    """The names of the newest conversations of a family, the newest first, and a number that none has. Blocks.

    The first is named like the family, the others are numbered from 2 on, so that the last one is found by doubling.
    """
    beyond = 1
    while store.version(numbered(family, beyond)):
        beyond *= 2
    low, high = beyond // 2, beyond
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if store.version(numbered(family, middle)) else (low, middle)
    return [numbered(family, number) for number in range(low, max(0, low - _LOOKED_AT), -1)], high


def numbered(family: str, number: int) -> str:
    """The name of one conversation of a family."""
    return family if number == 1 else f"{family}~{number}"
