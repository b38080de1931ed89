"""Policies side by side on one recorded session, and beside them what else could have been done.

Every column is worked out from the same steps, sizes, prices and cache model. The baselines (`ctxwindow.transcripts.baselines`)
are cached as the first policy asks, and there is a sliding window for each budget among the policies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.errors import MisuseError
from ctxwindow.tiers import Policy, Send
from ctxwindow.transcripts.baselines import Leave, Sliding, Threshold
from ctxwindow.transcripts.checks import Checks
from ctxwindow.transcripts.live import Feed
from ctxwindow.transcripts.outcome import Outcome
from ctxwindow.transcripts.recorded import session_model
from ctxwindow.transcripts.replay import Replay, SendRow, replay
from ctxwindow.transcripts.session import Session, Thread
from ctxwindow.transcripts.survival import Tally
from ctxwindow.transcripts.unmanaged import Baseline, run_unmanaged

__all__ = ["Comparison", "as_json", "compare_policies", "outcome_of"]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One session under several policies."""

    path: str
    thread: str
    model: str
    """The model it begins on."""
    turns: int
    baselines: tuple[Outcome, ...]
    """`unmanaged`, `threshold`, then a sliding window for each budget."""
    policies: tuple[Outcome, ...]
    """In the order given."""
    replays: tuple[Replay, ...]
    """Of the policies, send by send."""


def compare_policies(
    session: Session,
    policies: Mapping[str, Policy],
    *,
    model: str | ModelProfile | None = None,
    thread: Thread | None = None,
    unseen: bool = False,
    on_send: Callable[[SendRow, Send, Feed], None] | None = None,
    checks: Checks = "full",
) -> Comparison:
    """Replay a thread under each policy. The other arguments and the errors are those of `replay`.

    Raises:
        MisuseError: no policy is given.
    """
    if not policies:
        raise MisuseError("there is nothing to compare.", remedy="Give one policy or more, by name.")
    chosen = thread or session.main
    profile = session_model(session, chosen, model)
    ttl = next(iter(policies.values())).cache
    budgets = sorted({policy.budget_of(profile.window) - policy.reserve for policy in policies.values()})
    leave, threshold = Leave(ttl), Threshold(ttl)
    sliding = {
        f"sliding {budget:,}" if len(budgets) > 1 else "sliding": Sliding(ttl, budget=budget) for budget in budgets
    }
    baselines: dict[str, Baseline] = {"unmanaged": leave, "threshold": threshold, **sliding}
    beside = run_unmanaged(session, chosen, model=model, unseen=unseen, baselines=tuple(baselines.values()))
    replays = tuple(
        replay(
            session,
            policy=policy,
            model=model,
            thread=chosen,
            unseen=unseen,
            on_send=on_send,
            beside=beside,
            checks=checks,
        )
        for policy in policies.values()
    )
    unmanaged, other = leave.book.outcome("unmanaged"), threshold.book.outcome("threshold")

    def beside_them(column: Outcome) -> Outcome:
        return _with_ratios(column, unmanaged, other)

    return Comparison(
        path=session.path,
        thread=chosen.id,
        model=profile.id,
        turns=max(found.totals.turns for found in replays),
        baselines=tuple(beside_them(one.book.outcome(name)) for name, one in baselines.items()),
        policies=tuple(beside_them(outcome_of(name, found)) for name, found in zip(policies, replays, strict=True)),
        replays=replays,
    )


def outcome_of(name: str, found: Replay) -> Outcome:
    """A replay as a column."""
    totals = found.totals
    tally = sum((row.survival for row in found.sends), start=Tally())
    return Outcome(
        name=name,
        sends=totals.sends,
        cost=totals.cost,
        summaries_cost=totals.summaries_cost,
        overflows=totals.overflows,
        violations=totals.violations,
        edits=totals.edits,
        epochs=totals.epochs,
        cache_hit_ratio=totals.cache_hit_ratio,
        thinking_kept=totals.thinking_kept,
        thinking_lost=totals.thinking_lost,
        thinking_blocks=totals.thinking_blocks,
        thinking_blocks_lost=totals.thinking_blocks_lost,
        window_mean=totals.window_mean,
        window_peak=totals.peak_window,
        used=tally.used,
        on_wire=tally.on_wire,
        recallable=tally.recallable,
    )


def _with_ratios(column: Outcome, unmanaged: Outcome, threshold: Outcome) -> Outcome:
    """Costs are compared only of columns that sent as much: a replay that an overflow ended did less."""
    if column.sends != unmanaged.sends or column.cost is None:
        return column
    return msgspec.structs.replace(
        column,
        cost_ratio=column.cost / unmanaged.cost if unmanaged.cost else None,
        threshold_ratio=column.cost / threshold.cost if threshold.cost else None,
    )


def as_json(found: Comparison) -> dict[str, Any]:
    """The documented JSON form of `ctxwindow replay` with several policies."""
    columns = [
        {
            "kind": kind,
            **msgspec.to_builtins(column),
            "reference_survival": column.reference_survival,
            "reference_survival_recallable": column.reference_survival_recallable,
        }
        for kind, group in (("baseline", found.baselines), ("policy", found.policies))
        for column in group
    ]
    notes = list(dict.fromkeys(note for one in found.replays for note in one.notes))
    return {
        "path": found.path,
        "thread": found.thread,
        "model": found.model,
        "turns": found.turns,
        "columns": columns,
        "notes": notes,
    }
