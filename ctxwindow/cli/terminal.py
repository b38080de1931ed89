"""Printing for people, with rich. Imported by a command only when it has something to show.

On a terminal, prose is broken at words and a table is kept within the width. In a pipe nothing is broken and nothing
cut: a line stays a line, for `grep`. Markup and emoji codes in what is printed have no effect.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from ctxwindow.cli.output import plain

__all__ = ["Screen", "progress"]


_TICKS = {True: "▁▂▃▄▅▆▇█", False: "_.-:=+*#"}
_GAUGE = {True: ("█", "·"), False: ("#", ".")}
"""For terminals that speak Unicode, and for others."""


class _Console(Console):
    """rich's console, except that a reader who has gone is for `ctxwindow.cli.app` to handle."""

    def on_broken_pipe(self) -> NoReturn:
        """Raise, where rich would end the process with code 1."""
        raise BrokenPipeError


class Screen:
    """Where people's output goes."""

    def __init__(self, console: Console | None = None) -> None:
        """Standard output, or a console of the caller's."""
        self.console = console or _Console(markup=False, emoji=False, highlight=False)
        self.unicode = self.console.encoding.startswith("utf")

    @property
    def width(self) -> int | None:
        """Columns, or None where nobody counts them."""
        return self.console.width if self.console.is_terminal else None

    def say(self, text: str = "", *, indent: str = "", style: str = "") -> None:
        """A line of prose; what does not fit the terminal goes on below, under `indent`."""
        text = plain(text)
        width = self.width
        if width is None or cell_len(text) <= width:
            self._put(text, style)
            return
        for line in textwrap.wrap(
            text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        ):
            self._put(line, style)

    def facts(self, facts: Sequence[tuple[str, str]]) -> None:
        """Labels and what there is to say, one below the other."""
        label = max((cell_len(name) for name, _ in facts), default=0)
        for name, text in facts:
            self.say(f"{name:{label}}  {text}", indent=" " * (label + 2))

    def table(
        self, head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), give: int = 0
    ) -> None:
        """A table without rules.

        Args:
            head: the titles of the columns.
            rows: the cells.
            right: columns whose cells stand at their right edge.
            give: the column that is cut, in its middle, where the terminal is too narrow.
        """
        cells = [[plain(cell) for cell in row] for row in (head, *rows)]
        widths = [max(cell_len(row[column]) for row in cells) for column in range(len(head))]
        if self.width is not None:
            over = sum(widths) + 2 * (len(widths) - 1) - self.width
            widths[give] = max(8, widths[give] - max(0, over))
        for number, row in enumerate(cells):
            parts = []
            for column, cell in enumerate(row):
                cell = _middle(cell, widths[column])  # noqa: PLW2901 - the same cell, fitted
                space = " " * (widths[column] - cell_len(cell))
                parts.append(space + cell if column in right else cell + space)
            self._put("  ".join(parts).rstrip(), "" if number else "bold")

    def spark(self, values: Sequence[int], top: int, width: int = 60) -> str:
        """A line of bars: how full the window was over time, each bar the highest of its stretch."""
        if not values or top <= 0:
            return ""
        ticks = _TICKS[self.unicode]
        groups = min(width, len(values))
        bars = []
        for group in range(groups):
            stretch = values[group * len(values) // groups : (group + 1) * len(values) // groups]
            bars.append(ticks[max(0, min(len(ticks) - 1, int(max(stretch) / top * len(ticks))))])
        return "".join(bars)

    def gauge(self, value: int, top: int, width: int = 16) -> str:
        """How full something is, as a bar of fixed width."""
        full, rest = _GAUGE[self.unicode]
        filled = min(width, max(0, round(value / top * width))) if top > 0 else width
        return full * filled + rest * (width - filled)

    def _put(self, line: str, style: str) -> None:
        self.console.print(Text(line, style=style), soft_wrap=True)


def _middle(text: str, width: int) -> str:
    """`text` with its middle left out where it is wider than `width`: of a path, both ends say most."""
    if cell_len(text) <= width:
        return text
    head = (width - 3) // 2
    tail = width - 3 - head
    return set_cell_size(f"{set_cell_size(text, head)}...{text[-tail:] if tail else ''}", width)


@contextmanager
def progress(screen: Screen, title: str, total: int, *, shown: bool, keep: bool = False) -> Iterator[Progress]:
    """A live progress display, if `shown`.

    On standard output where that is a terminal, so that it and what is printed do not run into each other; else on
    standard error where that is one; else nowhere. The task is 0; its field `state` says what is going on.
    """
    console: Console = screen.console
    if not console.is_terminal:
        console = _Console(stderr=True, markup=False, emoji=False, highlight=False)
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}", markup=False),
        console=console,
        transient=not keep,
        disable=not shown or not console.is_terminal,
    )
    bar.add_task(title, total=total, state="")
    with bar:
        yield bar
