from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.summarize.draft import Draft
from ctxwindow.summarize.ranking import Line
from ctxwindow.summarize.sections import BULLET, HEADINGS


def line(text: str, *, heading: int = 0, order: int = 0) -> Line:
    return Line(text=text, kind="result", work="tool", message=0, order=order, heading=heading, names=(text,))


def test_headings_in_their_order_and_lines_in_source_order() -> None:
    draft = Draft(budget=1_000, count=len)
    for candidate in (line("late", heading=3, order=9), line("two", order=2), line("one", order=1)):
        assert draft.take(candidate)
    assert draft.text() == f"{HEADINGS[0]}\n- one\n- two\n{HEADINGS[3]}\n- late"
    assert draft.names == {"late", "one", "two"}


def test_a_line_is_taken_once() -> None:
    draft = Draft(budget=1_000, count=len)
    assert draft.take(line("same"))
    room = draft.room
    assert draft.take(line("same", heading=2))
    assert (draft.room, len(draft.chosen)) == (room, 1)


def test_a_reserve_is_left_alone() -> None:
    draft = Draft(budget=100, count=len)
    assert draft.take(line("a"))
    assert not draft.take(line("b" * 30), reserve=60)
    assert draft.take(line("b" * 30), reserve=0)


def test_each_line_is_counted_once() -> None:
    counted: list[str] = []

    def count(text: str) -> int:
        counted.append(text)
        return len(text)

    draft = Draft(budget=10_000, count=count)
    for _ in range(3):
        for number in range(20):
            draft.cost(BULLET + str(number))
    assert len(counted) == 20


def test_the_first_line_is_measured_as_the_whole() -> None:
    """A sum of rounded parts may be over where the whole is not."""

    def count(text: str) -> int:
        return 10 + len(text) // 10

    first = line("x" * 20)
    whole = count(f"{HEADINGS[0]}\n{BULLET}{first.text}")
    draft = Draft(budget=whole, count=count)
    assert draft.take(first)
    assert draft.fitted() == draft.text()
    assert not Draft(budget=whole - 1, count=count).take(first)


def test_nothing_is_an_empty_text() -> None:
    draft = Draft(budget=5, count=len)
    assert not draft.take(line("too long for five"))
    assert draft.fitted() == ""


COUNTS: dict[str, Callable[[str], int]] = {
    "characters": len,
    "rounded down": lambda text: len(text) // 4,
    "superadditive": lambda text: len(text) // 4 + text.count("\n") ** 2 // 10,
    "a constant for every text": lambda text: 7 + len(text) // 3,
}


@pytest.mark.parametrize("count", COUNTS.values(), ids=COUNTS.keys())
@given(texts=st.lists(st.text("ab ", min_size=1, max_size=30), max_size=40), budget=st.integers(1, 400))
def test_property_never_longer_than_asked(count: Callable[[str], int], texts: list[str], budget: int) -> None:
    """`count(result) <= budget` always; what goes is the least important."""
    draft = Draft(budget=budget, count=count)
    for order, text in enumerate(texts):
        draft.take(line(text, order=order))
    chosen = list(draft.chosen)
    result = draft.fitted()
    assert not result or count(result) <= budget
    assert list(draft.chosen) == chosen[: len(draft.chosen)]
    assert bool(result) == bool(draft.chosen)
