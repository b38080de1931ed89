"""Blocks worth a second look wherever they stand, inside results and documents too: images, files, cache markers.

Most blocks are none of these and hold none, and all of a request is looked through: this is done once per view, and
without naming the places of what is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ctxwindow.rules.view import Step, View, plain

__all__ = ["Found", "notable", "notable_in"]

Found = tuple[str, Mapping[str, Any]]
"""Path and block."""

_KINDS = ("image", "document", "tool_addition", "tool_removal", "advisor_tool_result")


def notable(view: View) -> Sequence[Found]:
    """All blocks of all messages that carry a cache marker or are of a kind that some rule counts, in render order."""
    if view.notable is None:
        found: list[Found] = []
        for index, message in enumerate(view.messages):
            content = plain(message).get("content")
            if isinstance(content, list):
                found += _walk(f"messages.{index}.content", content)
        view.notable = found
    known: Sequence[Found] = view.notable
    return known


def notable_in(step: Step) -> list[Found]:
    """The same of one message."""
    content = step.message.get("content")
    return _walk(f"{step.path}.content", content) if isinstance(content, list) else []


def _walk(path: str, content: list[Any]) -> list[Found]:
    found: list[Found] = []
    stack = [(path, content)]
    while stack:
        path, blocks = stack.pop()
        for place, block in enumerate(blocks):
            if not isinstance(block, (dict, Mapping)):  # asking for dict first is ten times as fast
                continue
            kind, inner = block.get("type"), block.get("content")
            if kind in _KINDS or block.get("cache_control") is not None:
                found.append((f"{path}.{place}", block))
            if isinstance(inner, list):
                stack.append((f"{path}.{place}.content", inner))
            elif kind == "document" and isinstance(plain(block.get("source")).get("content"), list):
                stack.append((f"{path}.{place}.source.content", block["source"]["content"]))
    if len(found) > 1:
        found.sort(key=_order)  # what is inside was looked at last
    return found


def _order(entry: Found) -> list[int]:
    return [int(part) for part in entry[0].split(".") if part.isdecimal()]
