from __future__ import annotations

from ctxwindow.window.learning import NOTHING_LEARNED
from ctxwindow.window.tokens import Count
from ctxwindow.window.total import Total, minus

FIXED = Count(tokens=1_000, low=900, high=1_200, exact=False)
ROUGH = Count(tokens=100, low=80, high=140, exact=False)


def exactly(tokens: int) -> Count:
    return Count(tokens=tokens, low=tokens, high=tokens, exact=True)


def test_before_an_exact_size_all_is_estimated() -> None:
    total = Total(base=FIXED).with_more(ROUGH)
    assert (total.count, total.source) == (FIXED + ROUGH, "estimated")
    assert total.with_less(ROUGH).count == minus(FIXED + ROUGH, ROUGH)
    assert total.taught(5_000, 1_100, whole=True) == total, "it says nothing of the estimates"


def test_an_exact_size_and_what_came_since() -> None:
    pinned = Total(base=FIXED).with_more(ROUGH).pinned(50_000)
    assert (pinned.count, pinned.source) == (exactly(50_000), "exact")
    later = pinned.with_more(ROUGH)
    assert later.source == "anchored"
    # 250 tokens that the client may add unseen come on top of what the parts may be off.
    assert (later.count.tokens, later.count.low, later.count.high) == (50_100, 50_080, 50_350)
    assert later.with_less(ROUGH).count.tokens == 50_000


def test_what_came_is_corrected_and_what_left_again_too() -> None:
    total = Total(base=exactly(10_000), source="anchored")
    for _ in range(30):
        total = total.with_more(ROUGH).taught(total.base.tokens + 140, total.base.tokens + 100, whole=True)
        total = total.pinned(total.base.tokens + 140)
    assert total.learning.position == 1
    before = total.count.tokens
    assert total.with_more(ROUGH).count.tokens == before + 140
    assert total.with_more(ROUGH).with_less(ROUGH).count.tokens == before


def test_of_a_step_from_which_something_left_only_the_error_is_learnt() -> None:
    total = Total(base=exactly(10_000), source="anchored").with_more(ROUGH)
    for step in (total.with_less(ROUGH).taught(10_040, 10_000, whole=True), total.taught(10_140, 10_100, whole=False)):
        assert [(one.error, one.width) for one in step.learning.steps] == [(40, 0)]


def test_a_doubtful_size_is_a_bound_until_the_next_exact_one() -> None:
    total = Total(base=exactly(10_000), source="exact").doubtful("it cannot be", 7_000)
    assert (total.count.tokens, total.count.high, total.source) == (10_000, 10_100, "anchored")
    assert total.bounded(total.count).high == 17_100
    below = total.doubtful("nor this", -7_000)
    assert (below.bounded(below.count).low, below.bounded(below.count).high) == (3_000, 10_100)
    later = total.with_more(ROUGH)
    assert later.doubt == "it cannot be"
    assert later.bounded(later.count).high > 17_100
    pinned = later.pinned(10_120)
    assert (pinned.bounded(pinned.count), pinned.doubt) == (exactly(10_120), None)
    assert total.learning == NOTHING_LEARNED
