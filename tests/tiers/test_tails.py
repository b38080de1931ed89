from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ctxwindow.tiers.situation import SLACK
from ctxwindow.tiers.tails import longest, loop_thinks, place_of, recent_boundaries
from tests.tiers.scenes import HAIKU, OPUS_5, OPUS_55, Session


def _flat(tokens: int) -> Callable[[int], int]:
    return lambda start: tokens


def _loop(model: str = OPUS_55, rounds: int = 6, think: int = 0) -> Session:
    session = Session(model)
    session.user("Read them.")
    for _ in range(rounds):
        session.round(10, think=think)
    return session


def test_the_longest_tail_that_fits_begins_where_a_round_does() -> None:
    now = _loop().situation()
    sizes = [now.weigh(entry.size.count) for entry in now.wire.ledger.entries]
    for start in (11, 9, 7, 5, 3):
        found = longest(now, _flat(100), 100 + sum(sizes[start:]) + SLACK, strips=False)
        assert found is not None
        assert (found.start, found.tokens) == (start, sum(sizes[start:]))
        less = longest(now, _flat(100), 100 + sum(sizes[start:]) + SLACK - 1, strips=False)
        assert (less.start if less is not None else 13) == start + 2
    assert longest(now, _flat(100), 100, strips=False) is None


def test_the_first_message_never_stays_alone() -> None:
    """A cut before everything would summarise nothing."""
    now = _loop().situation()
    found = longest(now, _flat(0), 1_000_000, strips=False)
    assert found is not None
    assert found.start == 1


def test_a_cut_that_the_rules_forbid_is_passed_over() -> None:
    now = _loop().situation(may_cut=lambda index: index == 9)
    found = longest(now, _flat(0), 1_000_000, strips=False)
    assert found is not None
    assert found.start == 9
    assert longest(_loop().situation(may_cut=lambda index: False), _flat(0), 1_000_000, strips=False) is None


def test_a_whole_turn_goes_before_a_longer_tail_within_a_turn() -> None:
    """As long as it keeps six tenths of it."""
    session = _loop(rounds=4)
    session.say()
    session.user("And these.")
    for _ in range(4):
        session.round(10)
    session.say()
    session.user("More.")
    now = session.situation()
    sizes = [now.weigh(entry.size.count) for entry in now.wire.ledger.entries]
    turn = 10
    found = longest(now, _flat(0), sum(sizes[7:]) + SLACK, strips=False)
    assert found is not None
    assert found.start == turn
    longer = longest(now, _flat(0), sum(sizes[1:]) + SLACK, strips=False)
    assert longer is not None
    assert longer.start == (turn if sum(sizes[turn:]) >= 0.6 * sum(sizes[1:]) else 1)


def test_thinking_that_leaves_the_tail_does_not_count() -> None:
    """BIND-28."""
    now = _loop(think=30).situation()
    whole, bare = (longest(now, _flat(0), 1_000_000, strips=strips) for strips in (False, True))
    assert whole is not None
    assert bare is not None
    assert whole.thinking > 1_000
    assert bare.tokens < whole.tokens - whole.thinking * 0.9
    assert bare.thinking == 0


def test_thinking_of_earlier_turns_is_not_there_on_the_first_family() -> None:
    """RET-02."""
    session = Session(HAIKU)
    session.user("word " * 50)
    for _ in range(4):
        session.say(think=30)
        session.user("word " * 50)
    found = longest(session.situation(), _flat(0), 1_000_000, strips=False)
    assert found is not None
    assert found.thinking == 0
    assert found.tokens < 1_000


def test_an_open_loop_that_thinks() -> None:
    assert loop_thinks(_loop(think=1).situation())
    assert not loop_thinks(_loop().situation())
    session = _loop(think=1)
    session.say()
    session.user()
    assert not loop_thinks(session.situation()), "it is over"


def test_places_and_boundaries() -> None:
    session = Session(OPUS_5, budget=6_000, high=0.9, cold=None, methods=("summarize_all",), warm={"tokens": 400})
    session.user("Read them.")
    while not session.conversation.epoch:
        session.round(20)
    for _ in range(2):
        session.round(5)
    now = session.situation()
    kept: list[Any] = [source for source in now.wire.sources if source is not None]
    assert place_of(now, kept[0]) == now.wire.sources.index(kept[0])
    assert place_of(now, len(now)) == len(now.wire.sources)
    assert place_of(now, 0) >= 1, "the head is none of the record"
    found = recent_boundaries(now)
    assert found == [index for index in now.outline.boundaries if index > now.wire.start]
    assert found[-1] == len(now)
