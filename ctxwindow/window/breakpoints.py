"""Cache breakpoints of a request: where they are, and how far back each looks (CACHE-02 to CACHE-09, CACHE-14)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ctxwindow.record.blocks import block_type, is_blank_text, is_thinking
from ctxwindow.rules.markers import automatic, markers
from ctxwindow.rules.view import View
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
    return breakpoints_in(request, list(pieces(request)))


def breakpoints_in(request: Mapping[str, Any], rendered: Sequence[Piece]) -> tuple[Breakpoint, ...]:
    """The breakpoints of a request whose pieces are at hand."""
    view = View.of(request)
    indexes = {piece.path: index for index, piece in enumerate(rendered)}
    marked: dict[int, tuple[Ttl, bool]] = {}
    for marker in markers(view):
        index = indexes.get(_whole(marker.path))
        if index is not None and may_be_marked(rendered[index].block, rendered[index].message):
            marked[index] = (_ttl(marker.ttl), False)
    top = automatic(view)
    if marked or top is not None:
        for index, piece in enumerate(rendered):
            if piece.message is not None and block_type(piece.block).family == "server_result":
                marked.setdefault(index, ("5m", True))
    last = _last_eligible(rendered) if top is not None else None
    if top is not None and last is not None and (last not in marked or marked[last][1]):
        marked[last] = (_ttl(top.ttl), True)
    place = positions(rendered)
    return tuple(
        Breakpoint(path=rendered[index].path, ttl=ttl, position=place[index], automatic=auto, piece=index)
        for index, (ttl, auto) in sorted(marked.items())
    )


def _whole(path: str) -> str:
    """The path of the block, system block or tool that holds a part."""
    parts = path.split(".")
    return ".".join(parts[: 4 if parts[0] == "messages" else 2])


def _ttl(value: object) -> Ttl:
    return "1h" if value == "1h" else "5m"


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
    """Whether a block may carry `cache_control` (CACHE-09).

    Thinking, empty text, the text of a turn-scoped system message and deferred tools may not.
    """
    if message is not None and message.get("clear_at") == "next_user_message":
        return False
    return not (is_thinking(block) or is_blank_text(block) or block.get("defer_loading"))


def _last_eligible(rendered: Sequence[Piece]) -> int | None:
    """The last block that may carry a marker, walking back over those that may not (CACHE-03)."""
    for index in range(len(rendered) - 1, -1, -1):
        if may_be_marked(rendered[index].block, rendered[index].message):
            return index
    return None
