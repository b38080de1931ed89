"""The offline summariser: it quotes, and writes nothing of its own.

A summary is a few fixed headings with lines under them. Every line stands literally in the source, so that it
can be checked (`provenance`), and nothing in it can be made up. No model, no network, no randomness: the same
segment and budget give the same text in any process.

What is kept, in this order: the first sentence of the user's newest instruction; the first two of the whole
conversation, which say what it is about; the rest of the newest, then the other instructions; system messages;
the summary before; what the model said last; what was decided, done or is left to do; errors; calls; then
whatever covers most of the identifiers that are likely to be used again, be it a line or the bare name. Each
step but the last has a share of the budget; the last gives away the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from ctxwindow.record.identifiers import known_identifiers
from ctxwindow.summarize.draft import BULLET, HEADINGS, Draft
from ctxwindow.summarize.passages import JOIN, LONGEST, Kind, passages, prose
from ctxwindow.summarize.ranking import Line, cover, lone_names, offer, recency, weights
from ctxwindow.summarize.source import Work, pieces

if TYPE_CHECKING:
    from ctxwindow.tiers.segment import Segment

__all__ = ["BULLET", "HEADINGS", "Extractive", "Summarizer", "provenance"]

_INSTRUCTIONS, _OPERATOR, _STATE, _ERRORS, _CALLS, _QUOTED, _NAMES, _ATTACHED, _EARLIER = range(len(HEADINGS))

# A reminder that a harness put into a message is left out: the harness repeats what still holds, and an old
# one must not come back as if it did (compare SYS-07).
_HEADING_OF: dict[Kind, int] = {
    "instruction": _INSTRUCTIONS,
    "operator": _OPERATOR,
    "decision": _STATE,
    "sentence": _STATE,
    "list_item": _STATE,
    "error": _ERRORS,
    "call": _CALLS,
    "code": _QUOTED,
    "table_row": _QUOTED,
    "result": _QUOTED,
    "media": _ATTACHED,
    "summary": _EARLIER,
}
# What a line of an earlier summary of ours is, by its heading.
_KIND_UNDER: tuple[tuple[Kind | None, Work], ...] = (
    ("instruction", "user"),
    ("operator", "system"),
    ("decision", "assistant"),
    ("error", "tool"),
    ("call", "assistant"),
    ("result", "tool"),
    (None, "assistant"),
    ("media", "tool"),
    ("summary", "assistant"),
)

# Shares of the budget, in the order in which they are spent. Chosen for a reader: instructions and state come
# first. On recorded sessions the identifiers kept move by less than two points when any of them is halved or doubled.
_NEWEST_SHARE = 0.20
_INSTRUCTION_SHARE = 0.15  # all the others
_OPERATOR_SHARE = 0.05
_EARLIER_SHARE = 0.12  # what a summary before says beside instructions: all that is left of what it stood for
_LAST_WORDS_SHARE = 0.10
_STATE_SHARE = 0.12
_ERROR_SHARE = 0.05
_CALL_SHARE = 0.08
_HEAD = 2  # sentences of every instruction, and of the whole conversation, that go before the rest of any
_PLAIN = 0.3  # worth of a decision that names nothing, in the unit of `weights`: about one old mention
_FULL = 40  # characters from which on a line is a full sentence; "ok" and "Update: 3" are worth less
_TOP_UPS = 4  # times at most that the whole is counted to give away room that the sum of the lines did not see
_WORTHWHILE = 0.03  # share of the budget that such room must have


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


class _Selection:
    """The steps that fill a draft from a segment."""

    def __init__(self, segment: Segment, draft: Draft) -> None:
        self._draft = draft
        self._first = segment.first
        self._last = segment.end - 1
        lines = list(_lines(segment))
        self._weights = weights(lines, self._first, self._last)
        self._spoken = [line for line in lines if line.kind == "instruction"]
        self._lines = _distinct(lines)
        self._names = list(lone_names(lines, _NAMES))

    def run(self) -> None:
        """Every step in its order, then what room is left by the count of the whole."""
        self._instructions()
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

    def _instructions(self) -> None:
        """The newest instruction, the first one, the heads of the others from new to old, then their rest."""
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
        heads = [line for lines in said for line in lines[:_HEAD]]
        rest = [line for lines in said for line in lines[_HEAD:]]
        offer([*heads, *rest], self._within(_INSTRUCTION_SHARE))

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


def _lines(segment: Segment) -> Iterator[Line]:
    """Every line that the summary may hold, in source order, each as often as it stands there."""
    known: dict[str, tuple[str, ...]] = {}
    order = 0
    for text, kind, work, heading in _earlier(segment.previous or ""):
        names = tuple(dict.fromkeys((*known_identifiers(text, known), *((text,) if kind is None else ()))))
        yield Line(
            text=text, kind=kind, work=work, message=segment.first, order=order, heading=heading, names=names,
            earlier=True,
        )  # fmt: skip
        order += 1
    for passage in passages(segment.messages, segment.messages_from):
        heading = _HEADING_OF.get(passage.kind, -1)
        if heading >= 0:
            names = tuple(dict.fromkeys(known_identifiers(passage.literal, known)))
            yield Line(
                text=passage.text, kind=passage.kind, work=passage.work, message=passage.message,
                order=order + passage.order, heading=heading, names=names,
            )  # fmt: skip


def _distinct(lines: list[Line]) -> list[Line]:
    """Of lines with equal text one: what is under the most important heading, and of those the newest."""
    best: dict[str, Line] = {}
    for line in lines:
        held = best.get(line.text)
        if held is None or line.heading <= held.heading:
            best[line.text] = line
    return list(best.values())


def _earlier(previous: str) -> Iterator[tuple[str, Kind | None, Work, int]]:
    """The lines of the summary before: under their own headings if it is one of ours, else as prose."""
    rows = previous.splitlines()
    if not rows or rows[0] not in HEADINGS:
        for text, _ in prose(previous, LONGEST["assistant"]):
            yield text, "summary", "assistant", _EARLIER
        return
    heading = _EARLIER
    for row in rows:
        if row in HEADINGS:
            heading = HEADINGS.index(row)
        elif row.removeprefix(BULLET).strip():
            kind, work = _KIND_UNDER[heading]
            yield row.removeprefix(BULLET), kind, work, heading


def provenance(summary: str, segment: Segment) -> list[str]:
    """The lines of a summary that do not stand literally in the segment; an empty list is the proof.

    A line is a heading, or a bullet and text. The text stands on one line of a string of a message, or of the
    summary before; or it is `NAME: literal`, where a call or attachment has that name and that literal. The
    bullet is taken off; nothing else is normalised.
    """
    literals: dict[str, list[str]] = {}
    texts: list[str] = [segment.previous or ""]
    for piece in pieces(segment.messages, segment.messages_from):
        texts.append(piece.text)
        if piece.label:
            literals.setdefault(piece.label, []).append(piece.text)
    source = "\n".join(texts)  # a line holds no line end, so it cannot stand across two of them
    unproven: list[str] = []
    for line in summary.splitlines():
        text = line.removeprefix(BULLET)
        quoted = line.startswith(BULLET) and text.strip() and (text in source or text in literals)
        if line in HEADINGS or quoted:
            continue
        named = (
            text[len(label) + len(JOIN) :] in literal
            for label, all_literals in literals.items()
            if line.startswith(f"{BULLET}{label}{JOIN}")
            for literal in all_literals
        )
        if not any(named):
            unproven.append(line)
    return unproven
