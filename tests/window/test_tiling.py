# ruff: noqa: RUF001 - look-alikes of ASCII are what is tested
from __future__ import annotations

import functools
import gzip
import importlib
import json
import random
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ctxwindow.window import tiling as module
from ctxwindow.window.tiling import Tiling, tiling

ctok = pytest.importorskip("ctok")
normalize: Any = importlib.import_module("ctok.normalize")
constants: Any = importlib.import_module("ctok.constants")

FAMILIES: dict[str, tuple[str, bool, str, int]] = {
    "v3": ("v3", True, "3.0", 7),
    "v4.7": ("v4.7", True, "4.7", 11),
    "v4.8": ("v4.7", False, "4.8", 6),
}
"""Vocabulary, whether the frame ends in a word mark, ctok's version, tokens of the frame."""


def differences(text: str) -> dict[str, tuple[int, int]]:
    """Where ours and ctok's count differ, by tokenizer."""
    found = {}
    for name, (family, bow, version, frame) in FAMILIES.items():
        ours, theirs = tiling(family).count(text, bow=bow), ctok.token_count(text, version) - frame
        if ours != theirs:
            found[name] = (ours, theirs)
    return found


# ---- what is proven when a vocabulary is loaded


@pytest.mark.parametrize("family", ["v3", "v4.7"])
def test_no_piece_goes_across_a_cut(family: str) -> None:
    counter = tiling(family)
    assert counter.separable
    for piece in counter._vocabulary:
        assert module._UNITS.findall(piece) in ([piece], [piece, ""])


@pytest.mark.parametrize("piece", ["a b", "1a", "a\ufdd0b", "\ufdd1a", "a\ufdd3", "文字", "\n\t", "\u3000a"])
def test_a_vocabulary_with_a_piece_across_a_cut_is_noticed(piece: str) -> None:
    class Model:
        vocab = frozenset({"a", piece})

    assert not Tiling(Model()).separable
    Model.vocab = frozenset({"a"})
    assert Tiling(Model()).separable


# ---- characters are what their class says, one by one


def _every(kind: str) -> list[str]:
    inside = re.compile(f"[{kind}]")
    return [character for character in map(chr, range(sys.maxunicode + 1)) if inside.match(character)]


def test_letters_are_words_and_no_marks() -> None:
    letters = _every(module._LETTERS)
    assert len(letters) > 1_300
    for letter in letters:
        assert normalize.classify(letter) == constants.WORDY, ascii(letter)
        assert unicodedata.category(letter)[0] == "L", ascii(letter)
        assert not unicodedata.combining(letter), ascii(letter)


def test_punctuation_takes_marks_beside_spaces() -> None:
    for character in _every(module._PUNCTUATION):
        kind = normalize.classify(character)
        assert kind == constants.PUNCT or (kind == constants.HARD and normalize._hard_bow(character)), ascii(character)
        assert kind == constants.PUNCT or normalize._hard_kind(character) == "punct", ascii(character)
        assert not normalize._is_selector(character), ascii(character)


def test_ideographs_take_no_mark() -> None:
    for character in _every(module._IDEOGRAPHS):
        assert normalize.classify(character) == constants.HARD, ascii(character)
        assert normalize._hard_kind(character) == "letter", ascii(character)
        assert not normalize._is_selector(character), ascii(character)
        assert not normalize._digit_bow(character), ascii(character)
        assert not normalize._digit_eow(character), ascii(character)


def test_digits_are_digits_without_marks() -> None:
    for character in "0123456789":
        assert normalize.classify(character) == constants.DIGIT
        assert not normalize._digit_border(character)


def test_no_other_white_space_is_left_by_normalization() -> None:
    left = {
        part
        for character in map(chr, range(0x10000))  # white space is nowhere else
        for part in normalize.nfc(character)
        if normalize.classify(part) == constants.SPACE
    }
    assert left == set(module._SPACES)


def test_contracted_words() -> None:
    """Written into the expression; a new one would be missed."""
    for word in constants.CONTRACTION_SUFFIXES | {"x", "em", "S", "lls"}:
        match = module._WORDS.match(f"'{word}")
        assert (match is not None) == (word in constants.CONTRACTION_SUFFIXES), word


# ---- any text


TRICKY = [
    *" '\n\t\u3000.,-_()[]{}\"`/\\=<>&*#@!?:;|~^$%+",
    *"aAbBsStTzZ019", "  ", "    ", " \n", "\n ", "\n\n", "\r\n", "\n" * 30, " '", "' ", "''", "('", "' '",
    "'s", "'S", "'ll", "'lls", "'re", "'ve", "'d", "'m", "'t", "’s", "‘", "’", "“", "”", "„", "—", "–", "…", "•", "·",
    "the", "The", "THE", "THEM", "iOS", "WiFi", "getHTTPName", "I", "QQ", "x1", "1x", "123", "1234", "3.14", "snake_case",
    "\x00", "\x01", "\x0b", "\x7f", "\x85", "\xa0", "\xad", "\u1680", "\u2003", "\u2028", "\u2029", "\u202f", "\u205f",
    "\u200b", "\u200d", "\ufeff", "\ue000", "\ue001", "\uf8ff", "\ud800", "\udfff", "\ufffd", "\ufffe", "\U000f0000",
    "\ufdd0", "\ufdd1", "\ufdd2", "\ufdd3", "\ufdd4", "\ufdd5", "\u0378", "\U0001fffe", "\U0010ffff", "⟨", "⟩", "⟨bow⟩",
    "\u0301", "\u0316", "\u0345", "\u0483", "\u20dd", "\u064b", "\u0711", "\u0730", "\u073f", "\u0740", "\u093e", "\u094d",
    "\u0cf3", "\u302a", "\u3099", "\u0e4d\u0e32", "\u0e33", "\u0ecd\u0eb2", "e\u0301", "\u1100\u1161", "\u1161", "\u212b",
    "\ufe00", "\ufe0e", "\ufe0f", "\U000e0100", "⚖️", "🎉", "👩‍💻", "🇨🇭", "文", "字", "々", "〆", "〇", "〒", "。", "、", "，", "（", "）", "？",
    "カ", "ー", "ヶ", "ひ", "ゝ", "가", "한", "²", "½", "①", "１", "٣", "۳", "१", "\U0001d7ce", "\u2167", "\u2177", "ⓐ", "Ⓐ",
    "\u16ee", "\ua6e6", "\u3021", "é", "É", "ÉTÉ", "École", "ẞ", "ß", "İ", "ı", "\u03f4", "\u03d3", "Σ", "ΑΣ", "ΣΑΣΑ", "ς",
    "ǅ", "ﬁ", "\u2102", "\u2133", "\u1c89", "\u1c8a", "\ua7cb", "\u0264", "Привет", "МИР ", "שלום", "عربي", "ª", "º", "µ",
    "\U00010400", "\U00020000", "№", "€", "£", "√", "→", "█", "─", "└", "×", "÷", "°", "¹", "ʰ", "\ua78c", "-" * 70,
]  # fmt: skip


@functools.cache
def _pieces() -> list[str]:
    """The texts of pieces of both vocabularies, markers taken off, cases put on."""
    witness = importlib.import_module("ctok.witness")
    return sorted({witness.surface(piece) for family in ("v3", "v4.7") for piece in tiling(family)._vocabulary})


@st.composite
def texts(draw: st.DrawFn) -> str:
    part = st.one_of(
        st.sampled_from(TRICKY),
        st.sampled_from([" ", " ", "\n"]),
        st.sampled_from(_pieces()),
        st.characters(codec=None),
        st.characters(codec=None, max_codepoint=0x3100),
    )
    return "".join(draw(st.lists(part, max_size=draw(st.sampled_from([3, 8, 40])))))


@given(texts())
@example("")
@example(" ")
@example("\xa0a")
@example("\x01 a")
@example("'a 'b' c's 5's .'s 文's ”'s ’s")
@example("a\ue000b c\x01d \u0301e")
@example("a (b) c, \n d! \n\n")
@example("1 a 1 文 a 文 1 - 1")
def test_any_text_counts_as_ctok_counts_it(text: str) -> None:
    assert differences(text) == {}


def _beside(one: str, others: list[str], chance: random.Random) -> str:
    """A part beside others, with a space, a line's end or nothing between."""
    return "".join(one + chance.choice(["", " "]) + other + chance.choice(["", " ", "\n"]) for other in others)


def test_tricky_parts_beside_others() -> None:
    chance = random.Random(1)  # noqa: S311
    for one in TRICKY:
        assert differences(_beside(one, chance.sample(TRICKY, 20), chance)) == {}, ascii(one)


@pytest.mark.slow
def test_every_tricky_part_beside_every_other() -> None:
    chance = random.Random(2)  # noqa: S311
    for one in TRICKY:
        for other in TRICKY:
            assert differences(_beside(one, [other] * 3, chance)) == {}, ascii((one, other))


@pytest.mark.slow
@given(st.integers(0, 2**64))
def test_many_random_texts(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    for _ in range(100):
        parts = [chance.choice(_pieces() if chance.random() < 0.3 else TRICKY) for _ in range(chance.randrange(1, 30))]
        text = "".join(part if chance.random() < 0.9 else chr(chance.randrange(0x110000)) for part in parts)
        assert differences(text) == {}, ascii(text)


@pytest.mark.slow
def test_every_character_alone_and_between() -> None:
    for code in range(0x30000):
        character = chr(code)
        assert differences(f"{character}a{character}, {character} 1{character}'s {character}") == {}, ascii(character)


# ---- long texts


@pytest.mark.parametrize("unit", ["-", "=", "#", "a", "A", "0", " ", "\n", "\t", "é", "文", "🎉", "⟩", "-="])
def test_long_runs_are_shortened_rightly(unit: str) -> None:
    """Where the longest piece of a character is short, a run of 3,000 is; the next test has the others."""
    text = unit * 3_000
    assert differences(f"x{text}") == differences(f"({text})") == differences(text + " y") == {}


def test_a_run_of_the_longest_pieces_is_shortened_rightly() -> None:
    for length in (16_767, 17_000):
        assert differences("('" + "-" * length + "}") == {}, length


@given(st.sampled_from("ab"), st.integers(1, 40), st.text("ab", max_size=4), st.text("ab", max_size=4))
def test_what_is_taken_out_of_a_run_is_covered_by_the_longest_pieces(
    character: str, more: int, before: str, after: str
) -> None:
    """With a vocabulary of odd lengths, against a cover of the whole."""
    vocabulary = frozenset({"aaa", "aaaaaaa", "bb", "aab", "baaaa", "abbb", "bbbbb"})
    counter = _counter(vocabulary)
    whole = _counter(vocabulary)
    whole._shortened = lambda unit: (unit, 0)  # type: ignore[method-assign]
    text = before + character * (module._LONG_RUN + more) + after
    assert counter._shortened(text)[1] > 0
    assert counter._tile(text) == whole._tile(text)


def _counter(vocabulary: frozenset[str]) -> Tiling:
    engine = importlib.import_module("ctok.engine")

    class Model:
        vocab = vocabulary
        trie = engine.ReverseTrie(vocabulary)
        unit_pieces = frozenset("a")
        bytes = engine.ByteFloor(())
        _char_cost_cache: dict[str, int] = {}  # noqa: RUF012

    return Tiling(Model())


# ---- what is remembered


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    counter = Tiling(tiling("v4.7")._model)
    monkeypatch.setattr(module, "_REMEMBERED", 50)
    text = " ".join(f"word{number}x" for number in range(200)) + "y" * 200 + " " + "z" * 200
    wanted = tiling("v4.7").count(text, bow=True)
    for _ in range(2):
        assert counter.count(text, bow=True) == wanted
        for memory in (counter._chunks, counter._units):
            assert 0 < len(memory) <= 50
            assert max(map(len, memory)) <= module._LONGEST


# ---- recorded texts


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _texts_of_files(folder: Path) -> Iterator[str]:
    """Every string of every line of JSON, and what is no JSON as it is."""
    files = [folder] if folder.is_file() else sorted(file for file in folder.rglob("*") if file.is_file())
    for file in files:
        opener: Callable[..., Any] = gzip.open if file.suffix == ".gz" else open
        with opener(file, "rt", encoding="utf-8", errors="replace") as lines:
            if ".jsonl" not in file.name:
                yield lines.read()
                continue
            for line in lines:
                try:
                    yield from _strings(json.loads(line))
                except ValueError:
                    yield line


def _check(texts: Iterator[str], *, limit: int) -> int:
    """Compare distinct texts, in no order, up to a number of characters; how many were compared."""
    seen = sorted(set(texts))
    random.Random(0).shuffle(seen)  # noqa: S311
    done = 0
    for text in seen:
        if len(text) <= limit // 10:
            assert differences(text) == {}, f"{len(text)} characters"
            done += len(text)
        if done > limit:
            break
    return done


def test_small_recordings_count_as_ctok_counts_them() -> None:
    assert _check(_texts_of_files(Path(__file__).parents[1] / "data"), limit=30_000) > 30_000


PARTS = ["usage_pairs.jsonl", "sessions", "session_steps.jsonl.gz", "counts", "memory", "cassettes", "errors.jsonl"]


@pytest.mark.recorded
@pytest.mark.parametrize("part", PARTS)
def test_some_recordings_count_as_ctok_counts_them(recordings: Path, part: str) -> None:
    assert _check(_texts_of_files(recordings / part), limit=200_000) > 10_000


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_all_recordings_count_as_ctok_counts_them(recordings: Path, part: str) -> None:
    assert _check(_texts_of_files(recordings / part), limit=1 << 40) > 10_000
