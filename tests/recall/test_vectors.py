from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.errors import MisuseError
from ctxwindow.recall import Vectors
from ctxwindow.recall.vectors import fuse
from tests.recall.scenes import opened, talk, working

MEANINGS = (("zebra", "horse", "pony"), ("heron", "bird", "stork"), ("file", "config", "settings"))


class Meanings:
    """An embedding by hand: how often words of each group occur."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        self.asked += texts
        return [[float(sum(text.lower().count(word) for word in group)) for group in MEANINGS] for text in texts]


def test_what_means_the_same_is_found() -> None:
    conversation = opened("A zebra crosses.", "A heron stands.", "Nothing else.")
    assert conversation.recall("pony") == []
    found = conversation.recall("pony", k=2, embedder=Meanings())
    assert {hit.message for hit in found} == {0, 1}
    assert found[0].text == "Noted: A zebra crosses."


def test_words_and_meaning_are_merged_by_reciprocal_ranks() -> None:
    conversation = opened("A zebra crosses.", "A stork stands by a pony.")
    found = conversation.recall("pony", k=4, embedder=Meanings())
    by_words = [hit.handle for hit in conversation.recall("pony")]
    assert {hit.handle for hit in found[:2]} == set(by_words) == {"m2.0", "m3.0"}
    assert found[0].score <= 2 / 61
    assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)


def test_each_passage_is_embedded_once() -> None:
    conversation, model = opened("A zebra crosses."), Meanings()
    conversation.recall("horse", embedder=model)
    conversation.recall("bird", embedder=model)
    assert sorted(model.asked) == sorted(["A zebra crosses.", "Noted: A zebra crosses.", "horse", "bird"])
    talk(conversation, "A heron stands.")
    model.asked.clear()
    conversation.recall("stork", embedder=model)
    assert sorted(model.asked) == sorted(["A heron stands.", "Noted: A heron stands.", "stork"])


def test_vectors_of_ones_own_serve_several_conversations_and_mix_none() -> None:
    """Law 11: a vector belongs to a text, and only texts of this conversation are compared."""
    vectors = Vectors(Meanings())
    one, other = opened("A zebra crosses."), opened("A heron stands.")
    assert {hit.message for hit in one.recall("pony", embedder=vectors)} == {0, 1}
    texts = [hit.text for hit in other.recall("pony", embedder=vectors)]
    assert all("zebra" not in text for text in texts)
    assert len(vectors) == 4


def test_filters_hold_for_vectors_too() -> None:
    conversation = working(budget=40_000)
    found = conversation.recall("settings", tool="read", embedder=Meanings(), k=50)
    assert {hit.handle for hit in found} == {"m3.1", "m4.0"}


class Broken:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def embed(self, texts: Sequence[str]) -> Any:
        return [self.answer] * len(texts) if self.answer is not None else []


@pytest.mark.parametrize(
    ("answer", "says"),
    [(None, "0 vectors"), (["x"], "numbers"), ([math.nan], "finite"), ([math.inf], "finite")],
)
def test_an_embedder_that_breaks_its_promise_is_named(answer: Any, says: str) -> None:
    with pytest.raises(MisuseError, match=says) as error:
        opened("zebra").recall("zebra", embedder=Broken(answer))
    assert error.value.path == "embedder"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (None, "no vectors, but NoneType"), (5, "no vectors"), ([None], "numbers"), ([5], "numbers"), ([["x"]], "numbers"),
        ([[10**400]], "too large"), (["word"], "numbers"), ([""], "after one of"), ([[1e308, 1e308, math.inf]], "finite"),
    ],
)  # fmt: skip
def test_whatever_an_embedder_returns_is_no_traceback(answer: Any, says: str) -> None:
    class Odd:
        def embed(self, texts: Sequence[str]) -> Any:
            return [[1.0, 0.0, 0.0] for _ in texts] if len(texts) > 1 else answer

    with pytest.raises(MisuseError, match=says) as error:
        opened("zebra", "heron").recall("zebra", embedder=Odd())
    assert error.value.path == "embedder"
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("wrong", [5, "x", [], object()])
def test_what_is_no_embedder_is_refused(wrong: Any) -> None:
    with pytest.raises(MisuseError, match="a method `embed`"):
        opened("zebra").recall("zebra", embedder=wrong)
    with pytest.raises(MisuseError, match="a method `embed`"):
        Vectors(wrong)


def test_an_embedder_that_changes_its_length_is_named() -> None:
    class Growing:
        def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
            return [[1.0] * (number + 1) for number, _ in enumerate(texts)]

    with pytest.raises(MisuseError, match="2 numbers after one of 1"):
        opened("zebra").recall("zebra", embedder=Growing())


def test_a_vector_of_nothing_is_near_to_nothing() -> None:
    assert opened("zebra").recall("zebra", k=1, embedder=Broken([0.0, 0.0]))[0].text.endswith("zebra")


@given(st.lists(st.lists(st.integers(0, 20), unique=True, max_size=10), max_size=3))
def test_fusion_is_the_sum_of_reciprocal_ranks(rankings: list[list[int]]) -> None:
    fused = fuse(rankings)
    assert [score for _, score in fused] == sorted((score for _, score in fused), reverse=True)
    for number, score in fused:
        places = [ranking.index(number) + 1 for ranking in rankings if number in ranking]
        assert math.isclose(score, sum(1 / (60 + place) for place in places))
    assert {number for number, _ in fused} == {number for ranking in rankings for number in ranking}
