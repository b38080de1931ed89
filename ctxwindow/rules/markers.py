"""Cache markers: every `cache_control` of a request that is not null, each of which asks for a breakpoint.

They stand on tools, blocks of `system` and blocks of messages, blocks inside results and documents included. A top-level
`cache_control` sets one more by itself (CACHE-03).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ctxwindow.record.blocks import blocks_of, is_thinking
from ctxwindow.rules.view import View, plain

__all__ = ["Marker", "automatic", "last_cacheable", "markers"]


class Marker(msgspec.Struct, frozen=True):
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


def markers(view: View) -> list[Marker]:
    """The explicit markers of a request in the order in which it is rendered: tools, system, messages (CACHE-01)."""
    places: list[tuple[str, Mapping[str, Any]]] = [(f"tools.{index}", tool) for index, tool in view.frame.tool_list]
    system = view.frame.system
    if isinstance(system, list):
        places += [(f"system.{place}", block) for place, block in enumerate(system) if isinstance(block, Mapping)]
    found: list[Marker] = []
    for path, block in [*places, *view.notable]:
        if block.get("cache_control") is not None:
            found.append(Marker(path, block["cache_control"]))
        if block.get("type") == "tool_addition":  # its definition may carry the marker instead (SYS-12)
            control = plain(plain(block.get("tool")).get("definition")).get("cache_control")
            found += [] if control is None else [Marker(f"{path}.tool.definition", control)]
    return found


def automatic(view: View) -> Marker | None:
    """The top-level `cache_control` (CACHE-03); None when there is none."""
    control = view.frame.settings.get("cache_control")
    return None if control is None else Marker("", control)


def last_cacheable(view: View) -> Mapping[str, Any]:
    """The block that the automatic breakpoint falls on; it walks back over those that may carry none (CACHE-09)."""
    for index in range(len(view.messages) - 1, -1, -1):
        message = view.message(index)
        for block in reversed(blocks_of(message) if message.get("clear_at") is None else []):
            if isinstance(block, Mapping) and not is_thinking(block) and block.get("text") != "":
                return block
    return {}
