"""Token counts without a vocabulary: shapes of text, weighted by a fit, with bounds that were measured.

A text is cut into pieces by shape (`ctxwindow.window.shapes`). A tokenizer generation has one non-negative
weight per shape, and a frequent word its own cost. `benchmarks/fit_estimator.py` fits all of it to recorded
texts and stores it in `estimator.json`. A text is put into a content class by what it consists of, and the
class gives the bounds: of the held-out blocks of each class, 92 to 100 % lay within. Usual blocks came out
within 8 % of the truth nine times in ten, those under 300 characters within 17 %; languages of which the
vocabularies hold few words within 29 %, and 53 % where short.

Linear in the length of the text: chunks of `CHUNK` characters are counted one by one and added up; nothing is
sampled and nothing skipped. Bounds are added up too and not narrowed with the number of chunks: a text that is
all of one kind errs the same way throughout. Runs of few distinct characters, of which recorded texts have few,
are bounded by what is possible: the longest piece of the vocabularies below, a token for every byte above.
"""

from __future__ import annotations

import functools
import sys
from collections import Counter
from pkgutil import get_data
from typing import Literal, NamedTuple

import msgspec

from ctxwindow.errors import HistoryError
from ctxwindow.window.shapes import KINDS, SHAPES, Shape, pieces, shape_of

__all__ = ["CHUNK", "CLASSES", "Bound", "Class", "Estimate", "Estimator", "Features", "Fit", "packaged"]

CHUNK = 1 << 16
"""Characters that are counted, classified and bounded together. A cut may split a word: an error of a token or two."""

Class = Literal["prose", "latin", "code", "data", "encoded", "cjk", "script"]
"""English prose; other text in Latin letters; code; JSON, tables and logs; base64 and hexadecimal; Chinese, Japanese
and Korean; every other script, and symbols."""
CLASSES: tuple[Class, ...] = ("prose", "latin", "code", "data", "encoded", "cjk", "script")

_AT = {name: index for index, name in enumerate(SHAPES)}
_KIND = {name: index for index, name in enumerate(KINDS)}
_RUNS = slice(_AT["letter run"], _AT["run bytes"])
_LONGEST_PIECE = 128  # characters, in either vocabulary
_SHORT = 24  # pieces up to this length are remembered
_REMEMBERED = 20_000  # pieces; about 6 MB

# The first line that holds names the class: more than this share of these kinds. Chosen by hand on recorded texts.
_SHARES: tuple[tuple[Class, float, tuple[str, ...]], ...] = (
    ("encoded", 0.25, ("blob",)),
    ("cjk", 0.25, ("cjk",)),
    ("script", 0.15, ("script",)),
    ("data", 0.12, ("digits", "quotes")),
    ("code", 0.12, ("digits", "quotes", "punct", "blob", "cjk", "script")),
)
_LEAST_FAMILIAR, _MOST_ACCENTED = 0.4, 0.15  # of the letters of English


class Bound(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Measured tokens over the weighted sum: the median, and the ends of the middle 95 %, beyond `slack` tokens."""

    low: float
    mid: float
    high: float
    slack: float


class Fit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The contents of `estimator.json`."""

    about: str
    words: dict[str, str]
    """Tokens in v3 and in v4.7 (`"1 2"`) -> words in lower case with that cost, apart by spaces."""
    weights: dict[str, dict[str, float]]
    """Vocabulary (`v3`, `v4.7`) -> shape -> tokens; a shape that is not named costs nothing."""
    bounds: dict[str, dict[Class, Bound]]
    """Vocabulary -> content class -> bounds."""


class Estimate(NamedTuple):
    """Tokens of a text and the bounds that about 95 % of texts of its class keep."""

    tokens: int
    low: int
    high: int


class Features(NamedTuple):
    """What a text consists of: an amount for each of `SHAPES`, and characters of each of `KINDS`."""

    amounts: list[float]
    kinds: list[int]

    def share(self, *kinds: str) -> float:
        """Characters of these kinds, of all that are neither white space nor runs."""
        total = sum(self.kinds) - self.kinds[_KIND["space"]] - self.kinds[_KIND["run"]]
        return sum(self.kinds[_KIND[kind]] for kind in kinds) / total if total else 0.0

    def content_class(self) -> Class:
        """What sort of text it is, which says how far an estimate may be off."""
        for name, least, kinds in _SHARES:
            if self.share(*kinds) > least:
                return name
        letters = self.share("familiar", "letters", "accented")
        foreign = (
            self.share("accented") > _MOST_ACCENTED * letters or self.share("familiar") < _LEAST_FAMILIAR * letters
        )
        return "latin" if foreign else "prose"


class Estimator:
    """Counts and bounds texts by a fit. It keeps the shapes of short pieces it has seen, up to a limit."""

    def __init__(self, fit: Fit) -> None:
        self._words: dict[str, tuple[int, int]] = {}
        for costs, words in fit.words.items():
            old, new = map(int, costs.split())
            self._words.update(dict.fromkeys(words.split(), (old, new)))
        self._weights = {name: [known.get(shape, 0.0) for shape in SHAPES] for name, known in fit.weights.items()}
        self._bounds = fit.bounds
        self._seen: dict[str, Shape] = {}

    def features(self, text: str, start: int = 0, end: int = sys.maxsize) -> Features:
        """What the text consists of, between two positions."""
        amounts, kinds = [0.0] * len(SHAPES), [0] * len(KINDS)
        seen = self._seen
        for piece, times in Counter(pieces(text, start, end)).items():
            shape = seen.get(piece)
            if shape is None:
                shape = shape_of(piece, self._words)
                if len(piece) <= _SHORT:
                    if len(seen) >= _REMEMBERED:
                        seen.clear()
                    seen[piece] = shape
            kind, parts = shape
            kinds[kind] += times * len(piece)
            for index, amount in parts:
                amounts[index] += times * amount
        return Features(amounts, kinds)

    def estimate(self, text: str, vocabulary: Literal["v3", "v4.7"]) -> Estimate:
        """Tokens of a text by the fit for one vocabulary, with bounds.

        Args:
            text: any string, lone surrogates and NUL included.
            vocabulary: of the tokenizer generation.
        """
        weights, bounds = self._weights[vocabulary], self._bounds[vocabulary]
        tokens = low = high = slack = 0.0
        for start in range(0, len(text), CHUNK):
            features = self.features(text, start, start + CHUNK)
            bound = bounds[features.content_class()]
            runs = sum(map(float.__mul__, weights[_RUNS], features.amounts[_RUNS]))
            weighed = sum(map(float.__mul__, weights, features.amounts)) - runs
            tokens += weighed * bound.mid + runs
            low += weighed * bound.low + min(runs, features.kinds[_KIND["run"]] / _LONGEST_PIECE)
            high += weighed * bound.high + max(runs, features.amounts[_AT["run bytes"]])
            slack = max(slack, bound.slack)
        return Estimate(round(tokens), max(0, int(low - slack)), -int(-(high + slack) // 1) if text else 0)


@functools.cache
def packaged() -> Estimator:
    """The estimator with the shipped fit, read at the first call.

    Raises:
        HistoryError: the installed package lacks its data file.
    """
    # pkgutil reads from zip files as importlib.resources does, and imports in 3 ms instead of 20.
    try:
        content = get_data("ctxwindow.window", "estimator.json")
        return Estimator(msgspec.json.decode(content or b"", type=Fit))
    except (OSError, msgspec.DecodeError) as error:
        raise HistoryError(
            "the token estimator of the installed package cannot be read.",
            path="ctxwindow/window/estimator.json",
            remedy="Reinstall ctxwindow.",
        ) from error
