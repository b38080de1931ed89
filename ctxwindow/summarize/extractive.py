"""The offline summariser: it quotes, and writes nothing of its own.

A summary is a few fixed headings with lines under them. Every line stands literally in the source, so that it
can be checked (`provenance`), and nothing in it can be made up. No model, no network, no randomness: the same
segment and budget give the same text in any process.

What is kept, in this order: the first sentence of the user's newest instruction; the first two of the whole
conversation, which say what it is about; the rest of the newest; the user's constraints; the other instructions; what is
open and what is done by the newest state of the to-do lists, the newest test run, the question that is left; system
messages; the summary before; what the model said last; what was decided, done or is left to do; errors; calls; then
whatever covers most of the identifiers that are likely to be used again, be it a line or the bare name. Each
step but the last has a share of the budget; the last gives away the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

import msgspec

from ctxwindow.summarize import sections
from ctxwindow.summarize.draft import Draft
from ctxwindow.summarize.lines import HEADING_OF, distinct, lines_of
from ctxwindow.summarize.negation import marks
from ctxwindow.summarize.passages import Kind
from ctxwindow.summarize.progress import Progress, progress
from ctxwindow.summarize.ranking import Line, cover, critical, lone_names, offer, recency, weights
from ctxwindow.summarize.sections import HEADINGS

if TYPE_CHECKING:
    from ctxwindow.tiers.segment import Segment

__all__ = ["Extractive", "Summarizer", "facts"]

_INSTRUCTIONS = HEADINGS.index(sections.INSTRUCTIONS)
_STATE = HEADINGS.index(sections.STATE)
_NAMES = HEADINGS.index(sections.NAMES)
_EARLIER = HEADINGS.index(sections.EARLIER)

# Shares of the budget, in the order in which they are spent: instructions and state come first for a reader's sake. All that
# is left, half of the budget at least, goes to what is likely to be used again. On recorded sessions the share of later used
# identifiers that is kept falls by two to four points when the first seven are doubled.
_NEWEST_SHARE = 0.12
_FIRST_SHARE = 0.06
_CONSTRAINT_SHARE = 0.06
_INSTRUCTION_SHARE = 0.06  # all the others
_PROGRESS_SHARE = 0.03  # each of what is open, done, the newest test run, the open question
_OPERATOR_SHARE = 0.03
_EARLIER_SHARE = 0.08  # what a summary before says beside instructions: all that is left of what it stood for
_LAST_WORDS_SHARE = 0.05
_STATE_SHARE = 0.05
_ERROR_SHARE = 0.02
_CALL_SHARE = 0.02
_FACTS_SHARE = 0.5  # of a summary that a model writes, for what it is not asked for. Our choice
_BOUND_SHARE = 0.5  # of these facts, for constraints
_FACT_SHARE = 0.1  # of these facts, for each of what is open, done, tested and said by the operator
_HEAD = 2  # sentences of every instruction, and of the whole conversation, that go before the rest of any
_PLAIN = 0.3  # worth of a decision that names nothing, in the unit of `weights`: about one old mention
_FULL = 40  # characters from which on a line is a full sentence; "ok" and "Update: 3" are worth less
_TOP_UPS = 4  # times at most that the whole is counted to give away room that the sum of the lines did not see
_WORTHWHILE = 0.03  # share of the budget that such room must have

# English only: in another language an instruction is kept by its age.
_CONSTRAINT = re.compile(
    r"\b(?:must|never|always|don't|do not|only|prefer|avoid|without|instead|make sure|ensure|no longer|should(?:n't)?"
    r"|keep|at (?:most|least)|exactly)\b",
    re.IGNORECASE,
)


class Summarizer(Protocol):
    """Whoever can write the summary of a segment."""

    name: str

    def summarize(self, segment: Segment, count: Callable[[str], int]) -> str:
        """A summary of at most `segment.budget` tokens by `count`; empty when nothing fits."""
        ...


class Extractive:
    """The extractive summariser. It has no state and no settings."""

    name = "extractive"

    def summarize(self, segment: Segment, count: Callable[[str], int]) -> str:
        """A summary of at most `segment.budget` tokens by `count`, made of lines of the segment.

        Returns the empty string when not even one line fits. `count` is called once for each line that is
        tried and a few times for the whole. The segment is not changed.
        """
        if segment.budget <= 0:
            return ""
        draft = Draft(budget=segment.budget, count=count)
        _Selection(segment, draft).run()
        return draft.fitted()


def facts(segment: Segment, count: Callable[[str], int]) -> str:
    """What no model is asked for: the user's instructions, system messages, what is done, open and tested.

    Verbatim lines, as in the extractive summary, in at most half of the segment's budget.
    """
    draft = Draft(budget=int(segment.budget * _FACTS_SHARE), count=count)
    if draft.budget > 0:
        _Selection(segment, draft).facts()
    return draft.fitted()


class _Selection:
    """The steps that fill a draft from a segment."""

    def __init__(self, segment: Segment, draft: Draft) -> None:
        self._draft = draft
        self._first = segment.first
        self._last = segment.end - 1
        lines = lines_of(segment)
        self._weights = weights(lines, self._first, self._last)
        self._spoken = [line for line in lines if line.kind == "instruction"]
        shown = progress(segment, lines)
        self._progress = list(_progress_lines(shown, len(lines)))
        self._lines = distinct([line for line in (*lines, *self._progress) if not _outdated(line, shown)])
        self._names = list(lone_names(lines, _NAMES))

    def run(self) -> None:
        """Every step in its order, then what room is left by the count of the whole."""
        self._instructions()
        self._critical()
        self._work(_PROGRESS_SHARE)
        self._cover("operator", _OPERATOR_SHARE, self._age)
        earlier = [line for line in self._lines if line.earlier or line.kind == "summary"]
        cover(earlier, self._worth, self._within(_EARLIER_SHARE))
        self._state()
        self._cover("error", _ERROR_SHARE, self._age)
        self._cover("call", _CALL_SHARE, self._worth)
        self._fill()
        for _ in range(_TOP_UPS):
            if not self._draft.chosen or self._draft.measure() < self._draft.budget * _WORTHWHILE:
                break
            self._fill()

    def facts(self) -> None:
        """Constraints, the state of the work, then what `_instructions` takes."""
        newest = sorted(self._spoken, key=lambda line: (-line.message, line.order))
        offer([*newest[:1], *self._spoken[:1]], self._draft.take)
        bound = [line for line in newest if _CONSTRAINT.search(line.text) or marks(line.text)]
        offer(bound, self._within(_BOUND_SHARE))
        self._work(_FACT_SHARE)
        self._instructions()
        self._cover("operator", _FACT_SHARE, self._age)

    def _work(self, share: float) -> None:
        """What is open, the newest test run, the question that is left, what is done; a share of the budget each."""
        for kind in ("open", "test", "question", "done"):
            found = [line for line in self._lines if line.kind == kind]
            offer(sorted(found, key=lambda line: line.earlier), self._within(share))

    def _instructions(self) -> None:
        """The newest instruction and the first one, constraints, the heads of the others from new to old, their rest."""
        spoken: dict[tuple[int, int], list[Line]] = {}
        for line in self._spoken:
            # The lines of an earlier summary come from many messages: each stands for itself.
            spoken.setdefault((line.message, line.order if line.earlier else self._last), []).append(line)
        said = [spoken[key] for key in sorted(spoken, reverse=True)]
        if not said:
            return
        newest = said[0]
        self._draft.take(newest[0])
        offer([line for lines in reversed(said) for line in lines][:_HEAD], self._draft.take)
        offer(newest, self._within(_NEWEST_SHARE))
        offer(said[-1], self._within(_FIRST_SHARE))
        constraints = [line for lines in said for line in lines if _CONSTRAINT.search(line.text)]
        offer(constraints, self._within(_CONSTRAINT_SHARE))
        heads = [line for lines in said for line in lines[:_HEAD]]
        rest = [line for lines in said for line in lines[_HEAD:]]
        offer([*heads, *rest], self._within(_INSTRUCTION_SHARE))

    def _critical(self) -> None:
        """The heaviest names: what every summary of the segment is checked for."""
        by_text = {line.text: line for line in self._names}
        for name in critical(self._weights, self._draft.budget, self._draft.cost):
            if name not in self._draft.names and name in by_text:
                self._draft.take(by_text[name])

    def _state(self) -> None:
        """What the model said last, then decisions."""
        state = [line for line in self._lines if line.heading == _STATE and not line.earlier]
        if state:
            last = max(line.message for line in state)
            offer([line for line in state if line.message == last], self._within(_LAST_WORDS_SHARE))
        self._cover("decision", _STATE_SHARE, self._worth)

    def _fill(self) -> None:
        """All that is left: what covers most, and when nothing adds a name any more, the newest prose and lines."""
        cover([*self._lines, *self._names], self._gain, self._draft.take)
        rest = [line for line in self._lines if line.text not in self._draft.chosen]
        for heading in (_INSTRUCTIONS, _STATE, _EARLIER):
            cover([line for line in rest if line.heading == heading], self._age, self._draft.take)
        cover(rest, self._age, self._draft.take)

    def _cover(self, kind: Kind, share: float, worth: Callable[[Line], float]) -> None:
        """Lines of one kind by their worth, within a share of the budget."""
        cover([line for line in self._lines if line.kind == kind], worth, self._within(share))

    def _within(self, share: float) -> Callable[[Line], bool]:
        """`take` that stops when a share of the budget is spent."""
        reserve = max(0, self._draft.room - int(self._draft.budget * share))
        return lambda line: self._draft.take(line, reserve)

    def _age(self, line: Line) -> float:
        return recency(line.message, self._first, self._last)

    def _worth(self, line: Line) -> float:
        """What a line adds, newer ones more; one that names nothing new is worth a little, by its length."""
        plain = _PLAIN * min(1.0, len(line.text) / _FULL)
        return self._age(line) * (plain + self._gain(line))

    def _gain(self, line: Line) -> float:
        """The weight of the identifiers that a line would add to the draft."""
        kept, known = self._draft.names, self._weights
        return sum(known.get(name, 0.0) for name in line.names if name not in kept)


def _progress_lines(shown: Progress, order: int) -> Iterator[Line]:
    """Items, test run and question as lines, at the end of the source."""
    for item in shown.items:
        kind: Kind = item.state
        yield Line(
            text=item.text, kind=kind, work="assistant", message=item.message, order=order,
            heading=HEADING_OF[kind], names=item.names,
        )  # fmt: skip
        order += 1
    for kind, lines in (("test", shown.tests), ("question", shown.questions)):
        for line in lines:
            yield msgspec.structs.replace(line, kind=kind, heading=HEADING_OF[kind])


def _outdated(line: Line, shown: Progress) -> bool:
    """Whether a line says of the work what newer ones of the record do not: it must not be claimed."""
    if line.kind in ("open", "done"):
        return shown.state_of(line.text) not in (None, line.kind)
    if line.kind == "test":
        return line.earlier and bool(shown.tests)
    if line.kind == "question":
        return line.earlier
    return line.heading in (_STATE, _EARLIER) and shown.contradicts(line.text, line.message)
