"""Recorded exchanges against the model of the prompt cache.

What a request reads and what it writes depends on requests before it, of which recordings hold some only. Their sum,
the length of the cached prefix, follows from the request alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.accuracy import features_of, pairs_of
from ctxwindow.catalog import resolve
from ctxwindow.errors import UnknownModel
from ctxwindow.window import PromptCache, breakpoints, serve
from ctxwindow.window.tokens import have_exact

pytestmark = pytest.mark.skipif(not have_exact(), reason="ctok is not installed: estimates may miss the minimum")

SHIPPED = Path(__file__).parents[1] / "data" / "usage_pairs.jsonl.gz"


class Judged(msgspec.Struct, frozen=True):
    """One exchange whose prompt follows from its body."""

    recorded: int
    """Tokens of the cached prefix: read and written."""
    modelled: int
    uncached: int
    """Tokens left, of the recording."""
    uncached_modelled: int
    features: frozenset[str]
    sized: bool
    """Whether the tokens before the breakpoints are known: no tool, whose hidden prompt lies on both sides of it."""


def judged(path: Path) -> Iterator[Judged]:
    for pair in pairs_of(path):
        request: dict[str, Any] = pair["request"]
        answered = pair["endpoint"] == "messages" and pair["http_status"] == 200
        if not answered or not pair["self_contained"] or pair.get("suspect") or not breakpoints(request):
            continue
        try:
            profile = resolve(pair["model"])
        except UnknownModel:
            continue
        served = serve(request, profile)
        if served.window.tokens != pytest.approx(pair["total_prompt_tokens"], rel=0.05):
            continue  # what is not counted is no matter of the cache
        spent = PromptCache().use(served, at=0.0)
        usage = pair["usage"]
        yield Judged(
            recorded=(usage.get("cache_read_input_tokens") or 0) + (usage.get("cache_creation_input_tokens") or 0),
            modelled=spent.read + spent.written_5m + spent.written_1h,
            uncached=usage["input_tokens"],
            uncached_modelled=spent.uncached,
            features=features_of(pair["flags"]),
            sized=not request.get("tools"),
        )


def held(rows: list[Judged]) -> None:
    """CACHE-02 to CACHE-09, as far as one request shows them."""
    for row in rows:
        if row.features & {"documents", "images"}:  # their size is a guess that may miss the minimum
            continue
        assert (row.recorded > 0) == (row.modelled > 0), row
        assert row.modelled == pytest.approx(row.recorded, rel=0.03, abs=5), row
        if row.sized and row.recorded:
            assert row.uncached_modelled == pytest.approx(row.uncached, abs=2), row


def test_shipped_exchanges_are_too_short_to_be_cached() -> None:
    """CACHE-08."""
    rows = list(judged(SHIPPED))
    held(rows)
    assert len(rows) >= 4
    assert {row.recorded for row in rows} == {0}


@pytest.mark.recorded
def test_recorded_exchanges_are_cached_as_modelled(recordings: Path) -> None:
    rows = list(judged(recordings / "usage_pairs.jsonl"))
    held(rows)
    assert sum(row.recorded > 0 for row in rows) >= 30
    assert sum(row.recorded == 0 for row in rows) >= 100
