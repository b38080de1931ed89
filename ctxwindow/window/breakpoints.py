"""Cache breakpoints of a request: where they are, and how far back each looks (CACHE-02 to CACHE-09, CACHE-14)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ctxwindow.record.blocks import block_type, blocks_of, is_blank_text
from ctxwindow.rules.view import plain
from ctxwindow.window.cost import Ttl
from ctxwindow.window.rendered import Piece, pieces

__all__ = ["LOOKBACK", "Breakpoint", "breakpoints", "breakpoints_in", "may_be_marked", "positions"]

LOOKBACK = 20
"""Positions that a breakpoint looks at, its own included (CACHE-06)."""

_ONE_POSITION = ("tool_use", "tool_result")
"""Block types of which consecutive ones are one position (CACHE-06)."""


class Breakpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One place up to which the prompt is cached."""

    path: str
    """`tools.0`, `system.1`, `messages.3.content.0`."""
    ttl: Ttl
    position: int
    """Its position in render order, from 0; runs of calls and runs of results are one position each."""
    automatic: bool = False
    """Not set on a block: by the request's own `cache_control` (CACHE-03), or by a server tool's result (CACHE-14)."""
    piece: int = 0
    """Its index among the tools, system blocks and content blocks in render order."""


def breakpoints(request: Mapping[str, Any]) -> tuple[Breakpoint, ...]:
    """The breakpoints of a request body in render order: tools, system, messages (CACHE-01).

    A marker inside a tool result or a document counts for the block that it is in.
    """
    return breakpoints_in(list(pieces(request)), request.get("cache_control"))


def breakpoints_in(rendered: Sequence[Piece], control: Any = None) -> tuple[Breakpoint, ...]:
    """The breakpoints among the pieces of a request, `control` being its top-level `cache_control`."""
    marked: dict[int, tuple[Ttl, bool]] = {}
    for index, piece in enumerate(rendered):
        ttl = _marker(piece.block)
        if ttl is not None and may_be_marked(piece.block, piece.message):
            marked[index] = (ttl, False)
    automatic = _ttl(control)
    if marked or automatic is not None:
        for index, piece in enumerate(rendered):
            if piece.message is not None and block_type(piece.block).family == "server_result":
                marked.setdefault(index, ("5m", True))
    if automatic is not None:
        last = _last_eligible(rendered)
        if last is not None and (last not in marked or marked[last][1]):
            marked[last] = (automatic, True)
    place = positions(rendered)
    return tuple(
        Breakpoint(path=rendered[index].path, ttl=ttl, position=place[index], automatic=auto, piece=index)
        for index, (ttl, auto) in sorted(marked.items())
    )


def positions(rendered: Sequence[Piece]) -> list[int]:
    """The position of each piece: a run of calls, or of results, is one (CACHE-06)."""
    found: list[int] = []
    position, before = -1, None
    for piece in rendered:
        kind = piece.block.get("type") if piece.section == "messages" else None
        if kind not in _ONE_POSITION or kind != before:
            position += 1
        before = kind
        found.append(position)
    return found


def may_be_marked(block: Mapping[str, Any], message: Mapping[str, Any] | None = None) -> bool:
    """Whether a block may carry `cache_control`: not thinking, empty text, a turn-scoped system message, or a deferred
    tool (CACHE-09).
    """
    if message is not None and message.get("clear_at") == "next_user_message":
        return False
    thinking = message is not None and block_type(block).family == "thinking"
    return not thinking and not is_blank_text(block) and not block.get("defer_loading")


def _last_eligible(rendered: Sequence[Piece]) -> int | None:
    """The last block that may carry a marker, walking back over those that may not (CACHE-03)."""
    for index in range(len(rendered) - 1, -1, -1):
        if may_be_marked(rendered[index].block, rendered[index].message):
            return index
    return None


def _ttl(control: Any) -> Ttl | None:
    """The lifetime that a marker asks for; None when it is none."""
    if not isinstance(control, Mapping) or control.get("type") != "ephemeral":
        return None
    return "1h" if control.get("ttl") == "1h" else "5m"


def _marker(block: Mapping[str, Any]) -> Ttl | None:
    """The marker on a block, or the last one inside it."""
    found = _ttl(block.get("cache_control"))
    return found if found is not None else next(_inner_markers(block), None)


def _inner_markers(block: Mapping[str, Any]) -> Iterator[Ttl]:
    for source in (block, plain(block.get("source"))):
        for inner in reversed(blocks_of({"content": source.get("content")})):
            ttl = _ttl(plain(inner).get("cache_control"))
            if ttl is not None:
                yield ttl
