"""Recorded sessions against the prefix check: a client that only appends never loses a thinking block.

The sessions were recorded on models that check no prefix; they are judged here as if they had run on one that does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ctxwindow.catalog import resolve
from ctxwindow.rules import prefix_report
from ctxwindow.transcripts import Session, read
from ctxwindow.transcripts.session import Incoming, Thread
from tests.conftest import SMALL

BOUND = resolve("claude-opus-5-5")
SHIPPED = sorted(path for path in (SMALL / "sessions").rglob("*.jsonl*"))


def exchanges(thread: Thread, most: int) -> Iterator[tuple[dict[str, Any], tuple[dict[str, Any], dict[str, Any]]]]:
    """Each request after the first, with the request before it and its reply."""
    messages: list[dict[str, Any]] = []
    before: tuple[dict[str, Any], dict[str, Any]] | None = None
    for step in thread.steps[:most]:
        if isinstance(step, Incoming):
            if step.kind == "compact_summary":  # the client began anew
                messages, before = [], None
            messages.append(step.message)
            continue
        request = {"messages": list(messages)}
        if before is not None:
            yield request, before
        before = (request, step.message)
        messages.append(step.message)


def judged(session: Session, most: int) -> tuple[int, int]:
    """Thinking blocks looked at, and those that are valid."""
    seen = valid = 0
    for request, before in exchanges(session.main, most):
        for previous in (before, before[0]):
            states = prefix_report(request, previous, BOUND)
            seen += len(states)
            valid += sum(state.state == "valid" for state in states)
    return seen, valid


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_appending_loses_no_thinking(path: Path) -> None:
    """BIND-13, with the reply known and without it."""
    seen, valid = judged(read(path), most=120)
    assert seen == valid


def test_there_is_thinking_to_judge() -> None:
    assert sum(judged(read(path), most=40)[0] for path in SHIPPED) > 100


def test_an_edit_at_the_start_costs_all_of_it() -> None:
    """BIND-12, in the words of BIND-07."""
    *_, (request, before) = exchanges(read(SMALL / "sessions" / "thinking.jsonl.gz").main, most=60)
    edited = {"messages": [{"role": "user", "content": "Another task."}, *request["messages"][1:]]}
    states = prefix_report(edited, before, BOUND)
    assert {(state.state, state.pattern) for state in states} == {("stale", "first_message_rewritten")}
    shorter = {"messages": request["messages"][2:]}
    assert {(state.state, state.pattern) for state in prefix_report(shorter, before, BOUND)} == {
        ("stale", "rolling_truncation")
    }
