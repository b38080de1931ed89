"""The engine: events in, decisions out. It does no I/O, reads no clock and starts nothing.

    conversation = Conversation.start(model="claude-opus-5-5", system="Be brief.", policy=Policy())
    conversation.append({"role": "user", "content": "Fix the failing test."})
    decision = conversation.plan(max_tokens=8_000, now=clock())

A driver carries out what `plan` decides and hands the result back:

    Send       -> send `decision.request`, then `receive(reply)`, or `fail(error)`
    Summarize  -> summarise `decision.segment`, then `summarized(text, by=...)`, and plan again
    Count      -> count `decision.request`, then `counted(tokens)`, and plan again

Every call that changes anything is recorded as an event; `Conversation.fold(events)` gives the same conversation
again. `ctxwindow.stores.keep` writes new events to a store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.errors import HistoryError, InvalidRequest, ProtocolError, WindowOverflow
from ctxwindow.record import Event, intake
from ctxwindow.record.blocks import blocks_of, is_thinking
from ctxwindow.record.events import (
    Appended,
    Compacted,
    Configured,
    Counted,
    Failed,
    Received,
    Sent,
    Spilled,
    Started,
)
from ctxwindow.rules import View, check_message, may_cut
from ctxwindow.tiers import (
    Count,
    Decision,
    Policy,
    Recovery,
    Segment,
    Send,
    Situation,
    Summarize,
    Verdict,
    forecast,
    judge,
)
from ctxwindow.tiers.caching import mark
from ctxwindow.tiers.recovery import recover
from ctxwindow.tiers.spill import handle_of, spillable
from ctxwindow.tiers.state import State
from ctxwindow.tiers.summarize_all import floor as smallest_request
from ctxwindow.tiers.wire import sendable
from ctxwindow.window import Window, count_text, size_message

__all__ = ["Conversation"]

_RELIEF_FLOOR = 200
"""Tokens below which spilling a result cannot help: the note that replaces it costs about as much."""


class Conversation:
    """One conversation and its window. Not thread-safe: one driver at a time."""

    def __init__(self, started: Started) -> None:
        """Use `start` or `fold`."""
        self._state = State(started)
        self._events: list[Event] = [started]
        self._kept = 0

    # -- beginnings ----------------------------------------------------------------------------------------

    @classmethod
    def start(
        cls,
        *,
        model: str | ModelProfile,
        system: Any = None,
        tools: Sequence[Any] | None = None,
        policy: Policy | None = None,
        settings: Mapping[str, Any] | None = None,
        unseen: int = 0,
        now: float | None = None,
    ) -> Conversation:
        """A new conversation.

        Args:
            model: an id the catalog knows, or a profile of your own.
            system: as the API takes it, string or blocks.
            tools: tool definitions, dicts or SDK objects.
            policy: how to keep it inside its window.
            settings: other request fields that every send carries (`thinking`, `tool_choice`, `metadata`, ...).
            unseen: tokens of system and tools that are sent but not given here.
            now: the caller's clock, seconds since the epoch.

        Raises:
            UnknownModel: the id is not in the catalog.
            InvalidRequest: system, tools or settings hold something that is not JSON.
        """
        profile = resolve(model)
        given = intake(dict(settings or {}), "settings")
        for key in ("model", "messages", "max_tokens", "system", "tools"):
            if key in given:
                raise InvalidRequest(f"{key} is not a setting.", path=f"settings.{key}", remedy="Pass it by name.")
        return cls(
            Started(
                at=now,
                model=profile.id,
                profile=msgspec.to_builtins(profile) if isinstance(model, ModelProfile) else None,
                system=intake(system, "system") if system is not None else None,
                tools=intake(list(tools), "tools") if tools is not None else None,
                settings=given,
                policy=(policy or Policy()).model_dump(mode="json", exclude_unset=True),
                unseen=unseen,
            )
        )

    @classmethod
    def fold(cls, events: Iterable[Event]) -> Conversation:
        """The conversation that these events made, as read back from a store.

        Raises:
            HistoryError: the events do not begin with `Started`.
        """
        stream = iter(events)
        first = next(stream, None)
        if not isinstance(first, Started):
            raise HistoryError("a conversation begins with a `started` event.", remedy="Read it from its first event.")
        conversation = cls(first)
        for event in stream:
            conversation._record(event)
        conversation._kept = len(conversation._events)
        return conversation

    # -- what there is -------------------------------------------------------------------------------------

    @property
    def messages(self) -> tuple[dict[str, Any], ...]:
        """The record: every message that was ever appended or received, as it came. Do not mutate."""
        return tuple(self._state.messages)

    @property
    def events(self) -> tuple[Event, ...]:
        """Everything that happened, in order."""
        return tuple(self._events)

    @property
    def window(self) -> Window:
        """The window the next request would occupy as things stand."""
        return self._state.wire.ledger.window()

    @property
    def model(self) -> str:
        """The current model's id."""
        return self._state.profile.id

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._state.policy

    @property
    def epoch(self) -> int:
        """Number of the epoch, from 0: one more with every compaction."""
        return len(self._state.edits)

    @property
    def compactions(self) -> tuple[Compacted, ...]:
        """Every compaction, in order: what each stands for, by whom, and its text."""
        return tuple(self._state.edits)

    @property
    def spilled(self) -> dict[str, int]:
        """Handles of the results kept outside the window, with their tokens."""
        return {handle_of(*place): event.tokens for place, event in self._state.spills.items()}

    @property
    def wire(self) -> tuple[dict[str, Any], ...]:
        """The messages the next request would send. Shared: do not mutate."""
        return tuple(self._state.wire.messages)

    def hot(self) -> tuple[int, ...]:
        """Record indices of the messages that stand on the wire."""
        return tuple(source for source in self._state.wire.sources if source is not None)

    def open(self, handle: str) -> dict[str, Any]:
        """The whole tool result behind a handle, as it was recorded.

        Raises:
            ProtocolError: no result of this conversation has that handle.
        """
        for message, block in self._state.spills:
            if handle_of(message, block) == handle:
                whole: dict[str, Any] = blocks_of(sendable(self._state.messages[message]) or {})[block]
                return whole
        raise ProtocolError(f"no spilled result has the handle {handle[:40]!r}.", remedy="See `spilled`.")

    @property
    def kept(self) -> int:
        """How many events a store has already."""
        return self._kept

    def mark_kept(self, events: int) -> None:
        """A store has the first `events` events."""
        self._kept = events

    # -- what happens --------------------------------------------------------------------------------------

    def append(self, message: Any, *, now: float | None = None) -> int:
        """Add a message: a user message, tool results, or a mid-conversation system message.

        Returns:
            Its index in the record.

        Raises:
            InvalidRequest: the API would refuse it here; nothing was stored. The error names the rule, the path
                and the way out; further problems of the same message are in its notes.
        """
        state = self._state
        index = len(state.messages)
        taken = intake(message, f"messages.{index}")
        previous = state.messages[-1] if state.messages else None
        violations = check_message(
            taken,
            index=index,
            previous=previous,
            outline=state.outline,
            profile=state.profile,
            system=state.base.get("system"),
            tools=state.base.get("tools"),
            settings=state.settings,
        )
        errors = [violation for violation in violations if violation.severity == "error"]
        if errors:
            first = errors[0]
            error = InvalidRequest(first.message, rule=first.rule, path=first.path, remedy=first.remedy)
            for other in errors[1:]:
                error.add_note(f"{other.path}: {other.message} [{other.rule}] {other.remedy}")
            raise error
        self._record(Appended(at=now, message=taken))
        return index

    def receive(self, reply: Any, *, now: float | None = None) -> int:
        """Record the reply to the request that `plan` handed out.

        Args:
            reply: the SDK's message object, or a dict with `content` and, where known, `usage`, `stop_reason`,
                `model` and `id`.
            now: the caller's clock.

        Returns:
            The reply's index in the record.

        Raises:
            ProtocolError: no reply is due.
        """
        state = self._state
        if state.awaiting is None:
            raise ProtocolError("no reply is due.", remedy="Call `plan` and send its request first.")
        taken = intake(reply, "reply")
        content = taken.get("content") if isinstance(taken, dict) else None
        if not isinstance(content, (list, str)):
            raise InvalidRequest("a reply needs content.", path="reply.content", remedy="Pass the message as it came.")
        usage = taken.get("usage")
        self._record(
            Received(
                at=now,
                send=state.awaiting.send,
                message={"role": "assistant", "content": content},
                usage=usage if isinstance(usage, dict) else None,
                stop_reason=taken.get("stop_reason"),
                model=taken.get("model"),
                reply_id=taken.get("id"),
            )
        )
        return len(state.messages) - 1

    def configure(
        self,
        *,
        model: str | ModelProfile | None = None,
        settings: Mapping[str, Any] | None = None,
        now: float | None = None,
    ) -> None:
        """Switch the model, or replace the settings that every send carries. System and tools stay (BIND-12)."""
        profile = resolve(model) if model is not None else None
        self._record(
            Configured(
                at=now,
                model=profile.id if profile else None,
                profile=msgspec.to_builtins(profile) if isinstance(model, ModelProfile) else None,
                settings=intake(dict(settings), "settings") if settings is not None else None,
            )
        )

    def summarized(self, text: str, *, by: str, cost: float = 0.0, now: float | None = None) -> None:
        """Hand back the summary that `Summarize` asked for. A new epoch starts.

        Raises:
            ProtocolError: no summary is due, or it is longer than asked; nothing was changed.
        """
        state = self._state
        verdict, _ = self._due
        if verdict is None or verdict.proposal is None:
            raise ProtocolError("no summary is due.", remedy="Call `plan` first.")
        edit = verdict.proposal.edit
        tokens = count_text(text, state.profile.tokenizer).tokens
        if tokens > edit.tokens:
            raise ProtocolError(
                f"the summary has {tokens:,} tokens and may have {edit.tokens:,}.",
                rule="law 7",
                remedy="Shorten it, or summarise with `ctxwindow.summarize.Extractive`.",
            )
        self._record(msgspec.structs.replace(edit, at=now, summary=text, by=by, tokens=tokens, cost=cost))

    def counted(self, tokens: int | None, *, now: float | None = None) -> None:
        """Hand back the exact count that `Count` asked for; None where no count could be had."""
        self._record(Counted(at=now, fingerprint=self._state.wire.prefix.last, tokens=tokens))

    def fail(self, error: Any, *, now: float | None = None) -> Recovery:
        """What to do after an error of the API, as the rulebook documents it.

        Args:
            error: an SDK exception, or an error body.
            now: the caller's clock.

        Raises:
            ProtocolError: no request is out.
            MisuseError: nothing that can be done here would help; the error says what would.
        """
        state = self._state
        if state.awaiting is None:
            raise ProtocolError("no request is out that could have failed.", remedy="Call `plan` first.")
        recovery = recover(error)
        self._record(
            Failed(
                at=now,
                send=state.awaiting.send,
                status=recovery.status,
                kind=recovery.kind,
                rule=recovery.rule,
                recovery=recovery.action,
                tokens=recovery.tokens,
                limit=recovery.limit,
            )
        )
        if recovery.settings is not None:
            self.configure(settings=recovery.merged(state.settings), now=now)
        recovery.raise_if_final()
        return recovery

    # -- decisions -----------------------------------------------------------------------------------------

    def plan(self, *, max_tokens: int, now: float | None = None) -> Decision:
        """Decide what comes next. Costs the work for what is new since the last plan.

        Args:
            max_tokens: output to reserve and to ask for.
            now: the caller's clock, seconds since the epoch; None counts as 0 for prices and cache lifetimes.

        Raises:
            ProtocolError: there is nothing to answer, or calls are open.
            WindowOverflow: what must be sent cannot fit; names what cannot shrink.
        """
        state = self._state
        self._check_ready(max_tokens)
        limit = self._limit(max_tokens)
        self._spill_oversized(limit, now)
        while True:
            verdict, situation = self._judge(limit)
            match verdict.action:
                case "send":
                    return self._send(max_tokens, now)
                case "shrink":
                    return self._summarize(verdict)
                case "count":
                    if state.wire.prefix.last not in state.counts:
                        return self._count(max_tokens)
                    # No count could be had: the upper bound decides, and spilling is what is left.
            if not self._relieve(now):
                raise self._overflow(situation, max_tokens)

    def _check_ready(self, max_tokens: int) -> None:
        state = self._state
        if max_tokens < 1:
            raise InvalidRequest("max_tokens must be at least 1.", path="max_tokens", remedy="Ask for some output.")
        if not state.wire.messages:
            raise ProtocolError("the conversation is empty.", remedy="Append a user message first.")
        if state.outline.open_calls:
            calls = ", ".join(list(state.outline.open_calls)[:3])
            raise ProtocolError(
                f"{len(state.outline.open_calls)} tool calls have no result: {calls}.",
                rule="TOOL-01",
                path=f"messages.{min(state.outline.open_calls.values())}",
                remedy="Append a tool_result for each; one that was not run gets is_error: true (TOOL-06).",
            )
        last = state.wire.messages[-1]
        if last.get("role") == "assistant" and not self._paused():
            self._check_prefill(last)

    def _check_prefill(self, last: Mapping[str, Any]) -> None:
        """Whether the conversation may end with this assistant message, which the reply would continue."""
        state = self._state
        blocks = blocks_of(last)
        rule, reason = None, ""
        if not state.profile.features.prefill:
            rule, reason = "MSG-04", "the conversation ends with a reply"
        elif any(is_thinking(block) for block in blocks):
            rule, reason = "THINK-08", "a final assistant message holds thinking"
        elif str(blocks[-1].get("text", "")).endswith((" ", "\n", "\t")):
            rule, reason = "MSG-05", "the final assistant text ends in white space"
        if rule is not None:
            path = f"messages.{len(state.wire.messages) - 1}"
            raise ProtocolError(f"{reason}.", rule=rule, path=path, remedy="Append a user message first.")

    def _paused(self) -> bool:
        """Whether the last reply was paused and goes back as it is (MSG-13)."""
        last = self._last_received()
        return last is not None and last.stop_reason == "pause_turn"

    def _last_received(self) -> Received | None:
        for event in reversed(self._events):
            if isinstance(event, Received):
                return event
            if isinstance(event, Appended):
                return None
        return None

    def _limit(self, max_tokens: int) -> int:
        state = self._state
        budget = min(state.policy.budget or state.profile.window, state.tightened or state.profile.window)
        return budget - max_tokens

    def _judge(self, limit: int) -> tuple[Verdict, Situation]:
        situation = self._situation(limit)
        verdict = judge(situation)
        self._due = verdict, situation
        return verdict, situation

    def _situation(self, limit: int) -> Situation:
        state = self._state
        view = View(
            state.messages,
            outline=state.outline,
            profile=state.profile,
            system=state.base.get("system"),
            tools=state.base.get("tools"),
            settings=state.settings,
        )
        return Situation(
            messages=state.messages,
            forms=state.forms,
            outline=state.outline,
            wire=state.wire,
            profile=state.profile,
            policy=state.policy,
            limit=limit,
            fixed=state.wire.ledger.fixed.count.tokens,
            previous=state.edits[-1] if state.edits else None,
            may_cut=lambda index: may_cut(view, index),
        )

    def _send(self, max_tokens: int, now: float | None) -> Send:
        state = self._state
        wire, window = state.wire, state.wire.ledger.window()
        clock = now if now is not None else 0.0
        ttl = state.policy.cache
        expected = forecast(state.profile, window.tokens, state.cached, ttl, clock)
        request = wire.request(max_tokens)
        marks = mark(request, ttl, state.cached) if ttl is not None and not state.own_markers else ()
        edits = tuple(state.fresh_edits)
        resend = state.awaiting is not None and state.awaiting.max_tokens == max_tokens
        if not resend:
            self._record(
                Sent(
                    at=now,
                    send=state.sends + 1,
                    model=state.profile.id,
                    epoch=wire.epoch,
                    messages=len(state.messages),
                    fingerprint=wire.prefix.last,
                    tokens=window.tokens,
                    low=window.low,
                    high=window.high,
                    source=window.source,
                    max_tokens=max_tokens,
                    cost_warm=expected.warm,
                    cost_cold=expected.cold,
                )
            )
        return Send(
            request=request,
            window=window,
            number=state.sends,
            epoch=wire.epoch,
            forecast=expected,
            breakpoints=marks,
            edits=edits,
            fingerprint=wire.prefix.last,
        )

    def _summarize(self, verdict: Verdict) -> Summarize:
        state = self._state
        proposal = verdict.proposal
        assert proposal is not None
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
        freed = edit.before - proposal.after
        return Summarize(
            segment=segment,
            method=proposal.method,
            target=edit.target,
            freed=freed,
            why=f"{verdict.why}; {proposal.why}",
        )

    def _count(self, max_tokens: int) -> Count:
        state = self._state
        request = state.wire.request(max_tokens)
        # count_tokens refuses what only `create` takes (TOK-13).
        for key in (
            "max_tokens",
            "stream",
            "stop_sequences",
            "metadata",
            "service_tier",
            "temperature",
            "top_p",
            "top_k",
        ):
            request.pop(key, None)
        return Count(request=request, fingerprint=state.wire.prefix.last, window=state.wire.ledger.window())

    # -- spill ---------------------------------------------------------------------------------------------

    def _unsent_results(self) -> list[tuple[int, int, int]]:
        """Results that were never sent and stand whole: (tokens that spilling would move, message, block)."""
        state = self._state
        found = []
        for index in range(state.unsent, len(state.messages)):
            form = state.forms.get(index)
            if form is None or form.get("role") != "user":
                continue
            sizes = size_message(form, state.profile).blocks
            for position, block in enumerate(blocks_of(form)):
                if spillable(block) and (index, position) not in state.spills:
                    # Images stay when a result is spilled, so they do not count here.
                    tokens = sum(count.tokens for category, count in sizes[position].parts if category != "images")
                    found.append((tokens, index, position))
        return found

    def _spill_oversized(self, limit: int, now: float | None) -> None:
        state = self._state
        if "spill" not in state.policy.methods:
            return
        settings = state.policy.spill
        room = limit - state.wire.ledger.fixed.count.tokens
        threshold = min(settings.tokens or room, int(room * settings.share))
        for tokens, message, block in self._unsent_results():
            if tokens > max(threshold, _RELIEF_FLOOR):
                self._spill(message, block, tokens, threshold, now)

    def _relieve(self, now: float | None) -> bool:
        """Spill the largest unsent result to make room; False when none is left."""
        if "spill" not in self._state.policy.methods:
            return False
        left = [found for found in self._unsent_results() if found[0] > _RELIEF_FLOOR]
        if not left:
            return False
        tokens, message, block = max(left, key=lambda found: (found[0], -found[1], -found[2]))
        self._spill(message, block, tokens, tokens // 4, now)
        return True

    def _spill(self, message: int, block: int, tokens: int, room: int, now: float | None) -> None:
        """Spill one result, its preview no larger than about `room` tokens (a token has one character or more)."""
        settings = self._state.policy.spill
        wanted = settings.head_chars + settings.tail_chars
        share = min(1.0, room / wanted) if wanted else 0.0
        head, tail = int(settings.head_chars * share), int(settings.tail_chars * share)
        self._record(Spilled(at=now, message=message, block=block, tokens=tokens, head=head, tail=tail))

    def _overflow(self, now: Situation, max_tokens: int) -> WindowOverflow:
        """The error that names what cannot shrink."""
        fixed = self._state.wire.ledger.fixed
        parts = {
            "system": sum(count.tokens for count in fixed.system),
            "tools": sum(count.tokens for count in fixed.tools),
        }
        parts |= {name: count.tokens for name, count in fixed.overheads}
        newest = range(self._state.unsent, len(now))
        parts |= {
            f"messages.{index}": size_message(now.forms[index], now.profile).count.tokens
            for index in newest
            if index in now.forms
        }
        smallest = smallest_request(now) if "summarize_all" in now.policy.methods else None
        need = min(now.wire.ledger.total.high, smallest if smallest is not None else now.wire.ledger.total.high)
        return WindowOverflow(
            need=max(need, now.limit + 1) + max_tokens,
            limit=now.limit + max_tokens,
            floor={name: tokens for name, tokens in parts.items() if tokens > 0},
        )

    def _record(self, event: Event) -> None:
        """Apply first: an event that cannot be applied is not kept."""
        self._state.apply(event)
        self._events.append(event)
        self._due: tuple[Verdict | None, Situation | None] = (None, None)
