"""What recall is asked, what it has to know of the conversation, and what it answers."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import NoneType
from typing import Any, Protocol

import msgspec

from ctxwindow.errors import MisuseError
from ctxwindow.recall.entries import Entry, message_of, summary_handle
from ctxwindow.record.events import Compacted, Spilled

__all__ = ["Found", "Neighbour", "Question", "Recalled", "Searcher", "Standing", "checked_kinds"]


class Neighbour(msgspec.Struct, frozen=True, kw_only=True):
    """The opening of a message before or after a hit."""

    handle: str
    message: int
    role: str | None
    text: str
    """At most some 400 characters."""


class Recalled(msgspec.Struct, frozen=True, kw_only=True):
    """One text of the record that recall has found."""

    handle: str
    """`Conversation.open` gives the whole behind it."""
    path: str
    """Where it stands in the record, such as `messages.12.content.0` or `summaries.0-12`."""
    message: int | None
    """Record index of its message; None of a summary."""
    turn: int | None
    """Number of its turn, from 1 (0: before the first); None of a summary."""
    role: str | None
    kind: str
    """Type of its block, such as `text`, `tool_use`, `tool_result`; or `summary`."""
    tool: str | None
    """For calls and results: the name of the tool."""
    at: float | None
    """When, in seconds since the epoch, where the caller has told."""
    text: str
    """The part that answers best, at most some 400 characters, with an ellipsis where it was cut."""
    score: float
    """BM25, or the sum of reciprocal ranks where vectors were asked too; 0 where nothing was ranked."""
    on_wire: bool
    """Whether the model has it whole in front of it at the next request as things are."""
    around: tuple[Neighbour, ...] = ()
    """The messages next to it, where they were asked for."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One text that a searcher found."""

    path: str
    score: float
    snippet: str


class Searcher(Protocol):
    """Where the words of a conversation are indexed already, such as the store that keeps it."""

    def search(self, query: str, *, k: int, kinds: Collection[str] | None, version: int) -> Sequence[Found] | None:
        """The `k` best texts among the first `version` events, ranked as `ctxwindow.recall.ranking` does.

        None where it cannot tell, because it is closed, or holds more or fewer events than these.
        """
        ...


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How things stand in the conversation."""

    turns: Sequence[int]
    """Record index of the first message of each turn."""
    hot: Collection[int]
    """Record indices of the messages that stand on the wire."""
    spills: Mapping[tuple[int, int], Spilled]
    """The results whose wire form is a preview, by message and block."""
    hidden: Collection[tuple[int, int]]
    """Blocks that are sent and that the server does not show to the model, by message and block."""
    summaries: Sequence[Compacted]
    """The summaries that stand on the wire."""
    searcher: Searcher | None = None
    """What can answer in place of the index in memory: it has every event."""
    version: int = 0
    """How many events there are."""

    def turn_of(self, entry: Entry) -> int | None:
        """The number of the turn that a text belongs to, from 1 (0: before the first); None of a summary."""
        return bisect_right(self.turns, entry.message) if entry.message is not None else None

    def on_wire(self, entry: Entry) -> bool:
        """Whether the model has a text whole in front of it at the next request."""
        if entry.message is None:
            return any(entry.handle == summary_handle(one) for one in self.summaries)
        place = message_of(entry.handle)
        return entry.message in self.hot and place not in self.spills and place not in self.hidden


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for: free text, filters, or both. See `Conversation.recall`."""

    query: str = ""
    k: int = 10
    around: int = 0
    handle: str | None = None
    kinds: frozenset[str] | None = None
    tool: str | None = None
    first: int | None = None
    end: int | None = None
    since: float | None = None
    until: float | None = None

    def check(self) -> None:
        """Whether every field is of its type; the text of a query is never refused.

        Raises:
            MisuseError: naming the field.
        """
        _check(self.query, "query", str, "a string")
        for name in ("k", "around"):
            _check(getattr(self, name), name, int, "a whole number")
        for name in ("handle", "tool"):
            _check(getattr(self, name), name, (str, NoneType), "a string")
        for name in ("first", "end"):
            _check(getattr(self, name), name, (int, NoneType), "a record index")
        for name in ("since", "until"):
            time = getattr(self, name)
            _check(time, name, (int, float, NoneType), "a time in seconds since the epoch")
            if isinstance(time, float) and math.isnan(time):
                raise MisuseError(f"{name} is no time.", path=name)

    @property
    def filtered(self) -> bool:
        """Whether it asks for more than a searcher can filter by."""
        given = (self.handle, self.tool, self.first, self.end, self.since, self.until)
        return any(value is not None for value in given)


def checked_kinds(kinds: Any) -> frozenset[str] | None:
    """Types of blocks, read once: they may come from an iterator.

    Raises:
        MisuseError: they are no strings.
    """
    if kinds is None:
        return None
    given: list[Any] = list(kinds) if isinstance(kinds, Iterable) else [kinds]
    if isinstance(kinds, str) or not all(isinstance(kind, str) for kind in given):
        raise MisuseError("kinds is a collection of strings.", path="kinds", remedy="Write {'tool_result'}.")
    return frozenset(given)


def _check(value: Any, name: str, kind: type | tuple[type, ...], what: str) -> None:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise MisuseError(f"{name} is {what}.", path=name, remedy="See `Conversation.recall`.")
