"""The Claude summariser: what is asked, and how the answer is read. Sans-IO: a driver sends the request.

The request rides on the conversation's own prefix: the same system, tools, messages and settings as last sent, then one
user message that asks for the summary. So it reads the prompt from the cache, which most of its price depends on, and all
thinking in it stays valid (BIND-13). What would spoil the answer is left out (stop sequences, an output format, a
compaction); what would spoil the cache is left alone: another `tool_choice` or thinking setting writes all messages anew
(CACHE-11).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.record import intake
from ctxwindow.record.blocks import block_type, blocks_of
from ctxwindow.summarize.instruction import instruction, transcript
from ctxwindow.summarize.source import sendable
from ctxwindow.tiers.segment import Segment
from ctxwindow.window import Bill, Ttl, bill, count, read_usage, size_message

__all__ = ["Ask", "Refused", "SummaryRejected", "paid", "read_summary", "request_for"]

THINKING_ROOM = 8_000
"""Tokens of `max_tokens` beyond the summary's budget on a model that thinks by itself: they count toward it (THINK-05),
and a reply that is cut is lost. Our choice; what is not used is not paid."""

MARGIN = 1.25
"""`max_tokens` for the text itself, in budgets: a summary that is a little too long is better refused whole, with its
length known, than cut."""

_LEFT_OUT = (
    *("max_tokens", "stream", "stop_sequences", "compaction", "diagnostics", "fallbacks", "fallback_credit_token"),
    # A summary that the server kept in the conversation's thread would be part of it (THR-01).
    "thread",
)

Refused = Literal["refusal", "call", "cut", "empty", "unreadable"]


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a summary."""

    request: dict[str, Any]
    """Ready for `client.beta.messages.create(**request)`. Its messages are shared with the record: do not mutate."""
    budget: int
    """Tokens that the summary may take."""
    tokens: int
    """Of the prompt, as estimated."""
    fits: bool
    """Whether prompt and summary fit the model's window by the upper bound."""
    warm: float | None
    """Dollars, if the prefix is still in the cache and the answer takes its budget; None where no price is known."""
    cold: float | None
    """Dollars, if it is not."""


class SummaryRejected(msgspec.Struct, frozen=True, kw_only=True):
    """Why a reply brought no summary. It holds no content."""

    kind: Refused
    why: str


def request_for(
    segment: Segment,
    prefix: Mapping[str, Any] | None,
    *,
    profile: ModelProfile,
    budget: int | None = None,
    problems: Sequence[str] = (),
    no_tools: bool = False,
    now: float = 0.0,
) -> Ask:
    """The request that asks for the summary of a segment.

    Args:
        segment: what is to be summarised.
        prefix: the request as it stands, up to the segment's end, as `Summarize` carries it; None: the segment goes as text,
            and none of it is read from the cache.
        profile: the model that the conversation is on.
        budget: tokens, instead of the segment's own.
        problems: what was wrong with the summary before, a sentence each.
        no_tools: forbid calls, for a model that has answered with one (CMP-09). It costs the cache of the messages
            (CACHE-11), so it is not the first choice.
        now: seconds since the epoch, for prices.
    """
    allowed = segment.budget if budget is None else budget
    text = instruction(allowed, problems, beside=segment.first > 0 and prefix is not None)
    asked = {"role": "user", "content": [{"type": "text", "text": text}]}
    body = _plain(segment, profile) if prefix is None else _riding(prefix, no_tools=no_tools)
    ttl = _lifetime(body)
    body["messages"].append(asked)
    window = count(body, profile)
    least, thinking = _thinking_room(body, profile)
    room = min(profile.max_output, profile.window - window.high)
    body["max_tokens"] = max(1, min(int(allowed * MARGIN) + thinking, room))
    held = max(0, window.tokens - size_message(asked, profile).count.tokens) if ttl else 0
    rest = window.tokens - held
    written = {"written_1h": held} if ttl == "1h" else {"written_5m": held}
    return Ask(
        request=body,
        budget=allowed,
        tokens=window.tokens,
        fits=allowed + least <= room,
        warm=_dollars(profile, body, Bill(read=held, uncached=rest, output=allowed), now),
        cold=_dollars(profile, body, Bill(uncached=rest, output=allowed, **written), now),
    )


def read_summary(reply: Any) -> str | SummaryRejected:
    """The text of a reply, or why it is none.

    Args:
        reply: the SDK's message, or a dict.

    Raises:
        InvalidRequest: the reply is not JSON.
    """
    message = intake(reply, "reply")
    if not isinstance(message, Mapping):
        return SummaryRejected(kind="unreadable", why="the reply is not a message")
    stop = message.get("stop_reason")
    blocks = [block for block in blocks_of(message) if isinstance(block, Mapping)]
    if stop == "refusal":
        return SummaryRejected(kind="refusal", why="the model refused to write it")
    if stop in ("tool_use", "pause_turn") or any(
        block_type(block).family in ("call", "server_call") for block in blocks
    ):
        return SummaryRejected(kind="call", why="the model called a tool instead of writing it (CMP-09)")
    if stop in ("max_tokens", "model_context_window_exceeded"):
        return SummaryRejected(kind="cut", why=f"the reply was cut: {stop}")
    texts = [block["text"] for block in blocks if block.get("type") == "text" and isinstance(block.get("text"), str)]
    text = sendable("\n".join(texts).strip())
    return text or SummaryRejected(kind="empty", why="the reply holds no text")


def paid(ask: Ask, reply: Any, profile: ModelProfile, now: float = 0.0) -> float | None:
    """Dollars that a reply cost by its usage; None where it tells none, or no price is known."""
    message = intake(reply, "reply")
    usage = read_usage(message.get("usage")) if isinstance(message, Mapping) else None
    if usage is None or usage.output is None:
        return None
    bought = Bill(
        uncached=usage.uncached,
        read=usage.read,
        written_5m=usage.written_5m,
        written_1h=usage.written_1h,
        output=usage.output,
    )
    return _dollars(profile, ask.request, bought, now)


def _dollars(profile: ModelProfile, body: Mapping[str, Any], bought: Bill, now: float) -> float | None:
    return bill(profile, bought, now, us=body.get("inference_geo") == "us", fast=body.get("speed") == "fast")


def _riding(prefix: Mapping[str, Any], *, no_tools: bool) -> dict[str, Any]:
    """The request as last sent, without what would spoil the answer."""
    body = {key: value for key, value in prefix.items() if key not in _LEFT_OUT}
    body["messages"] = list(prefix["messages"])
    while body["messages"] and body["messages"][-1].get("role") == "system":
        # A user message may not follow (SYS-04). What it says is for the next reply, and stays on the wire.
        body["messages"].pop()
    output = body.get("output_config")
    if isinstance(output, Mapping) and "format" in output:
        body["output_config"] = {key: value for key, value in output.items() if key != "format"}
        if not body["output_config"]:
            del body["output_config"]
    management = body.get("context_management")
    if isinstance(management, Mapping):
        # The server's own compaction would summarise before it is asked to (CMP-01); what it clears stays cleared.
        edits = [edit for edit in management.get("edits") or () if not str(edit.get("type")).startswith("compact_")]
        body["context_management"] = {**management, "edits": edits}
        if not edits:
            del body["context_management"]
    choice = body.get("tool_choice")
    forced = isinstance(choice, Mapping) and choice.get("type") in ("any", "tool")
    if body.get("tools") and (no_tools or forced):
        body["tool_choice"] = {"type": "none"}  # TOOL-16
    return body


def _lifetime(body: Any) -> Ttl | None:
    """For how long the request is cached, by its markers; None where it has none."""
    found: Ttl | None = None
    stack = [body]
    while stack:
        item = stack.pop()
        if isinstance(item, Mapping):
            control = item.get("cache_control")
            if isinstance(control, Mapping):
                if control.get("ttl") == "1h":
                    return "1h"
                found = "5m"
            stack.extend(inner for key, inner in item.items() if key != "input")
        elif isinstance(item, list):
            stack.extend(item)
    return found


def _plain(segment: Segment, profile: ModelProfile) -> dict[str, Any]:
    """A request of its own, with the segment as text: nothing of it is in the cache."""
    text = {"type": "text", "text": transcript(segment)}
    return {"model": profile.id, "messages": [{"role": "user", "content": [text]}]}


def _thinking_room(body: Mapping[str, Any], profile: ModelProfile) -> tuple[int, int]:
    """Tokens that must and that should be allowed for thinking (THINK-04, THINK-05); its setting stays (CACHE-11)."""
    setting = body.get("thinking")
    kind = setting.get("type") if isinstance(setting, Mapping) else profile.thinking.when_omitted
    if kind == "enabled" and isinstance(setting, Mapping):
        budget = setting.get("budget_tokens")
        return (budget, budget) if isinstance(budget, int) else (0, THINKING_ROOM)
    return 0, THINKING_ROOM if kind == "adaptive" or profile.thinking.always_on else 0
