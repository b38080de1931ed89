"""The check of a summary that somebody else wrote: what it lost, and what it made up.

A summary replaces what it stands for, so a name that it invents becomes a fact, and an instruction that it invents becomes
the user's. The check finds what can be found by reading alone. It is strict about what must be exact (names, paths,
numbers, quotations, instructions) and silent about the rest, which is the model's own prose.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import msgspec

from ctxwindow.record.identifiers import identifiers
from ctxwindow.summarize import sections
from ctxwindow.summarize.lines import lines_of
from ctxwindow.summarize.passages import without_reminders
from ctxwindow.summarize.ranking import Line, critical, weights
from ctxwindow.summarize.sections import NAMES_JOIN, sections_of
from ctxwindow.summarize.source import pieces
from ctxwindow.tiers.segment import Segment

__all__ = ["Fault", "Problem", "Verdict", "check_summary"]

LEAST_CHECKED = 1_000
"""Tokens of budget below which nothing need be kept: the first sentence of the newest instruction may take it all."""

KEPT = 0.5
"""The share of the weight of the critical identifiers that must be kept. A model chooses other names than the weights do,
and rightly; one that keeps less than half of the most used ones has lost the thread. The extractive summary keeps all."""

NEAR = 0.75
"""The share of the runs of three words of an instruction that must stand in the user's own words, where it does not stand
there as a whole: an ellipsis or a mended typo breaks a few runs, an invented sentence has none."""

ABOUT = 0.5
"""The share of the long words of a sentence on what the user wants that must stem from the user's words."""

_LONG = 5  # letters of a word that says what a sentence is about
_STEM = 4  # letters by which such words are compared: fix, fixes and fixing are one
_RUN = 3
_NAMED = 10  # names that a problem lists at most
_QUOTED = 12  # characters from which on a quotation is held to its words; a shorter one is a name, or irony

Fault = Literal[
    "empty", "too_long", "names_lost", "instructions_lost", "name_invented", "quote_invented", "instruction_invented"
]

_WORD = re.compile(r"[^\W_]+")
_QUOTATION = re.compile(r"\"([^\"\n]+)\"|\u201c([^\u201d\n]+)\u201d")
_EXACT = re.compile(r"[\d/\\_#@]|[^\W\d_]\.[^\W\d_]|^[^\W\d_A-Z][^\W\d_]*[A-Z]")
"""What makes a name exact: a digit, a slash, an underscore, a dot inside, or camelCase that begins small. A capitalised word
(TypeScript, PostgreSQL) may be the model's own way to say what it saw."""

# English only. Who addresses the reader, or speaks for the user.
_DIRECTIVE = re.compile(
    r"(?:^|[.!:;]\s+)(?:please\s+)?(?:ignore|disregard|forget|always|never|do not|don't|you (?:must|should|have to|need to|are to)"
    r"|from now on|make sure)\b",
    re.IGNORECASE,
)
_SPEAKS_FOR_USER = re.compile(
    r"\b(?:the )?user(?: has| had)? (?:also )?(?:asks?|asked|wants?|wanted|says?|said|tells?|told|insists?|insisted|requires?"
    r"|required|requests?|requested|instructs?|instructed|prefers?|preferred|expects?|demands?|demanded)\b",
    re.IGNORECASE,
)


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a summary."""

    kind: Fault
    why: str
    """A sentence without content, fit for a log."""
    names: tuple[str, ...] = ()
    """What it is about, at most a few: content, for the model that is to do better and for nobody's log."""

    def told(self) -> str:
        """The problem for the model that wrote the summary: a sentence with what it is about."""
        return f"{self.why}: {'; '.join(self.names)}" if self.names else self.why


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the check found."""

    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether the summary may stand for its segment."""
        return not self.problems


def check_summary(text: str, segment: Segment, count: Callable[[str], int]) -> Verdict:
    """Whether a text may stand for a segment.

    Args:
        text: the summary.
        segment: what it is to stand for.
        count: tokens of a text.
    """
    told = list(_sentences(text))
    if not told:
        return Verdict(problems=(Problem(kind="empty", why="The summary says nothing"),))
    lines, source = lines_of(segment), _Source(segment)
    found = (
        _length(text, segment, count),
        _kept_names(text, lines, segment, count),
        _kept_instructions(told, lines, segment, source),
        _invented_names(told, source),
        _invented_quotes(told, source),
        _invented_instructions(told, source),
    )
    return Verdict(problems=tuple(problem for problem in found if problem is not None))


class _Source:
    """What the segment says, and what of it the user said."""

    def __init__(self, segment: Segment) -> None:
        previous = segment.previous or ""
        everything, users = [previous], []
        for piece in pieces(segment.messages, segment.messages_from):
            everything.append(f"{piece.label} {piece.text}" if piece.label else piece.text)
            if piece.work == "user" and piece.form == "text":
                users += without_reminders(piece.text)
        # What the user said before is what the summary before quotes; one without sections may do so anywhere.
        sectioned = any(heading for heading, _ in sections_of(previous))
        users += [line for head, line in sections_of(previous) if head == sections.INSTRUCTIONS or not sectioned]
        self.text = "\n".join(everything)
        self.plain = " ".join(self.text.split())
        self.words = _joined(_words(self.text))
        self.users = _joined(_words("\n".join(users)))
        self._runs: dict[str, frozenset[str]] = {}
        self.stems = frozenset(word[:_STEM] for word in self.users.split())

    def is_near(self, sentence: str, words: str) -> bool:
        """Whether a sentence stands in a run of words, or nearly so."""
        said = _words(sentence)
        if _joined(said) in words or not said:
            return True
        if words not in self._runs:
            self._runs[words] = frozenset(_runs(words.split()))
        runs = list(_runs(said))
        return bool(runs) and sum(run in self._runs[words] for run in runs) >= NEAR * len(runs)

    def is_about(self, sentence: str) -> bool:
        """Whether what a sentence says of the user's wishes comes from the user's words."""
        rest = _SPEAKS_FOR_USER.sub(" ", sentence)
        long = [word for word in _words(rest) if len(word) >= _LONG]
        return sum(word[:_STEM] in self.stems for word in long) >= ABOUT * len(long)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _joined(words: Iterable[str]) -> str:
    """Words in a form in which a run of them is found as a whole."""
    return f" {' '.join(words)} "


def _runs(words: list[str]) -> Iterator[str]:
    return (" ".join(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1))


def _sentences(text: str) -> Iterator[tuple[str, str]]:
    """What a summary says, line by line, each with its heading; a list of names comes apart."""
    for heading, line in sections_of(text):
        yield from ((heading, part) for part in (line.split(NAMES_JOIN) if heading == sections.NAMES else (line,)))


def _length(text: str, segment: Segment, count: Callable[[str], int]) -> Problem | None:
    tokens = count(text)
    if tokens <= segment.budget:
        return None
    return Problem(kind="too_long", why=f"The summary has {tokens:,} tokens and may have {segment.budget:,}")


def _kept_names(text: str, lines: list[Line], segment: Segment, count: Callable[[str], int]) -> Problem | None:
    """The identifiers that are most likely to be used again must be there."""
    if segment.budget < LEAST_CHECKED:
        return None
    known = weights(lines, segment.first, segment.end - 1)
    wanted = critical(known, segment.budget, count)
    lost = [name for name in wanted if name not in text]
    kept = sum(known[name] for name in wanted) - sum(known[name] for name in lost)
    if kept >= KEPT * sum(known[name] for name in wanted):
        return None
    return Problem(
        kind="names_lost",
        why=f"{len(lost)} of the {len(wanted)} most used names and paths are missing",
        names=tuple(lost[:_NAMED]),
    )


def _kept_instructions(
    told: list[tuple[str, str]], lines: list[Line], segment: Segment, source: _Source
) -> Problem | None:
    """Something of what the user said must be there in the user's words."""
    if segment.budget < LEAST_CHECKED or not any(line.kind == "instruction" for line in lines):
        return None
    quoted = [line for heading, line in told if heading in (sections.INSTRUCTIONS, "")]
    if any(source.is_near(line, source.users) for line in quoted):
        return None
    return Problem(kind="instructions_lost", why=f"Nothing under {sections.INSTRUCTIONS} is in the user's own words")


def _invented_names(told: list[tuple[str, str]], source: _Source) -> Problem | None:
    """Every exact name, path and number must stand in the segment."""
    names = dict.fromkeys(name for _, line in told for name in identifiers(line) if _is_exact(name))
    invented = [name for name in names if name not in source.text and name.replace(",", "") not in source.text]
    if not invented:
        return None
    why = f"{len(invented)} names, paths or numbers do not stand in the conversation"
    return Problem(kind="name_invented", why=why, names=tuple(invented[:_NAMED]))


def _is_exact(name: str) -> bool:
    """Whether a name must be right to the letter; what has blanks in it is a quotation."""
    return len(name.split()) == 1 and _EXACT.search(name) is not None


def _invented_quotes(told: list[tuple[str, str]], source: _Source) -> Problem | None:
    """What stands in quotation marks must stand in the segment, blanks aside."""
    quotes = (
        " ".join((match[1] or match[2]).split()).rstrip(".,;:!?")
        for _, line in told
        for match in _QUOTATION.finditer(line)
        if line not in source.text
    )
    invented = [quote for quote in quotes if len(quote) >= _QUOTED and quote not in source.plain]
    if not invented:
        return None
    why = f"{len(invented)} quotations are not word for word"
    return Problem(kind="quote_invented", why=why, names=tuple(invented[:_NAMED]))


def _invented_instructions(told: list[tuple[str, str]], source: _Source) -> Problem | None:
    """Nobody may give orders in the user's name.

    Under the instructions every line must be the user's own words. Elsewhere a sentence that gives orders must stand in
    the conversation, and one that says what the user wants must be about what the user said.
    """
    invented = []
    for heading, line in told:
        if heading == sections.INSTRUCTIONS:
            faulty = not source.is_near(line, source.users)
        elif _DIRECTIVE.search(line):
            faulty = not source.is_near(line, source.words)
        else:
            faulty = _SPEAKS_FOR_USER.search(line) is not None and not (
                source.is_about(line) or source.is_near(line, source.words)
            )
        if faulty:
            invented.append(line)
    if not invented:
        return None
    why = f"{len(invented)} lines give instructions or wishes that the user has not"
    return Problem(kind="instruction_invented", why=why, names=tuple(invented[:_NAMED]))
