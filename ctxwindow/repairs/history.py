"""A history while it is repaired: every message and block with the path where it stood, and a list of what was done.

Nothing of the input is changed. Messages and blocks stay the very objects they came as until a repair replaces one;
a message that loses its last block is left out, because the API takes no empty ones (MSG-07).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.record import Family, block_type
from ctxwindow.rules import Violation
from ctxwindow.rules.view import plain

__all__ = ["Draft", "History", "Part", "Place", "Repair"]


class Repair(msgspec.Struct, frozen=True, kw_only=True):
    """One change that was made to a history."""

    what: str
    """What was done."""
    rule: str
    """Id of the rule that asked for it."""
    path: str
    """Where it stood in the history as it came; for something new, what it was put behind."""
    why: str
    """Why it had to be done. Ids and tool names; never content."""

    def __str__(self) -> str:
        return f"{self.path}: {self.what} [{self.rule}]: {self.why}"


class Part:
    """One block, with the path where it stood."""

    __slots__ = ("block", "path")

    def __init__(self, path: str, block: Any) -> None:
        self.path = path
        self.block = block

    @property
    def data(self) -> Mapping[str, Any]:
        """The block; an empty one in place of something that is no object."""
        return plain(self.block)

    @property
    def family(self) -> Family:
        """The family of the block."""
        return block_type(self.data).family


class Draft:
    """One message, with the path where it stood.

    Attributes:
        path: `messages.3`; for a new message the path that it was put behind.
        raw: the message as it came.
        parts: its blocks. None: its content is neither a string nor a list, and is left alone.
        gone: whether it is left out.
        behind: messages to be put behind it.
    """

    def __init__(self, path: str, raw: Any) -> None:
        self.path = path
        self.raw = raw
        self.gone = False
        self.behind: list[Draft] = []
        content = plain(raw).get("content")
        self.parts: list[Part] | None = None
        if isinstance(content, str):
            self.parts = [Part(f"{path}.content", {"type": "text", "text": content})]
        elif isinstance(content, list):
            self.parts = [Part(f"{path}.content.{place}", block) for place, block in enumerate(content)]
        self._as_came = self._blocks()

    @property
    def role(self) -> Any:
        """The role as given."""
        return plain(self.raw).get("role")

    @property
    def blocks(self) -> list[Part]:
        """Its blocks; none where its content is neither a string nor a list."""
        return self.parts or []

    def of(self, *families: Family) -> list[Part]:
        """Its blocks of these families."""
        return [part for part in self.blocks if part.family in families]

    def form(self) -> Any:
        """The message as it is now: the object it came as, where nothing was done to its blocks."""
        now = self._blocks()
        if now is None or self._as_came is None:
            return self.raw
        same = len(now) == len(self._as_came) and all(a is b for a, b in zip(now, self._as_came, strict=True))
        return self.raw if same else {**self.raw, "content": now}

    def _blocks(self) -> list[Any] | None:
        return None if self.parts is None else [part.block for part in self.parts]


class Place(NamedTuple):
    """Where a violation is, in the history as it was when it was found."""

    rule: str
    path: str
    draft: Draft | None
    """None: not in the messages."""
    part: Part | None
    rest: list[str]
    """What of the path is left behind the message or the block."""


class History:
    """The messages of a request while they are repaired.

    Attributes:
        request: the request as it came; a repair of a setting replaces it.
        profile: the model; None: not known.
        stop_reason: of the reply that the history ends with; None: not known.
        drafts: the messages.
        repairs: what was done, in order.
    """

    def __init__(
        self, request: Mapping[str, Any], *, profile: ModelProfile | None = None, stop_reason: str | None = None
    ) -> None:
        self.request = dict(request)
        self.profile = profile
        self.stop_reason = stop_reason
        self.repairs: list[Repair] = []
        messages = request.get("messages")
        self._listed = isinstance(messages, (list, tuple))
        self.drafts = [
            Draft(f"messages.{index}", raw) for index, raw in enumerate(messages if self._listed and messages else ())
        ]

    def note(self, what: str, rule: str, path: str, why: str) -> None:
        """Write down one change."""
        self.repairs.append(Repair(what=what, rule=rule, path=path, why=why))

    def body(self) -> dict[str, Any]:
        """The request as it is now; the messages as they came, where nothing was done to any."""
        if not self._listed:
            return dict(self.request)
        messages = [draft.form() for draft in self.drafts]
        as_came = self.request["messages"]
        same = len(messages) == len(as_came) and all(a is b for a, b in zip(messages, as_came, strict=True))
        return dict(self.request) if same else {**self.request, "messages": messages}

    def at(self, path: str) -> tuple[Draft | None, Part | None, list[str]]:
        """The message and the block that a path of the present body leads to, and the rest of the path."""
        steps = path.split(".")
        if steps[0] != "messages" or len(steps) == 1 or not steps[1].isdecimal():
            return None, None, steps
        draft = self.drafts[int(steps[1])]
        if steps[2:3] != ["content"]:
            return draft, None, steps[2:]
        if steps[3:4] and steps[3].isdecimal() and int(steps[3]) < len(draft.blocks):
            return draft, draft.blocks[int(steps[3])], steps[4:]
        whole = isinstance(plain(draft.raw).get("content"), str) and len(draft.blocks) == 1
        return draft, draft.blocks[0] if whole else None, steps[3:]

    def places(self, found: Iterable[Violation]) -> list[Place]:
        """Where the violations are: looked up at once, because paths shift with the first block that is left out."""
        return [Place(violation.rule, violation.path, *self.at(violation.path)) for violation in found]

    def remove(self, draft: Draft, part: Part) -> None:
        """Leave a block out of its message."""
        draft.parts = [other for other in draft.blocks if other is not part]

    def settle(self) -> None:
        """Put new messages in their places and leave out those that have become empty."""
        settled: list[Draft] = []
        for draft in self.drafts:
            settled += _with_behind(draft)
        for draft in settled:
            if draft.parts == [] and draft.form() is not draft.raw:
                draft.gone = True
                self.note("message left out", "MSG-07", draft.path, "nothing is left in it.")
        self.drafts = [draft for draft in settled if not draft.gone]


def _with_behind(draft: Draft) -> Iterator[Draft]:
    yield draft
    for other in draft.behind:
        yield from _with_behind(other)
    draft.behind = []
