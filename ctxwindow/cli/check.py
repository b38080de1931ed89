"""`ctxwindow check`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import click
import msgspec

from ctxwindow.cli.fix import Fixed, fix
from ctxwindow.cli.options import file_argument, json_option, load, model_option, thread_option
from ctxwindow.cli.output import few, print_json
from ctxwindow.errors import HistoryError, MisuseError
from ctxwindow.rules import Enforcement, Report, Violation, check
from ctxwindow.transcripts.occupancy import request_of
from ctxwindow.transcripts.session import Session, Thread
from ctxwindow.transcripts.source import decode, open_lines, parse

__all__ = ["command"]

_LISTED = 40
"""Findings that are shown to people."""

_MENDED = (
    "Mend the program that recorded this: a request with it is refused. `replay` and `inspect` read it as told here."
)

_SESSION_NOTE = "system prompt, tools and settings are not in a session file, so nothing is said about them"


@click.command(
    "check",
    epilog=(
        "\b\nExamples:\n  ctxwindow check request.json\n  ctxwindow check now.json --previous before.json --reply reply.json\n"
        "  ctxwindow check request.json --fix mended.json"
    ),
)
@file_argument
@click.option("--previous", metavar="FILE", type=click.Path(), help="The request before, for the prefix check.")
@click.option("--reply", metavar="FILE", type=click.Path(), help="The API's response to it: its blocks are then known.")
@click.option(
    "--enforcement",
    type=click.Choice(get_args(Enforcement)),
    default="auto",
    show_default=True,
    help="What the API does about stale thinking. auto: what the request asks for, else error. off: an account of before "
    "2026-08-31.",
)
@click.option(
    "--fix", "out", metavar="OUT", type=click.Path(), help="Repair the history, and write the body to OUT, a file."
)
@model_option("Check as a request to this model.")
@thread_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    file: str,
    previous: str | None,
    reply: str | None,
    enforcement: Enforcement,
    out: str | None,
    model: str | None,
    thread_id: str | None,
    as_json: bool,
) -> None:
    """Check the request in FILE against the documented rules of the API.

    Of a session it is the last request. With --previous, each thinking block is also checked for standing behind the
    same conversation as when it was created. Exit code 1 when a rule is broken; with --fix, when one still is in OUT.
    """
    session, request = _read(file, thread_id, model)
    before = _before(previous, reply, model)
    report = check(request, model=request["model"], previous=before, enforcement=enforcement)
    report = msgspec.structs.replace(report, violations=(*_recorded(session), *report.violations))
    fixed = fix(request, out) if out is not None else None
    notes = [str(note) for note in session.all_notes if note.rule is None]
    if session.format == "claude_code":
        notes.append(_SESSION_NOTE)
    if as_json:
        form = {**report.as_dict(), "messages": len(request["messages"]), "notes": notes}
        print_json({**form, "fix": None if fixed is None else fixed.as_dict()})
    else:
        _show(report, fixed, messages=len(request["messages"]), notes=notes)
    ctx.exit(0 if (report.ok if fixed is None else fixed.ok) else 1)


def _read(file: str, thread_id: str | None, model: str | None) -> tuple[Session, dict[str, Any]]:
    session, thread = load(file, thread_id, model, shaped=False)
    return session, _request(session, thread, model)


def _request(session: Session, thread: Thread, model: str | None) -> dict[str, Any]:
    """The request in a file. A session goes on to the reply; the request that it answers ends before it."""
    request = request_of(session, thread, model)
    if session.format != "claude_code":
        return request
    messages = request["messages"]
    end = len(messages)
    while end and messages[end - 1]["role"] == "assistant":
        end -= 1
    return {**request, "messages": messages[:end]} if end else request


def _recorded(session: Session) -> list[Violation]:
    """Rules that a session broke where it was recorded, which its reader mended: the request alone does not show them."""
    return [
        Violation(rule=note.rule, path=note.path, message=note.text, remedy=_MENDED, severity="error")
        for note in session.all_notes
        if note.rule is not None
    ]


def _before(
    previous: str | None, reply: str | None, model: str | None
) -> dict[str, Any] | tuple[dict[str, Any], Any] | None:
    """The exchange before, as far as it is given. It keeps the model that it names: `--model` is of the request now.

    Raises:
        MisuseError: a reply is given, and not what it answers.
    """
    if previous is None:
        if reply is not None:
            raise MisuseError("a reply is read next to its request.", path="--reply", remedy="Add --previous FILE.")
        return None
    session, request = _read(previous, None, model)
    named = (session.request or {}).get("model")
    request = {**request, "model": named} if isinstance(named, str) else request
    return request if reply is None else (request, _response(reply))


def _response(file: str) -> dict[str, Any]:
    """The API's message in a file.

    Raises:
        HistoryError: the file cannot be read, or is no message of the API's.
    """
    with open_lines(file) as lines:
        response = parse(decode(b"".join(line for _, line in lines), file, first=True), file)
    if not isinstance(response, dict) or not isinstance(response.get("content"), list):
        raise HistoryError(
            "it is no response of the API.", path=file, remedy="Give the JSON of a message, with its `content`."
        )
    return response


def _show(report: Report, fixed: Fixed | None, *, messages: int, notes: Sequence[str]) -> None:
    from ctxwindow.cli.terminal import Screen  # noqa: PLC0415 - only people's output needs rich

    errors, warnings = report.violations, report.warnings
    screen = Screen()
    for violation in (*errors, *warnings)[:_LISTED]:
        style = "bold red" if violation.severity == "error" else "bold yellow"
        screen.say(f"{violation.severity} {violation.rule} at {violation.path}", style=style)
        # The API's own texts begin with the path again.
        screen.say(f"  {few(violation.message.removeprefix(f'{violation.path}: '))}", indent="  ")
        screen.say(f"  To do: {violation.remedy}", indent="  ")
    left_out = len(errors) + len(warnings) - _LISTED
    if left_out > 0:
        screen.say(f"... and {left_out:,} more: --json lists them all")
    for note in notes:
        screen.say(f"note: {note}", indent="  ", style="dim")
    if report.thinking:
        valid = sum(state.valid for state in report.thinking)
        screen.say(f"thinking: {valid} of {len(report.thinking)} blocks are valid behind this conversation")
    verdict = "no rule broken" if not errors else f"{_many(len(errors), 'rule')} broken"
    screen.say(
        f"{verdict}: {_many(messages, 'message')} for {report.model}, {_many(len(warnings), 'warning')}", style="bold"
    )
    for one in fixed.repairs[:_LISTED] if fixed is not None else ():
        screen.say(f"fixed {one.rule} at {one.path}: {one.what}", style="bold green")
        screen.say(f"  {few(one.why)}", indent="  ")
    if fixed is not None:
        left = "no rule broken any more" if fixed.ok else f"{_many(len(fixed.left), 'rule')} still broken: check it"
        screen.say(f"{_many(len(fixed.repairs), 'repair')}, written to {fixed.path}; {left}", style="bold")


def _many(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"
