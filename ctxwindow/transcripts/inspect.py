"""`inspect`: what a recorded session is made of, and how well its next request can be forecast.

The session is followed as it was recorded, its client's own compactions included. Before each send the engine
forecasts the size of the request; the recorded usage then tells how far off it was.
"""

from __future__ import annotations

import statistics
from collections import Counter

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.record.blocks import blocks_of
from ctxwindow.tiers import LastSend, Policy, forecast
from ctxwindow.transcripts.live import Exchange, Feed
from ctxwindow.transcripts.recorded import recorded_model
from ctxwindow.transcripts.session import Incoming, Reply, Session, Thread
from ctxwindow.window import Book, Expense, Payback, Sending, Spending, Ttl, payback, read_usage
from ctxwindow.window.usage import MOST_WINDOWS, Usage, is_count

__all__ = ["Accuracy", "Inspection", "NextRequest", "RequestRow", "inspect"]


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
    """Tokens the API reported; None where it did not, or the number is doubted."""
    error: float | None
    """(forecast - actual) / actual; None where there is nothing to compare, or nothing to base a forecast on."""
    read: int
    written: int
    uncached: int
    output: int | None
    cost: float | None
    """Dollars by recorded usage; without output where the recording does not know it."""
    cost_forecast: float | None
    """Dollars expected for the prompt before it was sent, by the engine's own caching; None where no price is known."""
    cost_error: float | None
    """(forecast - actual) / actual of the prompt's dollars; None where there is nothing to compare."""
    by: dict[str, int]
    after_compaction: bool
    doubt: str | None = None
    """Why the recorded usage is not believed, but for what of it can be billed."""


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """Errors of the forecasts that had an anchor, as shares of the actual size."""

    compared: int
    median: float | None
    p95: float | None
    within_bounds: float | None
    """Share of actual sizes between `low` and `high`."""


class NextRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What one more request would take, at the prices of the last one. Its prompt, in dollars; None: no price is known."""

    tokens: int
    """All that is there by now."""
    warm: float | None
    """With the last request's prefix in the cache."""
    cold: float | None
    halving: Payback | None
    """What it would cost and save to bring it down to half now, but for the summary; None: system prompt and tools alone are
    more."""


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
    next: NextRequest | None
    """None where no request was sent."""
    spending: Spending
    """What it cost by recorded usage; paths are those of the thread's messages, counted from 0."""
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
    ttl = _ttl(chosen)
    policy = Policy(methods=(), cache=ttl)
    feed = Feed(session, chosen, policy=policy, model=given, as_recorded=True, unseen=True, unlimited=True)
    book = Book([step.message for step in chosen.steps], ttl)
    rows: list[RequestRow] = []
    rounds = restarts = 0
    last: Exchange | None = None
    for exchange in feed:
        _enter_unplanned(book, feed, chosen)
        compacted, restarts = feed.restarts > restarts, feed.restarts
        if compacted and rows:
            book.compacted(rows[-1].actual or rows[-1].forecast, 0.0)  # what the client paid for it is not in its file
        rows.append(_row(exchange, _enter(book, feed, exchange), feed.current, after_compaction=compacted))
        rounds += any(block.get("type") == "tool_use" for block in blocks_of(exchange.reply.message))
        last = exchange
    _enter_unplanned(book, feed, chosen)
    spending = book.spending()
    prompts = sum(row.read + row.written + row.uncached for row in rows)
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
        cost=spending.dollars,
        cache_hit_ratio=sum(row.read for row in rows) / prompts if prompts else None,
        by=rows[-1].by if rows else {},
        accuracy=accuracy(rows),
        next=None if last is None else _next(feed, last, ttl),
        spending=spending,
        notes=(*(str(note) for note in (*session.notes, *chosen.notes)), *_notes(feed, rows)),
    )


def _notes(feed: Feed, rows: list[RequestRow]) -> list[str]:
    """What could not be followed, priced or believed."""
    notes = [f"step {number} was refused: {error}" for number, error in feed.refused]
    notes += [f"step {number} is on another model, not followed: {error}" for number, error in feed.unfollowed]
    unpriced = sum(row.cost is None and row.actual is not None for row in rows)
    if unpriced:
        notes.append(f"the price of {unpriced} of {len(rows)} requests is not known; they are not in the cost")
    doubts = Counter(row.doubt for row in rows if row.doubt is not None)
    notes += [
        f"the usage of {number} of {len(rows)} requests is doubted, as {doubt}; what of it cannot be is not in the cost"
        for doubt, number in doubts.items()
    ]
    return notes


def _ttl(thread: Thread) -> Ttl:
    """For how long the recorded client mostly had its prompts cached."""
    written = [(usage.written_5m, usage.written_1h) for reply in thread.replies if (usage := read_usage(reply.usage))]
    return "1h" if sum(long for _, long in written) > sum(short for short, _ in written) else "5m"


def _next(feed: Feed, last: Exchange, ttl: Ttl) -> NextRequest:
    """The request that could follow the last one, as far as is known."""
    window, profile = feed.conversation.window, feed.current
    held = last.send.window.tokens if last.actual is None else last.actual
    found = forecast(profile, window.tokens, LastSend(tokens=held, messages=0, at=last.at), ttl, last.at)
    kept = window.by["system"] + window.by["tools"] + window.overheads.get("unseen", 0)
    half, halving = window.tokens // 2, None
    if kept < half:
        halving = payback(profile, before=window.tokens, after=half, kept=kept, at=last.at, ttl=ttl)
    return NextRequest(tokens=window.tokens, warm=found.warm, cold=found.cold, halving=halving)


def _models(thread: Thread) -> dict[str, int]:
    out: dict[str, int] = {}
    for reply in thread.replies:
        out[reply.model or "unknown"] = out.get(reply.model or "unknown", 0) + 1
    return out


def _enter(book: Book, feed: Feed, exchange: Exchange) -> Expense:
    """Enter a request and its bill. The engine's own book has no usage that does not describe the wire; this one does."""
    send = exchange.send
    spent = Expense(
        send=len(book) + 1,
        turn=exchange.turn,
        model=send.window.model,
        at=exchange.at,
        warm=send.forecast.warm,
        cold=send.forecast.cold,
        lives=send.forecast.lives,
    )
    sending = Sending(
        window=send.window,
        messages=send.request["messages"],
        sources=[feed.steps[feed.opened + index] for index in feed.conversation.hot()],
        tools=send.request.get("tools") or (),
        epoch=feed.restarts,
        length=len(send.request["messages"]),
    )
    book.sent(spent, feed.current, sending)
    return _billed(book, exchange.reply, exchange.step)


def _enter_unplanned(book: Book, feed: Feed, thread: Thread) -> None:
    """Enter replies that no request of the engine led to: they were paid for all the same."""
    for number in feed.unplanned:
        reply = thread.steps[number]
        if isinstance(reply, Reply):
            spent = Expense(send=len(book) + 1, turn=max(feed.turns, 1), model=str(reply.model), at=reply.at or 0.0)
            book.sent(spent, feed.current, None)
            _billed(book, reply, number)
    feed.unplanned.clear()


def _billed(book: Book, reply: Reply, number: int) -> Expense:
    """The bill of the last request, without an output that was written down before it was final."""
    usage = reply.usage
    if usage is not None and not reply.usage_final:
        usage = {key: value for key, value in usage.items() if key not in ("output_tokens", "output_tokens_details")}
    return book.answered(usage, message=reply.message, index=number, model=reply.model, stop_reason=reply.stop_reason)


def _doubt(usage: Usage | None, profile: ModelProfile) -> str | None:
    """Why a recorded usage is not believed."""
    if usage is None:
        return None
    if usage.doubt is None and usage.prompt is not None and usage.prompt > MOST_WINDOWS * profile.window:
        return "it tells of a prompt that its model cannot have read"
    return usage.doubt


def _output(reply: Reply, spent: Expense) -> int | None:
    """Tokens generated, where the recording knows them and they can be."""
    told = (reply.usage or {}).get("output_tokens")
    odd = any(what.startswith("output_tokens (") for what in spent.unknown)
    return told if reply.usage_final and is_count(told) and not odd else None


def _row(exchange: Exchange, spent: Expense, profile: ModelProfile, *, after_compaction: bool) -> RequestRow:
    window = exchange.send.window
    usage = read_usage(exchange.reply.usage)
    doubt = _doubt(usage, profile)
    usage = usage if doubt is None else None
    actual = usage.prompt if usage else None
    # The first request of a wire has no anchor: for a session file what it weighs is how `unseen` was found. Nor has
    # the first on another model (CTX-20).
    anchored = spent.send > 1 and not after_compaction and window.source != "estimated"
    comparable = anchored and doubt is None and exchange.actual is not None
    return RequestRow(
        number=spent.send,
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
        output=_output(exchange.reply, spent),
        cost=spent.dollars,
        cost_forecast=spent.forecast,
        cost_error=spent.error,
        by=dict(window.by),
        after_compaction=after_compaction,
        doubt=doubt,
    )


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
