"""The messages of a segment, cut into the passages that a summary may quote.

A passage is a sentence, a line of code, a table row, a line of a result: the smallest thing that can be kept
or left out by itself. Its text stands in the source literally, on one line; only a call and an attachment are
rendered, as `NAME: literal`, where both parts stand in the source.

Time is linear in the text. A very long string is sampled: its head, its tail, and error lines from between.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from ctxwindow.summarize.source import Piece, Work, pieces

__all__ = ["JOIN", "LONGEST", "SAMPLED", "Kind", "Passage", "passages", "prose"]

Kind = Literal[
    "instruction",  # what the user said
    "operator",  # what a system message inside the conversation said
    "decision",  # what was decided, done, or is still to do, in the model's words
    "sentence",
    "list_item",
    "code",  # a line of a fenced block, of a file that was read, or of a long argument
    "table_row",
    "error",
    "result",  # a line of what a tool answered or a document says
    "call",
    "media",  # an image or document, named only: its content cannot be carried over (CMP-29)
    "summary",  # a line of a summary that the server wrote (CMP-02)
    "goal",  # of a summary before that a model wrote: what the work is for
    "done",  # an item of a to-do list, in its newest state
    "open",
    "test",  # a line of the newest test run
    "question",
    "reminder",  # text that a harness put into the user's message, not the user
]


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """One quotable passage."""

    text: str
    """One line, no line break of any kind, no blanks at its end."""
    role: str
    """Role of the message it stands in."""
    kind: Kind
    message: int
    """Record index of the message."""
    order: int
    """Position among the passages of the segment: a smaller one stands earlier."""
    work: Work
    """Whose words."""
    label: str = ""
    """Tool name or block type that stands before the literal of a call or attachment; else empty."""

    @property
    def literal(self) -> str:
        """What stands in the source word for word: all of it but the label."""
        return self.text[len(self.label) :].removeprefix(JOIN) if self.label else self.text


JOIN = ": "
"""Between the label and the literal of a call or an attachment."""

LONGEST: dict[Work, int] = {"user": 600, "system": 600, "assistant": 600, "tool": 300}
"""Characters of the longest passage; a longer sentence is cut at a blank. Our choice: a summary of a few
hundred tokens must be able to hold several."""

SAMPLED = 200_000
"""Characters from which on a string is sampled instead of read whole. Our choice: coding tools answer with at
most some 30,000 to 150,000, so that only raw dumps are sampled."""

_KEPT_ENDS = 32_000  # characters of the head, and of the tail, of a sampled string
_CALL_ARGUMENT = 200  # characters of a call's argument
_FAILED_LINES = 3  # lines of a failed answer that are taken for its error
_ERRORS_BETWEEN = 40  # error lines taken from the part of a sampled string that is left out

_FENCE = re.compile(r"\s*(?:```|~~~)")
_BULLET = re.compile(r"\s*[-*+\u2022]\s+")
_NUMBERED = re.compile(r"\s*\d{1,3}[.)]\s+")
_EMPTY = re.compile(r"[-|:=_*\s+#>]*|\s*</?[\w-]+>\s*")  # blanks, table rules, underlines, a tag alone
_VIEWED = re.compile(r"\s*\d+[\t\u2192]")  # `cat -n`: the line number is not part of the line
_SENTENCE_END = re.compile(
    r"(?<!\be\.g)(?<!\bi\.e)(?<!\bvs)(?<!\betc)[.!?\u2026][\"')\]*`]{0,3}\s++(?=[\"'(\[*`]{0,3}[^\W_a-z])|[\u3002\uff01\uff1f]"
)
_DATA = re.compile(r"[A-Za-z0-9+/=_-]{200,}")  # base64 and the like
# Text that a harness puts into the user's message (SYS-02, SYS-09), and what its own commands printed.
_REMINDER = re.compile(
    r"<(?P<tag>system-reminder|local-command-[a-z]+|command-(?:name|message))>.*?(?:</(?P=tag)>|\Z)", re.DOTALL
)
_ERROR = re.compile(
    r"""
      (?:Error|Exception)\b[^:\n]{0,20}:
    | \b(?:error|ERROR|fatal|FATAL|panic|failed|FAILED|FAIL|failure)\b(?:[ ]?[\[(]\w++[\])])?[ ]?[:!]
    | (?:^|\n)[ ]*+(?:---[ ])?(?:FAIL|FAILED|ERROR|E[ ]{2,})\b
    | Traceback[ ]\(most[ ]recent
    | \b(?:command[ ]not[ ]found|No[ ]such[ ]file|[Pp]ermission[ ]denied|undefined:|[Cc]annot[ ]find)
    | [\u2717\u2718\u274c]
    """,
    re.VERBOSE,
)
# Looked for with str.find in the part of a sampled string that is not split: tens of megabytes in milliseconds.
_ERROR_WORDS = ("Error:", "error:", "ERROR", "FAILED", "FAIL:", "fatal:", "panic:", "Traceback (")
# English only: in another language what the model said last, and the identifiers, still tell the state.
_DECISION = re.compile(
    r"""\b(?:
      decid(?:e|ed|es|ing)|decision|chose|chosen|choose|agreed|instead|because|since|therefore|root[ ]cause
    | will|must|should|shall|need(?:s|ed)?[ ]to|ha(?:s|ve)[ ]to|cannot|can't|won't|don't|never|always
    | done|fix(?:ed|es)?|added|removed|created|updated|renamed|moved|implemented|refactored|committed|merged|pushed
    | completed?|finished|verified|works|working|pass(?:es|ed|ing)?|fail(?:s|ed|ing|ure)?|broken|bug|missing
    | next|todo|remaining|remains|left|pending|blocked|still
    )\b""",
    re.VERBOSE | re.IGNORECASE,
)
# "Let me look at the tests:" announces a call that is quoted anyway.
_ANNOUNCEMENT = re.compile(
    r"(?:(?:Now|OK|Okay|Good|Great|Perfect|First|Next|Then)\W+)?(?:let me|let's|I'll|I will)\b", re.IGNORECASE
)


def passages(messages: Sequence[Any], first: int) -> Iterator[Passage]:
    """The passages of the messages, in source order; `first` is the record index of `messages[0]`."""
    order = 0
    for piece in pieces(messages, first):
        for text, kind in _split(piece):
            yield Passage(
                text=text,
                role=piece.role,
                kind=kind,
                message=piece.message,
                order=order,
                work=piece.work,
                label=piece.label,
            )
            order += 1


def _split(piece: Piece) -> Iterator[tuple[str, Kind]]:
    """The passages of one string of the source."""
    if piece.form in ("call", "media"):
        lines = piece.text.strip().splitlines()
        literal = lines[0][:_CALL_ARGUMENT].strip() if lines else ""
        yield f"{piece.label}{JOIN}{literal}" if literal else piece.label, "call" if piece.form == "call" else "media"
        return
    longest = LONGEST[piece.work]
    for part in _sampled(piece.text):
        at = 0
        for reminder in _REMINDER.finditer(part):
            yield from _read(part[at : reminder.start()], piece, longest)
            yield from ((line, "reminder") for line, _ in prose(reminder.group(), longest))
            at = reminder.end()
        yield from _read(part[at:], piece, longest)


def _read(text: str, piece: Piece, longest: int) -> Iterator[tuple[str, Kind]]:
    """Text of one piece by its form."""
    if piece.form == "argument":
        yield from ((part, "code") for line in text.splitlines() for part in _shortened(line, longest))
    elif piece.form in ("result", "error"):
        yield from _answer(text, longest, failed=piece.form == "error")
    else:
        for line, kind in prose(text, longest):
            if piece.form == "summary":
                yield line, "summary"
            elif piece.work == "assistant" or kind in ("code", "table_row"):
                yield line, kind
            else:
                yield line, "operator" if piece.work == "system" else "instruction"


def _sampled(text: str) -> Iterator[str]:
    """The text, or of a very long one its head, error lines from between, and its tail."""
    if len(text) <= SAMPLED:
        yield text
        return
    # Cut at a line end where there is one nearby, so that no line is quoted from its middle without need.
    head = text.rfind("\n", _KEPT_ENDS // 2, _KEPT_ENDS)
    head = _KEPT_ENDS if head < 0 else head
    tail = text.find("\n", len(text) - _KEPT_ENDS, len(text) - _KEPT_ENDS // 2)
    tail = len(text) - _KEPT_ENDS if tail < 0 else tail
    yield text[:head]
    yield from _error_lines(text, head, tail)
    yield text[tail:]


def _error_lines(text: str, start: int, end: int) -> Iterator[str]:
    """Lines with an error word between two offsets, in order, the first few of each word."""
    reach = LONGEST["tool"]
    found: dict[int, str] = {}
    for word in _ERROR_WORDS:
        at = text.find(word, start, end)
        for _ in range(_ERRORS_BETWEEN // len(_ERROR_WORDS)):
            if at < 0:
                break
            begin = max(text.rfind("\n", max(start, at - reach), at) + 1, at - reach, start)
            stop = text.find("\n", at, min(end, at + reach))
            stop = min(end, at + reach) if stop < 0 else stop
            found.setdefault(begin, text[begin:stop])
            at = text.find(word, stop, end)
    for begin in sorted(found):
        yield found[begin]


def prose(text: str, longest: int) -> Iterator[tuple[str, Kind]]:
    """Sentences, list items, table rows and lines of fenced code; none longer than `longest` characters."""
    fenced = False
    for line in text.splitlines():
        if _FENCE.match(line):
            fenced = not fenced
        elif fenced:
            yield from ((part, "code") for part in _shortened(line, longest))
        elif _EMPTY.fullmatch(line):
            continue
        elif _is_row(line):
            yield from ((part, "table_row") for part in _shortened(line.strip(), longest))
        else:
            bullet = _BULLET.match(line)
            body = line[bullet.end() :] if bullet else line.lstrip("# \t>")
            other: Kind = "list_item" if bullet or _NUMBERED.match(line) else "sentence"
            for sentence in _sentences(body.strip()):
                kind: Kind = "decision" if _decides(sentence) else other
                yield from ((part, kind) for part in _shortened(sentence, longest))


def _is_row(line: str) -> bool:
    """Whether a line is a row of a Markdown table."""
    return line.lstrip().startswith("|") and line.count("|") > 1


def _decides(sentence: str) -> bool:
    """Whether a sentence tells a decision, its reason, what was done or what is left."""
    return _DECISION.search(sentence) is not None and _ANNOUNCEMENT.match(sentence) is None


def _sentences(line: str) -> Iterator[str]:
    """The sentences of a line; the number of a list item stays with its first sentence."""
    at = 0
    numbered = _NUMBERED.match(line)
    for end in _SENTENCE_END.finditer(line, numbered.end() if numbered else 0):
        yield line[at : end.end()].strip()
        at = end.end()
    if line[at:].strip():
        yield line[at:].strip()


def _answer(text: str, longest: int, *, failed: bool) -> Iterator[tuple[str, Kind]]:
    """Lines of what a tool answered or a document says; the first lines of a failed answer are its error."""
    faulty = failed or _ERROR.search(text) is not None
    for number, line in enumerate(text.splitlines()):
        viewed = _VIEWED.match(line)
        body = line[viewed.end() :] if viewed else line
        if _EMPTY.fullmatch(body):
            continue
        kind: Kind = "result"
        if viewed:
            kind = "code"
        elif faulty and ((failed and number < _FAILED_LINES) or _ERROR.search(line)):
            kind = "error"
        elif _is_row(body):
            kind = "table_row"
        for sentence in _sentences(body.strip()) if len(body) > longest else (body,):
            yield from ((part, kind) for part in _shortened(sentence, longest))


def _shortened(line: str, longest: int) -> Iterator[str]:
    """A line without blanks at its end, in parts of at most `longest` characters, cut at blanks where it can be.

    Parts that are data rather than words are left out.
    """
    line = line.rstrip()
    at = 0
    while len(line) - at > longest:
        cut = line.rfind(" ", at + longest // 2, at + longest)
        cut = at + longest if cut < 0 else cut
        if line[at:cut].strip() and not _DATA.fullmatch(line, at, cut):
            yield line[at:cut].strip() if at else line[:cut].rstrip()
        at = cut
    if line[at:].strip() and not _DATA.fullmatch(line, at):
        yield line[at:].lstrip() if at else line
