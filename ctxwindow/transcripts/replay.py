"""`replay`: a recorded session through the engine, with what it would have cost and kept.

Beside the managed conversation an unmanaged one runs: the same steps, the same prices and the same cache model, no
edits and no limit. Costs are modelled for both by one code, from sizes and times; they are not bills.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.errors import WindowOverflow
from ctxwindow.record.events import Compacted, Declined
from ctxwindow.tiers import Policy, Send
from ctxwindow.transcripts.checks import Checks
from ctxwindow.transcripts.live import Feed
from ctxwindow.transcripts.outcome import total
from ctxwindow.transcripts.sends import SendRow, Watch
from ctxwindow.transcripts.session import Session, Thread
from ctxwindow.transcripts.survival import Tally
from ctxwindow.transcripts.thoughts import Losses
from ctxwindow.transcripts.unmanaged import Unmanaged, run_unmanaged

__all__ = ["Replay", "SendRow", "Totals", "as_json", "replay"]


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The whole replay."""

    model: str
    messages: int
    sends: int
    turns: int
    cost: float | None
    """Dollars, summaries and compactions included."""
    summaries_cost: float | None
    """The part of it that was paid for summaries and compactions."""
    unmanaged_cost: float | None
    cost_ratio: float | None
    overflows: int
    violations: int
    epochs: int
    compactions: int
    spills: int
    edits: dict[str, int]
    """By method."""
    thinking_kept: int
    """Thinking blocks that the model read, over all requests, of those that it would read without management."""
    thinking_lost: int
    """Those it did not read."""
    thinking_blocks: int
    """Distinct thinking blocks that some request would have read without management."""
    thinking_blocks_lost: int
    """Of these, those that were missing from at least one such request."""
    window_mean: float
    peak_window: int
    unmanaged_peak: int
    cache_hit_ratio: float
    reference_survival: float | None
    """Share of re-used identifiers present in the wire; 1 where no reply used one, None where nothing was sent."""
    reference_survival_recallable: float | None
    """Share present in the wire or recallable, likewise."""
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
    beside: Unmanaged | None = None,
    checks: Checks = "full",
    priced: bool = False,
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
        beside: the same thread on the same model without management, where that was run before.
        checks: `cheap` looks at what is new in each request, see `ctxwindow.transcripts.checks`, and does not fold the
            events again at the end.
        priced: let summaries cost what they would if the model had written them; else they are free, as by quoting.
            What the server compacts always costs.

    Raises:
        HistoryError: no model is named in the session, and none is given.
        UnknownModel: the model is not in the catalog.
        InvalidRequest: the model refuses the system prompt, tools or settings of a request body.
    """
    chosen, rules = thread or session.main, policy or Policy()
    feed = Feed(session, chosen, policy=rules, model=model, unseen=unseen, priced=priced)
    plain = beside or run_unmanaged(session, chosen, model=model, unseen=unseen)
    watch = Watch(feed, plain, checks)
    rows: list[SendRow] = []
    fits, unsure = True, 0
    overflow: WindowOverflow | None = None
    try:
        for ours, theirs in zip(feed, plain.sends, strict=True):
            row = watch.row(ours, theirs)
            rows.append(row)
            fits = fits and _fits(feed, ours.send)
            unsure += not ours.send.sure
            if on_send is not None:
                on_send(row, ours.send, feed)
    except WindowOverflow as error:
        overflow, fits = error, False
    rows = watch.finish(rows)
    return Replay(
        path=session.path,
        thread=chosen.id,
        sends=tuple(rows),
        totals=_totals(feed, rows, watch.losses, overflowed=overflow is not None, fits=fits, refold=checks == "full"),
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


def _totals(feed: Feed, rows: list[SendRow], losses: Losses, *, overflowed: bool, fits: bool, refold: bool) -> Totals:
    conversation = feed.conversation
    paid = [event.cost for event in conversation.events if isinstance(event, (Compacted, Declined))]
    cost = total([*(row.cost for row in rows), *paid])
    unmanaged = total(row.unmanaged_cost for row in rows)
    tally = sum((row.survival for row in rows), start=Tally())
    prompts = sum(row.window for row in rows)
    violations = sum(len(row.violations) for row in rows)
    lossless = _lossless(feed, refold=refold)
    return Totals(
        model=feed.profile.id,
        messages=len(conversation.messages),
        sends=len(rows),
        turns=rows[-1].turn if rows else 0,
        cost=cost,
        summaries_cost=total(paid),
        unmanaged_cost=unmanaged,
        cost_ratio=cost / unmanaged if cost is not None and unmanaged else None,
        overflows=int(overflowed),
        violations=violations,
        epochs=conversation.epoch + 1,
        compactions=len(conversation.compactions),
        spills=len(conversation.spilled),
        edits=dict(sorted(Counter(edit.method for row in rows for edit in row.edits).items())),
        thinking_kept=sum(row.thinking.kept for row in rows),
        thinking_lost=sum(row.thinking.lost for row in rows),
        thinking_blocks=losses.blocks,
        thinking_blocks_lost=losses.blocks_lost,
        window_mean=prompts / len(rows) if rows else 0.0,
        peak_window=max((row.window for row in rows), default=0),
        unmanaged_peak=max((row.unmanaged_window for row in rows), default=0),
        cache_hit_ratio=sum(row.read for row in rows) / prompts if prompts else 0.0,
        reference_survival=tally.survival if rows else None,
        reference_survival_recallable=tally.survival_recallable if rows else None,
        lossless=lossless,
        refused=len(feed.refused),
        laws={
            "1 nothing is lost": lossless,
            "2 every wire is valid": violations == 0,
            "3 every wire fits": fits,
            "7 progress": _progress(feed, rows),
        },
    )


def _lossless(feed: Feed, *, refold: bool) -> bool:
    """Law 1, on this run: what was fed reads back equal, and so it does after the events were folded again."""
    conversation = feed.conversation
    same = list(conversation.messages) == feed.fed
    return same and (not refold or list(type(conversation).fold(conversation.events).messages) == feed.fed)


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
