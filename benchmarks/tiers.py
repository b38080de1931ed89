"""What do the tiers cost and keep on recorded sessions? Every session, window and model, beside the baselines.

    python -m benchmarks.tiers SESSIONS [--windows 30000,60000,120000,200000] [--models A,B,C] [--policy P ...]
                               [--only GLOB] [--json OUT] [--jobs 2] [--checks full] [--priced]

SESSIONS is a folder of recorded sessions (`.jsonl`, `.jsonl.gz`, `.json`), or one. Each is replayed under each policy (the
default one, or files and presets as `ctxwindow replay` takes them) with each window as its budget, and side by side with
no management, the server's default compaction and a sliding window of the same budget. Then for each window, model and
policy: the laws, the sums of costs, and the identifiers that replies used again. The sums of costs are over the sessions
that went through to their end. Summaries by the client are made by quoting and cost nothing; with `--priced` they
cost what they would if the model had written them, reading the conversation from the cache.
"""

from __future__ import annotations

import argparse
import fnmatch
import itertools
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

import msgspec

from ctxwindow.cli.options import read_policy
from ctxwindow.cli.terminal import Screen, progress
from ctxwindow.errors import CtxwindowError
from ctxwindow.tiers import Policy
from ctxwindow.transcripts import Session, read
from ctxwindow.transcripts.baselines import Leave, Sliding, Threshold
from ctxwindow.transcripts.checks import Checks
from ctxwindow.transcripts.comparison import outcome_of
from ctxwindow.transcripts.outcome import Outcome
from ctxwindow.transcripts.replay import Replay, replay
from ctxwindow.transcripts.unmanaged import run_unmanaged

WINDOWS = (30_000, 60_000, 120_000, 200_000)
MODELS = ("claude-sonnet-4-5", "claude-opus-4-6", "claude-opus-5-5")
"""One of each family: keeps the last turn's thinking only, keeps all, binds it to its prefix."""

_CENT = 0.005
"""Dollars within which two costs are the same."""

_NO_EPOCH = ("spill", "clear")
"""How the names of the methods begin that start no epoch."""

_PAIRING = tuple(f"TOOL-0{number} " for number in range(1, 7))
"""Rules that a call without its result, or a result without its call, breaks."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One session under one policy in one window on one model."""

    session: str
    model: str
    window: int
    policy: str
    managed: Outcome
    unmanaged: Outcome
    threshold: Outcome
    sliding: Outcome
    orphans: int
    stalled: int
    """Compactions without new content since the one before."""
    broken: tuple[str, ...]
    """Laws that did not hold, and what broke first."""
    fits: bool
    """Whether the session fits the window as it is."""
    seconds: float

    @property
    def whole(self) -> bool:
        """Whether it went through to its end."""
        return self.managed.sends == self.unmanaged.sends


class Sweep(NamedTuple):
    """What each session is replayed under."""

    models: Sequence[str]
    windows: Sequence[int]
    policies: Sequence[str]
    checks: Checks
    priced: bool


def rows_of(path: Path, root: Path, sweep: Sweep) -> list[Row]:
    """One session on every model, in every window, under every policy."""
    session = read(path)
    if not session.main.replies:
        return []
    name = str(path.relative_to(root)) if path != root else path.name
    return [row for model in sweep.models for row in _on_model(session, name, model, sweep)]


def _on_model(session: Session, name: str, model: str, sweep: Sweep) -> Iterator[Row]:
    # The baselines are cached as by default, whatever the policy.
    leave, threshold = Leave("5m"), Threshold("5m")
    sliding = {window: Sliding("5m", budget=window) for window in sweep.windows}
    beside = run_unmanaged(session, session.main, model=model, baselines=(leave, threshold, *sliding.values()))
    unmanaged = leave.book.outcome("unmanaged")
    for policy, window in itertools.product(sweep.policies, sweep.windows):
        start = time.perf_counter()
        rules = _policy(policy, window)
        found = replay(session, policy=rules, model=model, beside=beside, checks=sweep.checks, priced=sweep.priced)
        yield Row(
            session=name,
            model=model,
            window=window,
            policy=policy,
            managed=outcome_of(policy, found),
            unmanaged=unmanaged,
            threshold=threshold.book.outcome("threshold"),
            sliding=sliding[window].book.outcome("sliding"),
            orphans=sum(text.startswith(_PAIRING) for row in found.sends for text in row.violations),
            stalled=_stalled(found),
            broken=tuple(_broken(found)),
            fits=all(send.tokens + send.max_tokens <= window for send in beside.sends),
            seconds=time.perf_counter() - start,
        )


def _policy(name: str, window: int) -> Policy:
    return read_policy(None if name == "default" else Path(name), window)


def _stalled(found: Replay) -> int:
    """Compactions without new content since the one before: in the same send, or that reach no further."""
    sends = [[edit.end for edit in row.edits if not edit.method.startswith(_NO_EPOCH)] for row in found.sends]
    ends = [end for edits in sends for end in edits]
    again = sum(max(0, len(edits) - 1) for edits in sends)
    return again + sum(later <= earlier for earlier, later in itertools.pairwise(ends))


def _broken(found: Replay) -> Iterator[str]:
    yield from (law for law, held in found.totals.laws.items() if not held)
    yield from [f"request {row.number}: {text}" for row in found.sends for text in row.violations][:3]
    if found.overflow is not None:
        yield f"after request {len(found.sends)}: {found.overflow['message']}"


def _sum(outcomes: Sequence[Outcome]) -> float:
    return sum(outcome.cost or 0.0 for outcome in outcomes)


def _mean(values: Sequence[float | None]) -> str:
    """Of the sessions that have the figure: where nothing is used again there is no share."""
    known = [value for value in values if value is not None]
    return f"{statistics.mean(known):.4f}" if known else "-"


def _less(row: Row) -> str:
    """Both shares where the window held less than a sliding one, else nothing."""
    managed, sliding = row.managed.reference_survival, row.sliding.reference_survival
    if managed is None or sliding is None or managed >= sliding:
        return ""
    return f"{managed:.4f} < {sliding:.4f}"


def summary(rows: Sequence[Row]) -> dict[str, str]:
    """The figures of one window, model and policy."""
    whole = [row for row in rows if row.whole]
    edited = [row for row in rows if row.managed.edits]
    fitting = [row for row in rows if row.fits]
    larger = [row for row in whole if not row.fits]
    worse = [row for row in rows if _less(row)]
    methods = sorted({method for row in rows for method in row.managed.edits})
    thoughts = {name: sum(getattr(row.managed, name) for row in rows) for name in ("thinking_kept", "thinking_lost")}
    return {
        "sends": f"{sum(row.managed.sends for row in rows):,} in {len(rows)} sessions",
        "violations": f"{sum(row.managed.violations for row in rows):,}",
        "orphans": f"{sum(row.orphans for row in rows):,}",
        "overflows": f"{sum(row.managed.overflows for row in rows):,}",
        "overflows of sliding": f"{sum(row.sliding.overflows for row in rows):,}",
        "stalled compactions": f"{sum(row.stalled for row in rows):,}",
        "edits": ", ".join(f"{sum(row.managed.edits.get(one, 0) for row in rows)} {one}" for one in methods) or "0",
        "thinking kept, lost": f"{thoughts['thinking_kept']:,}, {thoughts['thinking_lost']:,}",
        "fit as they are": f"{len(fitting)}, to the cent as unmanaged: {len(fitting) - len(_dearer(fitting))}",
        **_costs("cost, all", whole),
        **_costs("cost, larger ones", larger),
        "summaries in it": f"${sum(row.managed.summaries_cost or 0 for row in whole):,.4f}",
        "survival, all": _survival(rows),
        "survival, edited": _survival(edited),
        "wire + recallable": _mean([row.managed.reference_survival_recallable for row in rows]),
        "less than sliding": f"{len(worse)} sessions",
    }


def _costs(name: str, rows: Sequence[Row]) -> dict[str, str]:
    costs = {kind: _sum([getattr(row, kind) for row in rows]) for kind in _KINDS}
    return {f"{name} ({len(rows)})": ", ".join(f"{kind} ${dollars:,.2f}" for kind, dollars in costs.items())}


_KINDS = ("managed", "unmanaged", "threshold", "sliding")


def _survival(rows: Sequence[Row]) -> str:
    managed = _mean([row.managed.reference_survival for row in rows])
    sliding = _mean([row.sliding.reference_survival for row in rows])
    return f"managed {managed}, sliding {sliding} ({len(rows)} sessions, mean)"


def _dearer(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if abs((row.managed.cost or 0.0) - (row.unmanaged.cost or 0.0)) >= _CENT]


def _lists(screen: Screen, rows: Sequence[Row]) -> None:
    """What somebody who tunes must look at, session by session."""
    for row in rows:
        where = f"{row.session} in {row.window:,} on {row.model}"
        for text in row.broken:
            screen.say(f"BROKEN  {where}: {text}", indent="  ")
        if row.stalled:
            screen.say(f"STALLED {where}: {row.stalled}", indent="  ")
        if row.fits and row in _dearer([row]):
            screen.say(
                f"COST    {where}: ${row.managed.cost} for ${row.unmanaged.cost}, {row.managed.edits}", indent="  "
            )
        less = _less(row)
        if less:
            screen.say(f"LESS    {where}: {less}, {row.managed.edits}, sliding {row.sliding.edits}", indent="  ")


def show(screen: Screen, rows: Sequence[Row]) -> None:
    """A table for each policy and model, a column for each window; then the sessions to look at."""
    for policy, model in dict.fromkeys((row.policy, row.model) for row in rows):
        group = [row for row in rows if (row.policy, row.model) == (policy, model)]
        screen.say(f"{model}, policy {policy}", style="bold")
        for window in sorted({row.window for row in group}):
            screen.say(f"  window {window:,}")
            figures = summary([row for row in group if row.window == window])
            screen.facts([(f"    {name}", text) for name, text in figures.items()])
        screen.say()
    _lists(screen, rows)
    screen.say(f"{sum(row.seconds for row in rows):.0f} s in managed replays")


def sessions_under(root: Path, only: str | None) -> list[Path]:
    """The session files to replay, the largest first, so that no job ends with the longest."""
    files = [root] if root.is_file() else [path for path in root.rglob("*") if path.is_file()]
    files = [path for path in files if path.name.endswith((".jsonl", ".jsonl.gz", ".json"))]
    chosen = [path for path in files if only is None or fnmatch.fnmatch(str(path), f"*{only}*")]
    return sorted(chosen, key=lambda path: (-path.stat().st_size, str(path)))


def main() -> None:
    """Replay all of them and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sessions", type=Path)
    parser.add_argument("--windows", default=",".join(map(str, WINDOWS)))
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--policy", action="append", default=[])
    parser.add_argument("--only")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--checks", choices=("full", "cheap"), default="cheap")
    parser.add_argument("--priced", action="store_true")
    options = parser.parse_args()
    screen, rows = Screen(), []
    paths = sessions_under(options.sessions, options.only)
    sweep = Sweep(
        models=options.models.split(","),
        windows=[int(window) for window in options.windows.split(",")],
        policies=options.policy or ["default"],
        checks=options.checks,
        priced=options.priced,
    )
    with (
        ProcessPoolExecutor(max_workers=options.jobs) as pool,
        progress(screen, "replaying", len(paths), shown=True) as bar,
    ):
        jobs = {pool.submit(rows_of, path, options.sessions, sweep): path for path in paths}
        for job in as_completed(jobs):
            try:
                rows += job.result()
            except CtxwindowError as error:
                screen.say(f"left out: {jobs[job]}: {error}", indent="  ")
            bar.update(bar.task_ids[0], advance=1, state=jobs[job].parent.name)
    rows.sort(key=lambda row: (row.policy, row.model, row.window, row.session))
    show(screen, rows)
    if options.json is not None:
        options.json.write_text(json.dumps(msgspec.to_builtins(rows), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
