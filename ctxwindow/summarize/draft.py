"""A summary in the making: the lines chosen so far, what they cost, and the text they make."""

from __future__ import annotations

from collections.abc import Callable

from ctxwindow.summarize.ranking import Line
from ctxwindow.summarize.sections import BULLET, HEADINGS, NAMES_JOIN

__all__ = ["Draft"]

_NAMES_A_LINE = 12
"""A reader finds a name faster in a short line; the bullets cost little."""


class Draft:
    """The lines chosen so far, in the order of their importance: the last one is the first to go."""

    def __init__(self, *, budget: int, count: Callable[[str], int]) -> None:
        self.budget = budget
        self.room = budget
        """Tokens left, by the sum of the lines."""
        self.chosen: dict[str, Line] = {}
        self.names: set[str] = set()
        """The identifiers that the chosen lines hold."""
        self._count = count
        self._costs: dict[str, int] = {}
        self._headings: set[int] = set()

    def cost(self, text: str) -> int:
        """Tokens of a text by itself; each is counted once."""
        known = self._costs.get(text)
        if known is None:
            known = self._costs[text] = self._count(text)
        return known

    def cost_of(self, line: Line) -> int:
        """Tokens of a line with its bullet and line end, or of a name with what separates it from the next."""
        return self.cost(f"{NAMES_JOIN}{line.text}" if line.kind is None else f"{BULLET}{line.text}\n")

    def take(self, line: Line, reserve: int = 0) -> bool:
        """Choose a line, unless that would leave less than `reserve` tokens of room."""
        if line.text in self.chosen:
            return True
        if self.room - self.cost(f"{BULLET}\n" if line.kind is not None else NAMES_JOIN) < reserve:
            return False  # not even an empty line: no need to count this one
        need = self.cost_of(line)
        if line.heading not in self._headings:
            need += self.cost(f"{HEADINGS[line.heading]}\n{BULLET if line.kind is None else ''}")
        if self.room - need < reserve:
            # The first line is what a summary is for: where the sum of the parts is over, the whole may fit.
            first = not self.chosen and self._count(f"{HEADINGS[line.heading]}\n{BULLET}{line.text}") <= self.budget
            if not first:
                return False
        self.room -= need
        self._headings.add(line.heading)
        self.chosen[line.text] = line
        self.names.update(line.names)
        return True

    def measure(self) -> int:
        """Set the room to what is left when the whole is counted, and return it."""
        self.room = self.budget - self._count(self.text())
        return self.room

    def text(self) -> str:
        """The summary as it stands: headings in their order, lines in source order under each."""
        under: dict[int, list[Line]] = {}
        for line in self.chosen.values():
            under.setdefault(line.heading, []).append(line)
        rows: list[str] = []
        for heading in sorted(under):
            rows.append(HEADINGS[heading])
            lines = sorted(under[heading], key=lambda line: line.order)
            names = [line.text for line in lines if line.kind is None]
            rows.extend(BULLET + line.text for line in lines if line.kind is not None)
            starts = range(0, len(names), _NAMES_A_LINE)
            rows.extend(BULLET + NAMES_JOIN.join(names[start : start + _NAMES_A_LINE]) for start in starts)
        return "\n".join(rows)

    def fitted(self) -> str:
        """The summary, shortened from its least important line until the whole is inside the budget.

        The whole can count for more than the sum of its lines. Each round drops at least what is over, and at
        least twice as many lines as the round before, so that a count that never adds up ends soon too.
        """
        least = 1
        while self.chosen:
            text = self.text()
            over = self._count(text) - self.budget
            if over <= 0:
                return text
            for dropped, line in enumerate(reversed(list(self.chosen))):
                if dropped >= least and over <= 0:
                    break
                over -= self.cost_of(self.chosen.pop(line))
            least *= 2
        return ""
