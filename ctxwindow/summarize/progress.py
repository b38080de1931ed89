"""What the record shows of the work: items of to-do lists with their newest state, the newest test run, open questions.

Only what tools were told and have answered counts, not what the model says of itself: a list is a call whose input holds
items with a status (TodoWrite and its like), or calls that create and update one item each (TaskCreate, TaskUpdate). A
call that failed changed nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from ctxwindow.record.blocks import block_type, blocks_of, texts_of
from ctxwindow.record.identifiers import identifiers
from ctxwindow.summarize.ranking import Line
from ctxwindow.summarize.sections import DONE, OPEN, lines_under
from ctxwindow.summarize.source import sendable
from ctxwindow.tiers.segment import Segment

__all__ = ["Item", "Progress", "progress"]

State = Literal["done", "open"]

_STATES: dict[str, State] = {
    **dict.fromkeys(("completed", "complete", "done", "finished", "closed", "resolved"), "done"),
    **dict.fromkeys(
        ("pending", "in_progress", "in-progress", "todo", "open", "blocked", "not_started", "started", "doing"), "open"
    ),
}
"""Statuses by what they say; an item of another one (deleted, cancelled) is neither."""

_TITLES = ("content", "subject", "title", "task", "text", "step", "description")
"""Where an item keeps what it is about, in the order in which they are looked for."""

_IDS = ("taskId", "task_id", "todoId", "todo_id", "id")
_NUMBER = re.compile(r"#(\d{1,9})\b")
_LONGEST = 300  # characters of an item, or of a line of a test run
_TEST_LINES = 3
_LAST_SENTENCES = 3  # of a message, among which a question to the reader is looked for
_SPOKEN = ("instruction", "decision", "sentence", "list_item")
_QUESTION = re.compile(r"[?\uff1f][\"')\]*`\s]*$")

# The last lines of a run: pytest, jest, vitest, bun, go test, cargo test, unittest.
_TEST_RUN = re.compile(
    r"""^\W*(?:
      \d+[ ](?:passed|failed|errors?)\b(?:,|[ ]in[ ]|$).*
    | (?:Tests|Test[ ]Suites|Test[ ]Files):?[ ]+.*\d+[ ](?:passed|failed).*
    | \d+[ ](?:pass|fail)
    | ok[ \t]+\S+[ \t]+(?:\d|\().*
    | FAIL[ \t]+\S+.*
    | ---[ ]FAIL:.*
    | test[ ]result:.*
    | FAILED[ ]\(.*\) | OK | FAIL | PASS
    )\W*$""",
    re.VERBOSE,
)
_FAILED = re.compile(r"\b(?:[1-9]\d*[ ](?:fail(?:ed)?|errors?)|FAIL|FAILED)\b")
_CLAIMS_PASS = re.compile(
    r"\b(?:tests?|suite|build|everything|all)\b.{0,60}\b(?:pass(?:es|ed|ing)?|green|works?|succeeds?|succeeded)\b",
    re.IGNORECASE,
)
_CLAIMS_DONE = re.compile(r"\b(?:done|completed?|finished|fixed|implemented|added|ready)\b", re.IGNORECASE)

_UNDONE = re.compile(
    r"""(?:(?:\b(?:not|never|no|must|should|shall|to|will|would|can|cannot)|n['\u2019]t)\s+
           (?:(?:yet|be|been|have|all|fully|is|are|also|now)\s+){0,3}
         |\b(?:so\ that|until|if|once|before|whether)\s+(?:\S+\s+){0,5}?)
        (?:done|completed?|finished|fixed|implemented|added|ready|pass(?:es|ed|ing)?|green|works?|working)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""What is denied, wished or a condition: no claim."""
_WORD = re.compile(r"[^\W_]+")
_STEM = 4  # letters by which words are compared
_SMALL = frozenset(("the", "and", "for", "with", "from", "into", "that", "this"))


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One item of a list, in its newest state."""

    text: str
    """One line that stands in the record: what it is about; for an item with a number, the line that gave it one."""
    state: State
    message: int
    """Record index of the message that set the state; -1 for a state that the summary before tells."""

    @property
    def names(self) -> tuple[str, ...]:
        """Its identifiers, each once."""
        return tuple(dict.fromkeys(identifiers(self.text)))


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the work at the end of a segment."""

    items: tuple[Item, ...] = ()
    tests: tuple[Line, ...] = ()
    """The last lines of the newest test run: those that tell of failures, if any do."""
    failing: bool = False
    """Whether that run failed."""
    questions: tuple[Line, ...] = ()
    """The question with which the segment leaves off: nobody has answered it in it."""

    def state_of(self, text: str) -> State | None:
        """The newest state of the item with this text."""
        return next((item.state for item in reversed(self.items) if item.text == text), None)

    def contradicts(self, sentence: str, message: int) -> bool:
        """Whether a sentence of the model claims done what the newest list shows open, or passing what failed later."""
        said = _UNDONE.sub(" ", sentence)
        fails = self.failing and self.tests[0].message > message
        if fails and _CLAIMS_PASS.search(said) and not _FAILED.search(sentence):
            return True
        if not _CLAIMS_DONE.search(said):
            return False
        return any(item.state == "open" and _is_named(item.text.casefold(), said.casefold()) for item in self.items)


def _is_named(item: str, sentence: str) -> bool:
    """Whether a sentence names an item: as a whole, or by all of its words in whatever form (fix, fixed)."""
    if item in sentence:
        return True
    words = [word[:_STEM] for word in _WORD.findall(item) if len(word) >= _STEM - 1 and word not in _SMALL]
    said = _WORD.findall(sentence)
    return len(words) > 1 and all(any(other.startswith(word) for other in said) for word in words)


class _Lists:
    """The lists as the calls leave them, in the order of the calls."""

    def __init__(self, previous: str) -> None:
        self._whole: dict[tuple[str, str], list[Item]] = {}
        self._single: dict[str, Item] = {}
        for heading, state in ((DONE, "done"), (OPEN, "open")):
            for line in lines_under(previous, heading, several=True):
                number = _NUMBER.search(line)
                if number:  # a task of before, which a later call may update by its number
                    self._single[number[1]] = Item(text=line, state=_STATES.get(state, "open"), message=-1)

    def call(self, block: Mapping[str, Any], answer: str, message: int) -> None:
        """Take in a call that was answered without an error."""
        name, given = str(block.get("name")), block.get("input")
        if not isinstance(given, Mapping):
            return
        for key, value in given.items():
            items = _items(value, message)
            if items is not None:
                self._whole[name, key] = items
        status = given.get("status")
        if re.search("task|todo", name, re.IGNORECASE) is None:
            return
        number = next((str(given[key]).lstrip("#") for key in _IDS if isinstance(given.get(key), (str, int))), None)
        if number is not None:
            self._update(number, status, _title(given), message)
        elif status is None or isinstance(status, str):
            self._create(status, _title(given), answer, message)

    def _create(self, status: str | None, title: str | None, answer: str, message: int) -> None:
        numbered = next((line for line in answer.splitlines() if _NUMBER.search(line)), None)
        if title is None or numbered is None:
            return
        number = _NUMBER.search(numbered)
        text = numbered.strip() if title in numbered and len(numbered) <= _LONGEST else title
        state = _STATES.get(status or "pending")
        if number is not None and state is not None:
            self._single[number[1]] = Item(text=text, state=state, message=message)

    def _update(self, number: str, status: Any, title: str | None, message: int) -> None:
        known = self._single.get(number)
        text = known.text if known is not None else title
        if text is None or not isinstance(status, str):
            return
        state = _STATES.get(status.casefold())
        if state is None:
            self._single.pop(number, None)
        else:
            self._single[number] = Item(text=text, state=state, message=message)

    def items(self) -> tuple[Item, ...]:
        """Every item that this segment has touched, oldest first."""
        found = [item for items in self._whole.values() for item in items]
        found += [item for item in self._single.values() if item.message >= 0]
        return tuple(sorted(found, key=lambda item: item.message))


def progress(segment: Segment, lines: Sequence[Line]) -> Progress:
    """The state of the work that a segment shows.

    Args:
        segment: as recorded; odd shapes are stepped over. Numbered tasks of the summary before may be updated in it.
        lines: of the segment, in source order.
    """
    lists = _Lists(sendable(segment.previous or ""))
    answers = _answers(segment.messages)
    for offset, message in enumerate(segment.messages):
        for block in blocks_of(message):
            if isinstance(block, Mapping) and block_type(block).family in ("call", "server_call"):
                answer = answers.get(str(block.get("id")))
                if answer is not None:
                    lists.call(block, answer, segment.messages_from + offset)
    tests = _newest(line for line in lines if line.work == "tool" and _is_test_run(line))
    failed = [line for line in tests if _FAILED.search(line.text)]
    spoken = _newest(line for line in lines if line.kind in _SPOKEN)
    return Progress(
        items=lists.items(),
        tests=tuple((failed or tests)[-_TEST_LINES:]),
        failing=bool(failed),
        questions=tuple(line for line in spoken[-_LAST_SENTENCES:] if _QUESTION.search(line.text))[-1:],
    )


def _answers(messages: Sequence[Any]) -> dict[str, str]:
    """The text of every result that is no error, by the id of its call."""
    return {
        str(block.get("tool_use_id")): sendable("\n".join(texts_of({"content": block.get("content")})))
        for message in messages
        if isinstance(message, Mapping)
        for block in blocks_of(message)
        if isinstance(block, Mapping) and "tool_use_id" in block and block.get("is_error") is not True
    }


def _items(value: Any, message: int) -> list[Item] | None:
    """The items of a list with statuses; None where it is no such list. An empty list is one."""
    if not isinstance(value, list) or not all(
        isinstance(item, Mapping) and isinstance(item.get("status"), str) and _title(item) for item in value
    ):
        return None
    states = [(item, _STATES.get(item["status"].casefold())) for item in value]
    return [Item(text=_title(item) or "", state=state, message=message) for item, state in states if state is not None]


def _title(item: Mapping[str, Any]) -> str | None:
    """What an item is about, on one line."""
    for key in _TITLES:
        value = item.get(key)
        if isinstance(value, str) and value.strip():
            return sendable(value.strip().splitlines()[0][:_LONGEST].strip())
    return None


def _is_test_run(line: Line) -> bool:
    return not line.earlier and len(line.text) <= _LONGEST and _TEST_RUN.match(line.text) is not None


def _newest(lines: Iterable[Line]) -> list[Line]:
    """The lines of the newest message among these."""
    fresh = [line for line in lines if not line.earlier]
    return [line for line in fresh if line.message == fresh[-1].message]
