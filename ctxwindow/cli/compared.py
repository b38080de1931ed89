"""The table of `ctxwindow replay` with several policies: a column each, beside what else could have been done."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ctxwindow.cli.output import dollars, percent
from ctxwindow.transcripts.comparison import Comparison
from ctxwindow.transcripts.outcome import Outcome

if TYPE_CHECKING:
    from ctxwindow.cli.terminal import Screen

__all__ = ["rows", "show"]


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _edits(column: Outcome) -> str:
    return ", ".join(f"{number} {method}" for method, number in column.edits.items()) or "-"


_MEASURES: tuple[tuple[str, Callable[[Outcome], str]], ...] = (
    ("requests", lambda column: f"{column.sends:,}"),
    ("cost, modelled", lambda column: dollars(column.cost)),
    ("  of it for summaries", lambda column: dollars(column.summaries_cost)),
    ("  to unmanaged", lambda column: _ratio(column.cost_ratio)),
    ("  to threshold", lambda column: _ratio(column.threshold_ratio)),
    ("overflows", lambda column: f"{column.overflows:,}"),
    ("rules broken", lambda column: f"{column.violations:,}"),
    ("edits", lambda column: f"{sum(column.edits.values()):,}"),
    ("epochs", lambda column: f"{column.epochs:,}"),
    ("read from the cache", lambda column: percent(column.cache_hit_ratio)),
    ("thinking kept", lambda column: f"{column.thinking_kept:,}"),
    ("thinking lost", lambda column: f"{column.thinking_lost:,}"),
    ("  distinct blocks", lambda column: f"{column.thinking_blocks_lost:,} of {column.thinking_blocks:,}"),
    ("tokens, mean", lambda column: f"{column.window_mean:,.0f}"),
    ("tokens, most", lambda column: f"{column.window_peak:,}"),
    ("identifiers in window", lambda column: percent(column.reference_survival)),
    ("  there or recallable", lambda column: percent(column.reference_survival_recallable)),
)


def rows(found: Comparison) -> list[tuple[str, ...]]:
    """A row for each measure: its name, and the cell of each column."""
    columns = (*found.baselines, *found.policies)
    return [(name, *(cell(column) for column in columns)) for name, cell in _MEASURES]


def show(screen: Screen, found: Comparison) -> None:
    """The table, and what it takes to read it."""
    columns = (*found.baselines, *found.policies)
    places = range(1, len(columns) + 1)
    screen.table(("", *(column.name for column in columns)), rows(found), right=tuple(places))
    screen.say()
    screen.facts(
        [
            ("model", found.model),
            ("unmanaged", "nothing is done, in a window without end"),
            ("threshold", "the server compacts at 150,000 tokens, its default, whatever the budget (CMP-01)"),
            ("sliding", "the newest whole rounds that fit the budget, chosen anew at each request"),
            *((f"edits, {column.name}", _edits(column)) for column in found.policies),
        ]
    )
