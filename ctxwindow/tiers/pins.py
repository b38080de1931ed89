"""Pins: which messages no method may take off the wire, by what the policy and the caller say.

Two kinds. *Named*: the first user message, and those named by index. *Found*: what matches an expression, and the files
that are being edited. Where their share of the room is too small for all, named ones go first, the newest of each first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec

from ctxwindow.recall.pattern import Pattern, parse
from ctxwindow.record import Outline
from ctxwindow.record.blocks import block_type, blocks_of, call_id, result_id, texts_of
from ctxwindow.tiers.policy import Pins
from ctxwindow.tiers.repeats import pinned_blocks

__all__ = ["MOST_FOUND", "RECENT_ROUNDS", "PinTracker"]

RECENT_ROUNDS = 16
"""A file is being edited for so many rounds after its last edit: in 20 recorded coding sessions 360 of the 399 edits of a
file that had been edited before came within 16 rounds of the edit before."""

MOST_FOUND = 100
"""Messages that are only found, at most: each is sized anew whenever an edit is weighed, by every method."""

_PATHS = ("file_path", "path", "filename", "notebook_path")
"""Arguments of a call that name a file."""
_WHOLE = frozenset({"content", "file_text"})
"""Arguments with all of a file's new content: after such a call nothing older is needed."""
_PARTS = frozenset({"new_string", "new_str", "new_source", "insert_text", "edits", "patch"})
"""Arguments with a part of it."""
_SEARCHES = frozenset({"pattern", "query", "regex"})
"""Arguments of calls that search in a file, and do not show it."""


class _Call(msgspec.Struct, frozen=True):
    """A call on a file, which waits for its result."""

    message: int
    path: str
    does: str
    """`shows`, `edits` or `writes`."""


class _File(msgspec.Struct):
    """What the record holds of one file: what showed it last, and the edits since."""

    messages: list[int] = []
    edited: int = -RECENT_ROUNDS - 1
    """The round of its last edit."""


def _taken(source: str) -> Pattern:
    """A pattern of a policy, which was checked. Never shared: when it gives up must follow from one record alone (law 8)."""
    pattern = parse(source)
    assert pattern is not None  # noqa: S101 - the policy takes no other
    return pattern


class PinTracker:
    """The pins of one record that only grows. Each message is looked at once."""

    def __init__(self, pins: Pins) -> None:
        self._pins = pins
        self._length = 0
        self._rounds = 0
        self._first: int | None = None
        self._matching: list[int] = []
        self._calls: dict[str, _Call] = {}
        self._files: dict[str, _File] = {}
        self._patterns = {source: _taken(source) for source in pins.matching}
        self._looks = bool(pins.first_user_message or pins.matching or pins.editing_files)

    def follow(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Look at the messages of the record that are new."""
        for index in range(self._length, len(messages)) if self._looks else ():
            self._add(index, messages[index])
        self._length = len(messages)

    def named(self, extra: Collection[int]) -> set[int]:
        """Record indices of what is pinned by name; `extra`: indices that the caller pinned."""
        return {*self._pins.messages, *extra, *([self._first] if self._first is not None else [])}

    def pinned(
        self,
        forms: Mapping[int, Mapping[str, Any]],
        outline: Outline,
        extra: Collection[int],
        *,
        most: int,
        spare: int,
        size: Callable[[Mapping[str, Any]], int],
    ) -> tuple[int, ...]:
        """Record indices of what is pinned, rising. Nothing of an open round is, for that is never compacted (law 6).

        Args:
            forms: wire forms by record index; what has none was never sent.
            outline: of the record.
            extra: indices that the caller pinned.
            most: tokens that all of it may take, as it will be repeated.
            spare: tokens beyond which nothing is added that was only found.
            size: tokens of a message.
        """
        end = min(outline.open_calls.values(), default=outline.length)
        named = self.named(extra)
        chosen, left = [], most
        for index, must in self._in_order(named):
            blocks = pinned_blocks(index, forms) if index < end else []
            if not blocks:
                continue
            tokens = size({"role": "user", "content": blocks})
            if not must and most - left + tokens > min(most, spare):
                break  # of what was found there may be much: it ends where the share does
            if tokens <= left:
                chosen.append(index)
                left -= tokens
        return tuple(sorted(chosen))

    def _in_order(self, named: Collection[int]) -> list[tuple[int, bool]]:
        """Candidates, and whether each was named; the first is the last to be left out."""
        found = {*self._matching, *self._being_edited()}.difference(named)
        ordered = [(index, True) for index in sorted(named, reverse=True)]
        return ordered + [(index, False) for index in sorted(found, reverse=True)[:MOST_FOUND]]

    def _being_edited(self) -> list[int]:
        since = self._rounds - RECENT_ROUNDS
        return [index for file in self._files.values() if file.edited >= since for index in file.messages]

    # -- one more message ----------------------------------------------------------------------------------

    def _add(self, index: int, message: Mapping[str, Any]) -> None:
        blocks = [block for block in blocks_of(message) if isinstance(block, Mapping)]
        if message.get("role") == "user":
            if self._pins.first_user_message and self._first is None:
                self._first = index
            if self._matches(blocks):
                self._matching.append(index)
        if self._pins.editing_files:
            self._follow_files(index, blocks)

    def _matches(self, blocks: list[Mapping[str, Any]]) -> bool:
        lines = (
            [line for block in blocks for text in texts_of(block) for line in text.split("\n")]
            if self._patterns
            else []
        )
        return any(self._finds(source, lines) for source in self._patterns)

    def _finds(self, source: str, lines: list[str]) -> bool:
        """Whether a pattern is found in one of the lines. One that is too much work for this message is not."""
        for line in lines:
            found = self._patterns[source].finds(line)
            if found is None:
                self._patterns[source] = _taken(source)  # it has given up, and begins anew with the next message
            if found is not False:
                return found is True
        return False

    def _follow_files(self, index: int, blocks: list[Mapping[str, Any]]) -> None:
        calls = [block for block in blocks if block_type(block).family == "call"]
        self._rounds += bool(calls)
        for block in calls:
            call = _on_file(index, block.get("input"))
            if call is not None:
                self._calls[call_id(block) or ""] = call
        for block in blocks:
            answered = self._calls.pop(result_id(block) or "", None) if block_type(block).family == "result" else None
            if answered is not None and not block.get("is_error"):
                self._done(index, answered)

    def _done(self, index: int, call: _Call) -> None:
        """A call on a file that has worked; its result stands at `index`."""
        file = self._files.setdefault(call.path, _File())
        if call.does == "shows":
            file.messages = [index]
            return
        file.edited = self._rounds
        file.messages = [call.message] if call.does == "writes" else [*file.messages, call.message]


def _on_file(index: int, arguments: Any) -> _Call | None:
    """What a call does to a file, as far as its arguments tell; None where they name none."""
    if not isinstance(arguments, Mapping):
        return None
    path = next((value for key in _PATHS if isinstance(value := arguments.get(key), str)), None)
    if path is None or not _SEARCHES.isdisjoint(arguments):
        return None
    if not _WHOLE.isdisjoint(arguments):
        return _Call(index, path, "writes")
    return _Call(index, path, "shows" if _PARTS.isdisjoint(arguments) else "edits")
