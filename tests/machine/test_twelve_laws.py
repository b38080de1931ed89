"""All twelve laws at once, over one conversation to which anything may happen, answered by the emulator."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import seed, settings
from hypothesis.stateful import RULE_MARKER, run_state_machine_as_test

from ctxwindow.stores import SqliteStore
from tests.machine.twelve import TwelveLaws


def run(path: Path, *, examples: int, steps: int, start: int | None = None) -> Counter[str]:
    """Run the machine over a store of its own; what happened, and how often. `start`: always the same way."""
    with SqliteStore(path / "machine.db") as store:
        tally: Counter[str] = Counter()
        machine = type("Machine", (TwelveLaws,), {"tally": tally, "store": store})
        if start is not None:
            machine = seed(start)(machine)
        chosen = settings(max_examples=examples, stateful_step_count=steps, database=None, print_blob=False)
        run_state_machine_as_test(machine, settings=chosen)
        return tally


LAWS = (
    *("law 1", "law 2", "law 3", "law 4", "law 5, valid", "law 5, thinking kept", "law 6", "law 8", "law 9", "law 10"),
    *("law 11", "law 12", "law 12, bounds"),
)
"""What the checks of the laws count as they are put to work; of law 7 there is some edit or other."""


def rules() -> set[str]:
    """What the machine may do, as its tally names it."""
    return {f"rule, {name}" for name, act in vars(TwelveLaws).items() if hasattr(act, RULE_MARKER)}


def test_twelve_laws(tmp_path: Path) -> None:
    """Whatever happens, in any order, every law holds; and things do happen."""
    tally = run(tmp_path, examples=45, steps=20, start=4)
    assert not [law for law in LAWS if not tally[law]]
    assert sum(tally[f"law 7, {kind}"] for kind in ("needed", "at a mark")) >= 5
    assert tally["answered"]
    assert tally["cut, with content"] >= 5
    unseen = rules() - set(tally)
    assert len(unseen) <= 6, sorted(unseen)


@pytest.mark.slow
def test_twelve_laws_deep(tmp_path: Path) -> None:
    """The same, longer and more often; nothing stays out."""
    tally = run(tmp_path, examples=300, steps=40)
    assert rules() <= set(tally)


_SCRIPT = """
import json
from tests.machine.test_scripts import BOUND, CALLS, begun, exchange
driven = begun(BOUND, methods=("spill", "compact", "summarize_all"), background=0.5)
for _ in range(14):
    exchange(driven, CALLS)
print(json.dumps([[number, request] for number, request in driven.requests.items()]))
print(driven.conversation.spending.as_dict())
"""


@pytest.mark.long
def test_law_8_in_any_process() -> None:
    """The same conversation gives the same requests, byte for byte, whatever the seed of hashes."""
    outputs = [
        subprocess.run(  # noqa: S603 - our own script
            [sys.executable, "-c", _SCRIPT],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": value, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for value in ("1", "2")
    ]
    assert outputs[0] == outputs[1]
    assert len(json.loads(outputs[0].splitlines()[0])) == 14
