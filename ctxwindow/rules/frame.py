"""What every message of a request shares: the model, what stands around the messages, the headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.rules.exchange import plain

__all__ = ["API_VERSION", "Frame"]

API_VERSION = "2026-10-21"
"""The version that SDK 2 sends with every request (VER-01)."""


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What every message of a request shares."""

    profile: ModelProfile | None = None
    """None: the model is not known, and rules that depend on it stay silent (SHAPE-10 says so)."""
    system: Any = None
    tools: Any = None
    """The list of tools as sent; None: not given, so that nothing is concluded from a missing tool."""
    settings: Mapping[str, Any] = {}
    """All other request fields."""
    betas: frozenset[str] = frozenset()
    """Values of the `anthropic-beta` header."""
    betas_known: bool = False
    """Whether `betas` is all of them; otherwise it is a lower bound, and a beta that is missing may have been sent."""
    api_version: str = API_VERSION

    @property
    def platform(self) -> Literal["bedrock", "vertex"] | None:
        """The partner cloud whose version the body names; None: not told, as in bodies for the Claude API."""
        match str(self.settings.get("anthropic_version")).partition("-")[0]:
            case "bedrock":
                return "bedrock"
            case "vertex":
                return "vertex"
        return None

    @property
    def thinking_type(self) -> str | None:
        """`thinking.type` as set; None when it is not set."""
        value = plain(self.settings.get("thinking")).get("type")
        return value if isinstance(value, str) else None

    @property
    def manual_thinking(self) -> bool:
        """Whether this request thinks in manual mode (THINK-02: `enabled` with a budget)."""
        return self.thinking_type == "enabled"

    @property
    def thinking_off(self) -> bool:
        """Whether this request is known not to think."""
        if self.thinking_type is None:
            return self.profile is not None and self.profile.thinking.when_omitted == "off"
        return self.thinking_type == "disabled"

    @property
    def continues(self) -> bool:
        """Whether this request continues a thread, so that the server knows messages before the first one (THR-01)."""
        return plain(self.settings.get("thread")).get("type") == "continue"

    @property
    def compacts(self) -> bool:
        """Whether this is a request for an on-demand compaction (CMP-16)."""
        return plain(self.settings.get("compaction")).get("type") == "summarize"

    @property
    def tool_list(self) -> list[tuple[int, Mapping[str, Any]]]:
        """The tools that are objects, with their indexes."""
        tools = self.tools if isinstance(self.tools, (list, tuple)) else ()
        return [(index, tool) for index, tool in enumerate(tools) if isinstance(tool, Mapping)]
