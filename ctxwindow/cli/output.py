"""Printing for people and for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from ctxwindow.errors import CtxwindowError

__all__ = ["console", "dollars", "fail", "percent", "print_json", "spark", "wants_json"]

_TICKS = "▁▂▃▄▅▆▇█"


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
    click.echo(f"ctxwindow: {_printable(str(error))}", err=True)
    for note in getattr(error, "__notes__", ()):
        click.echo(f"  also: {_printable(note)}", err=True)
    return 2


def _printable(text: str) -> str:
    """Without line breaks and control characters, and writable in the terminal's encoding."""
    line = "".join(char if char.isprintable() else " " for char in text)
    encoding = sys.stderr.encoding or "utf-8"
    return line.encode(encoding, "replace").decode(encoding)


def console(*, err: bool = False) -> Any:
    """A rich console; on standard error for progress."""
    from rich.console import Console  # noqa: PLC0415 - only people's output needs it

    return Console(stderr=err, highlight=False)


def dollars(amount: float | None) -> str:
    """Dollars for people; a dash where no price is known."""
    return "-" if amount is None else f"${amount:,.4f}" if amount < 1 else f"${amount:,.2f}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage."""
    return "-" if share is None else f"{share * 100:.{digits}f} %"


def spark(values: Sequence[int], top: int, width: int = 60) -> str:
    """A line of bars: how full the window was over time, each bar the highest of its stretch."""
    if not values or top <= 0:
        return ""
    groups = min(width, len(values))
    bars = []
    for group in range(groups):
        chunk = values[group * len(values) // groups : (group + 1) * len(values) // groups]
        level = min(len(_TICKS) - 1, int(max(chunk) / top * len(_TICKS)))
        bars.append(_TICKS[level])
    return "".join(bars)
