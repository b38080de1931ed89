from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.window.learning import NOTHING_LEARNED, Learning
from ctxwindow.window.tokens import Count


def count(tokens: int, low: int, high: int) -> Count:
    return Count(tokens=tokens, low=low, high=high, exact=False)


EXACT = Count(tokens=500, low=500, high=500, exact=True)
ROUGH = count(500, 400, 650)


def taught(*measured: int, came: Count = ROUGH) -> Learning:
    """After steps in which `came` turned out to be so many tokens."""
    learning = NOTHING_LEARNED
    for tokens in measured:
        error = tokens - learning.corrected(came).tokens
        learning = learning.after(came=came, error=error, measured=tokens)
    return learning


def test_estimates_that_are_always_too_low_are_moved_up() -> None:
    learning = taught(*[590] * 12)
    assert learning.position == pytest.approx(0.6)
    assert learning.corrected(ROUGH) == count(590, 400, 650)
    assert learning.corrected(count(100, 90, 200)).tokens == 160


def test_estimates_that_are_always_too_high_are_moved_down() -> None:
    assert taught(*[450] * 12).corrected(ROUGH) == count(450, 400, 650)


def test_a_few_steps_do_not_move_a_forecast() -> None:
    assert taught(600, 600).corrected(ROUGH) == ROUGH


def test_what_is_exact_is_never_moved() -> None:
    """With exact counts the difference is structure: it widens the bounds, and corrects nothing."""
    learning = taught(*[530] * 40, came=EXACT)
    assert learning.corrected(EXACT) == EXACT
    assert learning.corrected(ROUGH) == ROUGH
    assert learning.widened(EXACT, 10_000).high == 530


def test_one_odd_step_misleads_nothing() -> None:
    """A hidden reminder or a dropped block counts as one step like any other."""
    steady = taught(*[590] * 12)
    for odd in (90_000, 0):
        assert taught(*[590] * 6, odd, *[590] * 6).corrected(ROUGH) == steady.corrected(ROUGH)


def test_a_step_from_which_something_left_moves_nothing() -> None:
    learning = NOTHING_LEARNED
    for _ in range(20):
        learning = learning.after(came=ROUGH, error=90, measured=None)
    assert learning.corrected(ROUGH) == ROUGH
    assert learning.widened(EXACT, 10_000).high >= 590


def test_before_there_are_errors_a_reminder_is_allowed_for() -> None:
    wide, narrow = NOTHING_LEARNED.widened(EXACT, 100_000), NOTHING_LEARNED.widened(EXACT, 1_000)
    assert (wide.low, wide.high) == (500, 750)
    assert (narrow.low, narrow.high) == (500, 510)


def test_without_errors_the_bounds_close() -> None:
    learning = taught(*[500] * 40, came=EXACT)
    widened = learning.widened(EXACT, 100_000)
    assert widened == EXACT


def test_the_bounds_hold_what_this_conversation_does() -> None:
    """A client that adds 110 tokens to every fifth request, and once 3,000."""
    learning = taught(*[610 if step % 5 == 0 else 500 for step in range(60)], 3_500, came=EXACT)
    widened = learning.widened(EXACT, 10_000)
    assert (widened.low, widened.high) == (500, 610)


def test_only_the_newest_steps_are_kept() -> None:
    learning = taught(*[900] * 30, *[500] * 64, came=EXACT)
    assert len(learning.steps) == 64
    assert learning == taught(*[500] * 64, came=EXACT)
    assert {step.error for step in learning.steps} == {0}


COUNTS = st.builds(
    lambda tokens, below, above: count(tokens, tokens - below, tokens + above),
    *[st.integers(0, 100_000)] * 3,
)
STEPS = st.lists(st.tuples(COUNTS, st.integers(-(10**6), 10**6), st.none() | st.integers(-(10**6), 10**6)), max_size=90)


@given(STEPS, COUNTS, st.integers(0, 10**6))
def test_no_correction_leaves_the_bounds(steps: list[tuple[Count, int, int | None]], came: Count, base: int) -> None:
    learning = NOTHING_LEARNED
    for old, error, measured in steps:
        learning = learning.after(came=old, error=error, measured=measured)
    corrected = learning.corrected(came)
    assert came.low <= corrected.tokens <= came.high
    widened = learning.widened(corrected, base)
    assert widened.low <= corrected.low <= corrected.tokens == widened.tokens <= corrected.high <= widened.high
    assert -1 <= learning.position <= 1
    assert len(learning.steps) == min(64, len(steps))


@given(STEPS)
def test_what_is_learnt_is_a_function_of_the_newest_steps(steps: list[tuple[Count, int, int | None]]) -> None:
    """Law 8: whatever came before, the newest 64 decide."""
    ends = []
    for start in (steps, steps[-64:]):
        learning = NOTHING_LEARNED
        for old, error, measured in start:
            learning = learning.after(came=old, error=error, measured=measured)
        ends.append(learning)
    assert ends[0] == ends[1]
