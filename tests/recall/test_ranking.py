from __future__ import annotations

import math
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.recall import ranking, terms


def search(query: str, passages: list[tuple[int, str]], k: int = 10) -> list[ranking.Ranked]:
    """Rank passages given as (text number, words)."""
    counted = [terms.TermCounter().count(words) for _, words in passages]

    def postings(term: str) -> Iterable[ranking.Posting]:
        for number, (text, _) in enumerate(passages):
            if term in counted[number]:
                yield number, text, sum(counted[number].values()), counted[number][term]

    found, _ = ranking.rank(
        query,
        k,
        passages=len(passages),
        length=sum(sum(counts.values()) for counts in counted),
        frequency=lambda term: sum(term in counts for counts in counted),
        postings=postings,
    )
    return found


def test_scores_are_those_of_the_formula() -> None:
    (found,) = search("cat", [(0, "cat cat dog"), (1, "dog")])
    weight = math.log(1 + (2 - 1 + 0.5) / (1 + 0.5))
    norm = 1.2 * (1 - 0.75 + 0.75 * 3 / 2)
    assert math.isclose(found.score, weight * 2 * 2.2 / (2 + norm))


def test_rare_words_short_texts_and_repetition_win() -> None:
    common = [(n, "cat dog bird") for n in range(5, 20)]
    assert search("cat zebra", [*common, (0, "zebra dog bird")])[0].text == 0
    assert search("cat", [(1, "cat and many other words to read"), (0, "cat")])[0].text == 0
    assert search("cat", [(1, "cat dog bird"), (0, "cat cat bird")])[0].text == 0


def test_a_text_counts_by_its_best_passage() -> None:
    found = search("cat dog", [(0, "cat"), (0, "bird"), (1, "cat dog"), (0, "dog cat bird")])
    assert [(hit.text, hit.passage) for hit in found] == [(1, 2), (0, 3)]
    assert search("cat", [(0, "cat"), (0, "cat")])[0].passage == 0


def test_common_words_are_left_out_when_there_are_too_many_postings() -> None:
    many = [(n, "the cat") for n in range(ranking.MAX_POSTINGS)]
    assert [hit.text for hit in search("the zebra", [*many, (-1, "zebra")])] == [-1]
    assert len(search("the", [*many, (-1, "zebra")])) == 10


def test_nothing_to_rank() -> None:
    assert search("cat", []) == search("", [(0, "cat")]) == search("cat", [(0, "cat")], k=0) == []


def test_a_snippet_is_the_part_with_the_heaviest_words() -> None:
    words = [f"w{n}" for n in range(300)]
    words[20], words[200], words[203] = "cat", "cat", "dog"
    shown = ranking.snippet(" ".join(words), {"cat": 1.0, "dog": 1.0})
    assert "cat" in shown
    assert "dog" in shown
    assert shown.startswith("…w")
    assert shown.endswith("…")


def test_a_short_passage_is_shown_whole() -> None:
    assert ranking.snippet("  two\nlines ", {}) == "  two\nlines "


@given(st.text(st.sampled_from("ab\ud800 \n.é"), max_size=60), st.integers(1, 80), st.sampled_from(["a", "b", "é"]))
def test_a_snippet_is_short_and_can_be_printed(text: str, times: int, term: str) -> None:
    shown = ranking.snippet(text * times, {term: 1.0})
    shown.encode()
    assert len(shown) <= ranking.SNIPPET_CHARS + 2
    assert shown.strip("…") in (text * times).replace("\ud800", "\ufffd")
