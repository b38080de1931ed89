from __future__ import annotations

import pytest

from ctxwindow.tiers.summaries import INSTRUCTION, price_of_summary, thinking_in
from tests.tiers.scenes import HAIKU, OPUS_55, Session


def _session(model: str) -> Session:
    session = Session(model)
    session.user("word " * 300)
    session.say(think=10)
    session.user()
    return session


def test_a_summary_that_is_quoted_costs_nothing() -> None:
    now = _session(OPUS_55).situation()
    assert price_of_summary(now, 1_000, len(now)) == 0.0


def test_one_that_the_model_writes_rides_on_the_cached_prefix() -> None:
    """On Opus 5.5: what is cached at $0.20, the rest and the instruction at $5, the summary at $20, each for a million."""
    session = _session(OPUS_55)
    now = session.situation(policy={"warm": {"writer": "claude"}})
    assert now.cached_tokens > 512
    new = now.total + INSTRUCTION - now.cached_tokens
    expected = (now.cached_tokens * 0.2 + new * 5 + 1_000 * 20) / 1e6
    assert price_of_summary(now, 1_000, len(now)) == pytest.approx(expected, rel=0.01)


def test_what_stands_behind_the_segment_is_not_sent_with_it() -> None:
    session = _session(OPUS_55)
    before = session.situation(policy={"warm": {"writer": "claude"}})
    end, total = len(before) - 1, before.total
    expected = price_of_summary(before, 1_000, end)
    session.say("word " * 900)
    session.user()
    now = session.situation(policy={"warm": {"writer": "claude"}})
    assert now.total > total + 900
    assert expected
    assert price_of_summary(now, 1_000, end) == pytest.approx(expected, rel=0.05)
    whole = price_of_summary(now, 1_000, len(now))
    assert whole
    assert whole > 1.1 * expected


def test_thinking_in_the_window() -> None:
    """RET-02: on models of the first family it is gone once the turn is over."""
    assert thinking_in(_session(HAIKU).situation()) == 0
    session = _session(OPUS_55)
    assert thinking_in(session.situation()) == session.conversation.window.by["thinking"] > 100
