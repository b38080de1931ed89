# ruff: noqa: RUF001  texts in many scripts
from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.errors import HistoryError
from ctxwindow.window import estimator as module
from ctxwindow.window.estimator import CHUNK, CLASSES, Class, Estimator, Fit, packaged
from ctxwindow.window.shapes import SHAPES
from ctxwindow.window.tokens import count_text, have_exact

Vocabulary = Literal["v3", "v4.7"]
VOCABULARIES: tuple[Vocabulary, ...] = ("v3", "v4.7")
PROSE = "The committee met on Tuesday to discuss how the new rules would change the way that people work together. "
PACKAGED = Path(module.__file__).with_name("estimator.json")

needs_ctok = pytest.mark.skipif(not have_exact(), reason="ctok is not installed")


def _fit() -> Fit:
    return msgspec.json.decode(PACKAGED.read_bytes(), type=Fit)


# ---- the packaged fit


def test_the_fit_is_complete() -> None:
    fit = _fit()
    assert set(fit.weights) == set(fit.bounds) == set(VOCABULARIES)
    for vocabulary in VOCABULARIES:
        assert fit.weights[vocabulary].keys() <= set(SHAPES)
        assert all(weight > 0 for weight in fit.weights[vocabulary].values())
        assert set(fit.bounds[vocabulary]) == set(CLASSES)
        for bound in fit.bounds[vocabulary].values():
            assert 0.5 < bound.low < bound.mid < bound.high < 2.5
            assert 1 <= bound.slack < 10


def test_words_are_words() -> None:
    """No text is kept: single words in lower case, of costs that words can have."""
    seen: set[str] = set()
    for costs, words in _fit().words.items():
        old, new = map(int, costs.split())
        assert 1 <= old <= new <= 6
        for word in words.split():
            assert word.isalpha()
            assert word.islower()
            assert word not in seen
            seen.add(word)
    assert len(seen) > 1_000


def test_a_missing_file_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(package: str, name: str) -> bytes:
        raise FileNotFoundError(name)

    monkeypatch.setattr(module, "get_data", missing)
    packaged.cache_clear()
    with pytest.raises(HistoryError, match="Reinstall"):
        packaged()
    monkeypatch.setattr(module, "get_data", lambda package, name: b'{"about": 7}')
    with pytest.raises(HistoryError, match="estimator"):
        packaged()


# ---- classes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PROSE * 3, "prose"),
        ("Todos os seres humanos nascem livres e iguais em dignidade e em direitos, dotados de consciência.", "latin"),
        ("Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw.", "latin"),
        ("def area(w: int, h: int) -> int:\n    return max(w, 0) * max(h, 0)\n\n\nassert area(x, y) == (z)\n", "code"),
        ('{"id": 17, "name": "lamp", "tags": ["red", "desk"], "price": 12.5, "stock": 340}', "data"),
        ("2026-11-22 02:48:58,113 [12] 200 0.0012\n2026-11-22 02:48:59,871 [12] 404 0.0037\n", "data"),
        ("iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4", "encoded"),
        ("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  file", "encoded"),
        ("人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心。", "cjk"),
        ("すべての人間は、生れながらにして自由であり、かつ、尊厳と権利とについて平等である。", "cjk"),
        ("모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.", "cjk"),
        ("Все люди рождаются свободными и равными в своем достоинстве и правах.", "script"),
        ("يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق.", "script"),
        ("🎉🚀✨ 🔥💯 👍🙏 🎯", "script"),
    ],
)
def test_content_classes(text: str, expected: Class) -> None:
    assert packaged().features(text).content_class() == expected


# ---- laws


@given(st.text(st.characters(codec=None), max_size=300), st.sampled_from(VOCABULARIES))
def test_bounds_are_in_order(text: str, vocabulary: Vocabulary) -> None:
    estimate = packaged().estimate(text, vocabulary)
    assert 0 <= estimate.low <= estimate.tokens <= estimate.high
    assert bool(text) == bool(estimate.high)


@given(st.lists(st.text(st.characters(codec=None), max_size=40), max_size=12))
def test_what_was_seen_before_changes_nothing(texts: list[str]) -> None:
    """A fresh estimator, and one that has seen everything else, agree."""
    fresh = [Estimator(_FIT).estimate(text, "v3") for text in texts]
    assert [packaged().estimate(text, "v3") for text in texts] == fresh


_FIT = _fit()


def test_memory_of_pieces_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 50)
    estimator = Estimator(_FIT)
    text = " ".join("".join(letters) for letters in itertools.product("abcdef", repeat=4))
    expected = packaged().estimate(text, "v3")
    assert estimator.estimate(text, "v3") == expected
    assert len(estimator._seen) <= 50


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_chunks_add_up(vocabulary: Vocabulary) -> None:
    """A long text is counted as a whole: nothing is sampled."""
    short = packaged().estimate(PROSE * 100, vocabulary)
    long = packaged().estimate(PROSE * 4_000, vocabulary)
    assert len(PROSE) * 4_000 > 5 * CHUNK
    assert long.tokens == pytest.approx(40 * short.tokens, rel=0.002)
    assert long.low <= 40 * short.tokens <= long.high
    rare = packaged().estimate(PROSE * 4_000 + "文字" * 5_000, vocabulary)
    assert rare.tokens - long.tokens > 5_000


# ---- against the vocabulary


@needs_ctok
@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@pytest.mark.parametrize(
    "unit", ["a", "ab", "Z", "0", "=", "-", "~", " ", "\n", "\n ", "文", "😀", "я", "hello", "abcdefghijkl"]
)
def test_repetition_lies_within_its_bounds(unit: str, vocabulary: Vocabulary) -> None:
    """A run of a million characters costs in proportion to one of eight thousand, which can be counted."""
    size = 8_000
    exact = count_text((unit * size)[:size], vocabulary).tokens * (1_000_000 / size)
    estimate = packaged().estimate((unit * 1_000_000)[:1_000_000], vocabulary)
    assert estimate.low <= exact * 1.02
    assert exact * 0.98 <= estimate.high


@needs_ctok
@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@pytest.mark.parametrize(
    "text",
    [
        PROSE * 5,
        Path(module.__file__).read_text(encoding="utf-8"),
        PACKAGED.read_text(encoding="utf-8")[-4_000:],
        "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。" * 5,
    ],
    ids=["prose", "code", "json", "cjk"],
)
def test_usual_texts_lie_within_their_bounds(text: str, vocabulary: Vocabulary) -> None:
    estimate = packaged().estimate(text, vocabulary)
    exact = count_text(text, vocabulary).tokens
    assert estimate.low <= exact <= estimate.high
    assert estimate.tokens == pytest.approx(exact, rel=0.15)


@pytest.mark.parametrize(
    "text",
    [
        PROSE * 3_000, "a" * 300_000, "aB3_" * 75_000, "a1" * 150_000, " " * 300_000, "\n " * 150_000, "a " * 150_000,
        "+" * 300_000, "A" * 19 + "!" + "B1+" * 100_000, "é" * 300_000, "文 " * 150_000, "\ud800" * 300_000, "e\u0316\u0301" * 100_000,
        "".join(map(chr, range(0x20, 0xD800))) * 5,
    ],
    ids=range(14),
)  # fmt: skip
def test_no_text_is_slow(text: str) -> None:
    """300,000 characters: 0.06 s of prose on an idle machine of 2026, and less of most others."""
    began = time.perf_counter()
    packaged().estimate(text, "v3")
    assert time.perf_counter() - began < 60, "a hang, not a speed"


# ---- held-out recordings


@needs_ctok
@pytest.mark.recorded
def test_held_out_texts_lie_within_the_bounds(recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of texts in files that neither fitted the weights nor set the bounds, about 95 % lie within."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    from benchmarks.estimator_texts import counted_texts, part_of, session_blocks  # noqa: PLC0415

    blocks = [block for block in session_blocks(recordings) if part_of(block.source) == "held" and block.text.strip()]
    for vocabulary in VOCABULARIES:
        inside = []
        for block in blocks[:: len(blocks) // 120]:
            estimate = packaged().estimate(block.text[:1_200], vocabulary)
            inside.append(estimate.low <= count_text(block.text[:1_200], vocabulary).tokens <= estimate.high)
        assert len(inside) >= 120
        assert sum(inside) / len(inside) >= 0.93
        counted = [text for text in counted_texts(recordings) if text.tokens and text.part == "held"]
        within = [packaged().estimate(text.text, vocabulary) for text in counted]
        good = [e.low <= text.tokens[vocabulary] <= e.high for e, text in zip(within, counted, strict=True)]
        assert len(good) >= 60
        assert sum(good) / len(good) >= 0.93
