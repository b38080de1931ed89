from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.window.layout import Layout

stretches = st.lists(
    st.tuples(
        st.lists(st.integers(min_value=0, max_value=50), max_size=5),  # the tokens of new parts
        st.integers(min_value=0, max_value=120),  # how much the prompt grew
        st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400), st.integers(0, 9)), max_size=4),
    ),
    min_size=1,
    max_size=8,
)


@given(stretches)
def test_the_parts_cost_what_was_charged_on_their_positions(
    given_stretches: list[tuple[list[int], int, list[tuple[int, int, int]]]],
) -> None:
    layout: Layout[str] = Layout()
    paid: dict[int, float] = {}
    size = 0
    for turn, (sizes, growth, charges) in enumerate(given_stretches):
        size += growth
        layout.extend([(f"{turn}.{place}", tokens) for place, tokens in enumerate(sizes)], size, f"{turn}.rest")
        layout.carry()
        for start, end, rate in charges:
            layout.charge(start, end, rate / 8)
            for position in range(start, end):
                paid[position] = paid.get(position, 0.0) + rate / 8
    costs = list(layout.costs())
    assert layout.size == size
    assert sum(dollars for _, _, dollars in costs) == pytest.approx(
        sum(dollars for position, dollars in paid.items() if position < size)
    )
    assert layout.charged == pytest.approx(sum(paid.values()))
    for part, sends, _ in costs:
        assert sends == len(given_stretches) - int(part.split(".")[0])


def test_what_is_new_stands_at_the_end_and_the_rest_before_it() -> None:
    layout: Layout[str] = Layout()
    layout.extend([("a", 30), ("b", 60)], 100, "rest")
    layout.charge(0, 100, 1.0)
    layout.carry()
    layout.extend([("c", 40)], 120, "rest")  # there is room for 20 only
    layout.charge(0, 100, 0.1)
    layout.charge(100, 120, 1.0)
    layout.carry()
    assert [(part, sends) for part, sends, _ in layout.costs()] == [("rest", 2), ("a", 2), ("b", 2), ("c", 1)]
    assert [dollars for _, _, dollars in layout.costs()] == pytest.approx([11, 33, 66, 20])


def test_what_was_charged_behind_the_end_is_nobodys() -> None:
    layout: Layout[str] = Layout()
    layout.extend([("a", 10)], 10, "rest")
    layout.charge(0, 15, 1.0)
    assert [dollars for _, _, dollars in layout.costs()] == pytest.approx([10])
    assert layout.charged == 15
