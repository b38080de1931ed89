"""Which terms a text is found by: words, and identifiers whole and by their parts.

Recall over agent transcripts is mostly about identifiers: a path, a function, an error number. A
tokenizer for prose cuts `src/app/parse_json.py` to pieces, so that the whole no longer ranks first,
or keeps it whole, so that `json` no longer finds it. Here one compound gives all of its levels:

    src/app/parse_json.py -> the whole; src, app, parse_json.py; parse_json, py; parse, json
    getHTTPResponse2      -> the whole; get, http, response, 2

Plain English words also give a light stem (`failing` -> `failing`, `fail`), and scripts written
without spaces give characters and pairs of characters. Case, compatibility forms and Latin
accents are folded.

A term never holds white space, and of ASCII only letters, digits and `_ . / : @ + -`: the full text
index relies on that (see stores/schema.py).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

__all__ = ["PASSAGE_CHARS", "SPAN_CHARS", "TermCounter", "passages", "pieces", "query_terms", "words"]

# A passage is what BM25 compares: about a screen of text. Whole tool results (up to 50 MB) as one
# document each would drown a good line in its neighbours. Not tuned: no labelled queries to tune on.
PASSAGE_CHARS = 1_600
# Of a longer text, so much is indexed at each end. Two million characters take about a second.
SPAN_CHARS = 1_000_000
# Longer words are data (base64, minified code): only their start is a term, and their parts are noise.
MAX_TERM_CHARS = 128
MAX_COMPOUND_CHARS = 512

# Combining marks (U+0300 to U+036F) belong to the letter before them, as in decomposed "é".
_WORD = re.compile(r"[\w\u0300-\u036f]+(?:[./:@+\-]+[\w\u0300-\u036f]+)*")
_MARKS = re.compile(r"[\u0300-\u036f]+")
_PUNCTUATION = re.compile(r"[.:@+\-]+")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_RUNS = re.compile(r"[^\W\d_]+|\d+")
# Thai to Myanmar, Khmer, kana, Han: written without spaces between words.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_JOINERS = "./:@+-"
_VOWEL = re.compile(r"[aeiouy]")
_STEM_FROM_CHARS = 5  # shorter words lose too much


def passages(text: str) -> Iterator[tuple[int, int]]:
    """The parts `[start, stop)` in characters to index of a text, in order, without overlap.

    Cut after a line where one ends in the second half, else after a space, else hard. Of a text of more
    than two `SPAN_CHARS`, the middle is left out.
    """
    length = len(text)
    if length <= 2 * SPAN_CHARS:
        yield from _cut(text, 0, length)
    else:
        yield from _cut(text, 0, SPAN_CHARS)
        yield from _cut(text, length - SPAN_CHARS, length)


def words(text: str) -> Iterator[tuple[str, int, int]]:
    """The words and compounds of a text with their places: `(word, start, stop)`."""
    for match in _WORD.finditer(text):
        yield match.group(), match.start(), match.end()


class TermCounter:
    """Counts terms; what it has learned of one text's words helps with the next.

    Words repeat, and cutting one takes longer than looking it up: over recorded sessions this is three
    times as fast. One counter serves one append and is let go, so that no content stays in memory.
    """

    def __init__(self) -> None:
        self._known: dict[str, list[str]] = {}

    def count(self, text: str) -> dict[str, int]:
        """How often each term is in a text."""
        counts: dict[str, int] = {}
        for word, times in Counter(_WORD.findall(text)).items():
            cut = self._known.get(word)
            if cut is None:
                cut = self._known[word] = pieces(word)
            for term in cut:
                counts[term] = counts.get(term, 0) + times
        return counts


def query_terms(query: str, limit: int) -> list[str]:
    """The first `limit` distinct terms of a query, in their order."""
    found: dict[str, None] = {}
    for word in dict.fromkeys(_WORD.findall(query)):
        found.update(dict.fromkeys(pieces(word)))
        if len(found) >= limit:
            break
    return list(found)[:limit]


def pieces(word: str) -> list[str]:
    """The distinct terms of one word or compound, the whole first."""
    if word.isascii():
        if word.isalpha() and (word.islower() or word.istitle()):  # most words
            return _with_stem(word.lower()) if len(word) <= MAX_TERM_CHARS else [word[:MAX_TERM_CHARS].lower()]
    else:
        # NFKD parts accents from letters, and Hangul syllables from themselves: NFKC joins the latter again.
        word = unicodedata.normalize("NFKC", _MARKS.sub("", unicodedata.normalize("NFKD", word)))
    levels, parts = [word], list[str]()
    if len(word) <= MAX_COMPOUND_CHARS:
        for component in word.split("/"):
            levels.append(component)
            for name in _PUNCTUATION.split(component):
                levels.append(name)
                for part in name.split("_"):
                    parts.extend(_parts(part))
    # A run of a script without spaces is a sentence, not a word: only its parts are terms.
    whole = [_fold(level) for level in levels if not _UNSPACED.search(level)]
    # Normal forms can hold what a word cannot, such as a space: such a whole is left out, its parts are in.
    return [term for term in dict.fromkeys(whole + parts) if _WORD.fullmatch(term)]


def _cut(text: str, start: int, stop: int) -> Iterator[tuple[int, int]]:
    while stop - start > PASSAGE_CHARS:
        middle, limit = start + PASSAGE_CHARS // 2, start + PASSAGE_CHARS
        cut = text.rfind("\n", middle, limit) + 1 or text.rfind(" ", middle, limit) + 1 or limit
        yield start, cut
        start = cut
    if stop > start:
        yield start, stop


def _fold(term: str) -> str:
    return term[:MAX_TERM_CHARS].casefold().strip(_JOINERS)


def _parts(name: str) -> Iterator[str]:
    """The parts of an identifier that has neither punctuation nor underscores."""
    if name.isascii():
        for part in _CAMEL.findall(name):
            yield from _with_stem(part[:MAX_TERM_CHARS].lower())
        return
    for run in _RUNS.findall(name):
        unspaced = _UNSPACED.findall(run)
        for text in unspaced:
            yield from text
            yield from (text[place : place + 2] for place in range(len(text) - 1))
        for part in _UNSPACED.split(run) if unspaced else [run]:
            yield _fold(part)


def _with_stem(word: str) -> list[str]:
    stem = _stem(word)
    return [word] if stem == word else [word, stem]


def _stem(word: str) -> str:
    """A light English stem: plurals, -ed, -ing, final e. Both sides of a search use it, so it need not be a word."""
    if len(word) < _STEM_FROM_CHARS or not word.isalpha():
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith("ing") and _VOWEL.search(word[:-3]):  # not `string`
        word = _undouble(word[:-3])
    elif word.endswith("ed") and _VOWEL.search(word[:-2]):
        word = _undouble(word[:-2])
    elif word.endswith(("sses", "ches", "shes", "xes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return word.removesuffix("e")


def _undouble(stem: str) -> str:
    """`runn` -> `run`, but `fall`, `pass` and `buzz` stay."""
    return stem[:-1] if stem[-1] == stem[-2] and stem[-1] not in "lsz" else stem
