"""Blocks worth a second look wherever they stand, inside results and documents too: images, files, cache markers.

Most blocks are none of these and hold none, and all of a request is looked through: so it is done once, and without
naming the places of what is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctxwindow.rules.exchange import plain

__all__ = ["Found", "notable"]

Found = tuple[str, Mapping[str, Any]]
"""Path and block."""

_KINDS = frozenset({"image", "document", "compaction", "tool_addition", "tool_removal", "advisor_tool_result"})


def notable(path: str, content: Any) -> list[Found]:
    """The blocks of a content at `path` that carry a cache marker or are of a kind that some rule counts, in render order.

    Content that is no list holds none: a string is one text block.
    """
    found: list[Found] = []
    stack: list[tuple[str, Any]] = [(path, content)]
    while stack:
        path, blocks = stack.pop()
        for place, block in enumerate(blocks if isinstance(blocks, list) else ()):
            if not isinstance(block, (dict, Mapping)):  # asking for dict first is ten times as fast
                continue
            kind, inner = block.get("type"), block.get("content")
            if (isinstance(kind, str) and kind in _KINDS) or block.get("cache_control") is not None:
                found.append((f"{path}.{place}", block))
            if isinstance(inner, list):
                stack.append((f"{path}.{place}.content", inner))
            elif kind == "document":
                stack.append((f"{path}.{place}.source.content", plain(block.get("source")).get("content")))
    if len(found) > 1:
        found.sort(key=_order)  # what is inside was looked at last
    return found


def _order(entry: Found) -> list[int]:
    return [int(part) for part in entry[0].split(".") if part.isdecimal()]
