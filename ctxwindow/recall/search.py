"""Recall: the texts of a conversation that answer a question, best first.

Free text is ranked by BM25 over the conversation (`ctxwindow.recall.ranking`), a text by its best passage; among texts
that score the same, such as a file that was read twice, the newest comes first. What none of the best hits holds letter
for letter is looked for by its letters too, so that an identifier is found whatever its words are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from ctxwindow.recall.archive import Archive
from ctxwindow.recall.entries import Entry
from ctxwindow.recall.questions import Neighbour, Question, Recalled, Standing
from ctxwindow.recall.ranking import snippet
from ctxwindow.recall.vectors import Vectors, fuse

__all__ = ["LONGEST_LITERAL", "MOST_AROUND", "MOST_HITS", "recall"]

MOST_HITS = 1_000
"""A larger `k` counts as this one."""
MOST_AROUND = 20
"""A larger `around` counts as this one."""
LONGEST_LITERAL = 1_024
"""Characters of the longest query that is looked for letter for letter: longer than any identifier."""
_FUSED = 50
"""Texts of each ranking that are merged, at least."""
_LOOKED_AT = 1_000
"""Characters of a text that are looked at to show a few hundred."""
_LEAD = 100
"""Characters shown before a string that was found by its letters."""


def recall(archive: Archive, now: Standing, ask: Question, vectors: Vectors | None = None) -> list[Recalled]:
    """The texts that answer a question, best first, or newest first where there is nothing to rank.

    Raises:
        MisuseError: a field of the question is of the wrong type.
        ProtocolError: nothing in the conversation has the handle asked for.
    """
    ask.check()
    if ask.handle is None and archive.knows(ask.query.strip()):
        ask = msgspec.structs.replace(ask, handle=ask.query.strip(), query="")
    return _Search(archive, now, ask, vectors).hits()


class _Hit(NamedTuple):
    entry: int
    score: float
    text: str


class _Search:
    """One question, on its way to its answers."""

    def __init__(self, archive: Archive, now: Standing, ask: Question, vectors: Vectors | None) -> None:
        self.archive = archive
        self.now = now
        self.ask = ask
        self.vectors = vectors
        self.wanted = _filter(archive, ask)

    def hits(self) -> list[Recalled]:
        """The answers."""
        k = min(self.ask.k, MOST_HITS)
        if k <= 0:
            return []
        found = self._ranked(k) if self.ask.query.strip() else self._listed(k)
        return [self._recalled(hit) for hit in found]

    def _listed(self, k: int) -> list[_Hit]:
        """What the filters let through: in order behind a handle, else the newest first."""
        entries, handle = self.archive.entries, self.ask.handle
        numbers = self.archive.at(handle) if handle is not None else range(len(entries) - 1, -1, -1)
        wanted = itertools.islice(filter(self.wanted, numbers), k)
        return [_Hit(number, 0.0, _opening(entries[number])) for number in wanted]

    def _ranked(self, k: int) -> list[_Hit]:
        """The hits of a query with words: by BM25, by vectors where there are any, and by its letters."""
        entries = self.archive.entries
        hits = self._by_words(k) if self.vectors is None else self._fused(self.vectors, max(k, _FUSED))[:k]
        literal = self.ask.query.strip()
        if len(literal) > LONGEST_LITERAL:
            return hits
        # What holds the query letter for letter shows it.
        holding = {hit.entry for hit in hits if literal in entries[hit.entry].text}
        hits = [
            hit._replace(text=_about(entries[hit.entry], literal))
            if hit.entry in holding and literal not in hit.text
            else hit
            for hit in hits
        ]
        if holding:
            return hits
        exact = self.archive.holding(literal, k, self.wanted)
        found = [_Hit(number, 0.0, _about(entries[number], literal)) for number in exact]
        return (found + hits)[:k]  # none of the hits holds it

    def _by_words(self, k: int) -> list[_Hit]:
        archive, searcher = self.archive, self.now.searcher
        if searcher is not None and not self.ask.filtered:
            # At most so many hits are echoes: what remains is what the index in memory finds.
            more = k + len(archive.echoes)
            found = searcher.search(self.ask.query, k=more, kinds=self.ask.kinds, version=self.now.version)
            if found is not None:
                known = [hit for hit in found if hit.path in archive.numbers]
                hits = [_Hit(archive.numbers[hit.path], hit.score, hit.snippet) for hit in known]
                return [hit for hit in hits if self.wanted(hit.entry)][:k]
        return [_Hit(*match) for match in archive.search(self.ask.query, k, self.wanted)]

    def _fused(self, vectors: Vectors, depth: int) -> list[_Hit]:
        """The rankings by words and by meaning, merged."""
        words = self._by_words(depth)
        near = vectors.nearest(self.archive, self.ask.query, depth, self.wanted)
        texts = {number: _opening(self.archive.entries[number], start) for number, start in near}
        texts |= {hit.entry: hit.text for hit in words}
        merged = fuse([[hit.entry for hit in words], [number for number, _ in near]])
        return [_Hit(number, score, texts[number]) for number, score in merged]

    def _recalled(self, hit: _Hit) -> Recalled:
        entry = self.archive.entries[hit.entry]
        return Recalled(
            handle=entry.handle,
            path=entry.path,
            message=entry.message,
            turn=self.now.turn_of(entry),
            role=entry.role,
            kind=entry.kind,
            tool=entry.tool,
            at=entry.at,
            text=hit.text,
            score=hit.score,
            on_wire=self.now.on_wire(entry),
            around=tuple(self._neighbours(entry.message)) if entry.message is not None else (),
        )

    def _neighbours(self, message: int) -> Iterator[Neighbour]:
        around = max(0, min(self.ask.around, MOST_AROUND))
        for index in range(message - around, message + around + 1):
            if index == message or not self.archive.knows(f"m{index}"):
                continue
            held = [self.archive.entries[number] for number in self.archive.at(f"m{index}")]
            text = "\n".join(entry.text[:_LOOKED_AT] for entry in held)
            shown = snippet(text[:_LOOKED_AT], {})
            yield Neighbour(handle=f"m{index}", message=index, role=held[0].role, text=shown)


def _filter(archive: Archive, ask: Question) -> Callable[[int], bool]:
    """Whether an entry, by its number, may be an answer."""
    entries = archive.entries
    places = frozenset(archive.at(ask.handle)) if ask.handle is not None else None
    # Copies of what stands elsewhere would crowd out the originals.
    echoes = archive.echoes if ask.tool is None and places is None else frozenset[int]()
    ranged = ask.first is not None or ask.end is not None
    timed = ask.since is not None or ask.until is not None
    first, end = ask.first or 0, math.inf if ask.end is None else ask.end
    since, until = -math.inf if ask.since is None else ask.since, math.inf if ask.until is None else ask.until

    def wanted(number: int) -> bool:
        entry = entries[number]
        return (
            (ask.kinds is None or entry.kind in ask.kinds)
            and number not in echoes
            and (places is None or number in places)
            and (ask.tool is None or entry.tool == ask.tool)
            and (not ranged or (entry.message is not None and first <= entry.message < end))
            and (not timed or (entry.at is not None and since <= entry.at <= until))
        )

    return wanted


def _opening(entry: Entry, start: int = 0) -> str:
    return snippet(entry.text[start : start + _LOOKED_AT], {})


def _about(entry: Entry, literal: str) -> str:
    """The part of a text around a string that it holds."""
    start = max(0, entry.text.index(literal) - _LEAD)
    return ("\u2026" if start else "") + _opening(entry, start)
