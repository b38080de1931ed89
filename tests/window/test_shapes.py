from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.window.shapes import KINDS, SHAPES, pieces, shape_of

WORDS = {"the": (1, 1), "hello": (1, 2)}


def _of(piece: str) -> tuple[str, dict[str, float]]:
    kind, parts = shape_of(piece, WORDS)
    return KINDS[kind], {SHAPES[index]: amount for index, amount in parts}


@given(st.text(st.characters(codec=None), max_size=300))
def test_pieces_cover_the_text(text: str) -> None:
    """No character is lost, none counted twice."""
    assert "".join(pieces(text)) == text


@given(st.text(st.characters(codec=None), min_size=1, max_size=60))
def test_every_piece_has_a_shape(text: str) -> None:
    for piece in pieces(text):
        kind, parts = shape_of(piece, WORDS)
        assert 0 <= kind < len(KINDS)
        assert all(0 <= index < len(SHAPES) and amount > 0 for index, amount in parts)


def test_names_are_unique() -> None:
    assert len(set(SHAPES)) == len(SHAPES)
    assert len(set(KINDS)) == len(KINDS)


def test_code_points_of_every_block_have_a_shape() -> None:
    for point in range(0, sys.maxunicode + 1, 13):
        (piece,) = pieces(chr(point))
        shape_of(piece, WORDS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, big world!", ["Hello", ",", " big", " world", "!"]),
        ("x = foo(12, 'a')\n    return", ["x", " =", " foo", "(", "12", ",", " '", "a", "')", "\n    ", "return"]),
        ("naïve Straße", ["naïve", " Straße"]),
        ("привет мир", ["привет", " мир"]),
        ("中文 と かな", ["中文", " ", "と", " ", "かな"]),
        ("a  b\tc", ["a", "  ", "b", "\t", "c"]),
    ],
)
def test_pieces(text: str, expected: list[str]) -> None:
    assert pieces(text) == expected


@pytest.mark.parametrize(
    ("piece", "kind", "shapes"),
    [
        (" the", "familiar", {"word.v3": 1, "word.v4.7": 1, "word.lower": 1}),
        ("Hello", "familiar", {"word.v3": 1, "word.v4.7": 2, "word.bare title": 1}),
        (" zyzzyva", "letters", {"lower.7": 1}),
        ("zyzzyva", "letters", {"bare.7": 1}),
        (" supercalifragilistic", "letters", {"lower.14": 1, "lower+": 6}),
        ("HTTP", "letters", {"upper.4": 1}),
        ("getUserName", "letters", {"mixed": 1, "mixed+": 11, "humps": 2}),
        ("déjà", "accented", {"latin": 1, "latin+": 4, "accents": 2}),
        ("ɓɔɔ", "accented", {"latin": 1, "latin+": 3, "rare letters": 3}),
        ("1234567", "digits", {"digits": 1, "digits+": 2}),
        (" 7", "digits", {"spaced digits": 1}),
        ("d41d8cd98f00b204e9800998ecf8427e", "blob", {"hex": 1, "hex+": 32}),
        ("iVBORw0KGgoAAAANSUhEUgAAAAUA", "blob", {"blob": 1, "blob+": 28}),
        ("\n\n        ", "space", {"lines": 1, "lines+": 1, "indent": 1}),
        ("\n\t", "space", {"lines": 1, "tab indent": 1}),
        (" ", "space", {"space": 1}),
        ('":', "quotes", {"punct.2": 1}),
        (" --", "punct", {"same.2": 1}),
        ("=" * 36, "punct", {"same.4": 1, "rule+": 2}),
        ("a" * 100, "run", {"letter run": 100, "run bytes": 102}),
        ("abcdefghijkl" * 9, "run", {"letter run": 108, "run bytes": 110}),
        ("\n" * 50, "run", {"blank run": 50, "run bytes": 52}),
        ("文" * 20, "run", {"script run": 20, "run bytes": 62}),
        ("привет", "script", {"cyrillic": 1, "cyrillic+": 6}),
        ("漢字", "cjk", {"cjk": 1, "cjk+": 2}),
        ("ᚠᚢ", "script", {"bytes": 1, "bytes+": 6}),
        ("\ud800", "script", {"bytes": 1, "bytes+": 3}),
        ("\0", "space", {"control": 1}),
    ],
)
def test_shapes(piece: str, kind: str, shapes: dict[str, float]) -> None:
    assert pieces(piece) == [piece]
    assert _of(piece) == (kind, shapes)


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("GREEK SMALL LETTER ALPHA", "greek"), ("GEORGIAN LETTER AN", "caucasian"), ("HEBREW LETTER ALEF", "hebrew"),
        ("ARABIC LETTER BEH", "arabic"), ("DEVANAGARI LETTER KA", "devanagari"), ("TAMIL LETTER KA", "indic"),
        ("GURMUKHI LETTER KA", "half"), ("THAI CHARACTER KO KAI", "thai"), ("LAO LETTER KO", "lao"),
        ("HIRAGANA LETTER KA", "kana"), ("HANGUL SYLLABLE GA", "hangul"), ("IDEOGRAPHIC FULL STOP", "wide"),
        ("EM DASH", "marks"), ("BOX DRAWINGS LIGHT HORIZONTAL", "boxes"), ("RIGHTWARDS ARROW", "symbols"),
        ("GRINNING FACE", "emoji"), ("GOTHIC LETTER AHSA", "astral"), ("CHEROKEE LETTER A", "bytes"),
    ],
)  # fmt: skip
def test_scripts(name: str, script: str) -> None:
    _, shapes = _of(unicodedata.lookup(name))
    assert script in shapes
