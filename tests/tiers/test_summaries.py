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
    assert price_of_summary(_session(OPUS_55).situation(), 1_000) == 0.0


def test_one_that_the_model_writes_rides_on_the_cached_prefix() -> None:
    """On Opus 5.5: what is cached at $0.20, the rest and the instruction at $5, the summary at $20, each for a million."""
    session = _session(OPUS_55)
    now = session.situation(policy={"warm": {"writer": "claude"}})
    assert now.cached_tokens > 512
    new = now.total + INSTRUCTION - now.cached_tokens
    expected = (now.cached_tokens * 0.2 + new * 5 + 1_000 * 20) / 1e6
    assert price_of_summary(now, 1_000) == pytest.approx(expected)


def test_thinking_in_the_window() -> None:
    """RET-02: on models of the first family it is gone once the turn is over."""
    assert thinking_in(_session(HAIKU).situation()) == 0
    session = _session(OPUS_55)
    assert thinking_in(session.situation()) == session.conversation.window.by["thinking"] > 100
