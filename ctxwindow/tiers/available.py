"""Which methods a model on a platform has at all, whatever the moment."""

from __future__ import annotations

from ctxwindow.catalog import ModelProfile
from ctxwindow.tiers.policy import Method, Platform

__all__ = ["lacking"]


def lacking(method: Method, profile: ModelProfile, platform: Platform) -> str | None:
    """Why a method can never be used there, with the rule; None where it can. What the client does alone works everywhere."""
    features = profile.features
    match method:
        case "clear_tool_uses" | "clear_thinking" if not features.context_editing:
            return f"{profile.id} has no context editing [EDIT-01]"
        case "clear_thinking" if not profile.keeps_prior_thinking:
            return f"{profile.id} keeps no thinking of earlier turns [RET-02]"
        case "compact" if platform == "bedrock":
            return "Bedrock has no on-demand compaction [CMP-16]"
        case "compact" if not features.compaction_on_demand:
            return f"{profile.id} has no on-demand compaction [CMP-16]"
        case "compact_threshold" if not features.compaction_threshold:
            return f"{profile.id} has no compact_20260112 [CMP-01]"
    return None
