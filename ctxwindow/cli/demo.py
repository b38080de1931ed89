"""`ctxwindow demo`: a real recorded session, managed in a window too small for it. No key, no network."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import click

from ctxwindow.cli.options import json_option
from ctxwindow.cli.output import console, dollars, percent, print_json, spark
from ctxwindow.conversation import Conversation
from ctxwindow.errors import StoreError
from ctxwindow.stores import Hit, SqliteStore, Store, keep, load
from ctxwindow.summarize import identifier_set
from ctxwindow.record.blocks import blocks_of, texts_of
from ctxwindow.tiers import Policy, Send
from ctxwindow.transcripts import read
from ctxwindow.transcripts.live import Feed
from ctxwindow.transcripts.replay import Replay, SendRow, as_json, replay

__all__ = ["command"]

WINDOW = 40_000
"""Small enough that the session needs all three tiers."""

_NAME = "demo"


@click.command("demo")
@click.option("--window", type=click.IntRange(min=1), default=WINDOW, show_default=True, help="Budget in tokens.")
@json_option
@click.pass_context
def command(ctx: click.Context, window: int, *, as_json: bool) -> None:
    """Watch a real recorded coding session being managed in a small window.

    The session ships with the package. Nothing leaves this machine; the summaries are extractive.
    """
    with _session() as path, tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "demo.db"
        result, conversation = _run(path, window, database, quiet=as_json)
        proof = _proof(database, conversation)
    if as_json:
        print_json({**_json(result), "recall": proof["recall"], "reopened_equal": proof["equal"]})
    else:
        _show(result, conversation, window, proof)
    ctx.exit(1 if result.totals.violations or result.totals.overflows or not proof["equal"] else 0)


_json = as_json


@contextlib.contextmanager
def _session() -> Iterator[Path]:
    with as_file(files("ctxwindow.cli").joinpath("demo.jsonl.gz")) as path:
        yield path


def _run(path: Path, window: int, database: Path, *, quiet: bool) -> tuple[Replay, Conversation]:
    """Replay the session with a live display, keeping every event in a database as it happens."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    session = read(path)
    out = console(err=True)
    last: list[Conversation] = []
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
        console=out,
        disable=quiet,
    )
    if not quiet:
        out.print(
            f"A recorded coding session of {len(session.main.replies)} requests, in a window of {window:,} tokens:"
        )
    with SqliteStore(database) as store, bar:
        task = bar.add_task("managing", total=len(session.main.replies), state="")

        def on_send(row: SendRow, send: Send, feed: Feed) -> None:
            last[:] = [feed.conversation]
            keep(store, _NAME, feed.conversation)
            for edit in send.edits:
                text = f"  send {row.number}: {edit.method}, messages {edit.first} to {edit.end - 1}, freed {edit.freed:,} tokens"
                bar.console.print(text, markup=False, highlight=False)
            state = f"turn {row.turn}, {row.window:,} of {window:,} tokens {_gauge(row.window, window)}"
            bar.update(task, advance=1, state=state)

        result = replay(session, policy=Policy(budget=window), on_send=on_send)
        if last:
            keep(store, _NAME, last[0])
    if not last:
        raise StoreError("nothing could be sent in this window.", remedy="Give --window more tokens.")
    return result, last[0]


def _gauge(value: int, top: int, width: int = 16) -> str:
    full = min(width, round(value / top * width))
    return "█" * full + "·" * (width - full)


def _proof(database: Path, conversation: Conversation) -> dict[str, Any]:
    """Reopen the database: is everything there, and can something cold be found again?"""
    with SqliteStore(database) as store:
        reopened = load(store, _NAME)
        equal = reopened.messages == conversation.messages
        name = _gone_cold(conversation)
        hits = store.search(_NAME, name, k=3) if name is not None else []
        return {
            "equal": equal,
            "query": name,
            "recall": [_hit(hit) for hit in hits],
            "tiers": _tiers(store, conversation),
        }


def _hit(hit: Hit) -> dict[str, Any]:
    return {"path": hit.path, "kind": hit.kind, "snippet": hit.snippet}


def _gone_cold(conversation: Conversation) -> str | None:
    """An identifier that stands in the record and no longer in the wire: the longest of those seen first."""
    wire = "\n".join(_text(message) for message in conversation.wire)
    hot = set(conversation.hot())
    for index, message in enumerate(conversation.messages):
        if index in hot:
            continue
        gone = [name for name in identifier_set(_text(message)) if name not in wire and len(name) <= 60]  # noqa: PLR2004
        if gone:
            return max(gone, key=lambda name: (len(name), name))
    return None


def _text(message: dict[str, Any]) -> str:
    return "\n".join(text for block in blocks_of(message) for text in texts_of(block))


def _tiers(store: Store, conversation: Conversation) -> dict[str, str]:
    hot = len(conversation.hot())
    edits = conversation.compactions
    cold = len(conversation.messages) - hot
    summary = (
        f"{edits[-1].tokens:,} tokens stand for messages {edits[-1].first} to {edits[-1].end - 1}" if edits else "none"
    )
    spilled = sum(conversation.spilled.values())
    return {
        "hot": f"{hot} of {len(conversation.messages)} messages word for word in the window",
        "warm": f"a summary of {summary}" if edits else "no summary was needed",
        "cold": f"{cold} messages in the record only, and {len(conversation.spilled)} large results ({spilled:,} tokens) "
        f"behind a preview; {store.version(_NAME):,} events kept",
    }


def _show(result: Replay, conversation: Conversation, window: int, proof: dict[str, Any]) -> None:
    from rich.table import Table  # noqa: PLC0415

    out, totals = console(), result.totals
    last = result.sends[-1]
    table = Table("", "unmanaged", "managed", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    table.add_row("largest window, tokens", f"{totals.unmanaged_peak:,}", f"{totals.peak_window:,}")
    table.add_row("window at the end, tokens", f"{last.unmanaged_window:,}", f"{last.window:,}")
    table.add_row("cost, modelled", dollars(totals.unmanaged_cost), dollars(totals.cost))
    table.add_row("edits", "0", f"{totals.compactions} summaries, {totals.spills} spills")
    table.add_row("rules broken", "-", str(totals.violations))
    out.print()
    out.print(table)
    top = max(totals.unmanaged_peak, window)
    out.print(f"unmanaged {spark([row.unmanaged_window for row in result.sends], top)}")
    out.print(f"managed   {spark([row.window for row in result.sends], top)}")
    out.print()
    for name, text in proof["tiers"].items():
        out.print(f"{name:5} {text}", markup=False)
    out.print()
    for name, held in totals.laws.items():
        out.print(f"law {name}: {'holds' if held else 'BROKEN'}", markup=False)
    out.print(
        f"reopened from the database: {len(conversation.messages)} messages, {'equal' if proof['equal'] else 'DIFFERENT'}"
    )
    out.print(
        f"identifiers the model used again: {percent(totals.reference_survival)} were in its window, "
        f"{percent(totals.reference_survival_recallable)} in its window or recallable",
        markup=False,
    )
    if proof["query"] is not None:
        out.print()
        out.print(f"recall of something that went cold: {proof['query']!r}", markup=False)
        for hit in proof["recall"][:2]:
            out.print(f"  {hit['path']} ({hit['kind']}): {' '.join(hit['snippet'].split())[:150]}", markup=False)
