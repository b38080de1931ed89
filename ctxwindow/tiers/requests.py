"""Building the decisions: the request to send, to count, or the segment to summarise."""

from __future__ import annotations

from ctxwindow.record.events import Sent
from ctxwindow.tiers.caching import forecast, mark
from ctxwindow.tiers.decisions import Count, Send, Summarize
from ctxwindow.tiers.segment import Segment
from ctxwindow.tiers.situation import Proposal
from ctxwindow.tiers.state import State

__all__ = ["count_of", "send_of", "sent_event", "summarize_of"]

_NOT_COUNTED = (
    *("max_tokens", "stream", "stop_sequences", "temperature", "top_p", "top_k", "metadata", "service_tier"),
    *("container", "diagnostics", "fallback_credit_token", "fallbacks", "inference_geo", "thread"),
)
"""Fields that only `create` takes: count_tokens refuses the first (TOK-13), and the SDK has no argument for the others."""


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


def summarize_of(state: State, proposal: Proposal, why: str) -> Summarize:
    """The segment that a proposal wants summarised: the summary so far, and what came since."""
    edit = proposal.edit
    previous = state.edits[-1] if state.edits else None
    start = previous.end if previous else 0
    segment = Segment(
        first=edit.first,
        end=edit.end,
        previous=previous.summary if previous else None,
        messages_from=start,
        messages=tuple(state.messages[start : edit.end]),
        budget=edit.tokens,
    )
    return Summarize(
        segment=segment,
        method=proposal.method,
        target=edit.target,
        freed=edit.before - proposal.after,
        why=f"{why}; {proposal.why}",
    )


def count_of(state: State, max_tokens: int) -> Count:
    """The request as count_tokens takes it."""
    request = state.wire.request(max_tokens)
    for key in _NOT_COUNTED:
        request.pop(key, None)
    return Count(request=request, fingerprint=state.wire.prefix.last, window=state.wire.ledger.window())
