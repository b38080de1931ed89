from __future__ import annotations

import pytest

from ctxwindow.record.events import Compacted
from ctxwindow.tiers.caching import LastSend
from ctxwindow.tiers.situation import MIN_SUMMARY, SLACK
from ctxwindow.window import Count
from tests.tiers.scenes import OPUS_55, Session


@pytest.fixture(scope="module")
def session() -> Session:
    """Three turns: two with two rounds each, and a third in progress."""
    session = Session(OPUS_55)
    for _ in range(2):
        session.user("Read these two.")
        session.round(10)
        session.round(10)
        session.say("word " * 30)
    session.user("And this one.")
    session.round(10)
    return session


def _sizes(session: Session) -> list[int]:
    now = session.situation()
    return [now.weigh(entry.size.count) for entry in now.wire.ledger.entries]


def test_what_stays_word_for_word_at_least(session: Session) -> None:
    """Messages 0 to 5 and 6 to 11 are the first turns, 12 to 14 the third; of three keys the one that keeps most counts."""
    assert len(session.conversation.messages) == 15

    def cut(**hot: int) -> int:
        return session.situation(policy={"hot": {"tokens": 1, **hot}}).hot_cut

    assert cut() == 14
    assert cut(turns=1) == 12
    assert cut(turns=2) == 6
    assert cut(turns=3) == cut(turns=9) == 0
    assert cut(rounds=1) == 13
    assert cut(rounds=2) == 9
    assert cut(rounds=9) == 0
    assert cut(turns=1, rounds=2) == 9
    sizes = _sizes(session)
    assert cut(tokens=sum(sizes[10:])) == 10
    assert cut(tokens=sum(sizes[10:]) + 1) == 9


def test_by_default_a_quarter_of_the_room_stays(session: Session) -> None:
    now = session.situation()
    kept = sum(_sizes(session)[10:])
    assert session.situation(limit=now.fixed + kept * 4).hot_cut == 10
    assert session.situation(limit=now.fixed + kept * 4 + 4).hot_cut == 9


def test_marks_are_shares_of_the_room(session: Session) -> None:
    now = session.situation()
    fixed = now.fixed
    at = session.situation(limit=fixed + 10_000)
    assert (at.room, at.mark(0.6), at.mark(1.0)) == (10_000, fixed + 6_000, fixed + 10_000)


def test_a_correction_is_part_of_what_is_fixed_with_some_slack(session: Session) -> None:
    assert session.situation(correction=500).fixed == session.situation().fixed + 500 + SLACK


def test_cautious_weighs_by_the_upper_bound(session: Session) -> None:
    count = Count(tokens=100, low=80, high=130, exact=False)
    assert session.situation().weigh(count) == 100
    assert session.situation(cautious=True).weigh(count) == 130
    assert session.situation(cautious=True).summary_weight(1_000) == 1_300 + SLACK
    assert session.situation().summary_weight(1_000) == 1_000


def test_the_budget_of_a_summary(session: Session) -> None:
    """The share of the room or the tokens, whichever is less; never less than says something."""
    fixed = session.situation().fixed
    for room, tokens, budget in ((10_000, 16_000, 3_000), (10_000, 500, 500), (300, 16_000, MIN_SUMMARY)):
        now = session.situation(limit=fixed + room, policy={"warm": {"share": 0.3, "tokens": tokens}})
        assert now.summary_budget() == budget


def test_the_cache_lives_five_minutes(session: Session) -> None:
    """CACHE-04, CACHE-05."""
    last = LastSend(tokens=9_000, messages=5, at=1_000.0)
    for at, tokens in ((1_000.0, 9_000), (1_300.0, 9_000), (1_301.0, 0)):
        now = session.situation(cached=last, at=at)
        assert now.cached_tokens == tokens
        assert now.is_cold is not bool(tokens)
    assert session.situation(cached=last, at=1_301.0, policy={"cache": "1h"}).cached_tokens == 9_000
    assert session.situation(cached=last, at=1_000.0, policy={"cache": None}).cached_tokens == 0
    assert not session.situation(cached=last, at=9_999.0, policy={"cache": None}).is_cold, "nothing was ever warm"
    assert not session.situation(cached=None, at=9_999.0).is_cold, "nothing was sent"


def test_the_longest_entry_of_the_cache_before_a_place(session: Session) -> None:
    trail = tuple(LastSend(tokens=1_000 * place, messages=place, at=50.0 * place) for place in (1, 3, 5))
    now = session.situation(trail=trail, at=350.0)
    assert [now.cached_before(place) for place in (0, 1, 2, 4, 9)] == [None, trail[0], trail[0], trail[1], trail[2]]
    assert session.situation(trail=trail, at=551.0).cached_before(9) is None


def test_the_request_in_progress_is_repeated_if_it_is_short(session: Session) -> None:
    assert session.situation().instruction(14) == 12
    assert session.situation().instruction(12) is None, "it stays anyway"
    assert session.situation(policy={"instruction": 0.000001}).instruction(14) is None


def test_what_another_summary_can_stand_beside(session: Session) -> None:
    plain = Compacted(
        method="summarize_all", first=0, end=2, tail=2, instruction=None, carried=None, strip_thinking=False,
        summary="x", by="x", tokens=1, before=1, target=1,
    )  # fmt: skip
    gap = Compacted(
        method="drop", first=2, end=4, tail=4, instruction=None, carried=None, strip_thinking=False, summary="", by="",
        tokens=0, before=1, target=1,
    )  # fmt: skip
    now = session.situation(warm=(plain,))
    assert (now.summaries, now.summarized_to) == ((plain,), 2)
    now = session.situation(warm=(plain, gap))
    assert (now.summaries, now.summarized_to) == ((), 4)
