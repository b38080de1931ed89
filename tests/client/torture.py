"""Agents that work through faults and kills, drawn by a seed, and the audit of what is left.

    python -m tests.client.torture --runs 1000 --seed 1

Each run has its own agent, policy, kind of session, faults between it and the emulator, and moments at which its process
is killed. After each fault the user does what a user would do (`tests.client.user`). Run by hand it shows where it is, and
a table at the end; a run that breaks a law is told with its number: `--only NUMBER` repeats it.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from ctxwindow.emulator import Emulator
from ctxwindow.summarize.sections import GOAL
from tests.client import user
from tests.client.agents import Agent
from tests.client.audit import Told, audit, is_summary
from tests.client.breaking import Break, Breaking, Fault, Silence, Spot, TooLong
from tests.client.child import Child, Forks
from tests.client.failures import FINAL, PASSING, REFUSED, STRANGE
from tests.client.loopback import Log, Switch, serving

__all__ = ["UNTRUE", "Kill", "Outcome", "Place", "Plan", "draw", "place", "run"]

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


UNTRUE = (REFUSED["prompt too long"], REFUSED["over the limit with max_tokens"])
"""They tell of a size that cannot be true of these conversations. It is believed, for it is the API's, and all is over."""

_REFUSED = [one for one in REFUSED.values() if one not in UNTRUE]


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
    policy = _policy(chance)
    given = {
        "model": chance.choice(MODELS),
        "policy": policy,
        "asynchronous": asynchronous,
        "way": chance.choice(("run", "run", "stream", "send")),
        "streaming": chance.choice((None, True, True)),
        "surface": chance.choice(("beta", "beta", "stable")),
        "interrupted": chance.choice(("tell", "run")),
        "checkpoint": chance.choice((0.0, 0.005, 1.0)),
        "timeout": 0.3 if slow else 20.0,
        "reopens": chance.choice((0.0, 0.5, 1.0)),
        "cancels": [chance.uniform(0.0, 0.3) for _ in range(chance.choice((0, 0, 1, 3)))] if asynchronous else [],
        "leaves": [chance.randint(0, 40) for _ in range(chance.choice((0, 1, 2)))],
        "seed": number,
    }
    return Plan(
        number=number,
        agent=agent,
        user=given,
        rate=chance.choice((0.0, 0.1, 0.2, 0.35)),
        faults=_faults(chance, policy["budget"], slow=slow),
        kills=tuple(_kill(chance) for _ in range(chance.choice((1, 2, 4)))) if kills else (),
        pace=chance.choice((0.0, 0.0, 0.0005)),
    )


def _policy(chance: random.Random) -> dict[str, Any]:
    """A window that is small, so that it is shrunk."""
    policy: dict[str, Any] = {
        "budget": chance.choice((7_000, 9_000, 14_000, 40_000)),
        "warm": {
            "writer": chance.choice(("extractive", "claude")),
            "levels": chance.choice((1, 3)),
            "tokens": chance.choice((700, 16_000)),
        },
        "recall": chance.random() < 0.3,
        "prefer": chance.choice(("order", "cost")),
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
    ways: Any = ("closed", "reset", "ended", "error event")
    at: Any = ("any", "any", *get_args(Spot))
    faults: list[Fault] = [Break(chance.choice(ways), chance.choice(at)) for _ in range(5)]
    faults += chance.choices(list(PASSING.values()), k=4)
    faults += chance.choices(_REFUSED, k=2)
    faults += [TooLong(budget)] * chance.choice((0, 0, 3))
    faults += [chance.choice(list(FINAL.values())), chance.choice(list(STRANGE.values()))]
    faults += [Silence(carried_out=chance.random() < 0.5)]
    if slow:
        faults += [Break("stalled", "any", seconds=2.0), Silence(carried_out=chance.random() < 0.5, seconds=2.0)] * 2
    return tuple(faults)


def _kill(chance: random.Random) -> Kill:
    kind = chance.choice(("request", "request", "time", "point", "point"))
    return Kill(
        kind=kind,
        number=chance.choice((1, 1, 2, 3, 5, 9, 15)),
        parts=chance.choice((0, 0, 1, 2, 4, 9)),
        seconds=chance.uniform(0.0, 0.4),
        point=chance.choice(list(user.POINTS)),
        when=chance.choice(("before", "after")),
    )


@dataclass
class Place:
    """Where runs are carried out: one server for all of them, and children, where processes are killed."""

    base_url: str
    switch: Switch
    forks: Forks | None = None


@contextlib.contextmanager
def place(forks: Forks | None = None) -> Iterator[Place]:
    """A place for runs."""
    switch = Switch()
    with serving(Emulator(), breaking=switch) as base_url:
        yield Place(base_url, switch, forks)


def run(plan: Plan, folder: Path, at: Place, *, in_child: bool = False) -> Outcome:
    """Carry out a plan.

    Args:
        plan: what to do.
        folder: for its files.
        at: where.
        in_child: whether to use a child also where none is killed.
    """
    agent = Agent(**plan.agent)
    seen, came = Log(), Log()
    breaking = Breaking(plan.number, rate=plan.rate, faults=plan.faults, in_a_row=5)
    journal = folder / "ran"
    journal.touch()
    given = {**plan.user, "base_url": at.base_url, "agent": plan.agent}
    given |= {"database": str(folder / "a.db"), "journal": str(journal)}
    # Faults between two logs: what the emulator sees, and what the client sees.
    at.switch.to(Emulator(_said(agent.reply)), came, breaking, seen, pace=plan.pace)
    kills, ended = 0, list[dict[str, Any]]()
    for kill in plan.kills:
        found = _killed(_forks(at), kill, given, came)
        if found is not None:  # it came to its end before
            ended.append(found)
            break
        kills += 1
    if not ended and (plan.kills or in_child):
        ended.append(_whole(_forks(at).run("tests.client.user:work", **given)))
    elif not ended:
        ended.append(user.work(**given))
    interrupts = kills + sum(one["interrupts"] for one in ended)
    lines = [line.split() for line in journal.read_text(encoding="utf-8").splitlines()]
    told = Told(
        database=folder / "a.db",
        agent=agent,
        turns=user.turns(agent, plan.agent["parts"], plan.agent["per_turn"]),
        client=seen,
        emulator=came,
        injected=breaking.injected,
        # A child that was killed does not tell how often it had been interrupted otherwise.
        interrupts=interrupts + kills * len([*plan.user.get("cancels", ()), *plan.user.get("leaves", ())]),
        ran=[(int(number), int(lane)) for number, lane in lines],
        reruns=plan.user["interrupted"] == "run" or plan.user["way"] == "send",
        budget=plan.user["policy"]["budget"],
        parallel=plan.agent["parallel"],
    )
    audited = audit(told)
    return Outcome(
        violations=audited.violations,
        kills=kills,
        interrupts=interrupts - kills,
        errors=[error for one in ended for error in one["errors"]],
        injected=[one.fault.name for one in breaking.injected],
        counts=audited.counts,
        calls=ended[-1]["calls"],
        told=told,
    )


def _forks(at: Place) -> Forks:
    assert at.forks is not None, "processes that are killed are children"
    return at.forks


def _killed(forks: Forks, kill: Kill, given: Mapping[str, Any], came: Log) -> dict[str, Any] | None:
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
    return None if child.status == -signal.SIGKILL else _whole(child)


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
    parser.add_argument("--runs", type=int, default=100, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="of all of them")
    parser.add_argument("--first", type=int, default=1, help="number of the first run")
    parser.add_argument("--only", type=int, help="number of the one run to do, with its log and its traceback")
    given = parser.parse_args()
    numbers = [given.only] if given.only else range(given.first, given.first + given.runs)
    if not given.only:
        logging.getLogger("ctxwindow").setLevel(logging.CRITICAL)
    tables = {name: Counter[str]() for name in ("in all", "faults", "raised to the user")}
    broken, start = 0, time.monotonic()
    with Forks() as forks, place(forks) as at, tempfile.TemporaryDirectory(prefix="ctxwindow-torture-") as home:
        for number in numbers:
            plan = draw(given.seed, number)
            folder = Path(home) / str(number)
            folder.mkdir()
            try:
                found = run(plan, folder, at)
            except Exception as error:
                if given.only:
                    raise
                found = Outcome([f"{type(error).__name__}: {error}"], 0, 0, [], [])  # the other runs go on
            shutil.rmtree(folder)
            tables["in all"].update(found.counts)
            tables["in all"].update(kills=found.kills, interrupts=found.interrupts)
            tables["faults"].update(found.injected)
            tables["raised to the user"].update(found.errors)
            if found.violations or given.only:
                broken += bool(found.violations)
                _say("\n".join([f"\r{plan}", *found.violations]).replace("\n", "\n  "))
            _say(f"\r{number} of {numbers[-1]}, {broken} broken, {time.monotonic() - start:.0f} s ", end="")
    _say(f"\n{len(numbers)} runs, {broken} with violations, {time.monotonic() - start:.0f} s")
    for title, counted in tables.items():
        _say(f"\n{title}:" if title == "in all" else f"\n{title}: {counted.total():,}")
        _say("\n".join(f"  {times:7,}  {name}" for name, times in counted.most_common()))


def _say(text: str, end: str = "\n") -> None:
    sys.stdout.write(text + end)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
