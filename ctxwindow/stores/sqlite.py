"""The default store: one SQLite file, with the log and the full text index in the same transaction.

Durability: write-ahead log with `synchronous=FULL`, one commit an `append`; when it returns, the rows are
on the disk. Several processes: `BEGIN IMMEDIATE` makes writers queue, and the version is checked inside.
Several threads: one connection behind a lock, so calls of one store run one after the other; open a
second store on the file where that is too slow. Streams hold the lock for one batch at a time, and no
transaction between batches.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from types import TracebackType
from typing import NamedTuple, Self

from ctxwindow.errors import HistoryError, MisuseError, StoreConflict, StoreUnavailable
from ctxwindow.recall import ranking, terms
from ctxwindow.stores import index
from ctxwindow.stores.database import MEMORY, Database, check_schema, open_database, shown, sqlite_errors, transaction
from ctxwindow.stores.holds import Hold, ProcessHolds, closed
from ctxwindow.stores.locking import FileHolds
from ctxwindow.stores.protocol import (
    ConversationInfo,
    Hit,
    Row,
    check_conversation,
    check_counts,
    check_needle,
    check_rows,
    check_search,
    conflict,
)
from ctxwindow.window.memo import TextCount

__all__ = ["SqliteStore"]

BATCH_ROWS, BATCH_BYTES = 256, 4_000_000  # a stream's batch ends at the first of the two
MAX_TIMEOUT = 3_600.0


class _Head(NamedTuple):
    """The stored head of a conversation; `key` is None when there is none."""

    key: int | None
    version: int
    passages: int
    terms: int


class SqliteStore:
    """A `Store` in one SQLite file (and its `-wal` and `-shm` files while it is open, and `-lock`), mode 0600.

    Args:
        path: the file, in a folder that exists, or `:memory:`.
        timeout: seconds to wait for another process's lock before `StoreUnavailable`.
        create: make the file when it is missing.

    Raises:
        StoreUnavailable: the file cannot be opened, is not a ctxwindow database, or a newer version wrote it.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 5.0, create: bool = True) -> None:
        if not 0 <= timeout <= MAX_TIMEOUT:
            raise MisuseError(f"a timeout is 0 to {MAX_TIMEOUT:,.0f} seconds.", path="timeout")
        self._path = os.fspath(path)
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._db: Database | None = open_database(self._path, timeout=timeout, create=create)
        self._holds = ProcessHolds() if self._path == MEMORY else FileHolds(os.path.realpath(self._path))

    def append(self, conversation: str, rows: Sequence[Row], *, expect: int, counts: Sequence[TextCount] = ()) -> int:
        """See `Store.append`."""
        check_rows(conversation, rows, expect)
        check_counts(counts)
        counter = terms.TermCounter()
        prepared = [[index.prepare(text, counter) for text in row.texts] for row in rows]
        with self._use() as db, transaction(db, "IMMEDIATE" if rows or counts else "DEFERRED"):
            check_schema(db, self._path)
            head = _head(db, conversation)
            if head.version != expect:
                raise conflict(conversation, version=head.version, expect=expect)
            if not rows:
                if head.key is not None and counts:
                    known = set(_counts(db, conversation))
                    _add_counts(db, head.key, [count for count in dict.fromkeys(counts) if count not in known])
                return expect
            key = _start(db, conversation, rows[0].at) if head.key is None else head.key
            passages = length = 0
            for row, texts in zip(rows, prepared, strict=True):
                db.execute(
                    "INSERT INTO events (conversation, seq, kind, at, payload) VALUES (?, ?, ?, ?, ?)",
                    (key, row.seq, row.kind, row.at, row.payload),
                )
                for text in texts:
                    added = index.insert(db, key, row.seq, text)
                    passages, length = passages + added[0], length + added[1]
            _add_counts(db, key, counts)
            db.execute(
                "UPDATE conversations SET version = ?, updated_at = ?, passages = passages + ?, terms = terms + ?"
                " WHERE key = ?",
                (rows[-1].seq, rows[-1].at, passages, length, key),
            )
        return rows[-1].seq

    def read(self, conversation: str, *, after: int = 0) -> Iterator[Row]:
        """See `Store.read`."""
        check_conversation(conversation)
        return self._read(conversation, after)

    def counts(self, conversation: str) -> list[TextCount]:
        """See `Store.counts`."""
        check_conversation(conversation)
        with self._use() as db:
            return _counts(db, conversation)

    def version(self, conversation: str) -> int:
        """See `Store.version`."""
        check_conversation(conversation)
        with self._use() as db:
            return _head(db, conversation).version

    def conversations(self) -> list[ConversationInfo]:
        """See `Store.conversations`."""
        with self._use() as db:
            listed = db.patiently(
                "SELECT id, version, created_at, updated_at FROM conversations ORDER BY updated_at DESC, id"
            ).fetchall()
        return [
            ConversationInfo(id=name, version=version, created_at=created, updated_at=updated, events=version)
            for name, version, created, updated in listed
        ]

    def search(self, conversation: str, query: str, *, k: int = 10, kinds: Collection[str] | None = None) -> list[Hit]:
        """See `Store.search`."""
        check_search(conversation, query, k, kinds)
        with self._use() as db, transaction(db, "DEFERRED"):  # one state of the file for all look-ups
            head = _head(db, conversation)
            if head.key is None:
                return []
            lookup = index.Lookup(db, head.key, kinds)
            found, weights = ranking.rank(
                query,
                k,
                passages=head.passages,
                length=head.terms,
                frequency=lookup.frequency,
                postings=lookup.postings,
            )
            return [lookup.hit(conversation, ranked, weights) for ranked in found]

    def contains(self, conversation: str, needle: str) -> bool:
        """See `Store.contains`."""
        check_needle(conversation, needle)
        with self._use() as db:
            found = db.patiently(
                "SELECT 1 FROM texts WHERE conversation = (SELECT key FROM conversations WHERE id = ?)"
                " AND instr(body, ?) LIMIT 1",
                (conversation, index.encode(needle)),
            ).fetchone()
        return found is not None

    def hold(self, conversation: str) -> Hold | None:
        """See `Store.hold`; others are all threads, stores and processes that use the file.

        The first hold makes the file `<database>-lock`, which stays empty; leave it there while the database is in
        use. Over NFS, a mount with `nolock` or `local_lock` keeps only the processes of one machine apart, and a
        machine that vanishes keeps its holds until the server's lease ends (WAL does not work over NFS anyway).

        Raises:
            StoreUnavailable: the lock file cannot be made or opened, or the file system has no locks.
        """
        check_conversation(conversation)
        self._check_process()
        return self._holds.take(conversation)  # not behind the lock: another thread may be waiting for the disk

    def purge(self, conversation: str) -> None:
        """See `Store.purge`.

        The file is written anew without the conversation, which takes time (up to ten seconds for a
        conversation of 20 MB of text, and one for each 100 MB that stay), room on the disk for a
        second copy, and a moment without readers.

        Raises:
            StoreUnavailable: locked, or the disk is full. If the deletion itself was done the error says
                so; then the next purge, of any conversation, finishes the rewriting.
        """
        check_conversation(conversation)
        with self._use() as db:
            with transaction(db):
                check_schema(db, self._path)
                key = _head(db, conversation).key
                if key is not None:
                    index.delete(db, key)
                    db.execute("DELETE FROM events WHERE conversation = ?", (key,))
                    db.execute("DELETE FROM counts WHERE conversation = ?", (key,))
                    db.execute("DELETE FROM conversations WHERE key = ?", (key,))
                    db.execute("INSERT OR IGNORE INTO unwiped (file) VALUES ('main')")
                (unwiped,) = db.execute("SELECT count(*) FROM unwiped").fetchone()
            if unwiped and not _wipe(db):
                raise StoreUnavailable(
                    "the conversation is deleted, but its bytes could not be wiped from the file yet.",
                    path=shown(self._path),
                    remedy="Purge it again when no other process uses the file and the disk has room for a copy of it.",
                )

    def close(self) -> None:
        """See `Store.close`."""
        if os.getpid() != self._process:
            return  # the parent's connection: closing it here would take the parent's locks apart
        with self._lock:
            self._holds.close()
            if self._db is not None:
                with sqlite_errors(self._path):
                    self._db.close()
                self._db = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _use(self) -> Iterator[Database]:
        self._check_process()
        with self._lock, sqlite_errors(self._path):
            if self._db is None:
                raise closed()
            yield self._db

    def _check_process(self) -> None:
        if os.getpid() != self._process:  # https://www.sqlite.org/howtocorrupt.html section 2.6
            raise MisuseError("the store was opened before a fork.", remedy="Open it again in the child process.")

    def _read(self, conversation: str, after: int) -> Iterator[Row]:
        with self._use() as db:
            head = _head(db, conversation)
        seq = max(after, 0)
        while seq < head.version:
            batch = self._batch(conversation, head, seq)
            for row in batch:
                if row.seq != seq + 1:
                    break
                seq += 1
                yield row
            if not batch or batch[-1].seq != seq:
                raise HistoryError(
                    f"event {seq + 1} of {head.version} is missing.",
                    path=shown(self._path),
                    remedy="The database was changed by other means; restore a backup.",
                )

    def _batch(self, conversation: str, head: _Head, after: int) -> list[Row]:
        batch: list[Row] = []
        size = 0
        with self._use() as db, transaction(db, "DEFERRED"):
            if _head(db, conversation).key != head.key:
                raise StoreConflict(
                    "the conversation was purged while it was being read.", path=f"conversation {conversation!r}"
                )
            with closing(
                db.execute(
                    "SELECT seq, kind, payload, at FROM events"
                    " WHERE conversation = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
                    (head.key, after, head.version, BATCH_ROWS),
                )
            ) as cursor:
                for seq, kind, payload, at in cursor:
                    batch.append(Row(seq=seq, kind=kind, payload=payload, at=at))
                    size += len(payload)
                    if size >= BATCH_BYTES:
                        break
        return batch


def _head(db: Database, conversation: str) -> _Head:
    found = db.patiently(
        "SELECT key, version, passages, terms FROM conversations WHERE id = ?", (conversation,)
    ).fetchone()
    return _Head._make(found) if found else _Head(None, 0, 0, 0)


def _counts(db: Database, conversation: str) -> list[TextCount]:
    found = db.patiently(
        "SELECT vocabulary, text, tokens FROM counts WHERE conversation = (SELECT key FROM conversations WHERE id = ?)",
        (conversation,),
    ).fetchall()
    return [TextCount(*row) for row in found]


def _add_counts(db: Database, key: int, counts: Sequence[TextCount]) -> None:
    db.executemany(
        "INSERT INTO counts (conversation, vocabulary, text, tokens) VALUES (?, ?, ?, ?)",
        [(key, count.vocabulary, count.text, count.tokens) for count in counts],
    )


def _start(db: Database, conversation: str, at: float) -> int:
    key = db.execute(
        "INSERT INTO conversations (id, version, created_at, updated_at, passages, terms) VALUES (?, 0, ?, ?, 0, 0)",
        (conversation, at, at),
    ).lastrowid
    assert key is not None  # noqa: S101 - an INSERT has a rowid; typeshed cannot know
    return key


def _wipe(db: Database) -> bool:
    """Write the file anew and empty its log; false when locks or the disk did not allow it.

    `secure_delete` is not enough: when a page is split, SQLite can leave copies of moved rows in the
    gaps of both halves (seen in about one of 20 random runs), and deleting a row clears one copy.
    """
    try:
        # What survives the purge may be larger than memory. The temporary file has no name and mode 0600.
        db.execute("PRAGMA temp_store = FILE")
        with db.waiting():
            db.execute("VACUUM")
            busy: int = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if not busy:
            with transaction(db):
                db.execute("DELETE FROM unwiped")
    except sqlite3.OperationalError:
        return False
    finally:
        db.execute("PRAGMA temp_store = MEMORY")
    return not busy
