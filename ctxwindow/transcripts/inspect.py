"""`inspect`: what a recorded session is made of, and how well its next request can be forecast.

The session is followed as it was recorded, its client's own compactions included. Before each send the engine
forecasts the size of the request; the recorded usage then tells how far off it was.
"""

from __future__ import annotations

import statistics

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.record.blocks import blocks_of
from ctxwindow.tiers import Policy
from ctxwindow.transcripts.live import Exchange, Feed
from ctxwindow.transcripts.recorded import known_model, recorded_model
from ctxwindow.transcripts.session import Incoming, Session, Thread
from ctxwindow.window import Bill, bill, read_usage

__all__ = ["Accuracy", "Inspection", "RequestRow", "inspect"]

_UNMANAGED = Policy(methods=())


class RequestRow(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded request."""

    number: int
    turn: int
    model: str
    forecast: int
    """Tokens expected before it was sent."""
    low: int
    high: int
    source: str
    actual: int | None
    """Tokens the API reported."""
    error: float | None
    """(forecast - actual) / actual; None where there is nothing to compare, or nothing to base a forecast on."""
    read: int
    written: int
    uncached: int
    output: int | None
    cost: float | None
    """Dollars by recorded usage; without output where the recording does not know it."""
    by: dict[str, int]
    after_compaction: bool


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """Errors of the forecasts that had an anchor, as shares of the actual size."""

    compared: int
    median: float | None
    p95: float | None
    within_bounds: float | None
    """Share of actual sizes between `low` and `high`."""


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """What a session is made of."""

    path: str
    format: str
    thread: str
    models: dict[str, int]
    """Requests by model."""
    messages: int
    turns: int
    rounds: int
    compactions: int
    sidechains: int
    requests: tuple[RequestRow, ...]
    peak: int
    cost: float | None
    cache_hit_ratio: float | None
    by: dict[str, int]
    """What fills the window at the last send, estimated by category."""
    accuracy: Accuracy
    notes: tuple[str, ...]


def inspect(session: Session, *, thread: Thread | None = None, model: str | ModelProfile | None = None) -> Inspection:
    """Follow a recorded thread request by request.

    Args:
        session: as read.
        thread: which conversation; the main one by default.
        model: for sessions that name none, or none that the catalog knows.

    Raises:
        HistoryError: no model is named in the session, and none is given.
        UnknownModel: the model is not in the catalog.
    """
    chosen = thread or session.main
    given = model if recorded_model(session, chosen) is None else None
    feed = Feed(session, chosen, policy=_UNMANAGED, model=given, as_recorded=True, unseen=True, unlimited=True)
    rows: list[RequestRow] = []
    rounds = 0
    compactions = 0
    for exchange in feed:
        before = compactions
        compactions = feed.restarts
        rows.append(_row(exchange, len(rows) + 1, after_compaction=compactions > before))
        rounds += any(block.get("type") == "tool_use" for block in blocks_of(exchange.reply.message))
    prompts = sum(row.read + row.written + row.uncached for row in rows)
    costs = [row.cost for row in rows]
    notes = [str(note) for note in (*session.notes, *chosen.notes)]
    notes += [f"step {number} was refused: {error}" for number, error in feed.refused]
    notes += [f"step {number} is on another model, not followed: {error}" for number, error in feed.unfollowed]
    unpriced = sum(row.cost is None and row.actual is not None for row in rows)
    if unpriced:
        notes.append(f"the price of {unpriced} of {len(rows)} requests is not known; they are not in the cost")
    return Inspection(
        path=session.path,
        format=session.format,
        thread=chosen.id,
        models=_models(chosen),
        messages=len(chosen.steps),
        turns=feed.turns,
        rounds=rounds,
        compactions=sum(isinstance(step, Incoming) and step.kind == "compact_summary" for step in chosen.steps),
        sidechains=sum(other.sidechain for other in session.threads if other is not chosen),
        requests=tuple(rows),
        peak=max((row.actual or row.forecast for row in rows), default=0),
        cost=sum(cost for cost in costs if cost is not None) if any(cost is not None for cost in costs) else None,
        cache_hit_ratio=sum(row.read for row in rows) / prompts if prompts else None,
        by=rows[-1].by if rows else {},
        accuracy=accuracy(rows),
        notes=tuple(notes),
    )


def _models(thread: Thread) -> dict[str, int]:
    out: dict[str, int] = {}
    for reply in thread.replies:
        out[reply.model or "unknown"] = out.get(reply.model or "unknown", 0) + 1
    return out


def _row(exchange: Exchange, number: int, *, after_compaction: bool) -> RequestRow:
    window = exchange.send.window
    usage = read_usage(exchange.reply.usage)
    actual = usage.prompt if usage else None
    # The first request of a wire has no anchor: for a session file what it weighs is how `unseen` was found. Nor has
    # the first on another model (CTX-20).
    anchored = number > 1 and not after_compaction and window.source != "estimated"
    comparable = anchored and exchange.actual is not None
    output = usage.output if usage and exchange.reply.usage_final else None
    return RequestRow(
        number=number,
        turn=exchange.turn,
        model=window.model,
        forecast=window.tokens,
        low=window.low,
        high=window.high,
        source=window.source,
        actual=actual,
        error=(window.tokens - actual) / actual if comparable and actual else None,
        read=usage.read if usage else 0,
        written=usage.written_5m + usage.written_1h if usage else 0,
        uncached=usage.uncached if usage else 0,
        output=output,
        cost=_cost(exchange, output or 0),
        by=dict(window.by),
        after_compaction=after_compaction,
    )


def _cost(exchange: Exchange, output: int) -> float | None:
    usage = read_usage(exchange.reply.usage)
    profile = known_model(exchange.reply.model)
    if usage is None or usage.prompt is None or profile is None:
        return None
    spent = Bill(
        uncached=usage.uncached,
        read=usage.read,
        written_5m=usage.written_5m,
        written_1h=usage.written_1h,
        output=output,
    )
    return bill(profile, spent, exchange.at)


def accuracy(rows: list[RequestRow]) -> Accuracy:
    """How far off the anchored forecasts were."""
    judged = [row for row in rows if row.error is not None]
    errors = sorted(abs(row.error) for row in judged if row.error is not None)
    if not errors:
        return Accuracy(compared=0, median=None, p95=None, within_bounds=None)
    inside = sum(row.low <= (row.actual or 0) <= row.high for row in judged)
    return Accuracy(
        compared=len(errors),
        median=statistics.median(errors),
        p95=errors[min(len(errors) - 1, int(len(errors) * 0.95))],
        within_bounds=inside / len(judged),
    )
