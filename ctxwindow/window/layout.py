"""What each part of a growing prompt cost over all requests that carried it.

Parts stand in order, each from one position to the next, in tokens. A request charges stretches of positions at a price
per token: what it read from the cache, what it wrote, the rest. Charges are kept as steps, the changes of the price at
their ends, so that a request costs the same work whatever the length of the prompt, and one pass over parts and steps
at the end tells what each part cost.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

__all__ = ["Layout"]

Part = TypeVar("Part")


class Layout(Generic[Part]):
    """Parts of a prompt, in order, and the charges on them.

    Attributes:
        size: tokens of all parts together.
        charged: dollars that were charged.
    """

    def __init__(self) -> None:
        self.size = 0
        self.charged = 0.0
        self._parts: list[Part] = []
        self._ends: list[float] = []
        self._steps: dict[int, float] = {}
        self._carried: list[int] = []

    def extend(self, parts: Sequence[tuple[Part, int]], size: int, rest: Part) -> None:
        """Put parts at the end, so that all of the prompt has `size` tokens, which must not be less than before.

        Args:
            parts: each with its tokens, as far as they are known. If they have more than there is room for, all shrink
                alike; what is left over is `rest`, which stands before them.
            size: tokens of the whole prompt.
            rest: the part that takes what the others leave.
        """
        room, known = size - self.size, sum(tokens for _, tokens in parts)
        scale = room / known if known > room else 1.0
        end = float(self.size)
        for part, tokens in ((rest, max(0, room - known)), *parts):
            if tokens:
                end += tokens * scale
                self._parts.append(part)
                self._ends.append(end)
        self.size = size
        if self._ends:
            self._ends[-1] = float(size)

    def carry(self) -> None:
        """One more request carried all parts of now."""
        self._carried.append(len(self._parts))

    def charge(self, start: int, end: int, rate: float) -> None:
        """One more request paid `rate` dollars for each token from `start` to `end`."""
        if end > start and rate:
            self.charged += rate * (end - start)
            self._steps[start] = self._steps.get(start, 0.0) + rate
            self._steps[end] = self._steps.get(end, 0.0) - rate

    def costs(self) -> Iterator[tuple[Part, int, float]]:
        """Each part, the number of requests that carried it, and what it cost.

        Together they are what was `charged`, less what was charged behind the last part.
        """
        steps = sorted(self._steps.items())
        at, price, position = 0, 0.0, 0.0
        for number, (part, end) in enumerate(zip(self._parts, self._ends, strict=True)):
            dollars = 0.0
            while at < len(steps) and steps[at][0] < end:
                edge, change = steps[at]
                dollars += price * (edge - position)
                position, price, at = float(edge), price + change, at + 1
            dollars += price * (end - position)
            position = end
            yield part, len(self._carried) - bisect_right(self._carried, number), dollars
