from __future__ import annotations

import pytest

from ctxwindow.transcripts.outcome import Book, total
from ctxwindow.transcripts.survival import Tally
from ctxwindow.transcripts.thoughts import ThoughtTally


def book() -> Book:
    found = Book()
    found.send(100, dollars=0.1, read=0, thinking=ThoughtTally(kept=1), survival=Tally(used=4, on_wire=3, recallable=4))
    found.send(300, dollars=0.2, read=100, thinking=ThoughtTally(kept=1, lost=2), survival=Tally())
    return found


def test_sums() -> None:
    column = book().outcome("a")
    assert (column.name, column.sends, column.epochs) == ("a", 2, 1)
    assert column.cost == pytest.approx(0.3)
    assert column.summaries_cost == 0.0
    assert (column.window_mean, column.window_peak, column.cache_hit_ratio) == (200.0, 300, 0.25)
    assert (column.thinking_kept, column.thinking_lost) == (2, 2)
    assert (column.reference_survival, column.reference_survival_recallable) == (0.75, 1.0)


def test_what_is_paid_beside_the_requests_is_in_the_cost() -> None:
    found = book()
    found.pay(0.5, 900)
    column = found.outcome("a")
    assert column.cost == pytest.approx(0.8)
    assert (column.summaries_cost, column.window_peak, column.sends) == (0.5, 900, 2)


def test_edits_by_method() -> None:
    found = book()
    for method in ("spill", "drop", "spill"):
        found.edit(method)
    assert found.outcome("a").edits == {"drop": 1, "spill": 2}


def test_nothing_sent_has_no_share() -> None:
    column = Book().outcome("a")
    assert column.reference_survival_recallable is None
    assert (column.reference_survival, column.window_mean, column.cache_hit_ratio) == (None, 0.0, 0.0)


def test_one_unknown_amount_makes_the_sum_unknown() -> None:
    found = book()
    found.send(1, dollars=None, read=0, thinking=ThoughtTally(), survival=Tally())
    assert found.outcome("a").cost is None
    assert found.outcome("a").summaries_cost == 0.0
    assert total([0.1] * 10) == 1.0
    assert total([]) == 0.0
    assert total([1.0, None]) is None
