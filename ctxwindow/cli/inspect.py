"""`ctxwindow inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from ctxwindow.cli.options import file_argument, json_option, load, model_option, naming, thread_option
from ctxwindow.cli.output import dollars, few, percent, print_json
from ctxwindow.cli.spending import show_blocks, show_cost
from ctxwindow.transcripts.inspect import Inspection, NextRequest, RequestRow, inspect
from ctxwindow.transcripts.session import Session

if TYPE_CHECKING:
    from ctxwindow.cli.terminal import Screen

__all__ = ["command"]

_FORMATS = {
    "claude_code": "a Claude Code session",
    "request": "a request body",
    "messages": "a list of messages",
}

_THREADS = 12
"""Threads that are listed for people."""


@click.command(
    "inspect",
    epilog="\b\nExamples:\n  ctxwindow inspect session.jsonl\n  ctxwindow inspect session.jsonl --cost --blocks\n"
    "  ctxwindow inspect session.jsonl --forecast --json",
)
@file_argument
@model_option("For a file that names no model.")
@thread_option
@click.option("--blocks", is_flag=True, help="List the dearest blocks: what each cost in all requests that carried it.")
@click.option("--cost", is_flag=True, help="Say what the money was spent on, by turn, tool and kind of block.")
@click.option(
    "--forecast",
    is_flag=True,
    help="List each request, with how far off the forecast of its size was, and the next one.",
)
@json_option
def command(
    file: str, model: str | None, thread_id: str | None, *, blocks: bool, cost: bool, forecast: bool, as_json: bool
) -> None:
    """Show what the recorded session in FILE is made of.

    Turns and rounds, the window over time and what fills it, cost, cache hits and compactions, all as recorded.
    """
    session, thread = load(file, thread_id, model)
    with naming(session.path):
        seen = inspect(session, thread=thread, model=model)
    if as_json:
        print_json(_as_json(seen, session, blocks=blocks, cost=cost, requests=forecast))
        return
    from ctxwindow.cli.terminal import Screen  # noqa: PLC0415 - only people's output needs rich

    screen = Screen()
    _show(screen, seen, session)
    if cost:
        show_cost(screen, seen.spending)
    if blocks:
        show_blocks(screen, seen.spending)
    if forecast:
        _show_forecast(screen, seen)


def _as_json(seen: Inspection, session: Session, *, blocks: bool, cost: bool, requests: bool) -> dict[str, Any]:
    form: dict[str, Any] = {
        name: msgspec.to_builtins(getattr(seen, name)) for name in seen.__struct_fields__ if name != "spending"
    }
    form["window"] = [_size(row) for row in seen.requests]
    form["threads"] = [
        {"id": thread.id, "sidechain": thread.sidechain, "steps": len(thread.steps)} for thread in session.threads
    ]
    if not requests:
        del form["requests"], form["next"]
    if cost:
        form["spending"] = seen.spending.as_dict()
    if blocks:
        form["blocks"] = [msgspec.to_builtins(block) for block in seen.spending.blocks]
    return form


def _size(row: RequestRow) -> int:
    return row.actual if row.actual is not None else row.forecast


def _show(screen: Screen, seen: Inspection, session: Session) -> None:
    sizes = [_size(row) for row in seen.requests]
    models = ", ".join(f"{few(name, 80)} ({number:,} requests)" for name, number in seen.models.items())
    screen.facts(
        [
            ("file", f"{_FORMATS[seen.format]}, thread {few(seen.thread, 80)}"),
            ("model", models or "no reply in it"),
            ("messages", f"{seen.messages:,} in {seen.turns:,} turns, with {seen.rounds:,} rounds of tool calls"),
            ("compactions", f"{seen.compactions:,} by the client that recorded it"),
            ("cost", _cost(seen)),
            ("cache", _cache(seen)),
            ("window", f"largest {seen.peak:,} tokens, last {sizes[-1]:,}" if sizes else "no request was sent"),
        ]
    )
    if sizes:
        screen.say(f"over time    {screen.spark(sizes, seen.peak)}")
        screen.say()
        parts = sorted(((name, tokens) for name, tokens in seen.by.items() if tokens), key=lambda part: -part[1])
        rows = [(_part(name, seen), f"{tokens:,}") for name, tokens in parts]
        screen.table(("what fills it at the last request (estimated)", "tokens"), rows, right=(1,))
    _show_threads(screen, session)
    for note in seen.notes:
        screen.say(f"note: {note}", indent="  ", style="dim")


def _part(name: str, seen: Inspection) -> str:
    hidden = name == "overhead" and seen.format == "claude_code"
    return "overhead, with system prompt and tools" if hidden else name


def _cost(seen: Inspection) -> str:
    doubted = sum(row.doubt is not None for row in seen.requests)
    if seen.cost is None:
        return f"not known: no usage{' that is believed' if doubted else ''} or no price is recorded"
    known = sum(row.output is not None for row in seen.requests)
    note = "" if known == len(seen.requests) else f"; output is known for {known:,} of {len(seen.requests):,} replies"
    if doubted:
        note += f"; the usage of {doubted:,} of them is doubted"
    return f"{dollars(seen.cost)} by recorded usage{note}"


def _cache(seen: Inspection) -> str:
    if seen.cache_hit_ratio is None and any(row.doubt is not None for row in seen.requests):
        return "not known: the recorded usage is doubted"
    if seen.cache_hit_ratio is None:
        return "not known: no usage is recorded"
    return f"{percent(seen.cache_hit_ratio)} of the prompt tokens were read from it"


def _show_threads(screen: Screen, session: Session) -> None:
    if len(session.threads) == 1:
        return
    screen.say()
    rows = [
        (thread.id, "subagent" if thread.sidechain else "user", f"{len(thread.steps):,}")
        for thread in session.threads[:_THREADS]
    ]
    screen.table(("threads (for --thread)", "of", "messages"), rows, right=(2,))
    if len(session.threads) > _THREADS:
        screen.say(f"... and {len(session.threads) - _THREADS:,} more: --json lists them all")


def _show_forecast(screen: Screen, seen: Inspection) -> None:
    rows = []
    for row in seen.requests:
        actual = "-" if row.actual is None else f"{row.actual:,}"
        bounds = f"{row.low:,} to {row.high:,}"
        numbers = (str(row.number), str(row.turn), f"{row.forecast:,}", actual, percent(row.error, 2), bounds)
        rows.append((*numbers, row.source))
    screen.say()
    screen.table(
        ("request", "turn", "forecast", "actual", "error", "bounds", "source"), rows, right=(0, 1, 2, 3, 4, 5), give=5
    )
    exact = seen.accuracy
    screen.say()
    if exact.compared:
        screen.say(
            f"forecast of the next request, {exact.compared:,} compared: median absolute error {percent(exact.median, 2)}, "
            f"95th percentile {percent(exact.p95, 2)}, within its bounds {percent(exact.within_bounds)}"
        )
    else:
        why = "the usage is doubted" if any(row.doubt for row in seen.requests) else "the file records no usage"
        screen.say(f"forecast of the next request: nothing to compare, as {why}")
    off = seen.spending.forecast_error
    if off is not None:
        screen.say(f"forecast of the cost of its prompt: median absolute error {percent(off, 2)}")
    if seen.next is not None:
        _show_next(screen, seen.next)


def _show_next(screen: Screen, following: NextRequest) -> None:
    screen.say(
        f"the next request: {following.tokens:,} tokens and what will be new; its prompt {dollars(following.warm)} with the "
        f"cache warm, {dollars(following.cold)} with it cold"
    )
    if following.halving is not None and following.halving.without is not None:
        pays = following.halving.sends
        when = "never" if pays is None else f"in {pays:,} requests"
        screen.say(f"bringing it down to half now would pay back {when}, the cost of a summary left out")
