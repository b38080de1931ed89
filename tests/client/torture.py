"""Agents that work through faults and kills, drawn by a seed, and the audit of what is left.

    python -m tests.client.torture --runs 1000 --seed 1

Each run has its own agent, policy, kind of session, faults between it and the emulator, and moments at which its process
is killed. After each fault the user does what a user would do (`tests.client.user`). Run by hand it shows where it is, and
a table at the end; a run that breaks a law is told with its number: `--only NUMBER` repeats it.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctxwindow.emulator import Emulator
from ctxwindow.summarize.sections import GOAL
from tests.client import user
from tests.client.agents import Agent
from tests.client.audit import Told, audit, is_summary
from tests.client.breaking import Break, Breaking, Fault, Silence, TooLong
from tests.client.child import Child, Forks
from tests.client.failures import FINAL, PASSING, REFUSED, STRANGE
from tests.client.loopback import Log, serving

if TYPE_CHECKING:
    from starlette.types import ASGIApp

__all__ = ["Kill", "Outcome", "Plan", "draw", "run"]

MODELS = (
    "claude-haiku-4-5-20251001",  # prefill, thinking of the last turn only
    "claude-opus-4-6",  # all thinking is kept
    "claude-opus-5",
    "claude-opus-5-5",  # bound; compaction on demand
    "claude-sonnet-5-5",
    "claude-haiku-5-5",
)
METHODS: tuple[tuple[str, ...] | None, ...] = (
    None,
    ("spill", "summarize_keep_tail", "summarize_all"),
    ("summarize_keep_tail", "summarize_all", "drop"),
    ("spill", "clear_tool_uses", "compact", "summarize_all"),
    ("drop", "summarize_all"),
)


@dataclass(frozen=True)
class Kill:
    """The end of a process.

    Attributes:
        kind: `request`: when the emulator gets one; `time`; `point`: of `user.POINTS`.
        number: of the request, counted from the beginning of the process; or of the call.
        parts: pieces of the answer that have gone out by then.
        seconds: of `time`.
        point: which.
        when: `before` or `after` it.
    """

    kind: str
    number: int = 1
    parts: int = 0
    seconds: float = 0.0
    point: str = ""
    when: str = "before"


@dataclass(frozen=True)
class Plan:
    """One run.

    Attributes:
        number: of it.
        agent: settings of `Agent`.
        user: settings of `user.work`.
        rate: share of the requests that fail.
        faults: of which one is drawn.
        kills: one after the other; none: it runs in this process.
        pace: seconds between two pieces of an answer.
    """

    number: int
    agent: dict[str, Any]
    user: dict[str, Any]
    rate: float
    faults: tuple[Fault, ...]
    kills: tuple[Kill, ...] = ()
    pace: float = 0.0

    def __str__(self) -> str:
        kind = "async" if self.user["asynchronous"] else "sync"
        user = {key: value for key, value in self.user.items() if key != "asynchronous"}
        faults = f"{self.rate:.0%} faults" if self.rate else "no faults"
        return f"run {self.number}: {kind}, {self.agent}, {user}, {faults}, {len(self.kills)} kills"


@dataclass
class Outcome:
    """What came of a run."""

    violations: list[str]
    seconds: float
    kills: int
    interrupts: int
    errors: list[str]
    injected: list[str]
    counts: Counter[str] = field(default_factory=Counter)
    calls: dict[str, int] = field(default_factory=dict)
    """Of each point, where they were counted."""
    told: Told | None = None
    """What the audit was told."""


def draw(seed: int, number: int, *, killed: bool | None = None, largest: int = 12) -> Plan:
    """The plan of a run.

    Args:
        seed: of all runs.
        number: of this one.
        killed: whether its process is killed; None: half of them are.
        largest: most rounds.
    """
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 - a plan, no secret
    kills = chance.random() < 0.5 if killed is None else killed
    parts = chance.randint(2, largest)
    agent = {
        "parts": parts,
        "parallel": chance.choice((1, 1, 2, 3)),
        "result_tokens": chance.choice((60, 200, 500, 900)),
        "thinking": chance.random() < 0.8,
        "per_turn": chance.choice((None, None, 2, 3)),
    }
    asynchronous = chance.random() < 0.5
    slow = chance.random() < 0.03
    given = {
        "model": chance.choice(MODELS),
        "policy": _policy(chance),
        "asynchronous": asynchronous,
        "way": chance.choice(("run", "run", "stream", "send")),
        "streaming": chance.choice((None, True, True)),
        "surface": chance.choice(("beta", "beta", "stable")),
        "interrupted": chance.choice(("tell", "run")),
        "checkpoint": chance.choice((0.0, 0.005, 1.0)),
        "timeout": 0.3 if slow else 20.0,
        "reopens": chance.choice((0.0, 0.5, 1.0)),
        "cancels": [chance.uniform(0.0, 0.3) for _ in range(chance.choice((0, 0, 1, 3)))] if asynchronous else [],
        "seed": number,
    }
    budget = given["policy"]["budget"]
    return Plan(
        number=number,
        agent=agent,
        user=given,
        rate=chance.choice((0.0, 0.1, 0.2, 0.35)),
        faults=_faults(chance, budget, slow=slow),
        kills=tuple(_kill(chance) for _ in range(chance.choice((1, 2, 4)))) if kills else (),
        pace=chance.choice((0.0, 0.0, 0.0005)),
    )


def _policy(chance: random.Random) -> dict[str, Any]:
    """A window that is small, so that it is shrunk."""
    policy: dict[str, Any] = {
        "budget": chance.choice((7_000, 9_000, 14_000, 40_000)),
        "warm": {"writer": chance.choice(("extractive", "claude")), "levels": chance.choice((1, 3))},
        "recall": chance.random() < 0.3,
        "exact_counts": chance.random() < 0.3,
    }
    methods = chance.choice(METHODS)
    if methods is not None:
        policy["methods"] = list(methods)
    if chance.random() < 0.3:
        policy["background"] = 0.7
    return policy


def _faults(chance: random.Random, budget: int, *, slow: bool) -> tuple[Fault, ...]:
    """A dozen of them; those that break an answer off most often."""
    # A size that cannot be true of a conversation is believed, for it is the API's: the conversation would be over.
    answers = [*(one for name, one in REFUSED.items() if "long" not in name and "limit" not in name), TooLong(budget)]
    ways: Any = ("closed", "reset", "ended", "error event")
    at: Any = (
        "any",
        "any",
        "any",
        "first byte",
        "inside a character",
        "inside a line",
        "between events",
        "after message_stop",
    )
    faults: list[Fault] = [Break(chance.choice(ways), chance.choice(at)) for _ in range(5)]
    faults += chance.choices(list(PASSING.values()), k=4)
    faults += chance.choices(answers, k=2)
    faults += [chance.choice(list(FINAL.values())), chance.choice(list(STRANGE.values()))]
    faults += [Silence(carried_out=chance.random() < 0.5)]
    if slow:
        faults += [Break("stalled", "any", seconds=2.0), Silence(carried_out=chance.random() < 0.5, seconds=2.0)] * 2
    return tuple(faults)


def _kill(chance: random.Random) -> Kill:
    kind = chance.choice(("request", "request", "time", "point", "point"))
    return Kill(
        kind=kind,
        number=chance.choice((1, 1, 2, 3, 5)),
        parts=chance.choice((0, 0, 1, 2, 4, 9)),
        seconds=chance.uniform(0.0, 0.4),
        point=chance.choice(list(user.POINTS)),
        when=chance.choice(("before", "after")),
    )


class _Between:
    """Faults between two logs: what the client sees, and what the emulator sees."""

    def __init__(self, breaking: Breaking, outer: Log) -> None:
        self._breaking, self._outer = breaking, outer

    def around(self, inner: ASGIApp) -> ASGIApp:
        return self._outer.around(self._breaking.around(inner))


def run(plan: Plan, folder: Path, forks: Forks | None = None, *, in_child: bool = False) -> Outcome:
    """Carry out a plan.

    Args:
        plan: what to do.
        folder: for its files.
        forks: children, where processes are killed.
        in_child: whether to use a child also where none is killed.
    """
    start = time.monotonic()
    agent = Agent(**plan.agent)
    seen, came = Log(), Log()
    breaking = Breaking(plan.number, rate=plan.rate, faults=plan.faults, in_a_row=5)
    journal = folder / "ran"
    journal.touch()
    given = {**plan.user, "agent": plan.agent, "database": str(folder / "a.db"), "journal": str(journal)}
    kills, ended = 0, list[dict[str, Any]]()
    with serving(Emulator(_said(agent.reply)), log=came, breaking=_Between(breaking, seen), pace=plan.pace) as url:
        given["base_url"] = url
        if not plan.kills and not in_child:
            ended.append(user.work(**given))
        for kill in plan.kills:
            assert forks is not None, "processes that are killed are children"
            if not ended and not (found := _killed(forks, kill, given, came)):
                kills += 1
            elif not ended:
                ended.append(found)
        if not ended:
            assert forks is not None, "processes that are killed are children"
            ended.append(_whole(forks.run("tests.client.user:work", **given)))
    interrupts = kills + sum(one["interrupts"] for one in ended)
    lines = [line.split() for line in journal.read_text(encoding="utf-8").splitlines()]
    told = Told(
        database=folder / "a.db",
        agent=agent,
        turns=user.turns(agent, plan.agent["parts"], plan.agent["per_turn"]),
        client=seen,
        emulator=came,
        injected=breaking.injected,
        # A child that was killed does not tell how often it had been cancelled.
        interrupts=interrupts + len(plan.user.get("cancels", ())) * kills,
        ran=[(int(number), int(lane)) for number, lane in lines],
        reruns=plan.user["interrupted"] == "run" or plan.user["way"] == "send",
        budget=plan.user["policy"]["budget"],
        parallel=plan.agent["parallel"],
    )
    found = audit(told)
    return Outcome(
        violations=found.violations,
        seconds=time.monotonic() - start,
        kills=kills,
        interrupts=interrupts - kills,
        errors=[error for one in ended for error in one["errors"]],
        injected=[one.fault.name for one in breaking.injected],
        counts=found.counts,
        calls=ended[-1]["calls"],
        told=told,
    )


def _killed(forks: Forks, kill: Kill, given: Mapping[str, Any], came: Log) -> dict[str, Any]:
    """Let a child work until it is killed; what it returned, if it came to its end before."""
    die = {"point": kill.point, "call": kill.number, "when": kill.when} if kill.kind == "point" else None
    child = forks.run("tests.client.user:work", die=die, **given)
    timer: threading.Timer | None = None
    if kill.kind == "request":
        came.at(len(came.exchanges) + kill.number, child.kill, parts=kill.parts)
    elif kill.kind == "time":
        timer = threading.Timer(kill.seconds, child.kill)
        timer.start()
    child.wait()
    if timer is not None:
        timer.cancel()
        timer.join()
    return {} if child.status == -9 else _whole(child)  # noqa: PLR2004 - SIGKILL


def _whole(child: Child) -> dict[str, Any]:
    """What a child returned that was not killed."""
    assert child.wait() == 0, child.output
    result: dict[str, Any] = child.result
    return result


def _said(reply: Callable[[Mapping[str, Any]], Any]) -> Callable[[Mapping[str, Any]], Any]:
    """The model: an agent, who also writes summaries."""

    def says(body: Mapping[str, Any]) -> Any:
        return f"{GOAL}\n- Inspect all parts, one after the other." if is_summary(body) else reply(body)

    return says


# -- by hand ----------------------------------------------------------------------------------------------


def main() -> None:
    """See the top of this file."""
    parser = argparse.ArgumentParser(description="Agents that work through faults and kills.")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=1, help="number of the first run")
    parser.add_argument("--only", type=int, help="number of the one run to do")
    given = parser.parse_args()
    if not given.only:
        logging.getLogger("ctxwindow").setLevel(logging.CRITICAL)
    numbers = [given.only] if given.only else range(given.first, given.first + given.runs)
    totals, errors, faults, broken = Counter[str](), Counter[str](), Counter[str](), 0
    start = time.monotonic()
    with Forks() as forks, tempfile.TemporaryDirectory(prefix="ctxwindow-torture-") as home:
        for number in numbers:
            plan = draw(given.seed, number)
            if given.only:
                print(plan)
            folder = Path(home) / str(number)
            folder.mkdir()
            try:
                found = run(plan, folder, forks)
            except Exception as error:  # noqa: BLE001 - the other runs go on
                found = Outcome([f"{type(error).__name__}: {error}"], 0.0, 0, 0, [], [])
                if given.only:
                    raise
            totals.update(found.counts)
            totals.update(kills=found.kills, cancelled=found.interrupts)
            errors.update(found.errors)
            faults.update(found.injected)
            if found.violations:
                broken += 1
                print(f"\r{plan}\n  " + "\n  ".join(found.violations))
            print(
                f"\r{number} of {numbers[-1]}, {broken} broken, {time.monotonic() - start:.0f} s ",
                end="",
                file=sys.stderr,
                flush=True,
            )
    print(f"\n{len(numbers)} runs, {broken} with violations, {time.monotonic() - start:.0f} s")
    for title, counted in (("in all", totals), ("faults", faults), ("raised to the user", errors)):
        print(f"\n{title}: {sum(counted.values()) if counted is faults else ''}")
        for name, times in counted.most_common():
            print(f"  {times:7,}  {name}")


if __name__ == "__main__":
    main()
