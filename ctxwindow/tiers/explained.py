"""A policy in short sentences, for people: what fits, when it shrinks, by what, and what stays."""

from __future__ import annotations

from collections.abc import Iterator

from ctxwindow.catalog import ModelProfile
from ctxwindow.tiers.available import lacking
from ctxwindow.tiers.compact_threshold import LEAST_TRIGGER
from ctxwindow.tiers.policy import Method, Policy
from ctxwindow.tiers.situation import HOT

__all__ = ["explain"]

_SUMMARIES: set[Method] = {"summarize_keep_tail", "summarize_all"}
_CLIENT: set[Method] = {*_SUMMARIES, "drop"}
"""Methods that begin the prompt anew without the server."""

_DOES: dict[Method, str] = {
    "clear_tool_uses": "the server clears the oldest tool results from its copy of the prompt [EDIT-02]",
    "clear_thinking": "the server clears the oldest thinking from its copy of the prompt [EDIT-06]",
    "compact": "the server writes a signed summary, and the thinking of the turns that stay is kept [CMP-16, CMP-30]",
    "compact_threshold": "the server summarises by itself when a prompt reaches the mark [CMP-01]",
    "summarize_keep_tail": "a summary by the client, then the newest turns or rounds word for word",
    "summarize_all": "a summary by the client, then the request in progress word for word [BIND-28]",
    "drop": "the oldest turns leave the prompt, with no summary",
}


def explain(policy: Policy, profile: ModelProfile | None) -> str:
    """The policy, a sentence or more a line.

    Args:
        policy: what to explain.
        profile: the model; with it shares are told in tokens too, and what it lacks is named.

    Raises:
        PolicyError: its budget leaves no room in the window of this model.
    """
    most = _most(policy, profile)
    lines = [
        *_budget(policy, profile),
        *_marks(policy, most),
        *_methods(policy, profile, most),
        *_stays(policy, profile, most),
    ]
    return "\n".join(lines)


def _most(policy: Policy, profile: ModelProfile | None) -> int | None:
    """The most tokens that the room can have: with no system prompt, no tools and no output."""
    if profile is not None:
        return policy.budget_of(profile.window) - policy.reserve
    return policy.budget - policy.reserve if isinstance(policy.budget, int) else None


def _budget(policy: Policy, profile: ModelProfile | None) -> Iterator[str]:
    if profile is not None:
        yield (
            f"{profile.id} on {policy.platform}: a window of {profile.window:,} tokens, replies of up to {profile.max_output:,}."
        )
        tokens = f"{policy.budget_of(profile.window):,} tokens"
    elif policy.budget is None:
        tokens = "the model's window"
    else:
        tokens = (
            f"{policy.budget:,} tokens"
            if isinstance(policy.budget, int)
            else f"{_percent(policy.budget)} of the window"
        )
    reserve = f"; {policy.reserve:,} tokens of it stay free" if policy.reserve else ""
    yield f"Prompt and output together may take {tokens}{reserve}."
    yield "The room is what system prompt, tools and max_tokens leave of that; shares are shares of the room."


def _marks(policy: Policy, most: int | None) -> Iterator[str]:
    low = _share(policy.low, most)
    if policy.high == 1:
        yield f"The history is shrunk when the next request would not fit, down to {low}."
    else:
        yield f"The history is shrunk above {_share(policy.high, most)}, down to {low}."
    if policy.cache is not None and policy.cold is not None and policy.cold < policy.high:
        yield f"Where the cache has expired it is shrunk above {_share(policy.cold, most)} already."
    if policy.background is not None:
        yield f"Above {_share(policy.background, most)} it may be compacted while a reply is awaited [CMP-34]."
    yield (
        f"An edit that is not needed must free {_share(policy.min_gain, most)} or more, "
        f"and pay for itself within {policy.horizon} sends."
    )


def _methods(policy: Policy, profile: ModelProfile | None, most: int | None) -> Iterator[str]:
    usable = {method: _lacking(method, policy, profile, most) for method in policy.methods}
    shrinking = [method for method, why in usable.items() if why is None and method != "spill"]
    if not shrinking:
        yield "No method shrinks what was sent once: what does not fit is refused with a WindowOverflow."
    elif len(shrinking) > 1:
        yield "Of the methods that would do, " + (
            "the cheapest over these sends is taken:" if policy.prefer == "cost" else "the first of this list is taken:"
        )
    for method, why in usable.items():
        yield f"  - {method}: {_does(method, policy, most)}." if why is None else f"  - not {method}: {why}."
    if {"compact", "compact_threshold"} <= set(shrinking):
        yield "  compact and compact_threshold never meet in one request [CMP-32]."


def _lacking(method: Method, policy: Policy, profile: ModelProfile | None, most: int | None) -> str | None:
    if method == "compact_threshold" and _pinned(policy):
        return "what is pinned would be gone in the middle of the reply"
    if method == "compact_threshold" and most is not None and most < LEAST_TRIGGER:
        return f"the least trigger is {LEAST_TRIGGER:,} tokens [CMP-01], and the room is {most:,} at most"
    return lacking(method, profile, policy.platform) if profile is not None else None


def _does(method: Method, policy: Policy, most: int | None) -> str:
    if method != "spill":
        return _DOES[method]
    spill = policy.spill
    above = f"{_share(spill.share, most)} where the window is full"
    if spill.tokens is not None:
        above = f"{spill.tokens:,} tokens, or {above}"
    return (
        f"a tool result above {above} is put away before its first send; "
        f"{spill.head_chars:,} characters of its start stay and {spill.tail_chars:,} of its end"
    )


def _stays(policy: Policy, profile: ModelProfile | None, most: int | None) -> Iterator[str]:
    hot = policy.hot
    least = [
        f"{hot.tokens:,} tokens" if hot.tokens is not None else _share(HOT, most),
        *([_number(hot.turns, "turn")] if hot.turns else []),
        *([_number(hot.rounds, "round")] if hot.rounds else []),
    ]
    yield f"The newest {' and '.join(least)} stay word for word where a method can keep them."
    if profile is not None and profile.bound and policy.assume_binding and _CLIENT & set(policy.methods):
        yield "Thinking is bound to what stands before it [BIND-03]: after an edit by the client none of it stays [BIND-28]."
    if _SUMMARIES & set(policy.methods):
        yield _warm(policy, most)
    pinned = _pinned(policy)
    if pinned:
        yield f"Pinned, up to {_share(policy.pins.share, most)}, the newest first: {'; '.join(pinned)}."
    if policy.keep_tools:
        yield f"Never spilled or cleared: results of {', '.join(policy.keep_tools)}."
    if policy.recall:
        yield "The model has a tool to find and open what was put away."
    else:
        yield "What was put away can be found by you; the model has no tool for it."


def _warm(policy: Policy, most: int | None) -> str:
    warm = policy.warm
    size = f"{_share(warm.share, most)} at most, and no more than {warm.tokens:,} tokens"
    if warm.levels == 1:
        return f"There is one summary, written anew each time: {size}."
    return (
        f"A summary takes {size}; they stand side by side while they share that part, and are then summarised together."
    )


def _pinned(policy: Policy) -> list[str]:
    pins = policy.pins
    return [
        *(["the first message of the user"] if pins.first_user_message else []),
        *([f"messages {', '.join(map(str, pins.messages))}"] if pins.messages else []),
        *([f"what matches {_number(len(pins.matching), 'expression')}"] if pins.matching else []),
        *(["files that are being edited"] if pins.editing_files else []),
    ]


def _share(share: float, most: int | None) -> str:
    """A share of the room, in tokens where the most that the room can have is known."""
    tokens = f" (up to {int(most * share):,} tokens)" if most is not None else ""
    return f"{_percent(share)} of the room{tokens}"


def _percent(share: float) -> str:
    return f"{share * 100:g} %"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
