"""The real SDK over real HTTP against the emulator: long work of an agent in a small window, on every surface."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import pytest

from tests.client.working import MODELS, Case, check, check_recall, work

pytestmark = pytest.mark.filterwarnings("ignore:The model 'claude-sonnet-4-5:DeprecationWarning")

SOME = [
    pytest.param(Case("claude-opus-5-5"), marks=pytest.mark.long),
    Case("claude-opus-5-5", rounds=60),
    Case("claude-sonnet-4-5", api="async", streaming=True, surface="stable", rounds=80),
    Case("claude-opus-4-6", streaming=True, surface="stable", rounds=80),
    Case("claude-opus-5-5", api="async", streaming=True, rounds=40, parallel=2),
    Case("claude-opus-5", api="async", surface="stable", rounds=40, parallel=2),
]
"""Of models that bind thinking, keep that of the last turn, and keep all of it."""

EVERY = [
    Case(model, api=api, streaming=streaming, surface=surface)
    for model, api, streaming, surface in product(MODELS, ("sync", "async"), (False, True), ("beta", "stable"))
]


@pytest.mark.parametrize("case", SOME, ids=str)
def test_an_agent_works_for_as_long_as_it_takes(case: Case, tmp_path: Path) -> None:
    worked = work(case, tmp_path / "agent.db", lambda session, agent: check_recall(session, agent, every=7))
    check(worked)
    assert worked.methods.total() >= 1
    assert worked.looked >= case.rounds * 3
    sys.stdout.write(f"{worked.row}\n")  # seen with -s


@pytest.mark.slow
@pytest.mark.parametrize("case", EVERY, ids=str)
def test_it_does_so_on_every_surface(case: Case, tmp_path: Path) -> None:
    worked = work(case, tmp_path / "agent.db", check_recall)
    check(worked)
    sys.stdout.write(f"{worked.row}\n")  # seen with -s
