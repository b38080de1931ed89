"""`ctxwindow check`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import msgspec

from ctxwindow.cli.options import file_argument, json_option, load, model_option, thread_option
from ctxwindow.cli.output import few, print_json
from ctxwindow.rules import Report, Violation, check
from ctxwindow.transcripts.occupancy import request_of
from ctxwindow.transcripts.session import Session, Thread

__all__ = ["command"]

_LISTED = 40
"""Findings that are shown to people."""

_MENDED = (
    "Mend the program that recorded this: a request with it is refused. `replay` and `inspect` read it as told here."
)

_SESSION_NOTE = "system prompt, tools and settings are not in a session file, so nothing is said about them"


@click.command(
    "check",
    epilog="\b\nExamples:\n  ctxwindow check request.json\n  ctxwindow check request-8.json --previous request-7.json",
)
@file_argument
@click.option("--previous", metavar="FILE", type=click.Path(), help="The request before, for the prefix check.")
@model_option("Check as a request to this model.")
@thread_option
@json_option
@click.pass_context
def command(
    ctx: click.Context, file: str, previous: str | None, model: str | None, thread_id: str | None, *, as_json: bool
) -> None:
    """Check the request in FILE against the documented rules of the API.

    Of a session it is the last request. With --previous, each thinking block is also checked for standing behind the
    same conversation as when it was created. Exit code 1 when a rule is broken.
    """
    session, request = _read(file, thread_id, model)
    earlier = _read(previous, None, model)[1] if previous is not None else None
    report = check(request, model=request["model"], previous=earlier)
    report = msgspec.structs.replace(report, violations=(*_recorded(session), *report.violations))
    notes = [str(note) for note in session.all_notes if note.rule is None]
    if session.format == "claude_code":
        notes.append(_SESSION_NOTE)
    if as_json:
        print_json(
            {
                "ok": report.ok,
                "violations": [_row(violation) for violation in report.violations],
                "warnings": [_row(violation) for violation in report.warnings],
                "thinking": [msgspec.to_builtins(state) for state in report.thinking],
                "model": report.model,
                "messages": len(request["messages"]),
                "notes": notes,
            }
        )
    else:
        _show(report, messages=len(request["messages"]), notes=notes)
    ctx.exit(0 if report.ok else 1)


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


def _row(violation: Violation) -> dict[str, str]:
    return {
        "rule": violation.rule,
        "path": violation.path,
        "message": violation.message,
        "remedy": violation.remedy,
    }


def _show(report: Report, *, messages: int, notes: Sequence[str]) -> None:
    from ctxwindow.cli.terminal import Screen  # noqa: PLC0415 - only people's output needs rich

    errors, warnings, thinking = report.violations, report.warnings, report.thinking
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
    if thinking:
        valid = sum(state.valid for state in thinking)
        screen.say(f"thinking: {valid} of {len(thinking)} blocks are valid behind this conversation")
    verdict = "no rule broken" if not errors else f"{_many(len(errors), 'rule')} broken"
    screen.say(
        f"{verdict}: {_many(messages, 'message')} for {report.model}, {_many(len(warnings), 'warning')}", style="bold"
    )


def _many(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"
