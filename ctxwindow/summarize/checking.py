"""The check of a summary that somebody else wrote: what it lost, and what it made up.

A summary replaces what it stands for, so a name that it invents becomes a fact, and an instruction that it invents becomes
the user's. The check finds what can be found by reading alone. It is strict about what must be exact (names, paths,
numbers, quotations, instructions) and silent about the rest, which is the model's own prose.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

from ctxwindow.record.identifiers import identifiers
from ctxwindow.summarize import sections
from ctxwindow.summarize.grounding import Source, sentences_in
from ctxwindow.summarize.lines import lines_of
from ctxwindow.summarize.progress import Progress, progress
from ctxwindow.summarize.ranking import Line, critical, weights
from ctxwindow.summarize.sections import NAMES_JOIN, sections_of
from ctxwindow.tiers.segment import Segment

__all__ = ["Fault", "Problem", "Verdict", "check_summary"]

LEAST_CHECKED = 1_000
"""Tokens of budget below which nothing need be kept: the first sentence of the newest instruction may take it all."""

KEPT = 0.5
"""The share of the weight of the critical identifiers that must be kept. A model chooses other names than the weights do,
and rightly; one that keeps less than half of the most used ones has lost the thread. The extractive summary keeps all."""

_NAMED = 10  # names that a problem lists at most
_DONE = "Done: "
_QUOTES = (
    *(sections.OPERATOR, sections.OPEN, sections.TESTS, sections.ERRORS, sections.CALLS, sections.QUOTED),
    *(sections.NAMES, sections.ATTACHMENTS),
)
"""The sections of which the lines are anybody's words, and claim nothing done."""
_QUOTED = 12  # characters from which on a quotation is held to its words; a shorter one is a name, or irony

Fault = Literal[
    "empty",
    "too_long",
    "names_lost",
    "instructions_lost",
    "name_invented",
    "quote_invented",
    "instruction_invented",
    "work_contradicted",
    "unfounded",
]

_QUOTATION = re.compile(r"\"([^\"\n]+)\"|\u201c([^\u201d\n]+)\u201d")
_EXACT = re.compile(r"[\d/\\_#@]|[^\W\d_]\.[^\W\d_]|^[^\W\d_A-Z][^\W\d_]*[A-Z]")
"""What makes a name exact: a digit, a slash, an underscore, a dot inside, or camelCase that begins small. A capitalised word
(TypeScript, PostgreSQL) may be the model's own way to say what it saw."""

# Who orders or permits, or addresses the reader. English, and the words of must and may in some more languages: a table is
# all that reading alone can do here.
_DIRECTIVE = re.compile(
    r"""^(?:please\s+)?(?:ignore|disregard|forget|always|never|do\ not|don't|from\ now\ on|make\ sure|be\ sure|remember\ to
        |run|execute|delete|remove|erase|wipe|drop|overwrite|push|deploy|publish|release|send|e?mail|post|upload|share|install
        |grant|reveal|disable|bypass|proceed)\b
    | \b(?:you|the\ (?:assistant|model|agent|reader|next\ \w+)|claude)\ (?:now\ |also\ |then\ )?
        (?:may|can|must|should|shall|ought\ to|ha(?:ve|s)\ to|needs?\ to|are\ to|is\ to|are\ (?:free|allowed|permitted))\b
    | \b(?:allowed|permitted|authori[sz]ed|approved|free|okay?|fine|safe)\ to\b | \bgo\ ahead\b | \bfeel\ free\b
    | \bpermission\b | ^(?:and\ |the\ )?next\b
    | \b(?:dois|devez|doit|faut|peux|pouvez|permis|musst|müssen|sollst|darfst|dürfen|erlaubt|debes|debe|deben|puedes
        |puede|permitido|devi|deve|puoi|può|moet|mag|mogen|måste|skal|musisz|możesz)\b
    | нужно|долж|можно|必须|必須
    | 可以|应该|てください|てもよい|てもいい|세요
    """,
    re.IGNORECASE | re.VERBOSE,
)
_ANNOUNCED = re.compile(
    r"^(?:and |the )?next(?: (?:step|task|action|thing)s?)?(?: is| are)?(?: to)?\s*[:,-]?\s*", re.IGNORECASE
)
"""What may stand before an order that somebody gave."""

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
    lines = lines_of(segment)
    shown = progress(segment, lines)
    source = Source(segment, lines, shown)
    found = (
        _length(text, segment, count),
        _kept_names(text, lines, segment, count),
        _kept_instructions(told, lines, segment, source),
        _invented_names(told, source),
        _invented_quotes(told, source),
        _invented_instructions(told, source),
        _contradicted(told, source, shown),
        _unfounded(told, source),
    )
    return Verdict(problems=tuple(problem for problem in found if problem is not None))


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
    told: list[tuple[str, str]], lines: list[Line], segment: Segment, source: Source
) -> Problem | None:
    """Something of what the user said must be there in the user's words."""
    if segment.budget < LEAST_CHECKED or not any(line.kind == "instruction" for line in lines):
        return None
    quoted = [line for heading, line in told if heading in (sections.INSTRUCTIONS, "")]
    if any(source.users.has_near(sentence) for line in quoted for sentence in sentences_in(line)):
        return None
    return Problem(kind="instructions_lost", why=f"Nothing under {sections.INSTRUCTIONS} is in the user's own words")


def _invented_names(told: list[tuple[str, str]], source: Source) -> Problem | None:
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


def _invented_quotes(told: list[tuple[str, str]], source: Source) -> Problem | None:
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


def _invented_instructions(told: list[tuple[str, str]], source: Source) -> Problem | None:
    """Nobody may give orders in the user's name.

    Under the instructions every sentence must be the user's own words. Elsewhere one that orders or permits must be the
    user's or the model's own words, where it is not quoted as somebody else's; and one that says what the user wants must be
    about what the user said.
    """
    invented = [line for heading, line in told if not _is_said(heading, line, source)]
    if not invented:
        return None
    why = f"{len(invented)} lines give instructions, permissions or wishes that the user has not"
    return Problem(kind="instruction_invented", why=why, names=tuple(invented[:_NAMED]))


def _is_said(heading: str, line: str, source: Source) -> bool:
    """Whether what a line orders, permits, or says of the user's wishes was said."""
    if heading == sections.INSTRUCTIONS:
        return line.strip() in source.users.exact or all(map(source.users.has_near, sentences_in(line)))
    if heading in _QUOTES:
        return source.quotes(line) or not any(map(_DIRECTIVE.search, sentences_in(line)))
    if line.strip() in source.own.exact:
        return True
    for sentence in sentences_in(line):
        if _DIRECTIVE.search(sentence):
            if not (source.own.has_near(sentence) or source.own.has_near(_ANNOUNCED.sub("", sentence))):
                return False
        elif _SPEAKS_FOR_USER.search(sentence) and not source.is_about(_SPEAKS_FOR_USER.sub(" ", sentence)):
            return False
    return True


def _contradicted(told: list[tuple[str, str]], source: Source, shown: Progress) -> Problem | None:
    """What the newest record shows open or failing must not be claimed done or passing."""
    wrong = []
    for heading, line in told:
        if heading == sections.DONE:
            state = shown.state_of(line)
            faulty = state == "open" or (
                state is None and line not in source.newest and shown.contradicts(f"{_DONE}{line}", -1)
            )
        elif heading in (*_QUOTES, sections.INSTRUCTIONS):
            faulty = False
        else:
            faulty = shown.contradicts(line, source.newest.get(line, -1))
        if faulty:
            wrong.append(line)
    if not wrong:
        return None
    why = f"{len(wrong)} lines claim done or passing what the newest record shows open or failing"
    return Problem(kind="work_contradicted", why=why, names=tuple(wrong[:_NAMED]))


def _unfounded(told: list[tuple[str, str]], source: Source) -> Problem | None:
    """A line in a language that nobody spoke can be read by no other rule."""
    own = (line for heading, line in told if heading not in (*_QUOTES, sections.INSTRUCTIONS))
    lines = [line for line in own if not source.is_founded(line)]
    if not lines:
        return None
    why = f"{len(lines)} lines have hardly a word of the conversation"
    return Problem(kind="unfounded", why=why, names=tuple(lines[:_NAMED]))
