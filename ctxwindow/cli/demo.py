"""`ctxwindow demo`: a real recorded session, managed in a window too small for it. No key, no network."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ctxwindow.cli.options import json_option
from ctxwindow.cli.output import few, percent, plain, print_json
from ctxwindow.cli.recall import Found, Missed, missed, recall
from ctxwindow.cli.replay import laws, measures
from ctxwindow.conversation import Conversation
from ctxwindow.errors import MisuseError
from ctxwindow.stores import SqliteStore, keep, load
from ctxwindow.tiers import Edit, Policy, Send
from ctxwindow.transcripts import read
from ctxwindow.transcripts.live import RESERVE, Feed
from ctxwindow.transcripts.replay import Replay, SendRow, as_json, replay

if TYPE_CHECKING:
    from ctxwindow.cli.terminal import Screen

__all__ = ["WINDOW", "command"]

WINDOW = 40_000
"""Small enough that the session needs all three tiers."""

_NAME = "demo"
_form = as_json  # the name is that of the option below

_PACE = 0.05
_PAUSE = 0.5
"""Seconds a request, and an edit, stay on a terminal: the whole run takes one or two, too quick to be followed."""


_QUOTE = 76
"""Characters of a line that is quoted."""


class _Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What the database says when it is opened again."""

    equal: bool
    """Whether all messages are there, equal to what was given."""
    events: int
    missed: Missed | None
    found: Found | None


@click.command("demo", epilog="\b\nExamples:\n  ctxwindow demo\n  ctxwindow demo --window 20000")
@click.option(
    "--window", metavar="N", type=click.IntRange(min=1), default=WINDOW, show_default=True, help="Budget in tokens."
)
@click.option("--fast", is_flag=True, help="Do not slow down for the eye (in a pipe, and with --json, it never does).")
@json_option
@click.pass_context
def command(ctx: click.Context, window: int, *, fast: bool, as_json: bool) -> None:
    """Watch a real recorded coding session being managed in a small window.

    The session ships with the package. Nothing leaves this machine; the summaries are made by quoting.
    """
    from ctxwindow.cli.terminal import Screen  # noqa: PLC0415 - not needed for --help

    screen = Screen()
    with _session() as path, _folder() as folder:
        database = folder / "demo.db"
        result, conversation, miss = _run(screen, path, window, database, quiet=as_json, fast=fast)
        proof = _prove(database, conversation, miss) if conversation is not None else None
    if as_json:
        print_json(_as_json(result, proof))
    elif conversation is not None and proof is not None:
        _show(screen, result, conversation, window, proof)
    if result.overflow is not None:
        overflow = f"{result.overflow['message']} [{result.overflow['rule']}] Give --window more tokens."
        click.echo(f"ctxwindow: {few(plain(overflow))}", err=True)
    held = proof is not None and proof.equal and all(result.totals.laws.values())
    ctx.exit(0 if held and not result.totals.overflows else 1)


@contextlib.contextmanager
def _session() -> Iterator[Path]:
    with as_file(files("ctxwindow.cli").joinpath("demo.jsonl.gz")) as path:
        yield path


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    try:
        folder = tempfile.TemporaryDirectory(prefix="ctxwindow-demo-")
    except OSError as error:
        reason = (error.strerror or "no reason given").lower()
        raise MisuseError(
            f"no temporary folder can be made: {reason}.",
            path="TMPDIR",
            remedy="Set TMPDIR to a folder that can be written.",
        ) from None
    with folder as name:
        yield Path(name)


def _run(
    screen: Screen, path: Path, window: int, database: Path, *, quiet: bool, fast: bool
) -> tuple[Replay, Conversation | None, Missed | None]:
    """Replay the session with a live display, keeping every event in a database as it happens."""
    from ctxwindow.cli.terminal import progress  # noqa: PLC0415 - not needed for --help

    session = read(path)
    number = len(session.main.replies)
    slow = not quiet and not fast and screen.console.is_terminal
    managed: list[Conversation] = []
    misses: list[Missed] = []
    if not quiet:
        screen.say(f"A real coding session with Claude: {number} requests, recorded by entireio/cli (MIT).")
        screen.say(f"Here it has a window of {window:,} tokens, {RESERVE:,} of them kept free for replies.")
        screen.say("Nothing leaves this machine. What ctxwindow does before a request:")
        screen.say()
    with SqliteStore(database) as store, progress(screen, "managing", number, shown=not quiet) as bar:

        def on_send(row: SendRow, send: Send, feed: Feed) -> None:
            managed[:] = [feed.conversation]
            keep(store, _NAME, feed.conversation)
            if row.survival.on_wire < row.survival.used:
                misses[:] = [Missed(request=row.number, wire=send.request["messages"], at=len(feed.fed))]
            for edit in () if quiet else send.edits:
                screen.say(_told(row, edit), indent="  ")
            state = f"{row.window:,} tokens {screen.gauge(row.window, window)}"
            bar.update(bar.task_ids[0], advance=1, state=state)
            if slow:
                time.sleep(_PAUSE if send.edits else _PACE)

        result = replay(session, policy=Policy(budget=window), on_send=on_send)
        if managed:
            keep(store, _NAME, managed[0])
    return result, managed[0] if managed else None, misses[0] if misses else None


def _told(row: SendRow, edit: Edit) -> str:
    """An edit in words."""
    what = (
        "a long tool result leaves, a preview stays"
        if edit.method == "spill"
        else f"messages {edit.first} to {edit.end - 1} become a summary"
    )
    return f"  request {row.number:>2}: {what} ({edit.freed:,} tokens freed)"


def _prove(database: Path, conversation: Conversation, miss: Missed | None) -> _Proof:
    """Open the database again, and see whether all is there and what the model missed is found."""
    with SqliteStore(database) as store:
        reopened = load(store, _NAME)
        named = missed(miss, reopened) if miss is not None else None
        return _Proof(
            equal=reopened.messages == conversation.messages,
            events=store.version(_NAME),
            missed=named,
            found=recall(store, _NAME, named, reopened) if named is not None else None,
        )


def _as_json(result: Replay, proof: _Proof | None) -> dict[str, Any]:
    found = proof.found if proof is not None else None
    return {
        **_form(result),
        "recall": msgspec.to_builtins(found) if found is not None else None,
        "reopened_equal": proof.equal if proof is not None else None,
    }


def _show(screen: Screen, result: Replay, conversation: Conversation, window: int, proof: _Proof) -> None:
    totals = result.totals
    screen.say()
    held = sum(totals.laws.values())
    checked = ("laws checked", "-", f"{held} of {len(totals.laws)} held")
    screen.table(("", "without ctxwindow", "with ctxwindow"), [*measures(result), checked], right=(1, 2))
    top = max(totals.unmanaged_peak, window)
    screen.say(f"without  {screen.spark([row.unmanaged_window for row in result.sends], top)}")
    screen.say(f"with     {screen.spark([row.window for row in result.sends], top)}")
    screen.say()
    screen.facts(_tiers(conversation, proof))
    screen.say()
    kept, reachable = percent(totals.reference_survival), percent(totals.reference_survival_recallable)
    names = f"of names and paths used again, {kept} were in the window, {reachable} there or in the database"
    screen.facts([("laws", laws(totals)), ("names", names)])
    screen.say()
    _show_recall(screen, proof)


def _tiers(conversation: Conversation, proof: _Proof) -> list[tuple[str, str]]:
    messages, hot = len(conversation.messages), len(conversation.hot())
    edits, spilled = conversation.compactions, conversation.spilled
    warm = f"messages 0 to {edits[-1].end - 1} as a summary of {edits[-1].tokens:,} tokens" if edits else "nothing yet"
    same = "equal to what came in" if proof.equal else "NOT EQUAL to what came in"
    long = f"; of these {len(spilled)} long results, {sum(spilled.values()):,} tokens" if spilled else ""
    return [
        ("hot", f"{hot} of {messages} messages, word for word in the window"),
        ("warm", warm),
        ("cold", f"all {messages} messages in a database, read back {same}{long}"),
    ]


def _show_recall(screen: Screen, proof: _Proof) -> None:
    miss, found = proof.missed, proof.found
    if miss is None or found is None:
        screen.say("recall: in a window of this size the model missed nothing that it used again")
        return
    screen.say(f"recall: at request {miss.request} the model used a text that had left its window:", indent="  ")
    screen.say(f'  "{miss.name}"', indent="  ")
    screen.say(f"one search in the database finds it, in message {found.message} of {miss.at} ({found.kind}):")
    for line in found.lines:
        screen.say(f"  | {_around(line, found.query)}")


def _around(line: str, name: str) -> str:
    """The part of a line that holds a name, if it does; else its beginning."""
    start = max(0, line.find(name) + len(name) + 1 - _QUOTE)
    return line[start : start + _QUOTE]
