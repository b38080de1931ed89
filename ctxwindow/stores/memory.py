"""The store without a file: for tests, for trying things out, and as the reference that others are held to."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from types import TracebackType
from typing import Self

from ctxwindow.errors import StoreConflict
from ctxwindow.recall.index import Index
from ctxwindow.stores.holds import Hold, ProcessHolds, closed
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


class _Conversation:
    """The rows, texts and index of one conversation."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.texts: list[tuple[Row, Text]] = []
        self.index = Index()
        self.counts: list[TextCount] = []

    def append(self, rows: Sequence[Row]) -> None:
        added = len(self.texts)
        for row in rows:
            self.rows.append(Row(seq=row.seq, kind=row.kind, payload=row.payload, at=float(row.at)))
            self.texts.extend((self.rows[-1], text) for text in row.texts)
        self.index.add(text.text for _, text in self.texts[added:])

    def search(self, conversation: str, query: str, k: int, kinds: Collection[str] | None) -> list[Hit]:
        def wanted(number: int) -> bool:
            return kinds is None or self.texts[number][1].kind in kinds

        hits = []
        for match in self.index.search(query, k, wanted):
            row, text = self.texts[match.text]
            hits.append(
                Hit(
                    conversation=conversation,
                    seq=row.seq,
                    path=text.path,
                    kind=text.kind,
                    snippet=match.snippet,
                    score=match.score,
                    at=row.at,
                )
            )
        return hits


class MemoryStore:
    """A `Store` in memory: gone with the process. A lock makes it safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, _Conversation] | None = {}
        self._holds = ProcessHolds()

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
                held.append(rows)
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

    def hold(self, conversation: str) -> Hold | None:
        """See `Store.hold`; others are the other threads of this process."""
        check_conversation(conversation)
        return self._holds.take(conversation)

    def purge(self, conversation: str) -> None:
        """See `Store.purge`."""
        check_conversation(conversation)
        with self._lock:
            self._open().pop(conversation, None)

    def close(self) -> None:
        """See `Store.close`; everything is forgotten."""
        with self._lock:
            self._kept = None
            self._holds.close()

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
            raise closed()
        return self._kept
