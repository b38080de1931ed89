"""The store without a file: for tests, for trying things out, and as the reference that others are held to."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from types import TracebackType
from typing import Self

from ctxwindow.errors import MisuseError, StoreConflict
from ctxwindow.stores import ranking, terms
from ctxwindow.stores.protocol import (
    ConversationInfo,
    Hit,
    Row,
    Text,
    check_conversation,
    check_counts,
    check_needle,
    check_rows,
    check_search,
    conflict,
)
from ctxwindow.window.memo import TextCount

__all__ = ["MemoryStore"]


class _Passage:
    """One indexed part of a text; `text` is the text's number."""

    def __init__(self, text: int, start: int, stop: int, counts: dict[str, int]) -> None:
        self.text = text
        self.start = start
        self.stop = stop
        self.counts = counts
        self.length = sum(counts.values())


class _Conversation:
    """The rows, texts and postings of one conversation."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.texts: list[tuple[Row, Text]] = []
        self.passages: list[_Passage] = []
        self.length = 0
        self.postings: dict[str, list[int]] = {}
        self.counts: list[TextCount] = []

    def append(self, row: Row, counter: terms.TermCounter) -> None:
        self.rows.append(Row(seq=row.seq, kind=row.kind, payload=row.payload, at=float(row.at)))
        for text in row.texts:
            self.texts.append((self.rows[-1], text))
            for start, stop in terms.passages(text.text):
                self._index(_Passage(len(self.texts) - 1, start, stop, counter.count(text.text[start:stop])))

    def _index(self, passage: _Passage) -> None:
        if passage.length:
            self.passages.append(passage)
            self.length += passage.length
            for term in passage.counts:
                self.postings.setdefault(term, []).append(len(self.passages) - 1)

    def search(self, conversation: str, query: str, k: int, kinds: Collection[str] | None) -> list[Hit]:
        def postings(term: str) -> Iterator[ranking.Posting]:
            for number in self.postings[term]:
                passage = self.passages[number]
                if kinds is None or self.texts[passage.text][1].kind in kinds:
                    yield number, passage.text, passage.length, passage.counts[term]

        found, weights = ranking.rank(
            query,
            k,
            passages=len(self.passages),
            length=self.length,
            frequency=lambda term: len(self.postings.get(term, ())),
            postings=postings,
        )
        hits = []
        for score, number, best in found:
            row, text = self.texts[number]
            passage = self.passages[best]
            shown = ranking.snippet(text.text[passage.start : passage.stop], weights)
            hits.append(
                Hit(
                    conversation=conversation,
                    seq=row.seq,
                    path=text.path,
                    kind=text.kind,
                    snippet=shown,
                    score=score,
                    at=row.at,
                )
            )
        return hits


class MemoryStore:
    """A `Store` in memory: gone with the process. A lock makes it safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, _Conversation] | None = {}

    def append(self, conversation: str, rows: Sequence[Row], *, expect: int, counts: Sequence[TextCount] = ()) -> int:
        """See `Store.append`."""
        check_rows(conversation, rows, expect)
        check_counts(counts)
        with self._lock:
            kept = self._open()
            held = kept.get(conversation)
            version = len(held.rows) if held else 0
            if version != expect:
                raise conflict(conversation, version=version, expect=expect)
            if rows:
                held = kept.setdefault(conversation, _Conversation())
                counter = terms.TermCounter()
                for row in rows:
                    held.append(row, counter)
                held.counts.extend(counts)
            elif held:
                known = set(held.counts)
                held.counts.extend(count for count in dict.fromkeys(counts) if count not in known)
            return version + len(rows)

    def read(self, conversation: str, *, after: int = 0) -> Iterator[Row]:
        """See `Store.read`."""
        check_conversation(conversation)
        return self._read(conversation, max(after, 0))

    def counts(self, conversation: str) -> list[TextCount]:
        """See `Store.counts`."""
        check_conversation(conversation)
        with self._lock:
            held = self._open().get(conversation)
            return list(held.counts) if held else []

    def version(self, conversation: str) -> int:
        """See `Store.version`."""
        check_conversation(conversation)
        with self._lock:
            held = self._open().get(conversation)
            return len(held.rows) if held else 0

    def conversations(self) -> list[ConversationInfo]:
        """See `Store.conversations`."""
        with self._lock:
            listed = [
                ConversationInfo(
                    id=conversation,
                    version=len(held.rows),
                    created_at=held.rows[0].at,
                    updated_at=held.rows[-1].at,
                    events=len(held.rows),
                )
                for conversation, held in self._open().items()
            ]
        return sorted(listed, key=lambda info: (-info.updated_at, info.id))

    def search(self, conversation: str, query: str, *, k: int = 10, kinds: Collection[str] | None = None) -> list[Hit]:
        """See `Store.search`."""
        check_search(conversation, query, k, kinds)
        with self._lock:
            held = self._open().get(conversation)
            return held.search(conversation, query, k, kinds) if held else []

    def contains(self, conversation: str, needle: str) -> bool:
        """See `Store.contains`."""
        check_needle(conversation, needle)
        with self._lock:
            held = self._open().get(conversation)
            return held is not None and any(needle in text.text for _, text in held.texts)

    def purge(self, conversation: str) -> None:
        """See `Store.purge`."""
        check_conversation(conversation)
        with self._lock:
            self._open().pop(conversation, None)

    def close(self) -> None:
        """See `Store.close`; everything is forgotten."""
        with self._lock:
            self._kept = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, conversation: str, after: int) -> Iterator[Row]:
        with self._lock:
            held = self._open().get(conversation)
            end = len(held.rows) if held else 0
        for index in range(after, end):
            with self._lock:
                if held is None or self._open().get(conversation) is not held:
                    raise StoreConflict(
                        "the conversation was purged while it was being read.", path=f"conversation {conversation!r}"
                    )
                row = held.rows[index]
            yield row

    def _open(self) -> dict[str, _Conversation]:
        if self._kept is None:
            raise MisuseError("the store is closed.", remedy="Open a new one.")
        return self._kept
