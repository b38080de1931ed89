"""What must be done before the next request: a summary, a compaction by the server, an exact count."""

from __future__ import annotations

from typing import Any

from ctxwindow.catalog import ModelProfile
from ctxwindow.client.actions import Blocking, Collect, Count, Create, StartAside, Steps
from ctxwindow.client.faults import is_api_error, is_shut
from ctxwindow.client.incidents import declined, tell
from ctxwindow.client.talk import Aside, Talk
from ctxwindow.errors import ProtocolError
from ctxwindow.record import intake
from ctxwindow.record.events import Declined
from ctxwindow.summarize import Ask, Chain, Written
from ctxwindow.tiers import Compact, Summarize
from ctxwindow.tiers import Count as CountDecision
from ctxwindow.tiers.compaction import read_compaction

__all__ = ["collect", "prepare", "start_aside"]


def prepare(talk: Talk, decision: Summarize | Compact | CountDecision) -> Steps[None]:
    """Carry out a decision that is no `Send`. What comes of it is stored at once: it may have been paid for (law 10)."""
    match decision:
        case Summarize():
            chain = _chain(talk, decision, talk.engine.profile)
            step = chain.next_step()
            while isinstance(step, Ask):
                found = yield from _asked(Create(talk.addressed(step.request), "summary"))
                step = chain.failed(found) if isinstance(found, Exception) else chain.answered(found)
            _summarized(talk, decision, step)
        case Compact():
            _compacted(talk, decision, (yield from _asked(Create(talk.addressed(decision.request), "compaction"))))
        case CountDecision():
            found = yield from _asked(Count(talk.addressed(decision.request)))
            # Without a count the estimate's upper bound is taken.
            talk.engine.counted(None if isinstance(found, Exception) else found, now=talk.clock())
    yield Blocking(talk.keep)


def start_aside(talk: Talk, decision: Summarize | Compact) -> Steps[None]:
    """Begin what may be prepared while the conversation goes on (CMP-34).

    Only what has to be waited for: a compaction, or a summary by Claude, which is asked for once. The extractive summary is
    written when it is due.
    """
    if talk.aside is not None:
        return
    if isinstance(decision, Compact):
        action = Create(talk.addressed(decision.request), "compaction")
    else:
        step = _chain(talk, decision, talk.engine.profile).next_step()
        if not isinstance(step, Ask):
            return
        action = Create(talk.addressed(step.request), "summary")
    talk.aside = Aside(decision=decision, profile=talk.engine.profile)
    yield StartAside(action)


def collect(talk: Talk, *, max_tokens: int | None = None) -> Steps[None]:
    """Take in what was prepared beside the conversation, if it has ended.

    Args:
        talk: held by the caller.
        max_tokens: of the request that comes next. It is waited for where that has no room as things stand: another summary
            would be paid for, and take no less time. None: it is waited for.
    """
    if talk.aside is None:
        return
    wait = max_tokens is None or talk.engine.is_pressed(max_tokens=max_tokens)
    found = yield Collect(wait=wait)
    if found is None:
        return
    aside, talk.aside = talk.aside, None
    if isinstance(aside.decision, Compact):
        _compacted_aside(talk, aside.decision, aside.profile, found)
    else:
        _summarized_aside(talk, aside.decision, aside.profile, found)
    yield Blocking(talk.keep)


def _compacted_aside(talk: Talk, decision: Compact, profile: ModelProfile, found: Any) -> None:
    try:
        _compacted(talk, decision, found)
    except ProtocolError:  # overtaken: that range is not sent any more as it was then
        if not isinstance(found, Exception):
            now = talk.clock()
            talk.engine.wasted(read_compaction(intake(found, "reply"), profile, now).cost, now=now)


def _summarized_aside(talk: Talk, decision: Summarize, profile: ModelProfile, found: Any) -> None:
    chain = _chain(talk, decision, profile)
    chain.next_step()
    step = chain.failed(found) if isinstance(found, Exception) else chain.answered(found)
    written = step if isinstance(step, Written) else chain.failed(TimeoutError())
    assert isinstance(written, Written)  # noqa: S101 - the chain has ended
    try:
        _summarized(talk, decision, written)
    except ProtocolError:
        talk.engine.wasted(written.cost, now=talk.clock())


def _asked(action: Create | Count) -> Steps[Any]:
    """What a request brought, or the API's error: there is another way without it.

    Where no request gets through, neither would the one that it is for: nothing is given away for it.
    """
    try:
        return (yield action)
    except Exception as error:
        if is_api_error(error) and not is_shut(error):
            return error
        raise


def _chain(talk: Talk, decision: Summarize, profile: ModelProfile) -> Chain:
    """The way to the summary: by the policy's writer, at last by the extractive one."""
    now = talk.clock()
    if talk.engine.policy.warm.writer == "claude":
        return Chain(decision.segment, decision.prefix, profile=profile, now=now)
    return Chain(decision.segment, decision.prefix, profile=profile, now=now, tries=0)


def _summarized(talk: Talk, decision: Summarize, step: Ask | Written) -> None:
    assert isinstance(step, Written)  # noqa: S101 - the chain has ended
    talk.engine.summarized(step.text, by=step.by, cost=step.cost, of=decision, now=talk.clock())


def _compacted(talk: Talk, decision: Compact, found: Any) -> None:
    engine, now = talk.engine, talk.clock()
    if isinstance(found, Exception):
        engine.compaction_failed(found, of=decision, now=now)
    elif engine.compacted(found, of=decision, now=now):
        return
    event = engine.events[-1]
    assert isinstance(event, Declined)  # noqa: S101 - no summary came of it
    tell(talk.incidents, declined(event.method, event.why, at=now, send=engine.sends))
