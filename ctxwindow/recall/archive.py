"""Everything that was said in one conversation, kept ready to be found. It follows the events: the work is for new ones.

Two steps, each taken when it is first needed: the list of texts (for filters, handles, attribution), and the index of
their words (for a search that no store answers). An archive belongs to one conversation and sees nothing else (law 11).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import NamedTuple

from ctxwindow.errors import ProtocolError
from ctxwindow.recall import terms
from ctxwindow.recall.entries import MESSAGES, Entry, checked_handle, entries_of
from ctxwindow.recall.index import Index, Match
from ctxwindow.record import Event

__all__ = ["Archive", "Passage"]


class Passage(NamedTuple):
    """A part of a text that is embedded by itself."""

    entry: int
    start: int
    stop: int
    key: bytes
    """Hash of its text."""


class Archive:
    """The texts of one conversation.

    Attributes:
        messages: how many messages the record has.
        entries: every text, in the order of the events.
        numbers: the number of the entry at each path; of two summaries of one range, the later one.
        echoes: numbers of the entries that are calls and results of the recall tool: copies of others.
    """

    def __init__(self, echo: str | None = None) -> None:
        """An empty archive; `echo` is the name of the recall tool, where the conversation has it."""
        self.messages = 0
        self.entries: list[Entry] = []
        self.numbers: dict[str, int] = {}
        self.echoes: set[int] = set()
        self._echo = echo
        self._handles: dict[str, list[int]] = {}
        self._tools: dict[str, str] = {}
        self._index = Index()
        self._passages: list[Passage] = []
        self._passed = 0  # entries that are cut into passages

    def follow(self, events: Iterable[Event]) -> None:
        """Take in what happened next."""
        for event in events:
            for entry in entries_of(event, self.messages, self._tools):
                self._add(entry)
            self.messages += isinstance(event, MESSAGES)

    def _add(self, entry: Entry) -> None:
        number = len(self.entries)
        self.entries.append(entry)
        self.numbers[entry.path] = number
        self._handles.setdefault(entry.handle, []).append(number)
        if entry.message is not None:
            self._handles.setdefault(f"m{entry.message}", []).append(number)
        if self._echo is not None and entry.tool == self._echo:
            self.echoes.add(number)

    def knows(self, handle: str) -> bool:
        """Whether a text of this conversation has the handle."""
        return handle in self._handles

    def at(self, handle: str) -> list[int]:
        """Numbers of the entries behind a handle, in order: one of a block, all with text of a message.

        Raises:
            MisuseError: it is no string.
            ProtocolError: nothing in this conversation has that handle.
        """
        found = self._handles.get(checked_handle(handle))
        if found is None:
            raise ProtocolError(
                f"nothing in this conversation has the handle {handle[:40]!r}.",
                path="handle",
                remedy="A handle is `m12` for message 12, `m12.0` for its first block, or one that recall has told.",
            )
        # Several summaries of one range: what stands for it is the last one.
        return found[-1:] if self.entries[found[-1]].message is None else list(found)

    def search(self, query: str, k: int, wanted: Callable[[int], bool] | None) -> list[Match]:
        """The `k` best entries, by the words of a query."""
        if len(self._index) < len(self.entries):
            self._index.add(entry.text for entry in self.entries[len(self._index) :])
        return self._index.search(query, k, wanted)

    def holding(self, literal: str, k: int, wanted: Callable[[int], bool]) -> list[int]:
        """The newest `k` entries that hold a string letter for letter. Reads texts until it has them."""
        found: list[int] = []
        for number in range(len(self.entries) - 1, -1, -1):
            if len(found) >= k:
                break
            if literal in self.entries[number].text and wanted(number):
                found.append(number)
        return found

    def passages(self) -> Sequence[Passage]:
        """Every text in parts of about a screen, as they are embedded."""
        for number in range(self._passed, len(self.entries)):
            text = self.entries[number].text
            for start, stop in terms.passages(text):
                part = text[start:stop]
                key = blake2b(part.encode("utf-8", "surrogatepass"), digest_size=16).digest()
                self._passages.append(Passage(number, start, stop, key))
        self._passed = len(self.entries)
        return self._passages
