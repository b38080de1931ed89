"""The prefix check: whether thinking is still bound to the conversation before it (BIND-05 to BIND-16).

Given the request before, each thinking block that both hold is valid when system, tools and everything before the
block are equal under BIND-14, and when the kept blocks are an unbroken run of the sequence as it was (BIND-10).
Blocks that are new belong to the reply to the request before, so they need all of it unchanged.

The checked prefix starts at the last compaction block with content (BIND-15). Behind a newly adopted, signed block
the kept messages count as if the summarised ones still stood before them, under the conditions of CMP-30.

Where sources differ the stricter reading is taken: one failure takes every later block with it (BIND-09), and
blocks of older models are treated as bound (BIND-22).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.record import Fingerprint, Prefix, canonical_message, canonical_tools, content_key, fingerprint
from ctxwindow.record.blocks import blocks_of, seal
from ctxwindow.record.canonical import canonical_system
from ctxwindow.rules.replay import thinking_of
from ctxwindow.rules.view import plain

__all__ = ["Compaction", "ThinkingState", "compaction_of", "key_of", "prefix_report"]

_SYSTEM = "system_changed [BIND-12]: The `system` prompt differs from the one this block was created with."
_TOOLS = "tools_changed [BIND-12]: The `tools` list differs from the one this block was created with."
_MISSING = (
    "predecessor_missing [BIND-10]: The `thinking` block that preceded this one when it was created is missing from this "
    "request."
)
_REORDERED = (
    "predecessor_reordered [BIND-10]: The `thinking` blocks stand in another order than when they were created."
)
_INSERTED = (
    "blocks_inserted [BIND-11]: A `thinking` block stands before this one that was not there when it was created."
)
_NOT_KEPT = (
    "blocks_removed [CMP-30]: The messages kept behind the compaction block do not directly follow, under another role, "
    "those that it summarises."
)
_UNKNOWN = "unknown: the request before does not hold this block."
_IGNORED = "ignored [CMP-02, BIND-15]: it stands before the last compaction block and is not read."


class ThinkingState(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one thinking block of a request."""

    path: str
    valid: bool
    reason: str | None = None
    """Why it is not valid: a word of BIND-07, the rule's id and a sentence of BIND-06. Or a remark on a valid one."""


class Compaction(msgspec.Struct, frozen=True, kw_only=True):
    """A compaction block in its place."""

    message: int
    place: int
    block: Mapping[str, Any]


class _Entry(msgspec.Struct, frozen=True):
    """One message of a prefix."""

    message: Mapping[str, Any]
    index: int | None
    """Its index in the request; None for a summarised message that is only thought to stand there."""
    shift: int = 0
    """Blocks cut off at its front: those before a compaction block."""


def compaction_of(messages: Sequence[Mapping[str, Any]]) -> Compaction | None:
    """The last compaction block with content; None when there is none."""
    for index in range(len(messages) - 1, -1, -1):
        blocks = blocks_of(messages[index])
        for place in range(len(blocks) - 1, -1, -1):
            block = plain(blocks[place])
            if block.get("type") == "compaction" and block.get("content"):
                return Compaction(message=index, place=place, block=block)
    return None


def key_of(compaction: Mapping[str, Any]) -> str:
    """What identifies a compaction block: its signature, or else its summary."""
    return content_key(compaction.get("signature") or compaction.get("content"))


def prefix_report(
    request: Mapping[str, Any], previous: Mapping[str, Any], profile: ModelProfile | None = None
) -> list[ThinkingState]:
    """The state of every thinking block of `request`, in order.

    Args:
        request: the body that is to be sent.
        previous: the body of the request before it, as it was sent.
        profile: the model. Where the prefix check does not run, all blocks are valid. None counts as bound.
    """
    messages = _messages(request)
    if profile is not None and not profile.bound:
        return [
            ThinkingState(path=f"messages.{index}.content.{place}", valid=True)
            for index, message in enumerate(messages)
            for place, _ in thinking_of(message)
        ]
    compaction = compaction_of(messages)
    return [*_ignored(messages, compaction), *_Comparison(request, previous, messages, compaction).states()]


def _messages(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    messages = request.get("messages")
    return [plain(message) for message in messages] if isinstance(messages, (list, tuple)) else []


def _tools(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    tools = request.get("tools")
    return [plain(tool) for tool in tools] if isinstance(tools, (list, tuple)) else []


def _ignored(messages: list[Mapping[str, Any]], compaction: Compaction | None) -> list[ThinkingState]:
    """States of the blocks before the last compaction block."""
    if compaction is None:
        return []
    end = (compaction.message, compaction.place)
    return [
        ThinkingState(path=f"messages.{index}.content.{place}", valid=True, reason=_IGNORED)
        for index in range(compaction.message + 1)
        for place, _ in thinking_of(messages[index])
        if (index, place) < end
    ]


def _live(messages: list[Mapping[str, Any]], compaction: Compaction | None) -> list[_Entry]:
    """The messages that the check looks at: from the last compaction block on (BIND-15)."""
    if compaction is None:
        return [_Entry(message, index) for index, message in enumerate(messages)]
    first = messages[compaction.message]
    trimmed = {**first, "content": blocks_of(first)[compaction.place :]}
    rest = range(compaction.message + 1, len(messages))
    return [_Entry(trimmed, compaction.message, compaction.place), *(_Entry(messages[at], at) for at in rest)]


def _overlap(old: list[Fingerprint], kept: list[Fingerprint]) -> int:
    """Length of the longest end of `old` that is a beginning of `kept` (Knuth-Morris-Pratt: linear)."""
    word = [*kept, "", *old]
    borders = [0] * len(word)
    for at in range(1, len(word)):
        length = borders[at - 1]
        while length and word[at] != word[length]:
            length = borders[length - 1]
        borders[at] = length + (word[at] == word[length])
    return borders[-1] if old else 0


def _key(block: Mapping[str, Any]) -> str:
    return seal(block) or content_key(block)


def _print(entry: _Entry) -> Fingerprint:
    return fingerprint(canonical_message(entry.message))


class _Comparison:
    """One request against the one before it."""

    def __init__(
        self,
        request: Mapping[str, Any],
        previous: Mapping[str, Any],
        messages: list[Mapping[str, Any]],
        compaction: Compaction | None,
    ) -> None:
        self.tools, self.old_tools = _tools(request), _tools(previous)
        old_messages = _messages(previous)
        old_compaction = compaction_of(old_messages)
        self.now = _live(messages, compaction)
        self.old = _live(old_messages, old_compaction)
        self.adoption: str | None = None
        new = compaction is not None and (
            old_compaction is None or key_of(compaction.block) != key_of(old_compaction.block)
        )
        if compaction is not None and new:
            if compaction.message >= len(old_messages):
                self.old = []  # it came with the reply: all that follows it is new
            elif compaction.block.get("signature") and self.now[0].index == self.now[0].shift == 0:
                self._adopt()
        self.cause = self._cause(request, previous)
        self.changed = None if self.cause else self._first_change()

    def _adopt(self) -> None:
        """Put the summarised messages back in thought, so that the kept ones stand where they stood (CMP-30)."""
        first, *kept = self.now
        rest = blocks_of(first.message)[1:]
        if rest:
            kept.insert(0, _Entry({**first.message, "content": rest}, first.index, 1))
        cut = len(self.old) - _overlap([_print(entry) for entry in self.old], [_print(entry) for entry in kept])
        if kept and self.old:
            role = kept[0].message.get("role")
            same_role = cut > 0 and role == self.old[cut - 1].message.get("role")
            if cut == 0 or role == "system" or same_role:
                self.adoption = _NOT_KEPT
        self.now = [*(_Entry(entry.message, None) for entry in self.old[:cut]), *kept]

    def _cause(self, request: Mapping[str, Any], previous: Mapping[str, Any]) -> str | None:
        """What changed before all messages."""
        if canonical_system(request.get("system")) != canonical_system(previous.get("system")):
            return _SYSTEM
        # Deferred tools are outside until a message names one, where the chain takes them in.
        return _TOOLS if canonical_tools(self.tools) != canonical_tools(self.old_tools) else None

    def _first_change(self) -> int | None:
        """Index of the first message of `old` that differs in `now`, where both reach so far."""
        now, old = Prefix(None, self.tools), Prefix(None, self.old_tools)
        for index, (entry, original) in enumerate(zip(self.now, self.old, strict=False)):
            if now.add(entry.message) != old.add(original.message):
                return index
        return None

    def _diagnosis(self, at: int) -> str:
        """What happened at the first change, as far as one look around it tells."""
        place = self.now[at].index
        where = f"starting at `messages.{place if place is not None else at}`"
        now, old = [_print(entry) for entry in self.now[at:]], [_print(entry) for entry in self.old[at:]]
        if now[0] == old[0]:
            return _TOOLS  # a deferred tool that this message names has another definition
        if now[0] in old[1:]:
            return (
                "blocks_removed [BIND-12]: Content that preceded this block when it was created is missing from this "
                f"request, {where}."
            )
        kind = "blocks_inserted" if old[0] in now[1:] else "blocks_modified"
        return f"{kind} [BIND-12]: Content that preceded this block differs from when it was created, {where}."

    def states(self) -> list[ThinkingState]:
        """The state of each block behind the last compaction block."""
        places = {
            _key(block): (at, place) for at, entry in enumerate(self.old) for place, block in thinking_of(entry.message)
        }
        order = {key: number for number, key in enumerate(places)}
        change = None if self.changed is None else self._diagnosis(self.changed)
        found: list[ThinkingState] = []
        last: int | None = None
        broken: str | None = self.adoption
        for at, entry in enumerate(self.now):
            for place, block in thinking_of(entry.message) if entry.index is not None else ():
                key = _key(block)
                known = places.get(key)
                stranger = known is None and at < len(self.old)
                if not stranger:
                    number = order.setdefault(key, len(order))
                    if last is not None and number != last + 1:
                        broken = broken or (_MISSING if number > last + 1 else _REORDERED)
                    last = number
                reason = self.cause or self._moved(at, place, known, change) or broken
                path = f"messages.{entry.index}.content.{entry.shift + place}"
                if stranger:
                    remark = f"{_UNKNOWN} {reason or ''}".strip()
                    found.append(ThinkingState(path=path, valid=reason is None and change is None, reason=remark))
                    broken = broken or _INSERTED
                else:
                    found.append(ThinkingState(path=path, valid=reason is None, reason=reason))
        return found

    def _moved(self, at: int, place: int, known: tuple[int, int] | None, change: str | None) -> str | None:
        """What is wrong with the messages before a block, and with the blocks before it in its own message."""
        if known is not None and known[0] != at and change is None:
            return f"blocks_replaced [BIND-12]: The block stood behind other messages, at `messages.{known[0]}`."
        if self.changed is None or at < self.changed:
            return None
        if at > self.changed or known is None or known[0] != at:
            return change
        now, old = self.now[at].message, self.old[at].message
        same = canonical_message({**now, "content": blocks_of(now)[:place]}) == canonical_message(
            {**old, "content": blocks_of(old)[: known[1]]}
        )
        return None if same else change
