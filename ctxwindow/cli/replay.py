"""`ctxwindow replay`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click

from ctxwindow.cli.options import json_option, model_option, pick_thread, read_policy, thread_option
from ctxwindow.cli.output import console, dollars, percent, print_json, spark
from ctxwindow.errors import MisuseError
from ctxwindow.tiers import Send
from ctxwindow.transcripts import read
from ctxwindow.transcripts.live import Feed
from ctxwindow.transcripts.replay import Replay, SendRow, as_json, replay

__all__ = ["command", "show"]

OnSend = Callable[[SendRow, Send, Feed], None]


@click.command("replay")
@click.argument("session", type=click.Path())
@click.option("--policy", type=click.Path(path_type=Path), help="A policy in a TOML or JSON file.")
@click.option("--window", type=click.IntRange(min=1), help="Budget in tokens, instead of the policy's.")
@model_option("As if the session, its thinking included, had run on this model.")
@click.option("--wires", type=click.Path(path_type=Path), help="Write each request body to this folder: 0001.json ...")
@click.option("--unseen", is_flag=True, help="Count system prompt and tools in, by the first request's usage.")
@thread_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    session: str,
    policy: Path | None,
    window: int | None,
    model: str | None,
    wires: Path | None,
    thread_id: str | None,
    *,
    unseen: bool,
    as_json: bool,
) -> None:
    """Run a recorded session through the engine, step by step as if live, with the offline summariser.

    Exit code 1 when a send broke a rule or did not fit.
    """
    rules = read_policy(policy, window)
    found = read(session)
    thread = pick_thread(found, thread_id)
    write = _writer(wires) if wires is not None else None
    with _progress(len(thread.replies), shown=not as_json) as advance:

        def on_send(row: SendRow, send: Send, feed: Feed) -> None:
            advance(row)
            if write is not None:
                write(row, send, feed)

        result = replay(found, policy=rules, model=model, thread=thread, unseen=unseen, on_send=on_send)
    if as_json:
        print_json(_json(result))
    else:
        show(result)
    if result.overflow is not None:
        click.echo(f"ctxwindow: {result.overflow['message']} {result.overflow['remedy']}", err=True)
    ctx.exit(1 if result.totals.violations or result.totals.overflows else 0)


_json = as_json


def _writer(folder: Path) -> OnSend:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MisuseError(
            f"cannot be made: {error.strerror}.", path=str(folder), remedy="Name another folder."
        ) from None

    def write(row: SendRow, send: Send, feed: Feed) -> None:
        del feed
        path = folder / f"{row.number:04d}.json"
        try:
            path.write_text(json.dumps(send.request, ensure_ascii=True, indent=1) + "\n", encoding="ascii")
        except OSError as error:
            raise MisuseError(
                f"cannot be written: {error.strerror}.", path=str(path), remedy="Name another folder."
            ) from None

    return write


class _progress:  # noqa: N801 - used like a function
    """A progress display on standard error, where that is a terminal; otherwise nothing."""

    def __init__(self, total: int, *, shown: bool) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            console=console(err=True),
            transient=True,
            disable=not shown,
        )
        self._task = self._bar.add_task("replaying", total=total, state="")

    def __enter__(self) -> Callable[[SendRow], None]:
        self._bar.start()
        return self._advance

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def _advance(self, row: SendRow) -> None:
        state = f"turn {row.turn}, epoch {row.epoch}, {row.window:,} tokens"
        self._bar.update(self._task, advance=1, state=state)


def show(result: Replay) -> None:
    """The replay as tables, for people."""
    from rich.table import Table  # noqa: PLC0415

    out = console()
    edits = Table("send", "turn", "edit", "of messages", "freed", "window after", box=None, pad_edge=False)
    for column in (0, 1, 4, 5):
        edits.columns[column].justify = "right"
    for row in result.sends:
        for edit in row.edits:
            place = f"{edit.first} to {edit.end - 1}" if edit.end - edit.first > 1 else str(edit.first)
            edits.add_row(str(row.number), str(row.turn), edit.method, place, f"{edit.freed:,}", f"{row.window:,}")
    if edits.row_count:
        out.print(edits)
        out.print()
    _show_totals(result)
    for row in result.sends:
        for violation in row.violations:
            out.print(f"violation at send {row.number}: {violation}", markup=False)
    for note in result.notes:
        out.print(f"note: {note}", markup=False, style="dim")


def _show_totals(result: Replay) -> None:
    from rich.table import Table  # noqa: PLC0415

    out, totals = console(), result.totals
    table = Table("", "managed", "unmanaged", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    top = max(totals.peak_window, totals.unmanaged_peak)
    table.add_row("largest window, tokens", f"{totals.peak_window:,}", f"{totals.unmanaged_peak:,}")
    last = result.sends[-1] if result.sends else None
    if last is not None:
        table.add_row("last window, tokens", f"{last.window:,}", f"{last.unmanaged_window:,}")
    table.add_row("cost (modelled)", dollars(totals.cost), dollars(totals.unmanaged_cost))
    out.print(table)
    out.print(f"managed    {spark([row.window for row in result.sends], top)}")
    out.print(f"unmanaged  {spark([row.unmanaged_window for row in result.sends], top)}")
    out.print(
        f"{totals.model}: {totals.sends} sends in {totals.turns} turns, {totals.epochs} epochs, "
        f"{totals.compactions} summaries, {totals.spills} spilled results; cache hits {percent(totals.cache_hit_ratio)}",
        markup=False,
    )
    out.print(
        f"identifiers used again: {percent(totals.reference_survival)} in the wire, "
        f"{percent(totals.reference_survival_recallable)} with recall",
        markup=False,
    )
    laws = ", ".join(f"{name}: {'holds' if held else 'BROKEN'}" for name, held in totals.laws.items())
    out.print(
        f"laws checked on this run: {laws}; violations {totals.violations}, overflows {totals.overflows}", markup=False
    )
