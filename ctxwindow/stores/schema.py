"""The tables of the SQLite store, as migrations: plain functions, in order, each in a transaction of its own.

A released migration is never changed; a new one is added at the end. A file's `user_version` is the
number of migrations it has had, and the table `migrations` has their names.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

__all__ = ["APPLICATION_ID", "MIGRATIONS"]

# In the file's header, bytes 68 to 71: how a database of ours is told from any other before it is touched.
APPLICATION_ID = int.from_bytes(b"ctxw")


def m001_log_and_index(db: sqlite3.Connection) -> None:
    """The log (`conversations`, `events`) and the index over it (`texts`, `passages`, `postings`).

    - `conversations.key` is never used twice (AUTOINCREMENT). `passages` and `terms` are the sums that
      ranking needs.
    - `texts.body` is UTF-8 with surrogates passed through, a BLOB, so that any Python string is kept
      exactly and a search for a part of it compares bytes.
    - `passages.start` and `stop` are bytes of that body.
    - `postings` is the inverted index, a full text table without content whose rowid is `passages.id`.
      Each term has the conversation's key in front (`12:parse`): a look-up reads the postings of one
      conversation, however many there are, and cannot reach another's (law 11); a purge finds exactly
      the terms it has to delete. Words are cut by recall/terms.py; the tokenizer here only splits at spaces.
    - `unwiped` has a row while deleted bytes may still be in the file.
    - `postings_by_term` and `postings_by_passage` are views of it, without data of their own.
    """
    for statement in (
        f"PRAGMA application_id = {APPLICATION_ID}",
        "CREATE TABLE migrations (name TEXT PRIMARY KEY) WITHOUT ROWID",
        """CREATE TABLE conversations (
            key INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            version INTEGER NOT NULL,
            created_at REAL NOT NULL,
            updated_at REAL NOT NULL,
            passages INTEGER NOT NULL,
            terms INTEGER NOT NULL
        )""",
        """CREATE TABLE events (
            conversation INTEGER NOT NULL,
            seq INTEGER NOT NULL,
            kind TEXT NOT NULL,
            at REAL NOT NULL,
            payload BLOB NOT NULL,
            PRIMARY KEY (conversation, seq)
        )""",
        """CREATE TRIGGER events_are_append_only BEFORE UPDATE ON events
           BEGIN SELECT raise(ABORT, 'events are append-only'); END""",
        """CREATE TABLE texts (
            id INTEGER PRIMARY KEY,
            conversation INTEGER NOT NULL,
            seq INTEGER NOT NULL,
            path TEXT NOT NULL,
            kind TEXT NOT NULL,
            body BLOB NOT NULL
        )""",
        "CREATE INDEX texts_by_kind ON texts (conversation, kind)",
        """CREATE TABLE passages (
            id INTEGER PRIMARY KEY,
            conversation INTEGER NOT NULL,
            text INTEGER NOT NULL,
            start INTEGER NOT NULL,
            stop INTEGER NOT NULL,
            terms INTEGER NOT NULL
        )""",
        "CREATE INDEX passages_by_conversation ON passages (conversation)",
        """CREATE VIRTUAL TABLE postings USING fts5 (
            terms, content = '', columnsize = 0, tokenize = "ascii tokenchars '_./:@+-'"
        )""",
        "CREATE TABLE unwiped (file TEXT PRIMARY KEY) WITHOUT ROWID",
        "CREATE VIRTUAL TABLE postings_by_term USING fts5vocab (postings, row)",
        "CREATE VIRTUAL TABLE postings_by_passage USING fts5vocab (postings, instance)",
    ):
        db.execute(statement)


def m002_counts(db: sqlite3.Connection) -> None:
    """Exact counts of a conversation's texts (`counts`): which vocabulary counted, a hash of the text, its tokens.

    Without a key of their own: they are written once and read all together.
    """
    db.execute("""CREATE TABLE counts (
        conversation INTEGER NOT NULL,
        vocabulary TEXT NOT NULL,
        text BLOB NOT NULL,
        tokens INTEGER NOT NULL CHECK (typeof(tokens) = 'integer' AND tokens >= 0)
    )""")
    db.execute("CREATE INDEX counts_by_conversation ON counts (conversation)")


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (m001_log_and_index, m002_counts)
