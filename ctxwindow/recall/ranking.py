"""BM25 over one conversation, and the part of a text to show.

Why not the database's own ranking: SQLite's `bm25()` weighs a term by how rare it is in the whole
table, so what one conversation holds would move the hits of another (law 11), and the same events
would rank differently in another file (law 8). Here a store only looks up postings; the statistics are
the conversation's own, and every kind of store gives the same hits with the same scores.
"""

from __future__ import annotations

import heapq
import math
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ctxwindow.recall import terms

__all__ = ["Posting", "Ranked", "rank", "snippet"]

# The constants of the literature (Robertson and Zaragoza 2009, section 3.5), as in SQLite's own bm25().
K1, B = 1.2, 0.75
# A query may be a pasted log. The first so many terms are looked up, and the rarest of those are ranked by.
LOOKED_UP_TERMS, RANKED_TERMS = 256, 32
# Rare terms decide the order. Common ones are left out once so many postings were read (some 15 ms).
MAX_POSTINGS = 10_000
SNIPPET_CHARS = 400

_SURROGATES = re.compile(r"[\ud800-\udfff]")


# One passage that has a term: the passage's number, its text's number (later ones have higher numbers),
# how many terms are in the passage, and how often this one is. A bare tuple: a search reads thousands.
Posting = tuple[int, int, int, int]


class Ranked(NamedTuple):
    """One text found, by its best passage."""

    score: float
    text: int
    passage: int


def rank(
    query: str,
    k: int,
    *,
    passages: int,
    length: int,
    frequency: Callable[[str], int],
    postings: Callable[[str], Iterable[Posting]],
) -> tuple[list[Ranked], dict[str, float]]:
    """The `k` best texts, newest first among equals, and the weight of each term that was used.

    Args:
        query: any string.
        k: the most texts to return.
        passages: passages in the conversation.
        length: terms in all of them.
        frequency: how many passages of the conversation have a term.
        postings: the passages to rank that have it (fewer, when the caller filters by kind).
    """
    if k <= 0 or not passages:
        return [], {}
    found = ((frequency(term), term) for term in terms.query_terms(query, LOOKED_UP_TERMS))
    scores: dict[int, float] = {}
    texts: dict[int, int] = {}
    weights: dict[str, float] = {}
    base, slope = K1 * (1 - B), K1 * B * passages / length
    read = 0
    for holders, term in sorted(pair for pair in found if pair[0])[:RANKED_TERMS]:
        if read and read + holders > MAX_POSTINGS:
            break
        read += holders
        # Lucene's form of the weight: never negative, so that a text of one passage can be found at all.
        weights[term] = weight = math.log(1 + (passages - holders + 0.5) / (holders + 0.5))
        for passage, text, size, times in postings(term):
            score = weight * times * (K1 + 1) / (times + base + slope * size)
            scores[passage] = scores.get(passage, 0.0) + score
            texts[passage] = text
    best: dict[int, Ranked] = {}
    for passage, score in scores.items():
        text = texts[passage]
        held = best.get(text)
        # The first passage wins among equals: it is the one a reader would come to first.
        if held is None or (score, -passage) > (held.score, -held.passage):
            best[text] = Ranked(score, text, passage)
    return heapq.nlargest(k, best.values()), weights


def snippet(passage: str, weights: dict[str, float], known: dict[str, list[str]] | None = None) -> str:
    """The part of a passage, at most `SNIPPET_CHARS` long, where most of the terms' weight is.

    Args:
        passage: what to show a part of.
        weights: the terms of the search, with their weights.
        known: the weighty terms of words, remembered over the snippets of one search.
    """
    if len(passage) > SNIPPET_CHARS:
        start = _densest(passage, weights, {} if known is None else known) if weights else 0
        stop = min(len(passage), start + SNIPPET_CHARS)
        passage = ("…" if start else "") + passage[start:stop].strip() + ("…" if stop < len(passage) else "")
    return _SURROGATES.sub("\ufffd", passage)


def _densest(passage: str, weights: dict[str, float], known: dict[str, list[str]]) -> int:
    """Where to start a snippet: a little before the word from which on the distinct terms weigh most."""
    places: list[tuple[int, str]] = []
    for word, start, _ in terms.words(passage):
        held = known.get(word)
        if held is None:
            held = known[word] = [term for term in terms.pieces(word) if term in weights]
        places.extend((start, term) for term in held)
    lead = SNIPPET_CHARS // 4
    best, best_weight = 0, 0.0
    for index, (first, _) in enumerate(places):
        within: set[str] = set()
        for start, term in places[index:]:
            if start >= first + SNIPPET_CHARS - lead:
                break
            within.add(term)
        weight = math.fsum(weights[term] for term in within)
        if weight > best_weight:
            best, best_weight = first, weight
    start = max(0, min(best - lead, len(passage) - SNIPPET_CHARS))
    space = passage.find(" ", start, best)  # do not begin inside a word
    return space + 1 if start and space >= 0 else start
