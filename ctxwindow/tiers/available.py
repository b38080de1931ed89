"""Which methods a model on a platform has at all, whatever the moment."""

from __future__ import annotations

from ctxwindow.catalog import ModelProfile
from ctxwindow.tiers.policy import Method, Platform

__all__ = ["lacking"]

_EDITS = {"clear_tool_uses": "clear_tool_uses_20250919", "clear_thinking": "clear_thinking_20251015"}


def lacking(method: Method, profile: ModelProfile, platform: Platform) -> str | None:
    """Why a method can never be used there, with the rule; None where it can. What the client does alone works everywhere."""
    features = profile.features
    match method:
        case "clear_tool_uses" | "clear_thinking" if not features.context_editing:
            return f"{profile.id} has no context editing, {_EDITS[method]} (EDIT-01)"
        case "clear_thinking" if profile.thinking.prior_turns == "none":
            return f"{profile.id} has no thinking to clear (EDIT-06)"
        case "compact" if platform == "bedrock":
            return "Bedrock has no compaction on demand (CMP-16)"
        case "compact" if not features.compaction_on_demand:
            return f"{profile.id} has no compaction on demand (CMP-16)"
        case "compact_threshold" if not features.compaction_threshold:
            return f"{profile.id} has no compaction at a threshold (CMP-01)"
    return None
