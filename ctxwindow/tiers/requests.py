"""Building the decisions: the request to send, to count or to compact with, or the segment to summarise."""

from __future__ import annotations

from ctxwindow.record.events import Compacted, Sent
from ctxwindow.tiers.caching import forecast, mark
from ctxwindow.tiers.compact import nearest_entry
from ctxwindow.tiers.decisions import Compact, Count, Send, Summarize
from ctxwindow.tiers.offers import Offer
from ctxwindow.tiers.segment import Segment
from ctxwindow.tiers.situation import Situation
from ctxwindow.tiers.state import State
from ctxwindow.tiers.summarize_all import newest
from ctxwindow.tiers.tails import place_of
from ctxwindow.tiers.warm import text_of
from ctxwindow.tiers.wire import ON_DEMAND_BETA, with_betas

__all__ = ["compact_of", "count_of", "send_of", "sent_event", "summarize_of"]

_NOT_COUNTED = (
    *("max_tokens", "stream", "stop_sequences", "temperature", "top_p", "top_k", "metadata", "service_tier"),
    *("container", "diagnostics", "fallback_credit_token", "fallbacks", "inference_geo", "thread"),
)
"""Fields that only `create` takes: count_tokens refuses the first (TOK-13), and the SDK has no argument for the others."""

_NOT_COMPACTED = ("context_management", "stop_sequences", "stream", "thread")
"""Fields that cannot stand beside `compaction` (CMP-18), and how the reply travels, which is the driver's."""


def send_of(state: State, max_tokens: int, now: float | None, *, limit: int) -> Send:
    """The next request as it stands, with cache breakpoints and what it is expected to cost."""
    wire = state.wire
    window = wire.ledger.window()
    ttl = state.policy.cache
    request = wire.request(max_tokens)
    at = now if now is not None else 0.0
    marks = mark(request, ttl, state.cached) if ttl is not None and not state.own_markers else ()
    return Send(
        request=request,
        window=window,
        number=state.sends + 1,
        epoch=wire.epoch,
        forecast=forecast(
            state.profile, window.tokens, state.cached, ttl, at, settings=state.settings, max_tokens=max_tokens
        ),
        breakpoints=marks,
        edits=tuple(state.fresh_edits),
        fingerprint=wire.prefix.last,
        sure=window.high <= limit,
        horizon=state.policy.horizon,
    )


def sent_event(state: State, send: Send, max_tokens: int, now: float | None) -> Sent:
    """The event that records a request handed out, with what was expected of it (law 12)."""
    return Sent(
        at=now,
        send=send.number,
        model=state.profile.id,
        epoch=send.epoch,
        messages=len(state.messages),
        fingerprint=send.fingerprint,
        tokens=send.window.tokens,
        low=send.window.low,
        high=send.window.high,
        source=send.window.source,
        max_tokens=max_tokens,
        cost_warm=send.forecast.warm,
        cost_cold=send.forecast.cold,
        lives=send.forecast.lives,
    )


def summarize_of(state: State, now: Situation, offer: Offer, why: str, table: tuple[Offer, ...]) -> Summarize:
    """The segment that an offer wants summarised: the summaries so far, if they are to go into it, and what came since."""
    edit = offer.plan
    assert isinstance(edit, Compacted)  # noqa: S101 - what the methods that summarise offer
    previous, start = (None, edit.first) if edit.first else text_of(state.warm)
    segment = Segment(
        first=edit.first,
        end=edit.end,
        previous=previous,
        messages_from=start,
        # What resumes a reply that was cut repeats it, and as if the user had said so.
        messages=tuple(
            {**message, "content": []} if index in state.resumes else message
            for index, message in enumerate(state.messages[start : edit.end], start)
        ),
        budget=edit.tokens,
        level=edit.level,
    )
    prefix = state.wire.request(edit.tokens)
    del prefix["messages"][place_of(now, edit.end) :]
    _mark_prefix(state, now, prefix)
    return Summarize(
        segment=segment,
        method=offer.method,
        target=edit.target,
        freed=edit.before - offer.after,
        why=f"{why}; {offer.why}",
        prefix=prefix,
        table=table,
    )


def compact_of(
    state: State, now: Situation, offer: Offer, why: str, table: tuple[Offer, ...], *, background: bool = False
) -> Compact:
    """The request that has the server compact what an offer wants compacted (CMP-16 to CMP-19)."""
    edit = offer.plan
    assert isinstance(edit, Compacted)  # noqa: S101 - what `compact` offers
    request = state.wire.request(edit.tokens)
    for key in _NOT_COMPACTED:
        request.pop(key, None)
    output = request.get("output_config")
    if isinstance(output, dict) and "format" in output:
        request["output_config"] = {key: value for key, value in output.items() if key != "format"}
    if (request.get("tool_choice") or {}).get("type") in ("any", "tool"):
        del request["tool_choice"]
    del request["messages"][place_of(now, edit.end) :]
    _mark_prefix(state, now, request)
    request["compaction"] = {"type": "summarize"}
    with_betas(request, [ON_DEMAND_BETA])
    return Compact(
        request=request,
        method=offer.method,
        first=edit.first,
        end=edit.end,
        whole=edit.end >= newest(now),
        forecast=offer.paid,
        target=edit.target,
        freed=edit.before - offer.after,
        why=f"{why}; {offer.why}",
        background=background,
        table=table,
    )


def _mark_prefix(state: State, now: Situation, request: dict[str, object]) -> None:
    """Breakpoints on a request with a part of the wire: at its end, and where the cache holds the most of it."""
    messages = request["messages"]
    if state.policy.cache is None or state.own_markers or not isinstance(messages, list) or not messages:
        return
    mark(request, state.policy.cache, nearest_entry(now, len(messages)))


def count_of(state: State, max_tokens: int) -> Count:
    """The request as count_tokens takes it."""
    request = state.wire.request(max_tokens)
    for key in _NOT_COUNTED:
        request.pop(key, None)
    return Count(request=request, fingerprint=state.wire.prefix.last, window=state.wire.ledger.window())
