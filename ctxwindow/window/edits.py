"""The two edits of context editing, one class each: what they may clear of a conversation that grows.

What an edit takes out depends on the size of the prompt and on the end of the conversation only, so each edit keeps
prefix sums of what it may take out, and a new message costs that message.

What no page says is decided so that a request is never counted too small:

- Edits are applied in the order of EDIT-07, thinking first, and the trigger of the second is judged on what the first
  has left.
- Uses of excluded tools take none of the places of `keep`. Results of tools that the server runs are not cleared.
- A result that is no larger than the placeholder stays.
- The text of the placeholder is not published; ours is about as long as such a remark must be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.record.blocks import block_type, call_id, is_thinking, result_id
from ctxwindow.rules.editing import CLEAR_THINKING, CLEAR_TOOL_USES
from ctxwindow.rules.view import plain
from ctxwindow.window.block_sizes import size_block
from ctxwindow.window.parts import ZERO, BlockSize, Category
from ctxwindow.window.tokens import Count

__all__ = [
    "PLACEHOLDER",
    "ClearThinking",
    "ClearToolUses",
    "Clearable",
    "Cleared",
    "Tally",
    "cleared_form",
    "less",
    "setting_of",
]

PLACEHOLDER = "[Old tool result cleared]"
"""Stands for the text that the server puts in place of a cleared result (EDIT-02)."""

_TRIGGER = 100_000
"""Input tokens (EDIT-02)."""
_KEEP = 3
"""Tool uses (EDIT-02)."""
_ALL = 0
"""The `keep` of thinking that clears none; a number of turns is more than 0 (EDIT-06)."""


def less(whole: Count, part: Count) -> Count:
    """`whole` without `part`, where the part was counted into the whole: the bounds of what is left."""
    return Count(
        tokens=whole.tokens - part.tokens,
        low=whole.low - part.low,
        high=whole.high - part.high,
        exact=whole.exact and part.exact,
    )


def setting_of(settings: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """The edit of a type that a request asks for; None when it asks for none. Only the first of a type counts."""
    edits = plain(settings.get("context_management")).get("edits")
    for edit in edits if isinstance(edits, (list, tuple)) else ():
        if plain(edit).get("type") == kind:
            return plain(edit)
    return None


def _value(setting: object, default: int) -> int:
    """The `value` of a `{type, value}` setting, where it is a number."""
    value = plain(setting).get("value")
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default


def cleared_form(block: Mapping[str, Any]) -> dict[str, Any]:
    """What is left of a cleared block: a result with the placeholder, a call without its input."""
    return {**block, "content": PLACEHOLDER} if block_type(block).family == "result" else {**block, "input": {}}


class Tally(msgspec.Struct, frozen=True):
    """Blocks that may be cleared: their tokens by category, and what of them stays when they are."""

    parts: dict[Category, Count] = {}
    rest: Count = ZERO
    number: int = 0
    """Tool uses among which at least one block may be cleared."""

    def plus(self, size: BlockSize, rest: Count = ZERO) -> Tally:
        """With one more block."""
        parts = dict(self.parts)
        for category, count in size.parts:
            parts[category] = parts.get(category, ZERO) + count
        return Tally(parts, self.rest + rest, self.number)

    def since(self, earlier: Tally) -> Tally:
        """The blocks after those of an earlier sum."""
        return Tally(
            {category: less(count, earlier.parts.get(category, ZERO)) for category, count in self.parts.items()},
            less(self.rest, earlier.rest),
            self.number - earlier.number,
        )

    @property
    def whole(self) -> Count:
        """All the blocks, before they are cleared."""
        return sum(self.parts.values(), ZERO)

    @property
    def freed(self) -> Count:
        """What clearing them takes out of the window."""
        return less(self.whole, self.rest)


class Cleared(msgspec.Struct, frozen=True, kw_only=True):
    """What one edit clears of a conversation as it stands."""

    type: str
    rule: str
    number: int
    """Tool uses, or turns with thinking."""
    tally: Tally
    places: range
    """Of tool uses: their numbers. Of thinking: the indexes of messages."""

    def as_applied(self) -> dict[str, Any]:
        """The entry in `applied_edits` of the response (EDIT-05)."""
        unit = "cleared_tool_uses" if self.type == CLEAR_TOOL_USES else "cleared_thinking_turns"
        return {"type": self.type, unit: self.number, "cleared_input_tokens": self.tally.freed.tokens}


class Clearable(msgspec.Struct, frozen=True):
    """What the edits must know of a message."""

    blocks: list[tuple[int, Mapping[str, Any]]]
    """The blocks that are in the window, with their places."""
    sizes: tuple[BlockSize, ...]
    """Of all blocks, by place."""
    starts_turn: bool


class ClearToolUses:
    """The edit `clear_tool_uses_20250919`.

    Attributes:
        uses: index and place of what is cleared of each use that is not excluded: the result, and the call perhaps.
        seen: results in the window, those of excluded tools too.
    """

    def __init__(self, setting: Mapping[str, Any], profile: ModelProfile, *, held: int | None = None) -> None:
        """`held`: clear just so many uses, whatever trigger and `keep` would say (see `Held`)."""
        trigger, excluded = plain(setting.get("trigger")), setting.get("exclude_tools")
        self._profile = profile
        self._held = held
        self._counts_uses = trigger.get("type") == "tool_uses"
        self._trigger = _value(trigger, _TRIGGER)
        self._keep = _value(setting.get("keep"), _KEEP)
        self._at_least = _value(setting.get("clear_at_least"), 0)
        self._excluded: tuple[Any, ...] = tuple(excluded) if isinstance(excluded, (list, tuple)) else ()
        self._inputs = setting.get("clear_tool_inputs")
        self._calls: dict[str, tuple[int, int, BlockSize, Mapping[str, Any]]] = {}
        self._inputs_taken: dict[tuple[int, int], None] = {}  # index and place of calls, in order
        self.uses: list[tuple[tuple[int, int], ...]] = []
        self._sums: list[Tally] = [Tally()]
        self.seen = 0
        self.base = 0

    def add(self, index: int, entry: Clearable) -> None:
        """Follow one more message."""
        for place, block in entry.blocks:
            family = block_type(block).family
            if family == "call":
                self._calls[call_id(block) or ""] = (index, place, entry.sizes[place], block)
            elif family == "result":
                self.seen += 1
                self._result(index, place, block, entry.sizes[place])

    def _result(self, index: int, place: int, block: Mapping[str, Any], size: BlockSize) -> None:
        call = self._calls.get(result_id(block) or "")
        name = call[3].get("name") if call is not None else None
        if name in self._excluded:
            return
        wanted = [(index, place, size, block)]
        # A call that is answered twice is cleared with the first result: what is gone is not freed again (EDIT-03).
        if call is not None and self._clears_input(name) and call[:2] not in self._inputs_taken:
            self._inputs_taken[call[:2]] = None
            wanted.append(call)
        tally, places = self._sums[-1], []
        for at, position, before, full in wanted:
            rest = self._rest(full, before.count)
            if rest.tokens < before.count.tokens:
                tally = tally.plus(before, rest)
                places.append((at, position))
        self.uses.append(tuple(places))
        self._sums.append(msgspec.structs.replace(tally, number=tally.number + bool(places)))

    def _rest(self, block: Mapping[str, Any], size: Count) -> Count:
        """What stays of a block that has a size among its neighbours: that, less what its content is alone."""
        whole, left = (size_block(form, self._profile).count for form in (block, cleared_form(block)))
        gone = whole.tokens - left.tokens
        low = max(0, size.low - gone)
        return Count(tokens=max(0, size.tokens - gone), low=low, high=max(low, size.high - gone), exact=size.exact)

    def _clears_input(self, name: object) -> bool:
        return self._inputs is True or (isinstance(self._inputs, (list, tuple)) and name in self._inputs)

    def cleared(self, tokens: int) -> Cleared | None:
        """What is cleared of a prompt of so many tokens; None when nothing is."""
        if self._held is not None:
            last = min(self._held, len(self.uses))
        else:
            last = len(self.uses) - self._keep
            if (self.seen if self._counts_uses else tokens) <= self._trigger:
                return None
        if last <= self.base:
            return None
        tally = self._sums[last].since(self._sums[self.base])
        if not tally.number or tally.freed.tokens < self._at_least:
            return None
        places = range(self.base, last)
        return Cleared(type=CLEAR_TOOL_USES, rule="EDIT-02", number=tally.number, tally=tally, places=places)

    def restart(self) -> None:
        """The uses before a compaction block are not in the window any more."""
        self.base, self.seen = len(self.uses), 0

    def mark(self) -> tuple[int, ...]:
        """The state of now, to `rollback` to."""
        return len(self.uses), self.base, self.seen, len(self._calls), len(self._inputs_taken)

    def rollback(self, mark: tuple[int, ...]) -> None:
        """Forget every message since the mark."""
        length, self.base, self.seen, calls, taken = mark
        del self.uses[length:], self._sums[length + 1 :]
        for latest, kept in ((self._calls, calls), (self._inputs_taken, taken)):
            while len(latest) > kept:
                latest.popitem()


class ClearThinking:
    """The edit `clear_thinking_20251015`. Turns without thinking take none of the places of `keep`.

    Attributes:
        messages: indexes of the messages with thinking.
    """

    def __init__(self, setting: Mapping[str, Any], profile: ModelProfile, *, held: int | None = None) -> None:
        """`held`: clear the thinking of just so many turns, whatever `keep` would say (see `Held`)."""
        keep = setting.get("keep")
        by_default = _ALL if profile.keeps_prior_thinking else 1  # RET-09
        self._keep = by_default if keep is None else _value(keep, _ALL)
        self._held = held
        self.messages: list[int] = []
        self._sums: list[Tally] = [Tally()]
        self._turns: list[int] = []  # for each turn with thinking, where it starts in `messages`
        self._base = 0
        self._fresh = True  # the current turn has no thinking yet

    def add(self, index: int, entry: Clearable) -> None:
        """Follow one more message."""
        self._fresh |= entry.starts_turn
        sizes = [entry.sizes[place] for place, block in entry.blocks if is_thinking(block)]
        if not sizes:
            return
        if self._fresh:
            self._turns.append(len(self.messages))
            self._fresh = False
        tally = self._sums[-1]
        for size in sizes:
            tally = tally.plus(size)
        self.messages.append(index)
        self._sums.append(tally)

    def cleared(self) -> Cleared | None:
        """What is cleared; None when nothing is. Thinking of the turn in progress is the last and stays (RET-06)."""
        number = self.turns - self._keep - self._base
        if self._held is not None:
            number = min(self._held, self.turns - 1) - self._base
        elif self._keep == _ALL:
            return None
        if number <= 0:
            return None
        first, last = self._turns[self._base], self._turns[self._base + number]
        return Cleared(
            type=CLEAR_THINKING,
            rule="EDIT-06",
            number=number,
            tally=self._sums[last].since(self._sums[first]),
            places=range(self.messages[first], self.messages[last]),
        )

    @property
    def turns(self) -> int:
        """Turns with thinking so far."""
        return len(self._turns)

    def restart(self) -> None:
        """Thinking before a compaction block is not in the window any more."""
        self._base, self._fresh = len(self._turns), True

    def mark(self) -> tuple[int, ...]:
        """The state of now, to `rollback` to."""
        return len(self.messages), len(self._turns), self._base, self._fresh

    def rollback(self, mark: tuple[int, ...]) -> None:
        """Forget every message since the mark."""
        messages, turns, self._base, fresh = mark
        self._fresh = bool(fresh)
        del self.messages[messages:], self._sums[messages + 1 :], self._turns[turns:]
