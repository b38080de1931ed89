"""Cache breakpoints: where a request has them.

A breakpoint is a `cache_control` that is not null, on a tool, a block of `system` or a block of a message, blocks
inside results and documents included. A top-level `cache_control` sets one more by itself (CACHE-03).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ctxwindow.record.blocks import blocks_of, is_thinking
from ctxwindow.rules.nested import all_blocks
from ctxwindow.rules.view import View, plain

__all__ = ["Breakpoint", "automatic", "breakpoints", "last_cacheable"]


class Breakpoint(msgspec.Struct, frozen=True):
    """One `cache_control` in its place."""

    path: str
    """Of what carries it: `tools.2`, `system.0`, `messages.3.content.1.content.0`; empty for the automatic one."""
    control: Any

    @property
    def ttl(self) -> Any:
        """As set; 5m by default (CACHE-04)."""
        return plain(self.control).get("ttl") or "5m"

    @property
    def field(self) -> str:
        """Path of the `cache_control` itself."""
        return f"{self.path}.cache_control" if self.path else "cache_control"


def breakpoints(view: View) -> list[Breakpoint]:
    """The explicit breakpoints of a request in the order in which it is rendered: tools, system, messages (CACHE-01)."""
    places: list[tuple[str, Mapping[str, Any]]] = [(f"tools.{index}", tool) for index, tool in view.frame.tool_list]
    system = view.frame.system
    if isinstance(system, list):
        places += [(f"system.{place}", block) for place, block in enumerate(system) if isinstance(block, Mapping)]
    found = [*places, *all_blocks(view)]
    return [Breakpoint(path, block["cache_control"]) for path, block in found if block.get("cache_control") is not None]


def automatic(view: View) -> Breakpoint | None:
    """The top-level `cache_control` (CACHE-03); None when there is none."""
    control = view.frame.settings.get("cache_control")
    return None if control is None else Breakpoint("", control)


def last_cacheable(view: View) -> Mapping[str, Any]:
    """The block that the automatic breakpoint falls on; it walks back over those that may carry none (CACHE-09)."""
    for index in range(len(view.messages) - 1, -1, -1):
        message = view.message(index)
        for block in reversed(blocks_of(message) if message.get("clear_at") is None else []):
            if isinstance(block, Mapping) and not is_thinking(block) and block.get("text") != "":
                return block
    return {}
