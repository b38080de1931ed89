"""`replay`: a recorded session through the engine, with what it would have cost and kept.

Beside the managed conversation an unmanaged one runs: the same steps, the same prices and the same cache model, no
edits and no limit. Costs are modelled for both by one code, from sizes and times; they are not bills.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.errors import WindowOverflow
from ctxwindow.rules import find_violations
from ctxwindow.tiers import Edit, Policy, Send, prompt_bill
from ctxwindow.transcripts.live import Exchange, Feed
from ctxwindow.transcripts.session import Session, Thread
from ctxwindow.transcripts.survival import Survival, Tally
from ctxwindow.window import Ttl, bill

__all__ = ["Replay", "SendRow", "Totals", "as_json", "replay"]


class SendRow(msgspec.Struct, frozen=True, kw_only=True):
    """One send of the managed conversation."""

    number: int
    turn: int
    epoch: int
    window: int
    low: int
    high: int
    source: str
    unmanaged_window: int
    edits: tuple[Edit, ...]
    cost: float | None
    """Dollars, output included."""
    unmanaged_cost: float | None
    read: int
    """Prompt tokens read from the cache."""
    valid: bool
    violations: tuple[str, ...]
    """Rule and path of each."""
    actual: int | None
    """Prompt tokens the API reported, where this very request was recorded."""
    survival: Tally


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The whole replay."""

    model: str
    messages: int
    sends: int
    turns: int
    cost: float | None
    unmanaged_cost: float | None
    cost_ratio: float | None
    overflows: int
    violations: int
    epochs: int
    compactions: int
    spills: int
    peak_window: int
    unmanaged_peak: int
    cache_hit_ratio: float
    reference_survival: float
    """Share of re-used identifiers present in the wire."""
    reference_survival_recallable: float
    """Share present in the wire or recallable."""
    lossless: bool
    """Every message fed reads back equal from the record, also after the events were folded again."""
    refused: int
    """Messages of the recording that the API would refuse: not fed, each named in `notes`."""
    laws: dict[str, bool]
    """Laws of the design that this run checked on itself."""


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay shows."""

    path: str
    thread: str
    sends: tuple[SendRow, ...]
    totals: Totals
    notes: tuple[str, ...]
    overflow: dict[str, object] | None = None
    """The `WindowOverflow` that ended it, as a dict, or None."""


def replay(
    session: Session,
    *,
    policy: Policy | None = None,
    model: str | ModelProfile | None = None,
    thread: Thread | None = None,
    unseen: bool = False,
    on_send: Callable[[SendRow, Send, Feed], None] | None = None,
) -> Replay:
    """Feed a thread of a session to the engine, step by step, as if live.

    Args:
        session: as read.
        policy: how to manage it.
        model: as if the session, its thinking included, had run on this model.
        thread: which conversation of the session; the main one by default.
        unseen: count system prompt and tools, which a session file does not hold, into the window: their size is
            what the first recorded request weighed beyond its messages. Otherwise the window is that of the
            messages alone.
        on_send: called after each send, for progress and for writing wires.

    Raises:
        HistoryError: no model is named in the session, and none is given.
        UnknownModel: the model is not in the catalog.
        InvalidRequest: the model refuses the system prompt, tools or settings of a request body.
    """
    chosen, rules = thread or session.main, policy or Policy()
    feed = Feed(session, chosen, policy=rules, model=model, unseen=unseen)
    # Cached like ours, so that the two costs differ by the edits alone.
    plain = Feed(
        session, chosen, policy=Policy(methods=(), cache=rules.cache), model=model, unseen=unseen, unlimited=True
    )
    survival = Survival()
    rows: list[SendRow] = []
    before: dict[str, Any] | None = None
    fits, unsure = True, 0
    overflow: WindowOverflow | None = None
    try:
        for ours, theirs in zip(feed, plain, strict=True):
            row = _row(feed, ours, theirs, survival, before)
            rows.append(row)
            before = ours.send.request
            fits = fits and _fits(feed, ours.send)
            unsure += not ours.send.sure
            if on_send is not None:
                on_send(row, ours.send, feed)
    except WindowOverflow as error:
        overflow, fits = error, False
    return Replay(
        path=session.path,
        thread=chosen.id,
        sends=tuple(rows),
        totals=_totals(feed, rows, overflowed=overflow is not None, fits=fits),
        notes=tuple(_notes(session, chosen, feed, rows, unsure=unsure, overflow=overflow)),
        overflow=overflow.as_dict() if overflow else None,
    )


def _fits(feed: Feed, send: Send) -> bool:
    """Law 3, by the window of the model in use: to the upper bound, or where the send says it is not sure, as estimated."""
    policy = feed.conversation.policy
    budget = policy.budget_of(feed.current.window) - policy.reserve
    size = send.window.high if send.sure else send.window.tokens
    return size + int(send.request["max_tokens"]) <= budget


def _notes(
    session: Session, thread: Thread, feed: Feed, rows: list[SendRow], *, unsure: int, overflow: WindowOverflow | None
) -> list[str]:
    """What the reader mended, what is not counted, what was refused, and where the replay ended early."""
    notes = [str(note) for note in (*session.notes, *thread.notes)]
    if feed.unseen:
        counted = "counted in" if feed.counts_unseen else "not counted in (count them with `unseen`)"
        notes.append(f"system prompt and tools are not in the file: about {feed.unseen:,} tokens a request, {counted}")
    notes += [f"step {number} was refused and is not in the record: {error}" for number, error in feed.refused]
    notes += [f"step {number} is on another model, not followed: {error}" for number, error in feed.unfollowed]
    if unsure:
        notes.append(f"{unsure} of {len(rows)} requests may not fit: the window passes the budget at its upper bound")
    if overflow is not None:
        notes.append(f"request {len(rows) + 1} of {len(thread.replies)} does not fit; the replay ends before it")
    return notes


def _row(feed: Feed, ours: Exchange, theirs: Exchange, survival: Survival, before: dict[str, Any] | None) -> SendRow:
    """One send; `before` is the request before it, for the rules that compare the two (BIND-05, REPLAY-01)."""
    send = ours.send
    profile = feed.current
    output = feed.reply_tokens(ours.reply)
    found = find_violations(send.request, previous=before, profile=profile)
    violations = [violation for violation in found if violation.severity == "error"]
    ttl = feed.conversation.policy.cache
    cost, read = _cost(profile, send, output, ours.at, ttl)
    return SendRow(
        number=send.number,
        turn=ours.turn,
        epoch=send.epoch,
        window=send.window.tokens,
        low=send.window.low,
        high=send.window.high,
        source=send.window.source,
        unmanaged_window=theirs.send.window.tokens,
        edits=send.edits,
        cost=cost,
        unmanaged_cost=_cost(profile, theirs.send, output, ours.at, ttl)[0],
        read=read,
        valid=not violations,
        violations=tuple(f"{violation.rule} at {violation.path}" for violation in violations),
        actual=ours.actual,
        survival=survival.judge(feed.conversation, send, ours.reply.message),
    )


def _cost(profile: ModelProfile, send: Send, output: int, at: float, ttl: Ttl | None) -> tuple[float | None, int]:
    """Dollars of one send, and the tokens it read from the cache.

    The cache holds what the send before wrote, as long as its lifetime lasts (CACHE-05). A session older than the
    model it is replayed on is priced at the model's first day.
    """
    cached = send.forecast.cached if send.forecast.lives else 0
    prompt = prompt_bill(profile, send.window.tokens, cached, ttl)
    if profile.prices:
        first = datetime.datetime.combine(profile.prices[0].since, datetime.time(12), tzinfo=datetime.UTC).timestamp()
        at = max(at, first)
    return bill(profile, msgspec.structs.replace(prompt, output=output), at), prompt.read


def _sum(costs: list[float | None]) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None


def _totals(feed: Feed, rows: list[SendRow], *, overflowed: bool, fits: bool) -> Totals:
    conversation = feed.conversation
    cost = _sum([row.cost for row in rows])
    unmanaged = _sum([row.unmanaged_cost for row in rows])
    tally = sum((row.survival for row in rows), start=Tally())
    prompts = sum(row.window for row in rows)
    violations = sum(len(row.violations) for row in rows)
    lossless = _lossless(feed)
    return Totals(
        model=feed.profile.id,
        messages=len(conversation.messages),
        sends=len(rows),
        turns=rows[-1].turn if rows else 0,
        cost=cost,
        unmanaged_cost=unmanaged,
        cost_ratio=cost / unmanaged if cost is not None and unmanaged else None,
        overflows=int(overflowed),
        violations=violations,
        epochs=conversation.epoch + 1,
        compactions=len(conversation.compactions),
        spills=len(conversation.spilled),
        peak_window=max((row.window for row in rows), default=0),
        unmanaged_peak=max((row.unmanaged_window for row in rows), default=0),
        cache_hit_ratio=sum(row.read for row in rows) / prompts if prompts else 0.0,
        reference_survival=tally.on_wire / tally.used if tally.used else 1.0,
        reference_survival_recallable=tally.recallable / tally.used if tally.used else 1.0,
        lossless=lossless,
        refused=len(feed.refused),
        laws={
            "1 nothing is lost": lossless,
            "2 every wire is valid": violations == 0,
            "3 every wire fits": fits,
            "7 progress": _progress(feed, rows),
        },
    )


def _lossless(feed: Feed) -> bool:
    """Law 1, on this run: what was fed reads back equal, and so it does after the events were folded again."""
    conversation = feed.conversation
    record = list(conversation.messages)
    folded = type(conversation).fold(conversation.events)
    return record == feed.fed and list(folded.messages) == feed.fed


def _progress(feed: Feed, rows: list[SendRow]) -> bool:
    """Law 7: each compaction ended at or under its target, and new content came between any two."""
    ends = [edit.end for edit in feed.conversation.compactions]
    opened = {row.epoch: row for row in reversed(rows)}
    met = all(
        opened[number].window <= edit.target
        for number, edit in enumerate(feed.conversation.compactions, start=1)
        if number in opened
    )
    return met and ends == sorted(set(ends))


def as_json(result: Replay) -> dict[str, Any]:
    """The documented JSON form of `ctxwindow replay`."""
    form: Mapping[str, Any] = msgspec.to_builtins(result)
    return dict(form)
