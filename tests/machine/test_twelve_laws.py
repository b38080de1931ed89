"""All twelve laws at once, over one conversation to which anything may happen, answered by the emulator."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from ctxwindow.stores import SqliteStore
from tests.machine.twelve import TwelveLaws


def run(path: Path, *, examples: int, steps: int) -> Counter[str]:
    """Run the machine over a store of its own; what happened, and how often."""
    with SqliteStore(path / "machine.db") as store:
        machine = type("Machine", (TwelveLaws,), {"tally": Counter(), "store": store})
        run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=steps))
        tally: Counter[str] = machine.tally
        return tally


def test_twelve_laws(tmp_path: Path) -> None:
    """Whatever happens, in any order, every law holds."""
    tally = run(tmp_path, examples=40, steps=25)
    print(tally)


@pytest.mark.slow
def test_twelve_laws_deep(tmp_path: Path) -> None:
    """The same, longer and more often."""
    run(tmp_path, examples=400, steps=60)
