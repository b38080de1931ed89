"""Deciding what comes next. The planner judges; what it decides is recorded and handed out here."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ctxwindow.conversation.core import Core
from ctxwindow.errors import InvalidRequest, ProtocolError
from ctxwindow.record import Outline
from ctxwindow.record.events import Compacted, Counted, Edited
from ctxwindow.rules import View, check_end, may_cut
from ctxwindow.tiers import Compact, Decision, Offer, Send, Situation, Summarize, Verdict, judge
from ctxwindow.tiers.intake import checked_time, checked_tokens
from ctxwindow.tiers.planner import in_background
from ctxwindow.tiers.pressure import overflow, oversized, relief
from ctxwindow.tiers.requests import compact_of, count_of, send_of, sent_event, summarize_of

__all__ = ["Planning"]


class Planning(Core):
    """What is sent next, or what must be known or done before."""

    def plan(self, *, max_tokens: int, now: float | None = None) -> Decision:
        """Decide what comes next. Costs the work for what is new since the last plan.

        Args:
            max_tokens: output to reserve and to ask for.
            now: the caller's clock, seconds since the epoch; None counts as 0 for prices and cache lifetimes.

        Raises:
            ProtocolError: there is nothing to answer, or calls are open.
            WindowOverflow: what must be sent cannot fit; names what cannot shrink.
        """
        now = checked_time(now)
        self._check_ready(max_tokens)
        if self._out is not None and self._out[0] == max_tokens:
            return self._out[1]  # nothing has happened since: the same request again
        with self._memo.using():
            return self._decide(max_tokens, now)

    def _decide(self, max_tokens: int, now: float | None) -> Decision:
        state = self._state
        limit = self._limit(max_tokens)
        for spill in oversized(state, limit, now):
            self._record(spill)
        while True:
            situation = self._situation(limit, now)
            verdict = judge(situation)
            if verdict.table:
                self._weighed = verdict
            if verdict.action == "send":
                return self._send(max_tokens, limit, now)
            if verdict.action == "count":
                self._counting = state.count_key
                return count_of(state, max_tokens)
            if verdict.offer is not None:
                plan = verdict.offer.plan
                if isinstance(plan, Edited) or (plan is not None and plan.tokens == 0):
                    self._record(msgspec.structs.replace(plan, at=now))  # nobody else is needed
                    continue
                return self._ask(situation, verdict, verdict.offer)
            spills = relief(state, dataclasses.replace(situation, cautious=True))
            if not spills and state.wire.ledger.total.tokens > limit:
                raise overflow(state, situation, max_tokens)
            if not spills:
                return self._send(max_tokens, limit, now)
            for spill in spills:
                self._record(spill)

    def _send(self, max_tokens: int, limit: int, now: float | None) -> Send:
        send = send_of(self._state, max_tokens, now, limit=limit)
        weighed, self._weighed = self._weighed, None
        if weighed is not None:
            taken = weighed.offer.method if weighed.offer is not None else None
            send = dataclasses.replace(send, table=weighed.table, taken=taken)
        self._record(sent_event(self._state, send, max_tokens, now))
        if self._state.policy.background is not None and self._aside is None:
            send = dataclasses.replace(send, aside=self._prepare(limit, now))
        self._out = max_tokens, send
        return send

    def _ask(self, now: Situation, verdict: Verdict, offer: Offer, *, aside: bool = False) -> Summarize | Compact:
        """The decision that an offer needs somebody else for."""
        assert isinstance(offer.plan, Compacted)  # noqa: S101 - server-side edits need nobody
        if aside:
            self._aside, self._aside_since = offer.plan, len(self._log)
        else:
            self._overtake()  # what is due now takes the place of what was being prepared
            self._due = offer.plan
        if offer.method == "compact":
            return compact_of(self._state, now, offer, verdict.why, verdict.table, background=aside)
        return summarize_of(self._state, now, offer, verdict.why, verdict.table)

    def _prepare(self, limit: int, now: float | None) -> Summarize | Compact | None:
        """What may be done while the reply is awaited (CMP-34)."""
        situation = self._situation(limit, now)
        offer = in_background(situation)
        if offer is None:
            return None
        verdict = Verdict(action="shrink", why="in the background, while the reply is awaited")
        return self._ask(situation, verdict, offer, aside=True)

    def is_pressed(self, *, max_tokens: int) -> bool:
        """Whether the window has to come down before the next request, unless spilling what was never sent is enough.

        What is prepared in the background is worth waiting for then: `plan` would ask for another summary in its place.
        """
        limit = self._limit(max_tokens)
        situation, total = self._situation(limit, None), self._state.wire.ledger.total
        return total.high > limit or total.tokens > situation.mark(self._state.policy.high)

    def _check_ready(self, max_tokens: int) -> None:
        """Whether there is something to answer and nothing is open, by the rules about the end of a request."""
        state = self._state
        if type(max_tokens) is not int or not 1 <= max_tokens <= state.profile.max_output:
            raise InvalidRequest(
                f"max_tokens is {max_tokens!r:.40} and must be a whole number between 1 and {state.profile.max_output:,} on {self.model}.",
                rule="CTX-06",
                path="max_tokens",
                remedy="Ask for less output, or choose another model.",
            )
        # A system message alone, as one that only sets the effort may be (SYS-06), asks for nothing.
        if all(message.get("role") == "system" for message in state.wire.messages):
            raise ProtocolError("the conversation is empty.", remedy="Append a user message first.")
        for violation in check_end(self._view(state.wire.messages, state.wire.outline, max_tokens=max_tokens)):
            if violation.severity != "error" or (violation.rule in ("MSG-04", "MSG-05") and state.paused):
                continue
            reason = violation.message.removeprefix(f"{violation.path}: ")
            raise ProtocolError(reason, rule=violation.rule, path=violation.path, remedy=violation.remedy)

    def _view(self, messages: Sequence[Mapping[str, Any]], outline: Outline, **more: Any) -> View:
        state = self._state
        return View(
            messages,
            outline=outline,
            profile=state.profile,
            system=state.base.get("system"),
            tools=state.base.get("tools"),
            settings={**state.settings, **more},
            betas=state.settings.get("betas"),
        )

    def _situation(self, limit: int, now: float | None) -> Situation:
        state = self._state
        view = self._view(state.messages, state.outline)
        return Situation(
            messages=state.messages,
            resumes=state.resumes,
            forms=state.forms,
            outline=state.outline,
            wire=state.wire,
            profile=state.profile,
            policy=state.policy,
            limit=limit,
            bound=state.bound,
            asked=state.count_key in state.counts,
            at=now,
            correction=(state.learned or 0) - state.wire.learned,
            may_cut=lambda index: may_cut(view, index),
            pins=functools.cache(lambda: state.pins(limit)),
            warm=state.warm,
            held=state.held,
            cached=state.cached,
            trail=state.trail,
            unsent=state.unsent,
            declined=state.failing,
            own_edits=bool(state.base.get("context_management")),
        )

    def counted(self, tokens: int | None, *, now: float | None = None) -> None:
        """Hand back the exact count that `Count` asked for; None where no count could be had.

        It is the size of the request that was to be counted: what was appended in the meantime is not in it.

        Raises:
            ProtocolError: no count is due, or it is none; nothing was changed.
        """
        if tokens is not None:
            checked_tokens(tokens, "tokens")
        if self._counting is None:
            raise ProtocolError("no count is due.", remedy="Call `plan` first.")
        self._record(Counted(at=checked_time(now), fingerprint=self._counting, tokens=tokens))
