"""A summary in the making: the lines chosen so far, what they cost, and the text they make."""

from __future__ import annotations

from collections.abc import Callable

from ctxwindow.summarize.ranking import Line

__all__ = ["BULLET", "HEADINGS", "Draft"]

HEADINGS = (
    "[User instructions]",
    "[System messages]",
    "[Decisions and state of work]",
    "[Errors seen]",
    "[Tool calls]",
    "[Quoted from results and code]",
    "[Files and identifiers]",
    "[Attachments, not carried over]",
    "[Earlier summary]",
)
"""The headings of a summary, in the order in which they stand; one without lines is left out."""

BULLET = "- "
"""Before every line that is not a heading."""


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

    def cost(self, line: str) -> int:
        """Tokens of a line with its line end; each line is counted once."""
        known = self._costs.get(line)
        if known is None:
            known = self._costs[line] = self._count(f"{line}\n")
        return known

    def take(self, line: Line, reserve: int = 0) -> bool:
        """Choose a line, unless that would leave less than `reserve` tokens of room."""
        if line.text in self.chosen:
            return True
        if self.room - self.cost(BULLET) < reserve:
            return False  # not even an empty line: no need to count this one
        need = self.cost(BULLET + line.text)
        if line.heading not in self._headings:
            need += self.cost(HEADINGS[line.heading])
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
            rows.extend(BULLET + line.text for line in sorted(under[heading], key=lambda line: line.order))
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
                over -= self.cost(BULLET + line)
                del self.chosen[line]
            least *= 2
        return ""
