"""Agents go through faults and kills, and nothing is lost or doubled (`tests.client.torture`, `tests.client.audit`)."""

from __future__ import annotations

import gc
import resource
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ctxwindow import Conversation
from ctxwindow.record import decode_event
from ctxwindow.record.events import Appended, Event, Received
from ctxwindow.stores import SqliteStore, keep
from tests.client.agents import Agent
from tests.client.audit import Told, audit
from tests.client.breaking import FAULTS, Break, Silence, TooLong
from tests.client.child import Forks
from tests.client.torture import UNTRUE, Kill, Place, Plan, draw, place, run

SEED = 1


@pytest.fixture(scope="module")
def at(forks: Forks) -> Iterator[Place]:
    """Where runs are carried out."""
    with place(forks) as found:
        yield found


@pytest.mark.parametrize(
    "number", [*range(1, 13), *(pytest.param(number, marks=pytest.mark.long) for number in range(13, 41))]
)
def test_a_run_through_faults_and_kills(number: int, at: Place, tmp_path: Path) -> None:
    plan = draw(SEED, number, largest=4)
    assert run(plan, tmp_path, at).violations == [], plan


@pytest.mark.slow
@pytest.mark.parametrize("hundred", range(10))
def test_a_thousand_runs(hundred: int, at: Place, tmp_path: Path) -> None:
    broken = {}
    for number in range(100 * hundred + 1, 100 * hundred + 101):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = run(draw(SEED, number), folder, at)
        if found.violations:
            broken[number] = found.violations
    assert broken == {}


# -- every moment -----------------------------------------------------------------------------------------

SUMMARIES: dict[str, Any] = {
    "model": "claude-opus-5",
    "policy": {
        "budget": 6_000,
        "methods": ["spill", "summarize_keep_tail", "summarize_all"],
        "warm": {"writer": "claude"},
    },
    "asynchronous": False,
    "way": "run",
    "streaming": True,
    "interrupted": "run",
}
COMPACTIONS: dict[str, Any] = {
    **SUMMARIES,
    "model": "claude-opus-5-5",
    # The server's summaries are as short as ours: it is given a few thousand tokens otherwise (CMP-17).
    "policy": {
        "budget": 6_000,
        "methods": ["compact", "summarize_all"],
        "prefer": "order",
        "warm": {"tokens": 300},
    },
    "asynchronous": True,
    "streaming": None,
    "interrupted": "tell",
}
AGENT: dict[str, Any] = {"parts": 5, "parallel": 2, "result_tokens": 500, "thinking": True, "per_turn": 3}


def moments(given: dict[str, Any], at: Place, folder: Path) -> dict[str, int]:
    """How often each point is passed in a run without faults."""
    found = run(Plan(0, AGENT, {**given, "count": True}, 0.0, ()), folder, at, in_child=True)
    assert found.violations == []
    return {point: calls for point, calls in found.calls.items() if calls}


MOST = 25
"""Calls of one point, spread over the run, at which a process dies before and after: a stream has hundreds of events."""

ALWAYS = {"hold", "append to the store", "plan", "append", "receive", "tool", "answered"}


@pytest.mark.parametrize(
    ("given", "passed", "chosen"),
    [
        (SUMMARIES, {"request", "event of a stream", "checkpoint", "summary comes", "summarized"}, "its own once"),
        (COMPACTIONS, {"request, async", "compacted"}, "its own once"),
        pytest.param(
            SUMMARIES,
            {"request", "event of a stream", "checkpoint", "summary comes", "summarized"},
            "each once",
            marks=pytest.mark.long,
        ),
        *(
            pytest.param(scenario, passed, "all", marks=pytest.mark.slow)
            for scenario, passed in (
                (SUMMARIES, {"request", "event of a stream", "checkpoint", "summary comes", "summarized"}),
                (COMPACTIONS, {"request, async", "compacted"}),
            )
        ),
    ],
    ids=["summaries", "compactions", "summaries-each", "summaries-all", "compactions-all"],
)
def test_a_process_that_dies_at_any_moment_goes_on(
    given: dict[str, Any], passed: set[str], chosen: str, at: Place, tmp_path: Path
) -> None:
    (tmp_path / "whole").mkdir()
    calls = moments(given, at, tmp_path / "whole")
    assert set(calls) == ALWAYS | passed, "the scenario comes by every point it is meant to"
    broken, kills, planned = {}, 0, list[tuple[str, int, str]]()
    for number, (point, times) in enumerate(calls.items()):
        if chosen == "all":
            calls_of_it = range(1, times + 1, max(1, times // MOST))
            planned += [(point, call, when) for call in calls_of_it for when in ("before", "after")]
        elif chosen == "each once" or point in passed:
            planned.append((point, times // 2 + 1, ("before", "after")[number % 2]))
    for point, call, when in planned:
        folder = tmp_path / f"{point} {call} {when}"
        folder.mkdir()
        found = run(Plan(0, AGENT, given, 0.0, (), (Kill("point", call, point=point, when=when),)), folder, at)
        kills += found.kills
        if found.violations:
            broken[point, call, when] = found.violations
    assert broken == {}
    # Events that come after a point in another order are fewer calls of it, now and then.
    assert kills >= 0.9 * len(planned), "a kill that never comes tests nothing"


# -- every fault ------------------------------------------------------------------------------------------

EVERY = [
    *FAULTS,
    Break("stalled", seconds=1.0),
    Silence(seconds=1.0),
    Silence(carried_out=True, seconds=1.0),
    TooLong(9_000),
]


@pytest.mark.slow
@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("asynchronous", [True, False], ids=["async", "sync"])
@pytest.mark.parametrize("model", ["claude-haiku-4-5-20251001", "claude-sonnet-5-5"])
def test_every_fault_by_itself(model: str, asynchronous: bool, streaming: bool, at: Place, tmp_path: Path) -> None:
    """Each befalls every third request, of replies, counts, summaries and compactions alike."""
    broken = {}
    given = {
        **SUMMARIES,
        "model": model,
        "policy": {"budget": 9_000, "exact_counts": True, "warm": {"writer": "claude", "tokens": 700}},
        "asynchronous": asynchronous,
        "streaming": streaming,
        "timeout": 0.5,
        "reopens": 0.5,
    }
    for number, fault in enumerate(fault for fault in EVERY if fault not in UNTRUE):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = run(Plan(number, {**AGENT, "result_tokens": 700}, given, 0.34, (fault,)), folder, at)
        if found.violations:
            broken[fault.name] = found.violations
    assert broken == {}


# -- nothing is left behind -------------------------------------------------------------------------------


GROWTH = 5e6
"""Bytes by which memory may grow in the second half of a hundred runs; caches are full by then."""


def left() -> tuple[int, int]:
    """Threads and descriptors of this process."""
    gc.collect()
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


def resident() -> int:
    """Memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are counted where Linux lists them")
@pytest.mark.parametrize("runs", [4, pytest.param(100, marks=pytest.mark.slow)])
def test_nothing_is_left_behind(runs: int, at: Place, tmp_path: Path) -> None:
    before, half = None, 0
    for number in range(1, runs + 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        plan = draw(SEED + 1, number, killed=False, largest=4)
        assert run(plan, folder, at).violations == []
        before = before or left()  # the first run loads what stays
        if number == runs // 2:
            half = resident()
    assert left() == before
    if runs >= 100:
        assert resident() - half < GROWTH


# -- the audit --------------------------------------------------------------------------------------------


@pytest.fixture
def told(at: Place, tmp_path: Path) -> Told:
    """Of a run in which nothing went wrong."""
    given = {**SUMMARIES, "policy": {"budget": 40_000}}
    found = run(Plan(0, {**AGENT, "parallel": 1}, given, 0.0, ()), tmp_path, at)
    assert found.violations == []
    assert found.told is not None
    return found.told


def test_the_audit_finds_what_does_not_fit_the_record(told: Told) -> None:
    other = Agent(5, result_tokens=700, parallel=1)
    wrong: list[tuple[Told, str]] = [
        (replace(told, ran=[*told.ran, told.ran[0]]), "calls run more than 1 times"),
        (replace(told, ran=told.ran[1:]), "which was not run"),
        (replace(told, ran=[*told.ran, (9, 9)]), "calls run that are not in the record"),
        (replace(told, turns=["Something else."]), "user turns"),
        (replace(told, budget=1_000), "of 1,000 tokens"),
        (replace(told, agent=other), "is not what the tool returned"),
        (replace(told, agent=Agent(6)), "calls asked: too many {}, too few {(6, 0): 1}"),
    ]
    for changed, what in wrong:
        assert any(what in violation for violation in audit(changed).violations), what


def test_the_audit_finds_what_is_wrong_with_a_record(told: Told, tmp_path: Path) -> None:
    with SqliteStore(told.database) as store:
        events = [decode_event(row.payload) for row in store.read("main")]
    last = max(number for number, event in enumerate(events) if isinstance(event, Received))
    results = next(n for n, e in enumerate(events) if isinstance(e, Appended) and "tool_result" in str(e.message))

    def changed(number: int, **fields: Any) -> list[Any]:
        return [*events[:number], msgspec.structs.replace(events[number], **fields), *events[number + 1 :]]

    said = {
        "role": "assistant",
        "content": [{"type": "text", "text": "Agent a is done: but this is not what it said."}],
    }
    appended: Any = events[results]
    answer = appended.message["content"][0]
    told_else = {"role": "user", "content": [{**answer, "content": "Nothing."}]}
    wrong: list[tuple[list[Any], str]] = [
        (events[:last], "replies that came are not in the record"),
        (events[:last], "a reply is still awaited"),
        (changed(last, message=said), "not as it came"),
        (changed(last, reply_id="msg_of_nobody"), "a reply that nobody gave"),
        (changed(last, reply_id=first_reply(events)), "recorded twice"),
        (changed(results, message=told_else), "is not what the tool returned"),
    ]
    for number, (altered, what) in enumerate(wrong):
        path = tmp_path / f"{number}.db"
        with SqliteStore(path) as store:
            keep(store, "main", fresh(altered))
        assert any(what in violation for violation in audit(replace(told, database=path)).violations), what


def first_reply(events: Sequence[Event]) -> str | None:
    """The id of the first reply."""
    return next(event.reply_id for event in events if isinstance(event, Received))


def fresh(events: Sequence[Event]) -> Conversation:
    """A conversation of these events that no store has."""
    conversation = Conversation.fold(events)
    conversation.mark_kept(0)
    return conversation
