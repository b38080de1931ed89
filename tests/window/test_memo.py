from __future__ import annotations

import threading

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.window import tokens
from ctxwindow.window.memo import Memo, TextCount, current
from ctxwindow.window.tokens import Count, count_text, estimate_text, have_exact

needs_ctok = pytest.mark.skipif(not have_exact(), reason="ctok is not installed")
COUNTS = st.lists(
    st.builds(TextCount, st.sampled_from(["a", "b"]), st.binary(min_size=1, max_size=1), st.integers(0, 9))
)


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new process."""
    monkeypatch.setattr(tokens, "_counts", type(tokens._counts)())


@given(COUNTS, COUNTS)
def test_what_is_new_is_what_was_not_told(told: list[TextCount], noted: list[TextCount]) -> None:
    memo = Memo(told)
    for count in noted:
        memo.note(count.vocabulary, count.text, count.tokens)
    names = [(count.vocabulary, count.text) for count in memo.new]
    assert len(set(names)) == len(names)
    assert set(names) == {(c.vocabulary, c.text) for c in noted} - {(c.vocabulary, c.text) for c in told}
    for count in (*told, *noted):
        assert memo.find(count.vocabulary, count.text) is not None
    memo.mark_kept()
    assert memo.new == ()


def test_a_memo_is_in_use_in_its_own_thread_and_for_a_while() -> None:
    outer, inner = Memo(), Memo()
    seen: list[Memo | None] = []
    with outer.using():
        with inner.using():
            assert current() is inner
        assert current() is outer
        other = threading.Thread(target=lambda: seen.append(current()))
        other.start()
        other.join()
    assert current() is None
    assert seen == [None]


@needs_ctok
def test_a_text_is_counted_once_in_its_life(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Memo()
    with first.using():
        counts = [count_text(text, "v4.8") for text in ("One.", "Two of them.", "One.")]
    assert len(first.new) == 2
    tokens._counts.clear()
    monkeypatch.setattr(tokens, "_count", None)  # a count would fail
    again = Memo(first.new)
    with again.using():
        assert [count_text(text, "v4.8") for text in ("One.", "Two of them.", "One.")] == counts
    assert again.new == ()


@needs_ctok
def test_what_the_process_knows_is_noted_too() -> None:
    count_text("Seen before.", "v3")
    memo = Memo()
    with memo.using():
        count_text("Seen before.", "v3")
    assert [count.tokens for count in memo.new] == [count_text("Seen before.", "v3").tokens]


@needs_ctok
def test_a_count_of_another_vocabulary_is_never_used(monkeypatch: pytest.MonkeyPatch) -> None:
    memo = Memo()
    with memo.using():
        right = count_text("The text.", "v4.8")
    wrong = [TextCount(name, memo.new[0].text, 999) for name in ("v4.8 ctok 0.1", "v4.7 ctok 1.3.0", "")]
    tokens._counts.clear()
    with Memo(wrong).using():
        assert count_text("The text.", "v4.8") == right
    tokens._counts.clear()
    monkeypatch.setattr(tokens, "_vocabulary", lambda tokenizer: f"{tokenizer} ctok 9.9")
    with Memo(TextCount(memo.new[0].vocabulary, memo.new[0].text, 999) for _ in "a").using():
        assert count_text("The text.", "v4.8") == right


@needs_ctok
def test_what_a_store_told_is_for_its_conversation_alone() -> None:
    """Law 11: isolated, wrong numbers included."""
    memo = Memo()
    with memo.using():
        right = count_text("The text.", "v4.8")
    tokens._counts.clear()
    name, text, _ = msgspec.structs.astuple(memo.new[0])
    with Memo([TextCount(name, text, 999)]).using():
        assert count_text("The text.", "v4.8").tokens == 999
    with Memo().using():
        assert count_text("The text.", "v4.8") == right
    assert count_text("The text.", "v4.8") == right


def test_without_ctok_nothing_is_noted_or_found(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Memo()
    with told.using():
        count_text("The text.", "v4.8")
    tokens._counts.clear()
    monkeypatch.setattr(tokens, "have_exact", lambda: False)
    tokens._vocabulary.cache_clear()
    memo = Memo([*told.new, TextCount("", b"", 1)])
    with memo.using():
        assert count_text("The text.", "v4.8") == estimate_text("The text.", "v4.8")
    assert memo.new == ()
    tokens._vocabulary.cache_clear()


@needs_ctok
def test_estimates_are_not_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "EXACT_LIMIT", 10)
    memo = Memo()
    with memo.using():
        assert not count_text("Longer than that.", "v3").exact
        assert count_text("", "v3") == Count(0, 0, 0, exact=True)
    assert memo.new == ()
