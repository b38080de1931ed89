"""Recall by meaning, where a user brings an embedding model: vectors kept in memory, merged with the ranking by words.

The two rankings are merged by reciprocal rank fusion: each gives a text 1 / (60 + rank), and the sums decide (Cormack,
Clarke and Buettcher, "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods", SIGIR 2009;
60 is the constant of the paper). It needs no common scale for BM25 and cosine, which have none.
"""

from __future__ import annotations

import heapq
import math
import operator
import sys
from array import array
from collections.abc import Callable, Iterable, Sequence, Sized
from typing import Protocol

from ctxwindow.errors import MisuseError
from ctxwindow.recall.archive import Archive

if sys.version_info >= (3, 12):
    _sumprod = math.sumprod
else:

    def _sumprod(one: array[float], other: array[float]) -> float:
        """The sum of products; half as fast."""
        return float(sum(map(operator.mul, one, other)))


__all__ = ["Embedder", "Vectors", "fuse"]

RANK_CONSTANT = 60
BATCH = 256
"""Texts that an embedder is given at once."""


class Embedder(Protocol):
    """An embedding model, brought by the user."""

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """A vector for each text, all of one length."""
        ...


class Vectors:
    """The vectors of passages, in memory: each passage is embedded once, when it is first searched.

    Pass the same object to every `Conversation.recall`. It may serve several conversations: a vector belongs to a text,
    and only texts of the conversation that is asked are compared (law 11). Four bytes a dimension are kept.
    """

    def __init__(self, embedder: Embedder) -> None:
        """No vectors yet; `embedder` is asked when there is something to search.

        Raises:
            MisuseError: it has no method `embed`.
        """
        if not callable(getattr(embedder, "embed", None)):
            raise MisuseError(
                "an embedder has a method `embed`.", path="embedder", remedy="See `ctxwindow.recall.Embedder`."
            )
        self.embedder = embedder
        self._vectors: dict[bytes, array[float]] = {}
        self._length: int | None = None

    def __len__(self) -> int:
        return len(self._vectors)

    @classmethod
    def of(cls, embedder: Embedder | Vectors, held: Vectors | None) -> Vectors:
        """The vectors of an embedder: itself where it is some, those that are held already, or new ones."""
        if isinstance(embedder, Vectors):
            return embedder
        return held if held is not None and held.embedder is embedder else cls(embedder)

    def nearest(self, archive: Archive, query: str, k: int, wanted: Callable[[int], bool]) -> list[tuple[int, int]]:
        """The `k` texts nearest to a query: number of the entry and start of its nearest passage, the nearest first.

        Raises:
            MisuseError: the embedder did not return one vector of the usual length for each text.
        """
        passages = archive.passages()
        self._embed(archive)
        (asked,) = self._units([query])
        best: dict[int, tuple[float, int]] = {}
        for passage in passages:
            if not wanted(passage.entry):
                continue
            near = _sumprod(asked, self._vectors[passage.key])
            if passage.entry not in best or near > best[passage.entry][0]:
                best[passage.entry] = near, passage.start
        order = heapq.nlargest(k, best.items(), key=lambda item: (item[1][0], item[0]))
        return [(number, start) for number, (_, start) in order]

    def _embed(self, archive: Archive) -> None:
        """Embed what has no vector yet; what was done stays, should a later batch fail."""
        new = {passage.key: passage for passage in archive.passages() if passage.key not in self._vectors}
        missing = list(new.values())
        for first in range(0, len(missing), BATCH):
            batch = missing[first : first + BATCH]
            texts = [archive.entries[part.entry].text[part.start : part.stop] for part in batch]
            for part, vector in zip(batch, self._units(texts), strict=True):
                self._vectors[part.key] = vector

    def _units(self, texts: Sequence[str]) -> list[array[float]]:
        """The vectors of texts, at length 1."""
        vectors = self.embedder.embed(texts)
        if not isinstance(vectors, Sized):
            raise _wrong(f"returned no vectors, but {type(vectors).__name__}")
        if len(vectors) != len(texts):
            raise _wrong(f"returned {len(vectors)} vectors for {len(texts)} texts")
        return [self._unit(vector) for vector in vectors]

    def _unit(self, vector: Sequence[float]) -> array[float]:
        try:
            numbers = [float(value) for value in vector]
        except (TypeError, ValueError):
            raise _wrong("returned something else than numbers") from None
        except OverflowError:
            raise _wrong("returned a vector with a number that is too large") from None
        norm = math.hypot(*numbers)
        if not math.isfinite(norm):
            raise _wrong("returned a vector with a number that is not finite")
        if self._length is None:
            self._length = len(numbers)
        if len(numbers) != self._length:
            raise _wrong(f"returned a vector of {len(numbers)} numbers after one of {self._length}")
        return array("f", (value / norm for value in numbers) if norm else numbers)


def fuse(rankings: Iterable[Sequence[int]]) -> list[tuple[int, float]]:
    """Reciprocal rank fusion: numbers with their scores, best first, the higher number first when equal."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, number in enumerate(ranking, start=1):
            scores[number] = scores.get(number, 0.0) + 1 / (RANK_CONSTANT + rank)
    return sorted(scores.items(), key=lambda item: (-item[1], -item[0]))


def _wrong(what: str) -> MisuseError:
    return MisuseError(
        f"the embedder {what}.", path="embedder", remedy="It returns one vector of numbers for each text."
    )
