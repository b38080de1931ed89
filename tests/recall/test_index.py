from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.recall import Index

WORDS = st.lists(st.sampled_from(["zebra", "heron", "src/app.py", "parse_config", "12345"]), max_size=6).map(" ".join)


@given(st.lists(WORDS, max_size=8), st.integers(0, 8), WORDS)
def test_it_does_not_matter_in_how_many_steps_texts_were_added(texts: list[str], cut: int, query: str) -> None:
    whole, parts = Index(), Index()
    whole.add(texts)
    parts.add(texts[:cut])
    parts.search(query, 3)
    parts.add(texts[cut:])
    assert len(parts) == len(whole) == len(texts)
    assert parts.search(query, 5) == whole.search(query, 5)


@given(st.lists(WORDS, min_size=1, max_size=8), WORDS, st.sets(st.integers(0, 7)))
def test_what_is_wanted_does_not_move_the_scores(texts: list[str], query: str, wanted: set[int]) -> None:
    index = Index()
    index.add(texts)
    every = index.search(query, 100)
    assert index.search(query, 100, wanted.__contains__) == [match for match in every if match.text in wanted]
