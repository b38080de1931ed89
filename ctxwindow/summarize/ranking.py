"""What is worth keeping: how much each identifier weighs, and which lines cover most of that weight.

An identifier is likely to be needed again when it was used often, lately, and by the user or the model rather
than only printed by a tool. A line is worth the weight of the identifiers it would add to the summary, by the
room it takes: greedy maximum coverage, in its lazy form (Minoux 1978), which looks at few lines twice.
"""

from __future__ import annotations

import heapq
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from ctxwindow.record.identifiers import known_identifiers
from ctxwindow.summarize.passages import Kind
from ctxwindow.summarize.source import Work

__all__ = ["Line", "cover", "critical", "lone_names", "offer", "recency", "weights"]


class Line(msgspec.Struct, kw_only=True, eq=False):
    """A line that the summary may hold."""

    text: str
    kind: Kind | None
    """None for an identifier that stands alone."""
    work: Work
    message: int
    """Record index of the message; the first of the segment for a line of the summary before."""
    order: int
    """Place in the source: a smaller one stands earlier."""
    heading: int
    """Index of the heading it goes under."""
    names: tuple[str, ...]
    """Its identifiers, each once."""
    earlier: bool = False
    """Whether it comes from the summary before."""


# How much a mention says about later use, by whose words it stands in. On 46 recorded sessions the share of
# later used identifiers that is kept moves by about a point or less when any of these, or `_HALVES`, is halved or
# doubled.
_MENTION: dict[Work, float] = {"user": 1.0, "assistant": 1.0, "system": 0.5, "tool": 0.15}
_HALVES = 3  # the weight of a mention halves this often from the newest message to the oldest
_LINE = 6  # characters that a line costs beside its text: bullet, line end, a token cut short
_NAME = 2  # the same for a name in a list
_CRITICAL_SHARE = 0.08  # of a summary's budget, for the names that it is expected to keep. Our choice
_MOST_CRITICAL = 40  # such names at most
_PATIENCE = 16  # refusals in a row after which the room left is too small to go on looking
_LONGEST_NAME = 120  # characters of an identifier that may stand on a line of its own
_MENTIONS = 2  # of a name that may: one by the user or the model counts as two
_WORD = re.compile(r"[^\W\d_]{3}")


def recency(message: int, first: int, last: int) -> float:
    """1 for the newest message of a segment, falling by halves towards its oldest."""
    halvings = _HALVES * (last - message) / max(last - first, 1)
    return math.exp2(-halvings)


def weights(lines: Iterable[Line], first: int, last: int) -> dict[str, float]:
    """The weight of each identifier: its mentions, newer ones more, with diminishing returns."""
    mentions: dict[str, float] = {}
    for line in lines:
        value = _MENTION[line.work] * recency(line.message, first, last)
        for name in line.names:
            mentions[name] = mentions.get(name, 0.0) + value
    return {name: math.log1p(total) for name, total in mentions.items()}


def lone_names(lines: Sequence[Line], heading: int) -> Iterator[Line]:
    """A line for each identifier that can stand alone, at the place of its newest mention.

    That is one without blanks that the user or the model has used, or that two lines hold. A path stands for
    its last part too, and `f()` for `f`.
    """
    mentions: dict[str, int] = {}
    newest: dict[str, Line] = {}
    for line in lines:
        for name in line.names:
            mentions[name] = mentions.get(name, 0) + (1 if line.work == "tool" else 2)
            newest[name] = line
    known: dict[str, tuple[str, ...]] = {}
    for name, line in newest.items():
        if mentions[name] < _MENTIONS or not _stands_alone(name):
            continue
        held = dict.fromkeys((name, *known_identifiers(name, known), name.rpartition("/")[2]))
        yield Line(
            text=name,
            kind=None,
            work=line.work,
            message=line.message,
            order=line.order,
            heading=heading,
            names=tuple(held),
        )


def critical(known: Mapping[str, float], budget: int, cost: Callable[[str], int]) -> list[str]:
    """The heaviest identifiers that can stand alone: those that any summary of the segment is expected to keep.

    As many as a small share of the budget holds, so that a summary within its budget has room for them.

    Args:
        known: weights by identifier.
        budget: tokens of the summary.
        cost: tokens of a text.
    """
    room = int(budget * _CRITICAL_SHARE)
    chosen: list[str] = []
    for name in heapq.nsmallest(_MOST_CRITICAL, filter(_stands_alone, known), key=lambda name: (-known[name], name)):
        room -= cost(name) + _NAME
        if room < 0:
            break
        chosen.append(name)
    return chosen


def _stands_alone(name: str) -> bool:
    """Whether a name says something without its line: one run with letters in it that is not a plain word."""
    plain = name.isalpha() and (name.islower() or name.istitle())
    return len(name) <= _LONGEST_NAME and _WORD.search(name) is not None and len(name.split()) == 1 and not plain


def offer(lines: Iterable[Line], take: Callable[[Line], bool]) -> None:
    """Offer lines to `take` in their order, until it has refused often in a row: then there is no room left."""
    refused = 0
    for line in lines:
        refused = 0 if take(line) else refused + 1
        if refused == _PATIENCE:
            break


def cover(lines: Sequence[Line], worth: Callable[[Line], float], take: Callable[[Line], bool]) -> None:
    """Offer lines to `take` by falling worth for their length, until it has refused often in a row.

    `worth` must not rise as lines are taken (a name once kept adds nothing again): a line that still leads
    after its worth was looked at again is then the best of all. Lines of no worth are not offered. Of equal
    lines the first goes first.
    """

    def density(line: Line) -> float:
        return worth(line) / (len(line.text) + (_LINE if line.kind is not None else _NAME))

    heap = [(-density(line), place) for place, line in enumerate(lines)]
    heapq.heapify(heap)
    refused = 0
    while heap and refused < _PATIENCE:
        _, place = heapq.heappop(heap)
        now = (-density(lines[place]), place)
        if now[0] >= 0:
            continue
        if heap and now > heap[0]:
            heapq.heappush(heap, now)
        elif take(lines[place]):
            refused = 0
        else:
            refused += 1
