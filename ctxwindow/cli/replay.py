"""`ctxwindow replay`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ctxwindow.cli.compared import show
from ctxwindow.cli.options import file_argument, json_option, load, model_option, naming, read_policy, thread_option
from ctxwindow.cli.output import dollars, few, percent, plain, print_json
from ctxwindow.cli.wires import Wires
from ctxwindow.tiers import Send
from ctxwindow.transcripts.comparison import Comparison, compare_policies
from ctxwindow.transcripts.comparison import as_json as comparison_form
from ctxwindow.transcripts.live import Feed
from ctxwindow.transcripts.replay import Replay, SendRow, Totals, as_json, replay

if TYPE_CHECKING:
    from ctxwindow.cli.terminal import Screen

__all__ = ["command", "laws", "measures"]

_form = as_json  # the name is that of the option below

_LISTED = 40
"""Findings that are shown to people."""

_LAWS = {
    "1 nothing is lost": "nothing is lost",
    "2 every wire is valid": "every request is valid",
    "3 every wire fits": "every request fits",
    "7 progress": "every summary reaches its target",
}
"""The laws in words that need no glossary; one that is not here keeps its name."""


@click.command(
    "replay",
    epilog="\b\nExamples:\n  ctxwindow replay session.jsonl --window 60000\n  ctxwindow replay session.jsonl --policy policy.toml --wires out\n  ctxwindow replay session.jsonl --policy chat --policy my.toml",
)
@file_argument
@click.option(
    "--policy",
    "policies",
    metavar="P",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A preset, or a policy in a TOML or JSON file. Two or more are compared, in one table.",
)
@click.option("--window", metavar="N", type=click.IntRange(min=1), help="Budget in tokens, instead of the policy's.")
@model_option("As if the session, its thinking included, had run on this model.")
@click.option(
    "--wires",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Write each request body that would be sent to this new or empty folder: 0001.json ...",
)
@click.option("--unseen", is_flag=True, help="Count in system prompt and tools, by the first request's recorded usage.")
@thread_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    file: str,
    *,
    policies: tuple[Path, ...],
    window: int | None,
    model: str | None,
    wires: Path | None,
    thread_id: str | None,
    unseen: bool,
    as_json: bool,
) -> None:
    """Run the recorded session in FILE through the engine, step by step as if live.

    Summaries are made offline, by quoting. Costs are modelled, for the session as managed and as it was. Exit code 1
    when a request broke a rule or did not fit, or when the API would refuse a message of the recording.

    With several policies there is a column for each, and beside them what else could have been done: nothing, the
    server's own compaction with its defaults, and a sliding window of the same budget.
    """
    named = {str(path): read_policy(path, window) for path in policies} or {"": read_policy(None, window)}
    if len(named) < len(policies):
        raise click.UsageError("a policy is named twice: each is one column.")
    if wires is not None and len(named) > 1:
        raise click.UsageError("--wires writes the requests of one policy.")
    session, thread = load(file, thread_id, model)
    from ctxwindow.cli.terminal import Screen, progress  # noqa: PLC0415 - not needed for --help

    screen = Screen()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(Wires(wires).filling()) if wires is not None else None
        stack.enter_context(naming(session.path))
        steps = len(thread.replies) * len(named)
        bar = stack.enter_context(progress(screen, "replaying", steps, shown=not as_json))

        def on_send(row: SendRow, send: Send, feed: Feed) -> None:
            del feed
            bar.update(bar.task_ids[0], advance=1, state=f"turn {row.turn}, {row.window:,} tokens")
            if folder is not None:
                folder.write(send)

        options: dict[str, Any] = {"model": model, "thread": thread, "unseen": unseen, "on_send": on_send}
        if len(named) > 1:
            found = compare_policies(session, named, **options)
            results = dict(zip(named, found.replays, strict=True))
        else:
            found = None
            results = {name: replay(session, policy=rules, **options) for name, rules in named.items()}
    if found is not None:
        _compared(screen, found, as_json=as_json)
    else:
        _managed(screen, *results.values(), as_json=as_json)
    for name, result in results.items():
        for finding in _findings(result):
            where = f"{session.path}: {name}: " if found is not None else f"{session.path}: "
            click.echo(f"ctxwindow: {few(plain(f'{where}{finding}'))}", err=True)
    ctx.exit(1 if any(_broken(result.totals) for result in results.values()) else 0)


def _broken(totals: Totals) -> bool:
    return bool(totals.violations or totals.overflows or totals.refused)


def _managed(screen: Screen, result: Replay, *, as_json: bool) -> None:
    if as_json:
        print_json(_form(result))
    elif result.sends:
        _show(screen, result)
    else:
        _show_notes(screen, result)


def _compared(screen: Screen, found: Comparison, *, as_json: bool) -> None:
    if as_json:
        print_json(comparison_form(found))
        return
    show(screen, found)
    _notes(screen, list(dict.fromkeys(note for result in found.replays for note in result.notes)))


def _findings(result: Replay) -> Iterator[str]:
    """What kept the recording from being replayed whole."""
    if result.overflow is not None:
        after = f"after request {len(result.sends)}: " if result.sends else ""
        yield f"{after}{result.overflow['message']} [{result.overflow['rule']}] {result.overflow['remedy']}"
    if result.totals.refused:
        first = next((note for note in result.notes if " was refused " in note), "")
        yield f"{_many(result.totals.refused, 'message')} of the recording left out, as the API refuses it: {first}"


def _show(screen: Screen, result: Replay) -> None:
    rows = []
    for row in result.sends:
        for edit in row.edits:
            place = f"{edit.first} to {edit.end - 1}" if edit.end - edit.first > 1 else str(edit.first)
            rows.append((str(row.number), str(row.turn), edit.method, place, f"{edit.freed:,}", f"{row.window:,}"))
    if rows:
        screen.table(
            ("request", "turn", "edit", "of messages", "freed", "window after"), rows, right=(0, 1, 4, 5), give=2
        )
        screen.say()
    totals = result.totals
    screen.table(("", "unmanaged", "managed"), measures(result), right=(1, 2))
    top = max(totals.peak_window, totals.unmanaged_peak)
    screen.say(f"unmanaged  {screen.spark([row.unmanaged_window for row in result.sends], top)}")
    screen.say(f"managed    {screen.spark([row.window for row in result.sends], top)}")
    screen.say()
    screen.facts(
        [
            ("model", totals.model),
            ("requests", f"{totals.sends:,} in {totals.turns:,} turns and {totals.epochs:,} epochs"),
            ("cache", f"{percent(totals.cache_hit_ratio)} of the prompt tokens would be read from it"),
            ("identifiers", _survival(totals)),
            ("laws checked", laws(totals)),
            ("findings", f"{totals.violations:,} rules broken, {totals.overflows:,} overflows"),
        ]
    )
    broken = [(row.number, text) for row in result.sends for text in row.violations]
    for number, text in broken[:_LISTED]:
        screen.say(f"broken at request {number}: {text}", indent="  ", style="bold red")
    if len(broken) > _LISTED:
        screen.say(f"... and {len(broken) - _LISTED:,} more: --json lists them all")
    _show_notes(screen, result)


def _show_notes(screen: Screen, result: Replay) -> None:
    if not result.sends and result.overflow is None:
        screen.say("No assistant message follows another message in it, so there is nothing to replay.")
    _notes(screen, result.notes)


def _notes(screen: Screen, notes: Sequence[str]) -> None:
    for note in notes:
        screen.say(f"note: {note}", indent="  ", style="dim")


def measures(result: Replay) -> list[tuple[str, str, str]]:
    """What a replay changed: name, without and with management."""
    totals, last = result.totals, result.sends[-1]
    return [
        ("largest request, tokens", f"{totals.unmanaged_peak:,}", f"{totals.peak_window:,}"),
        ("last request, tokens", f"{last.unmanaged_window:,}", f"{last.window:,}"),
        ("cost, modelled", dollars(totals.unmanaged_cost), dollars(totals.cost)),
        ("edits", "-", f"{_many(totals.spills, 'spill')}, {_many(totals.compactions, 'summary')}"),
    ]


def _survival(totals: Totals) -> str:
    if totals.reference_survival is None:
        return "nothing was sent"
    return (
        f"of those the model used again, {percent(totals.reference_survival)} were in its window, "
        f"{percent(totals.reference_survival_recallable)} there or recallable"
    )


def laws(totals: Totals) -> str:
    """The laws that a run checked on itself, and whether they held."""
    broken = [_LAWS.get(name, name) for name, held in totals.laws.items() if not held]
    held = ", ".join(_LAWS.get(name, name) for name, held in totals.laws.items() if held)
    return "; ".join([f"{held}: held"] * bool(held) + [f"BROKEN: {', '.join(broken)}"] * bool(broken))


def _many(number: int, name: str) -> str:
    plural = f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"
    return f"{number:,} {name if number == 1 else plural}"
