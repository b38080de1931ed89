"""How a conversation begins: what its first event holds, and whether its policy can work at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.errors import PolicyError
from ctxwindow.recall.tool import with_recall_tool
from ctxwindow.record import intake
from ctxwindow.record.events import Started
from ctxwindow.tiers import Policy
from ctxwindow.tiers.intake import check_fixed, checked_settings, checked_time, checked_tokens
from ctxwindow.tiers.state import State

__all__ = ["check_room", "started"]


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


def check_room(state: State) -> None:
    """Whether the policy leaves any room for messages beside system and tools, by the lower bound of their size.

    Where it sets neither budget nor reserve there is nothing in it to change: then the first plan tells of the overflow.

    Raises:
        PolicyError: it leaves none, or none beside the tokens that shall stay word for word.
    """
    policy, fixed = state.policy, state.wire.ledger.fixed.count.low
    left = policy.budget_of(state.profile.window) - policy.reserve
    if left <= fixed and (policy.budget is not None or policy.reserve):
        raise PolicyError(
            f"the {left:,} tokens that there are leave nothing for messages: system and tools take {fixed:,} or more.",
            path="budget" if policy.budget is not None else "reserve",
            remedy="Allow more, or shorten system and tools.",
        )
    if policy.hot.tokens is not None and policy.hot.tokens >= left - fixed > 0:
        raise PolicyError(
            f"of {left:,} tokens system and tools leave {left - fixed:,} at most, fewer than the {policy.hot.tokens:,} that "
            "shall stay word for word.",
            path="hot.tokens",
            remedy="Lower it, or leave it out.",
        )
