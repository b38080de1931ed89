"""Turns and rounds: where a conversation may be cut.

A *turn* starts at a user message that is not only tool results and runs to the next one (RET-04). A *round*
is one assistant message with calls and the user message that answers them (TOOL-01); it is open until every
call is answered. Server-side calls pair by id and may wait for a later assistant message of the same turn
(TOOL-08, MSG-13).

`Outline` follows one growing list of messages and does the work of each new message only.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

import msgspec

from ctxwindow.record.blocks import block_type, blocks_of, call_id, result_id

__all__ = ["Outline", "Round", "is_turn_start"]


class Round(msgspec.Struct, frozen=True):
    """One assistant message with client calls, and its results."""

    start: int
    """Index of the assistant message."""
    end: int | None
    """Index after the message with the last result; None while the round is open."""
    calls: tuple[str, ...]


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """The system messages at the end of a list of messages, which the API takes as one section (SYS-04)."""

    role: str | None = None
    """Role of the message before them; None at the start."""
    after_server: bool = False
    """Whether that message ends in a server tool result."""
    last_text: int | None = None
    """Index of the last one that holds content (an effort-only message may stand anywhere, SYS-06)."""


class OutlineMark(msgspec.Struct, frozen=True, kw_only=True):
    """An outline at one moment."""

    length: int
    turns: int
    rounds: int
    round_of: dict[str, int]
    left: dict[int, int]
    boundaries: int
    open_calls: dict[str, int]
    open_server_calls: dict[str, int]
    section: Section


def is_turn_start(message: Mapping[str, Any]) -> bool:
    """Whether a message starts a turn: a user message that is not only tool results (RET-04)."""
    if message.get("role") != "user":
        return False
    blocks = blocks_of(message)
    return not blocks or not all(isinstance(block, Mapping) and block.get("type") == "tool_result" for block in blocks)


class Outline:
    """Turns, rounds and open calls of a list of messages that only grows.

    Attributes:
        length: messages seen.
        turns: index of the first message of each turn.
        rounds: every round, in order.
        boundaries: every index i where `messages[:i]` and `messages[i:]` split no round and no server pair.
        open_calls: unanswered client calls, id -> index of their message.
        open_server_calls: unanswered server-side calls, id -> index of their message.
        call_ids: every call id seen -> index of its message.
        section: the system messages at the end, and what stands before them.
    """

    def __init__(self) -> None:
        self.length = 0
        self.turns: list[int] = []
        self.rounds: list[Round] = []
        self.boundaries: list[int] = [0]
        self.open_calls: dict[str, int] = {}
        self.open_server_calls: dict[str, int] = {}
        self.call_ids: dict[str, int] = {}
        self.section = Section()
        self._round_of: dict[str, int] = {}  # open call -> its place in `rounds`
        self._left: dict[int, int] = {}  # place of an open round -> calls not yet answered

    def add(self, message: Mapping[str, Any]) -> None:
        """Follow one more message. Invalid sequences are followed too; judging them is the rules' work."""
        index = self.length
        if is_turn_start(message):
            self.turns.append(index)
            # A new user turn gives up on server calls that were never finished.
            self.open_server_calls.clear()
        blocks = [block for block in blocks_of(message) if isinstance(block, Mapping)]
        if message.get("role") == "assistant":
            self._assistant(index, blocks)
        else:
            self._answers(index, blocks)
        self.section = self._section(message, blocks)
        self.length += 1
        if not self.open_calls and not self.open_server_calls:
            self.boundaries.append(self.length)

    def _section(self, message: Mapping[str, Any], blocks: list[Mapping[str, Any]]) -> Section:
        role = message.get("role")
        if role != "system" and not blocks:
            return self.section  # nothing that could be sent (MSG-07)
        if role != "system":
            ends = bool(blocks) and block_type(blocks[-1]).family == "server_result"
            return Section(role=role if isinstance(role, str) else None, after_server=ends)
        return msgspec.structs.replace(self.section, last_text=self.length) if message.get("content") else self.section

    def _assistant(self, index: int, blocks: list[Mapping[str, Any]]) -> None:
        calls: dict[str, None] = {}
        for block in blocks:
            family = block_type(block).family
            identity = call_id(block)
            if identity is not None:
                self.call_ids.setdefault(identity, index)
            if family == "call" and identity is not None and identity not in self.open_calls:
                calls[identity] = None
                self.open_calls[identity] = index
                self._round_of[identity] = len(self.rounds)
            elif family == "server_call" and identity is not None:
                self.open_server_calls[identity] = index
            elif family == "server_result":
                self.open_server_calls.pop(result_id(block) or "", None)
        if calls:
            self._left[len(self.rounds)] = len(calls)
            self.rounds.append(Round(index, None, tuple(calls)))

    def _answers(self, index: int, blocks: list[Mapping[str, Any]]) -> None:
        for block in blocks:
            identity = result_id(block) if block_type(block).family == "result" else None
            if identity is None or self.open_calls.pop(identity, None) is None:
                continue
            # Assistant messages in a row leave several rounds open at once (MSG-02).
            place = self._round_of.pop(identity)
            self._left[place] -= 1
            if not self._left[place]:
                del self._left[place]
                self.rounds[place] = Round(self.rounds[place].start, index + 1, self.rounds[place].calls)

    def mark(self) -> OutlineMark:
        """What is known now, to `rollback` to."""
        return OutlineMark(
            length=self.length,
            turns=len(self.turns),
            rounds=len(self.rounds),
            round_of=dict(self._round_of),
            left=dict(self._left),
            boundaries=len(self.boundaries),
            open_calls=dict(self.open_calls),
            open_server_calls=dict(self.open_server_calls),
            section=self.section,
        )

    def rollback(self, mark: OutlineMark) -> None:
        """Forget every message since the mark."""
        self.length = mark.length
        del self.turns[mark.turns :], self.rounds[mark.rounds :], self.boundaries[mark.boundaries :]
        for place in mark.left:
            self.rounds[place] = Round(self.rounds[place].start, None, self.rounds[place].calls)
        self._round_of, self._left = dict(mark.round_of), dict(mark.left)
        fresh = itertools.takewhile(lambda pair: pair[1] >= mark.length, reversed(self.call_ids.items()))
        for identity, _ in list(fresh):
            del self.call_ids[identity]
        self.open_calls = dict(mark.open_calls)
        self.open_server_calls = dict(mark.open_server_calls)
        self.section = mark.section

    def starts_turn(self, index: int) -> bool:
        """Whether a turn starts at an index."""
        position = bisect_left(self.turns, index)
        return position < len(self.turns) and self.turns[position] == index

    @property
    def turn_start(self) -> int | None:
        """Index where the current turn starts, None before the first."""
        return self.turns[-1] if self.turns else None
