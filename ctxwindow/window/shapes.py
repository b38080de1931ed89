"""Shapes: what a piece of text looks like, for counting its tokens without a vocabulary.

One regular expression cuts a text into words, digit runs, white space, punctuation and runs of one
script. Each piece has a shape, which is an amount for some of `SHAPES` (the estimator weighs them) and
a kind (the estimator tells from their shares what sort of text it is). Shapes follow how the
vocabularies are known to work: a word carries marks at its ends and for its capitals, one space between
words is free, digits go three by three, and what no piece covers is paid by the byte.
"""

from __future__ import annotations

import functools
import re
import sys
from bisect import bisect_right
from collections.abc import Mapping
from typing import TypeAlias

__all__ = ["KINDS", "SHAPES", "Shape", "Words", "pieces", "shape_of"]

# Scripts that share a line cost about the same per character (measured on vocabulary and texts): `half` are those
# of which the vocabularies hold few characters, `bytes` (what no line names) those of which they hold none.
# Name, whether its words are set apart by spaces, kind for the class, ranges of code points.
_SCRIPTS: tuple[tuple[str, bool, str, str], ...] = (
    ("greek", True, "script", "\u0370-\u03ff\u1f00-\u1fff"),
    ("cyrillic", True, "script", "\u0400-\u052f"),
    ("caucasian", True, "script", "\u0530-\u058f\u10a0-\u10ff"),
    ("hebrew", True, "script", "\u0590-\u05ff\ufb1d-\ufb4f"),
    ("arabic", True, "script", "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdcf\ufe70-\ufefe"),
    ("devanagari", True, "script", "\u0900-\u097f"),
    (
        "indic",
        True,
        "script",
        "\u0780-\u07bf\u0980-\u09ff\u0a80-\u0aff\u0b80-\u0c7f\u0d00-\u0dff\u1000-\u109f\u1780-\u17ff",
    ),
    ("half", True, "script", "\u0700-\u074f\u07c0-\u07ff\u0a00-\u0a7f\u0b00-\u0b7f\u0c80-\u0cff"),
    ("thai", True, "script", "\u0e00-\u0e7f"),
    ("lao", True, "script", "\u0e80-\u0fff\u1200-\u139f"),
    ("kana", False, "cjk", "\u3040-\u30ff\u31f0-\u31ff"),
    ("hangul", True, "cjk", "\uac00-\ud7a3"),
    ("cjk", False, "cjk", "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"),
    ("wide", False, "cjk", "\u3000-\u303f\uff00-\uffef"),
    ("marks", False, "punct", "\u00a0-\u00bf\u00d7\u00f7\u2000-\u206f\u20a0-\u20cf"),
    ("boxes", False, "punct", "\u2500-\u257f"),
    ("symbols", False, "script", "\u2100-\u24ff\u2580-\u2bff"),
    ("emoji", False, "script", "\U0001f000-\U0001faff"),
    ("astral", False, "script", "\U00010000-\U0001efff\U0001fb00-\U0010ffff"),
)
_LATIN = "A-Za-z\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0300-\u036f\u1e00-\u1eff"
_LATIN_LETTER = re.compile(f"[{_LATIN}]")
_BLOB = 20  # letters and digits without a break: rarely a word, often base64 or hexadecimal
_RUN = 16  # characters of which at most _DISTINCT differ: a run
_DISTINCT = 4
_RULES = "#*-./=_"  # a line of these is a token or a few; of other punctuation, one for every character or two


@functools.cache
def _pattern() -> re.Pattern[str]:
    """Compiled at the first text: it takes 7 ms, a good part of what importing this package may cost."""
    # Every alternative is one character class repeated, so no input makes it backtrack more than _BLOB characters.
    alternatives = [
        rf" ?[A-Za-z0-9][A-Za-z0-9+]{{{_BLOB - 1},}}",
        rf" ?[{_LATIN}]+",
        r" ?[0-9]+",
        r"[\n\r][\n\r\t ]*",
        r"[ \t]{2,}",
        r" ?[!-/:-@\[-`{-~]+",
        *((" ?" if spaced else "") + f"[{ranges}]+" for _, spaced, _, ranges in _SCRIPTS),
        rf" ?[^\x00-\x7f{_LATIN}{''.join(ranges for *_, ranges in _SCRIPTS)}]+",
        r"(?s:.)",
    ]
    return re.compile("|".join(alternatives))


def pieces(text: str, start: int = 0, end: int = sys.maxsize) -> list[str]:
    """The pieces of a text between two positions, without a gap."""
    return _pattern().findall(text, start, end)


def _script_table() -> tuple[list[int], list[str], list[str]]:
    """Starts of code point ranges, in order, with script and kind; gaps belong to `bytes`."""
    rows: list[tuple[int, int, str, str]] = []
    for name, _, kind, ranges in _SCRIPTS:
        for match in re.finditer("(.)-(.)|(.)", ranges):
            low, high = match[1] or match[3], match[2] or match[3]
            rows.append((ord(low), ord(high), name, kind))
    rows.sort()
    starts, names, kinds = [0], ["bytes"], ["script"]
    for low, high, name, kind in rows:
        starts += [low, high + 1]
        names += [name, "bytes"]
        kinds += [kind, "script"]
    return starts, names, kinds


_STARTS, _NAMES, _KINDS_OF = _script_table()

_WORD_LENGTHS = {"lower": 14, "bare": 14, "title": 10, "upper": 8}  # from this length on a weight per character

SHAPES: tuple[str, ...] = (
    "word.v3",
    "word.v4.7",
    *(f"word.{form}" for form in ("lower", "bare", "title", "bare title")),
    *(f"{form}.{n}" for form, most in _WORD_LENGTHS.items() for n in range(1, most + 1)),
    *(f"{form}+" for form in _WORD_LENGTHS),
    *("mixed", "mixed+", "humps", "latin", "latin+", "accents", "rare letters"),
    *("hex", "hex+", "blob", "blob+"),
    *("digits", "spaced digits", "digits+"),
    *("space", "spaces", "spaces+", "tab", "lines", "lines+", "broken lines", "indent", "tab indent", "indent+"),
    *(f"punct.{n}" for n in range(1, 6)),
    *(f"spaced punct.{n}" for n in range(1, 6)),
    *("punct+", "same.2", "same.3", "same.4", "same+", "rule+"),
    *(f"{name}{end}" for name, *_ in _SCRIPTS for end in ("", "+")),
    *("bytes", "bytes+", "control"),
    *("letter run", "digit run", "blank run", "punct run", "script run", "run bytes"),
)
"""Names of the shapes: what `Features.amounts` counts. A `+` is an amount beyond what the plain name covers."""
_AT = {name: index for index, name in enumerate(SHAPES)}

KINDS = ("familiar", "letters", "accented", "digits", "quotes", "punct", "space", "blob", "cjk", "script", "run")
"""What characters are for the content class."""
_KIND = {name: index for index, name in enumerate(KINDS)}

Shape: TypeAlias = tuple[int, tuple[tuple[int, float], ...]]
"""Of a piece: index into `KINDS`, and pairs of index into `SHAPES` and amount."""

Words: TypeAlias = Mapping[str, tuple[int, int]]
"""Frequent words in lower case -> tokens in v3 and in v4.7."""


def _shape(kind: str, *amounts: tuple[str, float]) -> Shape:
    return _KIND[kind], tuple((_AT[name], amount) for name, amount in amounts if amount)


def _by_length(form: str, n: int) -> tuple[tuple[str, float], ...]:
    most = _WORD_LENGTHS[form]
    return (f"{form}.{min(n, most)}", 1), (f"{form}+", max(0, n - most))


def _word(body: str, *, spaced: bool, words: Words) -> Shape:
    """A run of Latin letters, at most a few of them with marks."""
    n = len(body)
    if not body.isascii():
        accents, rare = sum("\x7f" < c < "\u0180" for c in body), sum(c >= "\u0180" for c in body)
        return _shape("accented", ("latin", 1), ("latin+", n), ("accents", accents), ("rare letters", rare))
    lower, title = body.islower(), body[0].isupper() and (n == 1 or body[1:].islower())
    cost = words.get(body.lower()) if lower or title else None
    if cost is not None:
        form = ("" if spaced else "bare ") + "title" if title else "lower" if spaced else "bare"
        return _shape("familiar", ("word.v3", cost[0]), ("word.v4.7", cost[1]), (f"word.{form}", 1))
    if lower:
        return _shape("letters", *_by_length("lower" if spaced else "bare", n))
    if title and n > 1:
        return _shape("letters", *_by_length("title", n))
    if body.isupper():
        return _shape("letters", *_by_length("upper", n))
    # `getUserName` keeps its capitals in the vocabulary's eyes, which costs more than three words.
    return _shape("letters", ("mixed", 1), ("mixed+", n), ("humps", sum(map(str.isupper, body))))


def _alphanumeric(body: str, *, spaced: bool, words: Words) -> Shape:
    """Letters and digits of ASCII, and the plus signs of base64."""
    n = len(body)
    if n >= _RUN and len(set(body)) <= _DISTINCT:
        return _run("digit" if body.isdigit() else "letter", body)
    if body.isdigit():
        # Digits go three by three.
        return _shape("digits", ("spaced digits" if spaced else "digits", 1), ("digits+", (n - 1) // 3))
    if n >= 2 * _BLOB and body.find(body[:_RUN], 1) > 0:
        return _run("letter", body)  # periodic: few distinct substrings, which is as good
    wordlike = body.isalpha() and (body[1:].islower() or (n < 2 * _BLOB and sum(map(str.isupper, body)) < n / 4))
    if n >= _BLOB and body.isascii() and not wordlike:
        if re.fullmatch(r"[0-9a-f]+|[0-9A-F]+", body):
            return _shape("blob", ("hex", 1), ("hex+", n))
        return _shape("blob", ("blob", 1), ("blob+", n))
    return _word(body, spaced=spaced, words=words)


def _white(body: str) -> Shape:
    if body[0] in "\n\r":
        lines, broken = max(body.count("\n"), 1), body.count(" \n") + body.count("\t\n")
        indent = len(body) - max(body.rfind("\n"), body.rfind("\r")) - 1
        if lines > _RUN or indent > 8 * _RUN:
            return _run("blank", body)
        marked = "tab indent" if "\t" in body else "indent"
        return _shape(
            "space",
            *(("lines", 1), ("lines+", lines - 1), ("broken lines", broken)),
            *((marked, 1 if indent else 0), ("indent+", max(indent - 8, 0) / 8)),
        )
    if len(body) > 8 * _RUN:
        return _run("blank", body)
    if len(body) == 1:
        return _shape("space", ("space" if body == " " else "tab", 1))
    return _shape("space", ("spaces", 1), ("spaces+", max(len(body) - _RUN, 0) / _RUN))


def _punctuation(body: str, *, spaced: bool) -> Shape:
    n = len(body)
    if n > 1 and body == body[0] * n:
        rule = body[0] in _RULES
        if n > (8 if rule else 2) * _RUN:
            return _run("punct", body)
        more = ("rule+", max(n - 4, 0) / _RUN) if rule else ("same+", max(n - 4, 0))
        return _shape("punct", (f"same.{min(n, 4)}", 1), more)
    if n >= 2 * _RUN and len(set(body)) <= _DISTINCT:
        return _run("punct", body)
    kind = "quotes" if '"' in body else "punct"
    return _shape(kind, (f"{'spaced ' if spaced else ''}punct.{min(n, 5)}", 1), ("punct+", max(n - 5, 0)))


def _run(name: str, body: str) -> Shape:
    """Few distinct characters: what the vocabulary merges depends on which, so only limits are known."""
    most = len(body.encode("utf-8", "surrogatepass")) + 2  # the marks of a word's ends
    return _shape("run", (f"{name} run", len(body)), ("run bytes", most))


def shape_of(piece: str, words: Words) -> Shape:
    """The shape of one piece that `pieces` found."""
    spaced = len(piece) > 1 and piece[0] == " "
    body = piece[1:] if spaced else piece
    first = body[0]
    if first in " \t\n\r":
        return _white(piece)
    if first.isascii():
        if first.isalnum():
            return _alphanumeric(body, spaced=spaced, words=words)
        return _punctuation(body, spaced=spaced) if first.isprintable() else _shape("space", ("control", 1))
    at = bisect_right(_STARTS, ord(first)) - 1
    name, kind = _NAMES[at], _KINDS_OF[at]
    if name == "bytes" and _LATIN_LETTER.match(first):
        return _word(body, spaced=spaced, words=words)
    if len(body) >= _RUN and len(set(body)) <= _DISTINCT and name != "boxes":
        return _run("script", body)
    size = len(body.encode("utf-8", "surrogatepass")) if name == "bytes" else len(body)
    return _shape(kind, (name, 1), (f"{name}+", size))
