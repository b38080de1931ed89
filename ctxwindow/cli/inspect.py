"""`ctxwindow inspect`."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from ctxwindow.cli.options import json_option, model_option, pick_thread, thread_option
from ctxwindow.cli.output import console, dollars, percent, print_json, spark
from ctxwindow.transcripts import read
from ctxwindow.transcripts.inspect import Inspection, inspect
from ctxwindow.transcripts.session import Session

__all__ = ["command"]


@click.command("inspect")
@click.argument("session", type=click.Path())
@model_option("For a session that names no model.")
@thread_option
@click.option("--forecast", is_flag=True, help="Show how far off each forecast of the next request's size was.")
@json_option
def command(session: str, model: str | None, thread_id: str | None, *, forecast: bool, as_json: bool) -> None:
    """Show what a recorded session is made of: turns, rounds, window over time, cost, cache, compactions."""
    found = read(session)
    seen = inspect(found, thread=pick_thread(found, thread_id), model=model)
    if as_json:
        print_json(_as_json(seen, found, requests=forecast))
        return
    _show(seen, found)
    if forecast:
        _show_forecast(seen)


def _as_json(seen: Inspection, session: Session, *, requests: bool) -> dict[str, Any]:
    form: dict[str, Any] = msgspec.to_builtins(seen)
    form["window"] = [row.actual if row.actual is not None else row.forecast for row in seen.requests]
    form["threads"] = [
        {"id": thread.id, "sidechain": thread.sidechain, "steps": len(thread.steps)} for thread in session.threads
    ]
    if not requests:
        del form["requests"]
    return form


def _show(seen: Inspection, session: Session) -> None:
    from rich.table import Table  # noqa: PLC0415

    out = console()
    models = ", ".join(f"{name} ({number})" for name, number in seen.models.items())
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_row("session", f"{seen.format}, thread {seen.thread}, {len(session.threads)} threads")
    facts.add_row("models", models or "none")
    facts.add_row("messages", f"{seen.messages:,} in {seen.turns:,} turns, {seen.rounds:,} rounds of tool calls")
    facts.add_row("compactions", f"{seen.compactions} by the client")
    facts.add_row("requests", f"{len(seen.requests):,}, largest {seen.peak:,} tokens")
    facts.add_row("cost", f"{dollars(seen.cost)} by recorded usage{_output_note(seen)}")
    facts.add_row("cache", f"{percent(seen.cache_hit_ratio)} of prompt tokens were read from it")
    sizes = [row.actual if row.actual is not None else row.forecast for row in seen.requests]
    facts.add_row("window", f"{spark(sizes, seen.peak)} up to {seen.peak:,}")
    out.print(facts)
    table = Table("fills the window at the end", "tokens", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for name, tokens in sorted(seen.by.items(), key=lambda part: -part[1]):
        if tokens:
            table.add_row(name, f"{tokens:,}")
    out.print(table)
    for note in seen.notes:
        out.print(f"note: {note}", markup=False, style="dim")


def _output_note(seen: Inspection) -> str:
    known = sum(row.output is not None for row in seen.requests)
    return "" if known == len(seen.requests) else f"; output is known for {known} of {len(seen.requests)} replies"


def _show_forecast(seen: Inspection) -> None:
    from rich.table import Table  # noqa: PLC0415

    out = console()
    table = Table("request", "turn", "forecast", "actual", "error", "bounds", "source", box=None, pad_edge=False)
    for column in table.columns[:6]:
        column.justify = "right"
    for number, row in enumerate(seen.requests, start=1):
        actual = "-" if row.actual is None else f"{row.actual:,}"
        bounds = f"{row.low:,} to {row.high:,}"
        table.add_row(
            str(number), str(row.turn), f"{row.forecast:,}", actual, percent(row.error, 2), bounds, row.source
        )
    out.print(table)
    exact = seen.accuracy
    out.print(
        f"forecast of the next request, {exact.compared} compared: median absolute error {percent(exact.median, 2)}, "
        f"95th percentile {percent(exact.p95, 2)}, within its bounds {percent(exact.within_bounds)}",
        markup=False,
    )
