"""Printing for programs, and what both kinds of printing share. Nothing here needs rich.

Whatever comes from a file (block types, thread ids, file names) goes through `plain` before people see it: no line
breaks, no control characters, nothing that a terminal would obey.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from ctxwindow.errors import CtxwindowError

__all__ = [
    "dollars",
    "fail",
    "few",
    "percent",
    "plain",
    "print_json",
    "soften",
    "wants_json",
]

_LINE = 600
"""Characters of an error line; what is cut is said. A path or a model id out of a broken file may have any length."""

_ALSO = 5
"""Further problems of the same input that are named."""


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether `--json` was asked for, also when parsing stopped early."""
    return "--json" in arguments


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, ensure_ascii=True, indent=1, default=str))


def fail(error: CtxwindowError, *, as_json: bool) -> int:
    """Say what is wrong in one line (and as JSON where asked for); the exit code."""
    if as_json:
        print_json(error.as_dict())
    click.echo(f"ctxwindow: {few(plain(str(error)))}", err=True)
    notes: Sequence[str] = getattr(error, "__notes__", ())
    for note in notes[:_ALSO]:
        click.echo(f"  also: {few(plain(note))}", err=True)
    return 2


def plain(text: str) -> str:
    """One line without control characters, lone surrogates and marks that turn the direction of writing."""
    return "".join(char if char.isprintable() else " " for char in text)


def few(text: str, most: int = _LINE) -> str:
    """`text`, its middle left out where it is too long for a line."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} ... ({len(text) - 2 * half:,} characters left out) ... {text[-half:]}"


def soften() -> None:
    """Let both streams write `?` for what their encoding cannot carry, instead of ending in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def dollars(amount: float | None) -> str:
    """Dollars for people; a dash where no price is known."""
    return "-" if amount is None else f"${amount:,.4f}" if amount < 1 else f"${amount:,.2f}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage; a dash where there is none."""
    return "-" if share is None else f"{share * 100:.{digits}f} %"
