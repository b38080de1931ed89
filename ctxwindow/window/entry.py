"""One message as the ledger takes it in: its size, and what about it decides over tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.record.blocks import block_type, blocks_of, result_id
from ctxwindow.record.turns import is_turn_start
from ctxwindow.rules.view import plain
from ctxwindow.window.before import START, Before
from ctxwindow.window.edits import Clearable
from ctxwindow.window.parts import MessageSize
from ctxwindow.window.reply import Billed, billed_size
from ctxwindow.window.sizes import size_message

__all__ = ["Entry", "entry_for", "loads"]

_NONE: Mapping[int, str] = {}


class Entry(msgspec.Struct, frozen=True):
    """What the ledger must know of one wire message."""

    message: Mapping[str, Any]
    """As it came; shared, never changed."""
    size: MessageSize
    role: str
    after: Before
    """What stands before the message after it."""
    turn_start: bool
    scoped: bool = False
    """A turn-scoped system message (SYS-07)."""
    restarts: bool = False
    """It holds a compaction block with content: everything before that block is left out (CMP-02)."""
    out: Mapping[int, str] = _NONE
    """Place -> rule of blocks that are out of the window from the start."""
    calls_by_code: tuple[str, ...] = ()
    """Ids of calls that code made (TOK-20)."""

    @property
    def clearable(self) -> Clearable:
        """What context editing looks at."""
        blocks = [
            (place, block)
            for place, block in enumerate(blocks_of(self.message))
            if place not in self.out and isinstance(block, Mapping)
        ]
        return Clearable(blocks, self.size.blocks, self.turn_start)

    def results(self) -> Iterator[tuple[int, str]]:
        """Place and call id of each tool result."""
        for place, block in enumerate(blocks_of(self.message)):
            if plain(block).get("type") == "tool_result":
                yield place, result_id(block) or ""


def entry_for(
    message: Mapping[str, Any],
    profile: ModelProfile,
    *,
    before: Before | None = None,
    billed: Billed | None = None,
    out: Mapping[int, str] = _NONE,
) -> Entry:
    """The ledger entry of one message on a model.

    Args:
        message: as it is sent.
        profile: the model.
        before: what stands before it; None: a message of the other role.
        billed: of a reply, what its usage said of it.
        out: place -> rule of blocks that the server is known to leave out, such as thinking that this model cannot
            read (BIND-02).
    """
    restart, out, by_code = None, dict(out), []
    for place, block in enumerate(blocks_of(message)):
        if not isinstance(block, Mapping):
            continue
        if block.get("type") == "compaction":
            if block.get("content") and isinstance(block["content"], str):
                restart = place
            else:
                out[place] = "CMP-04"
        elif block.get("type") == "tool_use" and str(plain(block.get("caller")).get("type")).startswith(
            "code_execution"
        ):
            by_code.append(str(block.get("id")))
    out.update(dict.fromkeys(range(restart or 0), "CMP-02"))
    if restart is not None:
        before = START._replace(forced=before is not None and before.forced)
    size = size_message(
        message,
        profile,
        before=before,
        thinking=billed.thinking if billed is not None else None,
        foreign=billed is not None and billed.foreign,
    )
    return Entry(
        message=message,
        size=billed_size(size, billed) if billed is not None else size,
        after=(before or START).then(message),
        role=str(message.get("role")),
        turn_start=is_turn_start(message),
        scoped=message.get("role") == "system" and message.get("clear_at") == "next_user_message",
        restarts=restart is not None,
        out=out or _NONE,
        calls_by_code=tuple(by_code),
    )


_NAMING = ("tool_change", "result", "server_result", "compaction")


def loads(blocks: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of the tools that blocks of a message name, which brings deferred ones into the window (TOOL-20, SYS-10).

    By a `tool_reference` in a result, or by a `tool_addition`; a `tool_removal` names a tool without bringing it in.
    """
    names: list[str] = []
    stack: list[Any] = [block for block in blocks if block_type(block).family in _NAMING]
    while stack:
        value = stack.pop()
        if isinstance(value, Mapping):
            if value.get("type") == "tool_removal":
                continue
            if value.get("type") == "tool_reference":
                names.append(str(value.get("tool_name") or value.get("name")))
            stack.extend(inner for inner in value.values() if isinstance(inner, (list, Mapping)))
        elif isinstance(value, list):
            stack.extend(value)
    return names
