"""How a conversation begins: what its first event holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.recall.tool import with_recall_tool
from ctxwindow.record import intake
from ctxwindow.record.events import Started
from ctxwindow.tiers import Policy
from ctxwindow.tiers.intake import check_fixed, checked_settings, checked_time, checked_tokens

__all__ = ["started"]


def started(
    *,
    model: str | ModelProfile,
    system: Any = None,
    tools: Sequence[Any] | None = None,
    policy: Policy | None = None,
    settings: Mapping[str, Any] | None = None,
    unseen: int = 0,
    now: float | None = None,
) -> Started:
    """The first event, of what `Conversation.start` is given; see there for arguments and errors."""
    profile = resolve(model)
    policy = policy or Policy()
    policy.budget_of(profile.window)
    given = intake(tools, "tools") if tools is not None else None
    event = Started(
        at=checked_time(now),
        model=profile.id,
        profile=msgspec.to_builtins(profile) if isinstance(model, ModelProfile) else None,
        system=intake(system, "system") if system is not None else None,
        tools=with_recall_tool(given) if policy.recall else given,
        settings=checked_settings(settings or {}),
        policy=policy.model_dump(mode="json"),
        unseen=checked_tokens(unseen, "unseen"),
    )
    check_fixed(profile, event.settings, system=event.system, tools=event.tools)
    return event
