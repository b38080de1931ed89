from __future__ import annotations

from typing import Any
from unittest import mock

import pytest

from ctxwindow import Policy
from ctxwindow.rules import Violation
from ctxwindow.transcripts.live import Feed
from ctxwindow.transcripts.replay import replay
from ctxwindow.transcripts.sends import Watch
from ctxwindow.transcripts.survival import Tally
from ctxwindow.transcripts.thoughts import ThoughtTally
from ctxwindow.transcripts.unmanaged import run_unmanaged
from tests.transcripts.test_comparison import long_session


def test_without_an_edit_a_send_is_what_it_would_be_unmanaged() -> None:
    found = long_session(3)
    plain = run_unmanaged(found, found.main)
    feed = Feed(found, found.main, policy=Policy())
    watch = Watch(feed, plain, "full")
    rows = [watch.row(ours, theirs) for ours, theirs in zip(feed, plain.sends, strict=True)]
    assert [row.window for row in rows] == [row.unmanaged_window for row in rows] == [one.tokens for one in plain.sends]
    assert [row.cost for row in rows] == pytest.approx([row.unmanaged_cost for row in rows])
    assert [row.thinking for row in rows] == [ThoughtTally(kept=kept) for kept in range(4)]
    assert rows[-1].survival == plain.sends[-1].survival == Tally(used=1, on_wire=1, recallable=1)
    assert all(row.valid and not row.edits for row in rows)
    assert watch.finish(rows) == rows
    assert (watch.losses.blocks, watch.losses.blocks_lost) == (3, 0)


def test_what_is_found_late_stands_at_the_last_send() -> None:
    broken = Violation(rule="MSG-99", path="messages.0", message="m", remedy="r", severity="error")

    def at_the_end(request: dict[str, Any], **_: Any) -> list[Violation]:
        return [broken] if len(request["messages"]) == 7 else []

    with mock.patch("ctxwindow.transcripts.checks.find_violations", at_the_end):
        found = replay(long_session(3), checks="cheap")
    assert [row.valid for row in found.sends] == [True, True, True, False]
    assert found.totals.violations == 1
    assert not found.totals.laws["2 every wire is valid"]
