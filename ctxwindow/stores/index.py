"""The full text index of the SQLite store: what `append` writes to it, what `search` reads from it.

See schema.py for the tables. Everything here runs inside a transaction of the caller.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from typing import NamedTuple

from ctxwindow.recall import ranking, terms
from ctxwindow.stores.protocol import Hit, Text

__all__ = ["Lookup", "PreparedText", "delete", "encode", "insert", "prepare"]


class _Passage(NamedTuple):
    """One indexed part of a text, in bytes of its body."""

    start: int
    stop: int
    counts: dict[str, int]
    length: int


class PreparedText(NamedTuple):
    """A text, cut and counted: done before the transaction begins, so that others wait less."""

    text: Text
    body: bytes
    passages: list[_Passage]


def encode(text: str) -> bytes:
    """UTF-8 that also says lone surrogates. No character's bytes are part of another's, so parts compare as bytes."""
    return text.encode("utf-8", "surrogatepass")


def prepare(text: Text, counter: terms.TermCounter) -> PreparedText:
    """Cut a text into passages and count their terms; passages without any are left out."""
    passages: list[_Passage] = []
    at = place = 0  # the same place in characters and in bytes
    for start, stop in terms.passages(text.text):
        begin = place + len(encode(text.text[at:start]))
        part = text.text[start:stop]
        at, place = stop, begin + len(encode(part))
        if counts := counter.count(part):
            passages.append(_Passage(begin, place, counts, sum(counts.values())))
    return PreparedText(text, encode(text.text), passages)


def insert(db: sqlite3.Connection, key: int, seq: int, prepared: PreparedText) -> tuple[int, int]:
    """Write one text; returns how many passages and terms it added to the conversation `key`."""
    number = db.execute(
        "INSERT INTO texts (conversation, seq, path, kind, body) VALUES (?, ?, ?, ?, ?)",
        (key, seq, prepared.text.path, prepared.text.kind, prepared.body),
    ).lastrowid
    for passage in prepared.passages:
        document = db.execute(
            "INSERT INTO passages (conversation, text, start, stop, terms) VALUES (?, ?, ?, ?, ?)",
            (key, number, passage.start, passage.stop, passage.length),
        ).lastrowid
        repeated = (term for term, times in passage.counts.items() for _ in range(times))
        words = f"{key}:" + f" {key}:".join(repeated)
        db.execute("INSERT INTO postings (rowid, terms) VALUES (?, ?)", (document, words))
    return len(prepared.passages), sum(passage.length for passage in prepared.passages)


def delete(db: sqlite3.Connection, key: int) -> None:
    """Take a conversation out of the index."""
    # The index itself says which terms to delete: the text, cut again, could differ under another Unicode version.
    doomed = db.execute(
        "SELECT doc, group_concat(term, ' ') FROM postings_by_passage WHERE term >= ? AND term < ? GROUP BY doc",
        (f"{key}:", f"{key};"),  # ; is the character after :
    ).fetchall()
    db.executemany("INSERT INTO postings (postings, rowid, terms) VALUES ('delete', ?, ?)", doomed)
    # FTS5 only marks entries as deleted; merging everything into one part drops them and their terms.
    db.execute("INSERT INTO postings (postings) VALUES ('optimize')")
    db.execute("DELETE FROM passages WHERE conversation = ?", (key,))
    db.execute("DELETE FROM texts WHERE conversation = ?", (key,))


class Lookup:
    """The index of one conversation, for one search."""

    def __init__(self, db: sqlite3.Connection, key: int, kinds: Collection[str] | None) -> None:
        self._db = db
        self._key = key
        self._known: dict[str, list[str]] = {}
        self._wanted: set[int] | None = None
        if kinds is not None:
            statement = "SELECT id FROM texts WHERE conversation = ? AND kind = ?"
            self._wanted = {number for kind in set(kinds) for (number,) in db.execute(statement, (key, kind))}

    def frequency(self, term: str) -> int:
        """How many passages have a term."""
        found = self._db.execute("SELECT doc FROM postings_by_term WHERE term = ?", (f"{self._key}:{term}",)).fetchone()
        return found[0] if found else 0

    def postings(self, term: str) -> Iterable[ranking.Posting]:
        """The passages that have a term, in texts of the kinds asked for."""
        rows: Iterable[ranking.Posting] = self._db.execute(
            "SELECT p.id, p.text, p.terms, count(*) FROM postings_by_passage AS i JOIN passages AS p ON p.id = i.doc"
            " WHERE i.term = ? AND p.conversation = ? GROUP BY i.doc",
            (f"{self._key}:{term}", self._key),
        )
        wanted = self._wanted
        return rows if wanted is None else (row for row in rows if row[1] in wanted)

    def hit(self, conversation: str, ranked: ranking.Ranked, weights: dict[str, float]) -> Hit:
        """What to tell of one text found."""
        seq, path, kind, at, part = self._db.execute(
            "SELECT t.seq, t.path, t.kind, e.at, substr(t.body, p.start + 1, p.stop - p.start)"
            " FROM passages AS p JOIN texts AS t ON t.id = p.text"
            " JOIN events AS e ON e.conversation = t.conversation AND e.seq = t.seq"
            " WHERE p.id = ? AND t.conversation = ?",
            (ranked.passage, self._key),
        ).fetchone()
        return Hit(
            conversation=conversation,
            seq=seq,
            path=path,
            kind=kind,
            snippet=ranking.snippet(part.decode("utf-8", "surrogatepass"), weights, self._known),
            score=ranked.score,
            at=at,
        )
