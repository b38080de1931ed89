"""Recorded exchanges: what is doubted, and that nothing is which is in order. Figures of 2026-11-26."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmarks.accuracy import pairs_of
from ctxwindow.catalog import resolve
from ctxwindow.errors import UnknownModel
from ctxwindow.record.events import Received
from ctxwindow.tiers.reported import reported
from ctxwindow.window import contradiction, ledger_of
from ctxwindow.window.tokens import have_exact

SHIPPED = Path(__file__).parents[1] / "data" / "usage_pairs.jsonl.gz"


class Judged(NamedTuple):
    """One answered exchange with a model that the catalog knows."""

    source: str
    suspect: bool
    """Whether who recorded it found that request and usage do not fit together."""
    whole: bool
    """Whether its prompt follows from the body alone."""
    doubt: str | None


def judge(pair: dict[str, Any]) -> Judged | None:
    usage = pair.get("usage")
    try:
        profile = resolve(pair["model"])
    except UnknownModel:
        return None
    if usage is None or pair.get("error"):
        return None
    request = pair["request"]
    reply = Received(
        send=1,
        message={"role": "assistant", "content": pair.get("response_content") or []},
        usage=usage,
        stop_reason=pair.get("stop_reason"),
        model=pair.get("response_model"),
    )
    told = reported(reply, profile, request)
    assert told is not None
    doubt = told.doubt
    if doubt is None and told.sent is not None:
        ledger = ledger_of(request, profile)
        doubt = contradiction(
            told.sent,
            ledger.believed,
            window=profile.window,
            tools=ledger.tools,
            cached=told.cached,
            output=told.output,
        )
    return Judged(
        source=f"{pair['source']['repo']}:{pair['source']['path'].rsplit('/', 1)[-1]}",
        suspect=bool(pair.get("suspect")),
        whole=pair["self_contained"],
        doubt=doubt,
    )


@cache
def judged(path: Path) -> tuple[Judged, ...]:
    return tuple(row for row in map(judge, pairs_of(path)) if row is not None)


MADE_UP = {
    "DataDog/dd-trace-py:anthropic_completion_thinking_tools.yaml",  # 100 tokens, with tools of 400
    "DataDog/dd-trace-py:completion_anthropic.yaml",  # 1 read from the cache and 2 written
}
"""Doubted, and rightly so, although nobody has marked them."""

ROUND = "DataDog/dd-trace-py:anthropic_completion_stream_thinking.yaml"
"""50 and 200 tokens, for 46: on 3.11 that is within the bounds, so that it does no harm."""


@pytest.mark.recorded
def test_the_suspect_exchanges_are_doubted_and_no_other(recordings: Path) -> None:
    rows = judged(recordings / "usage_pairs.jsonl")
    whole = [row for row in rows if row.whole]
    assert len(rows) >= 830
    assert len(whole) >= 640
    suspect = {row.source for row in whole if row.suspect}
    assert len([row for row in whole if row.suspect]) == 5
    doubted = {row.source for row in whole if row.doubt is not None}
    assert doubted == (suspect - (set() if have_exact() else {ROUND})) | MADE_UP


@pytest.mark.recorded
def test_of_the_others_those_are_doubted_that_sum_up(recordings: Path) -> None:
    """TOK-09: server tools without iterations. In the exchanges that go on, the next prompt is up to 23,000 smaller."""
    others = [row for row in judged(recordings / "usage_pairs.jsonl") if not row.whole and row.doubt is not None]
    assert len(others) >= 60
    assert {row.doubt for row in others if "TOK-09" not in str(row.doubt) and "TOK-02" not in str(row.doubt)} == set()


def test_of_the_shipped_exchanges_none_in_order_is_doubted() -> None:
    rows = judged(SHIPPED)
    assert len(rows) >= 50
    assert all(row.doubt for row in rows if row.suspect and row.source != ROUND)
    assert {row.source for row in rows if row.whole and not row.suspect and row.doubt is not None} <= MADE_UP
