"""A full text index in memory that grows at its end: the words of texts, and where they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ctxwindow.recall import ranking, terms

__all__ = ["Index", "Match"]


class Match(NamedTuple):
    """One text found."""

    text: int
    """Its number."""
    score: float
    """BM25, higher is better; comparable within one search only."""
    snippet: str
    """The part with the best matches, at most some 400 characters."""


class Index:
    """The texts of one conversation, numbered from 0 as they were added. Adding one costs the work for that one."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._passages: list[tuple[int, int, int]] = []  # number of its text, start, stop
        self._length = 0  # terms in all passages
        self._postings: dict[str, list[ranking.Posting]] = {}

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, texts: Iterable[str]) -> None:
        """Index more texts."""
        counter = terms.TermCounter()
        for text in texts:
            for start, stop in terms.passages(text):
                self._add(start, stop, counter.count(text[start:stop]))
            self._texts.append(text)

    def _add(self, start: int, stop: int, counts: dict[str, int]) -> None:
        """One passage of the text that comes next; one without a term is left out."""
        if not counts:
            return
        length, text, number = sum(counts.values()), len(self._texts), len(self._passages)
        self._passages.append((text, start, stop))
        self._length += length
        for term, times in counts.items():
            self._postings.setdefault(term, []).append((number, text, length, times))

    def search(self, query: str, k: int, wanted: Callable[[int], bool] | None = None) -> list[Match]:
        """The `k` best texts for a query, best first, newer first when equal.

        Args:
            query: any string; it is looked for by its words.
            k: the most texts to return.
            wanted: whether a text may be returned; which ones may does not move the scores of the others.
        """

        def postings(term: str) -> Iterator[ranking.Posting]:
            held = self._postings[term]
            return iter(held) if wanted is None else (posting for posting in held if wanted(posting[1]))

        found, weights = ranking.rank(
            query,
            k,
            passages=len(self._passages),
            length=self._length,
            frequency=lambda term: len(self._postings.get(term, ())),
            postings=postings,
        )
        known: dict[str, list[str]] = {}
        matches = []
        for score, number, best in found:
            _, start, stop = self._passages[best]
            matches.append(Match(number, score, ranking.snippet(self._texts[number][start:stop], weights, known)))
        return matches
