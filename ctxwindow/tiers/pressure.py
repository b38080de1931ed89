"""Relief before the first send: which unsent results go to the cold tier, and what to say when nothing helps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ctxwindow.errors import WindowOverflow
from ctxwindow.recall.tool import TOOL_NAME
from ctxwindow.record.blocks import blocks_of
from ctxwindow.record.events import Spilled
from ctxwindow.tiers.situation import Situation
from ctxwindow.tiers.spill import is_paste, spillable
from ctxwindow.tiers.state import State
from ctxwindow.tiers.summarize_all import floor as smallest_request
from ctxwindow.tiers.summarize_all import standing
from ctxwindow.window import size_message

__all__ = ["longest_result", "overflow", "oversized", "relief", "too_long"]

_LEAST = 200
"""Tokens below which spilling a result cannot help: the note that replaces it costs about as much."""


class _Result(msgspec.Struct, frozen=True):
    """A tool result that was never sent and stands whole."""

    tokens: int
    """What spilling would move: images stay (MEDIA-02 caps them)."""
    message: int
    block: int


def oversized(state: State, limit: int, now: float | None) -> list[Spilled]:
    """The unsent results above the policy's threshold, as spills: those above its tokens always, those above its share of
    the room when the window passes the high mark. Where there is room enough, a result stays whole.

    Args:
        state: the conversation.
        limit: tokens the prompt may take.
        now: the caller's clock.
    """
    if "spill" not in state.policy.methods:
        return []
    total, fixed = state.wire.ledger.total, state.wire.ledger.fixed.count.tokens
    passed = total.high > limit or total.tokens > fixed + int(max(0, limit - fixed) * state.policy.high)
    most = longest_result(state, limit) if passed else state.policy.spill.tokens
    if most is None:
        return []
    return [_spilled(state, result, most, now) for result in _results(state) if result.tokens > max(most, _LEAST)]


def longest_result(state: State, limit: int) -> int | None:
    """Tokens above which a result is spilled when the window passes the high mark; None: none is.

    Args:
        state: the conversation.
        limit: tokens the prompt may take.
    """
    if "spill" not in state.policy.methods:
        return None
    settings = state.policy.spill
    share = int(max(0, limit - state.wire.ledger.fixed.count.tokens) * settings.share)
    return share if settings.tokens is None else min(share, settings.tokens)


def relief(state: State, now: Situation) -> list[Spilled]:
    """Spills of unsent results, largest first, then of pasted text, until the request fits; none when all of them would not
    be enough.
    """
    if "spill" not in state.policy.methods:
        return []
    smallest = smallest_request(now) if "summarize_all" in state.policy.methods else None
    excess = min(now.total, smallest if smallest is not None else now.total) - now.limit
    left = [result for result in _results(state) if result.tokens > _LEAST]
    left.sort(key=lambda one: (-one.tokens, one.message, one.block))
    pastes = [paste for paste in _results(state, of=is_paste) if paste.tokens > _LEAST]
    left += sorted(pastes, key=lambda one: (-one.tokens, one.message, one.block))
    out, freed = [], 0
    for result in left:
        out.append(_spilled(state, result, result.tokens // 4, now.at))
        # The preview has `tokens // 4` characters, three or more a token, and a note of some 60 tokens.
        freed += result.tokens * 11 // 12 - 60
        if freed >= excess:
            return out
    return []


def _results(state: State, of: Callable[[Mapping[str, Any]], bool] = spillable) -> list[_Result]:
    kept = state.policy.keep_tools
    if state.policy.recall:  # what the model has looked up must reach it: its answers are bounded as they are made
        kept = (*kept, TOOL_NAME)
    found = []
    for index in range(state.unsent, len(state.messages)):
        form = state.forms.get(index)
        if form is None or form.get("role") != "user":
            continue
        blocks = blocks_of(form)
        if not any(of(block) for block in blocks):
            continue
        sizes = size_message(form, state.profile).blocks
        for position, block in enumerate(blocks):
            if not of(block) or (index, position) in state.spills:
                continue
            if state.tool_of(block) not in kept:
                tokens = sum(count.tokens for category, count in sizes[position].parts if category != "images")
                found.append(_Result(tokens, index, position))
    return found


def _spilled(state: State, result: _Result, room: int, now: float | None) -> Spilled:
    """The event, with a preview of no more than about `room` tokens (a token has one character or more)."""
    settings = state.policy.spill
    wanted = settings.head_chars + settings.tail_chars
    share = min(1.0, room / wanted) if wanted else 0.0
    return Spilled(
        at=now,
        message=result.message,
        block=result.block,
        tokens=result.tokens,
        head=int(settings.head_chars * share),
        tail=int(settings.tail_chars * share),
    )


def overflow(state: State, now: Situation, max_tokens: int) -> WindowOverflow:
    """The error that names what cannot shrink: parts that sum up to the smallest request, output included."""
    smallest = smallest_request(now) if "summarize_all" in state.policy.methods else None
    whole = smallest is None or smallest >= now.total
    need = now.total if smallest is None else min(now.total, smallest)
    messages = _on_wire(state) if whole else _repeated(now)
    return _overflow(state, messages, need, max_tokens, now.limit, whole=whole)


def _overflow(
    state: State, messages: Mapping[str, int], need: int, max_tokens: int, limit: int, *, whole: bool
) -> WindowOverflow:
    """The error, of the tokens of messages by their names. `whole`: they are all there are."""
    fixed = state.wire.ledger.fixed
    apart = max_tokens + state.policy.reserve
    parts = {
        "max_tokens": max_tokens,
        "reserve": state.policy.reserve,
        "system": sum(count.tokens for count in fixed.system),
        # A new head names no deferred tool, so there only the others stand (TOOL-20).
        "tools": state.wire.ledger.window().by["tools"] if whole else sum(count.tokens for count in fixed.tools),
        **{name: count.tokens for name, count in fixed.overheads},
        **messages,
    }
    rest = need + apart - sum(parts.values())
    # What stands around the repeated messages; or what exact sizes have shown beyond the parts, or below them.
    parts["unexplained" if whole else "summary"] = rest
    return WindowOverflow(
        need=need + apart,
        limit=limit + apart,
        floor={name: tokens for name, tokens in parts.items() if tokens},
    )


def too_long(state: State, max_tokens: int, limit: int) -> WindowOverflow:
    """The error for a request that was shrunk, and that the API finds too long all the same.

    Args:
        state: whose size is the one that the API told.
        max_tokens: output that it asked for.
        limit: tokens that the prompt may take.
    """
    return _overflow(state, _on_wire(state), state.wire.ledger.total.tokens, max_tokens, limit, whole=True)


def _on_wire(state: State) -> dict[str, int]:
    """What counts of every message of the wire, by its path in the record: no method of the policy shrinks it.

    Cleared results are out of it; what the server puts in their place is a part of its own (EDIT-02).
    """
    wire = state.wire
    window = wire.ledger.window()
    left = [0] * len(wire.messages)
    framed: set[int] = set()
    for block in window.blocks_from(0):
        index = int(block.path.split(".")[1])
        left[index] += block.tokens if block.disposition == "counted" else 0
        if index not in framed and block.disposition not in ("compacted", "expired"):
            framed.add(index)
            left[index] += wire.ledger.entries[index].size.frame.tokens
    parts = {
        "summary" if source is None else f"messages.{source}": tokens
        for source, tokens in zip(wire.sources, left, strict=True)
    }
    parts["placeholders"] = window.overheads.get("placeholders", 0)
    source = wire.sources[0] if wire.sources else None
    if source is not None and state.warm and wire.messages[0]["content"] != state.forms[source]["content"]:
        # The first kept message is joined to the head, which is no part of it.
        own = size_message(state.forms[source], state.profile).count.tokens
        parts["summary"] = parts[f"messages.{source}"] - own
        parts[f"messages.{source}"] = own
    return parts


def _repeated(now: Situation) -> dict[str, int]:
    """The messages that stand word for word even in the smallest request."""
    return {f"messages.{index}": now.size(form) for index, form in standing(now).items()}
