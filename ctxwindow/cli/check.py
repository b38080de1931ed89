"""`ctxwindow check`."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from ctxwindow.catalog import resolve
from ctxwindow.cli.options import json_option, model_option, pick_thread, thread_option
from ctxwindow.cli.output import console, print_json
from ctxwindow.rules import Violation, check, prefix_report
from ctxwindow.transcripts import read
from ctxwindow.transcripts.occupancy import request_of

__all__ = ["command"]


@click.command("check")
@click.argument("file", type=click.Path())
@click.option("--previous", type=click.Path(), help="The request before, for the prefix check of thinking blocks.")
@model_option("Check as a request to this model.")
@thread_option
@json_option
@click.pass_context
def command(
    ctx: click.Context, file: str, previous: str | None, model: str | None, thread_id: str | None, *, as_json: bool
) -> None:
    """Check the request in FILE against the documented rules. Exit code 1 when it breaks one."""
    session = read(file)
    request = request_of(session, pick_thread(session, thread_id), model)
    before = read(previous) if previous is not None else None
    earlier = request_of(before, before.main, model) if before is not None else None
    profile = resolve(str(request["model"]))
    found = check(request, profile=profile, previous=earlier)
    thinking = prefix_report(request, earlier, profile) if earlier is not None else []
    errors = [violation for violation in found if violation.severity == "error"]
    warnings = [violation for violation in found if violation.severity != "error"]
    if as_json:
        print_json(
            {
                "ok": not errors,
                "violations": [_row(violation) for violation in errors],
                "warnings": [_row(violation) for violation in warnings],
                "thinking": [msgspec.to_builtins(state) for state in thinking],
            }
        )
    else:
        _show(errors, warnings, thinking, model=profile.id, messages=len(request["messages"]))
    ctx.exit(1 if errors else 0)


def _row(violation: Violation) -> dict[str, str]:
    return {
        "rule": violation.rule,
        "path": violation.path,
        "message": violation.message,
        "remedy": violation.remedy,
    }


def _show(
    errors: list[Violation], warnings: list[Violation], thinking: list[Any], *, model: str, messages: int
) -> None:
    out = console()
    for violation in (*errors, *warnings):
        out.print(f"{violation.severity} {violation.rule} at {violation.path}: {violation.message}", markup=False)
        out.print(f"  {violation.remedy}", markup=False)
    for state in thinking:
        if not state.valid:
            out.print(f"stale thinking at {state.path}: {state.reason}", markup=False)
    verdict = "no violation" if not errors else f"{len(errors)} violations"
    out.print(f"{messages} messages for {model}: {verdict}, {len(warnings)} warnings", markup=False)
