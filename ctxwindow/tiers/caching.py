"""Cache breakpoints: where they go, and what a send costs with a warm and with a cold cache.

Append-only wires make caching simple: each send writes at its end, and the next one reads up to there. Markers
may move between requests without harm to cache or thinking (BIND-13, CACHE-17).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile, document
from ctxwindow.record import block_type
from ctxwindow.record.blocks import blocks_of, is_blank_text
from ctxwindow.window import Bill, Ttl, lives, rates

__all__ = ["Forecast", "LastSend", "alive", "forecast", "has_markers", "mark", "prompt_bill", "thin"]


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What a send is expected to cost, in dollars: the prompt with and without its cache, and apart from it the reply, which
    nobody knows before. None where no price is known.
    """

    warm: float | None
    """If the cached prefix is still there."""
    cold: float | None
    """If it is not."""
    cached: int
    """Tokens of the prefix that an earlier request of this epoch wrote to the cache."""
    lives: bool
    """Whether that entry is still alive by the clock (CACHE-05)."""
    reply: float | None = None
    """The most that the reply can cost: `max_tokens` of output, thinking included (TOK-03)."""


class LastSend(msgspec.Struct, frozen=True, kw_only=True):
    """What the cache may still hold: the latest send of the epoch."""

    tokens: int
    messages: int
    """Wire length."""
    at: float


def alive(last: LastSend, ttl: Ttl | None, now: float | None) -> bool:
    """Whether an entry of the cache still lives, by the clock (CACHE-05); without a clock no time has passed."""
    return lives(last.at, ttl, now if now is not None else 0.0)


def has_markers(value: Any) -> bool:
    """Whether the caller set a cache marker of his own anywhere: then his are left alone."""
    return next(_markers(value), None) is not None


def _markers(value: Any) -> Iterator[Any]:
    """Every cache marker in a part of a request. The input of a call is content."""
    stack = [value]
    while stack:
        item = stack.pop()
        if type(item) is str:
            continue  # nearly all of them
        if isinstance(item, Mapping):
            if item.get("cache_control") is not None:
                yield item["cache_control"]
            stack.extend(inner for key, inner in item.items() if key not in ("input", "cache_control"))
        elif isinstance(item, list):
            stack.extend(item)


def thin(request: dict[str, Any], marked: Sequence[int]) -> None:
    """Take the oldest of the caller's markers off a request (whose lists are its own) that has more than it may (CACHE-02).

    An agent that marks each message as it comes would soon have too many; markers may go without harm to the cache
    before them or to thinking (BIND-13).

    Args:
        request: the body.
        marked: the messages that have markers, rising.
    """
    messages: list[Any] = request["messages"]
    around = {key: value for key, value in request.items() if key != "messages"}
    counts = {index: sum(1 for _ in _markers(messages[index])) for index in marked}
    left = sum(1 for _ in _markers(around)) + sum(counts.values()) - document().limits.cache_breakpoints
    for index in marked:
        if left <= 0:
            return
        messages[index] = _unmarked(messages[index])
        left -= counts[index]


def _unmarked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: inner if key == "input" else _unmarked(inner) for key, inner in value.items() if key != "cache_control"
        }
    return [_unmarked(inner) for inner in value] if isinstance(value, list) else value


def mark(request: dict[str, Any], ttl: Ttl, last: LastSend | None) -> tuple[str, ...]:
    """Set breakpoints on a request (whose lists are its own): end of system, or of the tools where there is none; end of the
    send before; the end.

    The one at the end of the send before keeps its entry within the lookback of 20 positions (CACHE-06).
    """
    control = {"type": "ephemeral"} if ttl == "5m" else {"type": "ephemeral", "ttl": ttl}
    paths = []
    system = request.get("system")
    if system:
        blocks = [{"type": "text", "text": system}] if isinstance(system, str) else list(system)
        blocks[-1] = {**blocks[-1], "cache_control": control}
        request["system"] = blocks
        paths.append(f"system.{len(blocks) - 1}")
    elif (place := _last_tool(request)) is not None:
        tools = request["tools"] = list(request["tools"])
        tools[place] = {**tools[place], "cache_control": control}
        paths.append(f"tools.{place}")
    messages: list[Any] = request["messages"]
    ends = {len(messages) - 1}
    if last is not None and 0 < last.messages < len(messages):
        ends.add(last.messages - 1)
    for index in sorted(ends):
        position = _markable(messages[index])
        if position is not None:
            content = blocks_of(messages[index])
            content[position] = {**content[position], "cache_control": control}
            messages[index] = {**messages[index], "content": content}
            paths.append(f"messages.{index}.content.{position}")
    return tuple(paths)


def _last_tool(request: Mapping[str, Any]) -> int | None:
    """Place of the last tool that may carry a marker: a deferred one may not (CACHE-09)."""
    tools = request.get("tools") or ()
    places = [place for place, tool in enumerate(tools) if isinstance(tool, Mapping) and not tool.get("defer_loading")]
    return places[-1] if places else None


def _markable(message: Mapping[str, Any]) -> int | None:
    """The last block that may carry a marker: no thinking, no blank text, no turn-scoped message (CACHE-09)."""
    if message.get("clear_at") is not None:
        return None
    blocks: Sequence[Any] = blocks_of(message)
    for position in range(len(blocks) - 1, -1, -1):
        block = blocks[position]
        if not isinstance(block, Mapping) or is_blank_text(block):
            continue
        if block_type(block).family in ("text", "call", "result", "image", "document", "search"):
            return position
    return None


def prompt_bill(profile: ModelProfile, tokens: int, cached: int, ttl: Ttl | None) -> Bill:
    """How a prompt of `tokens` is billed when `cached` of them are read from the cache.

    A prompt under the model's minimum is not cached at all (CACHE-08).
    """
    if ttl is None or tokens < (profile.cache_min_tokens or 0):
        return Bill(uncached=tokens)
    read = min(cached, tokens) if cached >= (profile.cache_min_tokens or 0) else 0
    if ttl == "1h":
        return Bill(read=read, written_1h=tokens - read)
    return Bill(read=read, written_5m=tokens - read)


def forecast(
    profile: ModelProfile,
    tokens: int,
    last: LastSend | None,
    ttl: Ttl | None,
    now: float,
    *,
    settings: Mapping[str, Any] | None = None,
    max_tokens: int = 0,
) -> Forecast:
    """The cost of the next prompt with a warm and with a cold cache, and the most that its reply can cost.

    Args:
        profile: the model.
        tokens: of the prompt.
        last: the send before, whose prefix the cache may still hold.
        ttl: for how long the request is cached; None: it is not.
        now: seconds since the epoch.
        settings: the request's other fields: `speed` and `inference_geo` have prices of their own (PRICE-02).
        max_tokens: of the request.
    """
    cached = last.tokens if last is not None else 0
    asked = settings or {}
    us, fast = asked.get("inference_geo") == "us", asked.get("speed") == "fast"
    found = rates(profile, tokens, now, us=us, fast=fast)
    warm, cold = (
        None if found is None else found.dollars(prompt_bill(profile, tokens, held, ttl)) for held in (cached, 0)
    )
    return Forecast(
        warm=warm,
        cold=cold,
        cached=min(cached, tokens),
        lives=last is not None and alive(last, ttl, now),
        reply=None if found is None else found.dollars(Bill(output=max_tokens)),
    )
