"""A conversation driven as an agent drives it, with every decision and every answer held to the laws."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable
from typing import Any

from ctxwindow import Compact, Conversation, Count, Send, Summarize
from ctxwindow.catalog import resolve
from ctxwindow.emulator.faults import Fault
from ctxwindow.emulator.replies import thinks
from ctxwindow.errors import CtxwindowError, MisuseError, ProtocolError, WindowOverflow
from ctxwindow.record.blocks import blocks_of
from ctxwindow.record.events import Compacted, Declined, Edited, Failed, Sent, Spilled
from ctxwindow.rules.frame import Frame
from ctxwindow.testing.content import server_result
from ctxwindow.window import Window
from tests.driver import summary
from tests.machine.held import Held
from tests.machine.known import JSON
from tests.machine.laws import again
from tests.machine.scenes import Shape, content
from tests.machine.world import Refused

PRICE = 0.01
"""Dollars for each summary."""

SUMMARIES = ("blank", "long", "raises")
"""What may come of a summary, beside a good one."""

COMPACTIONS = ("null", "call", "long", "529", "timeout")
"""How a compaction on demand comes to nothing (CMP-26, CMP-27)."""

MOST_DECISIONS = 12
"""More than any plan takes: spills and edits of the server's come inside of one, and no edit follows another (law 7)."""


class Driven(Held):
    """The driver: it plans, does what is asked of it, and hands back what comes of that."""

    # -- planning -----------------------------------------------------------------------------------------------

    def decide(self, more: int = 0) -> None:
        """One decision of the engine; it is then due. None is where there is nothing to decide, or an overflow."""
        asked = self.scene.max_tokens + more
        twin, window, events, due = (
            *(again(self.conversation), self.conversation.window),
            *(self.conversation.events, self.known.due),
        )
        expected = _outcome(twin, asked, self.world.now)
        found = _outcome(self.conversation, asked, self.world.now)
        new = self.conversation.events[len(events) :]
        if isinstance(found, Send) and not any(isinstance(event, Sent) for event in new):
            assert found is due, "nothing has happened, and another request is planned"
            return
        if self.known.aside is not None and isinstance(found, Send) and isinstance(expected, Send):
            expected = dataclasses.replace(
                expected, aside=found.aside
            )  # what is prepared is forgotten with the process
        assert _plain(found) == _plain(expected), f"law 8: {_difference(found, expected)}"
        assert twin.events == self.conversation.events
        self.laws.tally["law 8"] += 1
        self.limit = min(self.budget, self.known.tightened or self.budget) - self.policy.reserve - asked
        self._within(new, window)
        self._decided(found, new)
        self.save()

    def _within(self, new: tuple[Any, ...], before: Window) -> None:
        """What was done inside of a plan."""
        edits = [event for event in new if isinstance(event, (Spilled, Edited, Compacted))]
        limits = before, self.limit, self.policy.min_gain
        for event in edits:
            alone, after = len(edits) == 1, self.conversation.window
            if isinstance(event, Spilled):
                self.laws.tally["spill"] += 1
                continue
            self.known.aside = None
            self.laws.tally[event.method] += 1
            if isinstance(event, Edited):
                if alone:
                    self.laws.law_7_the_server_clears_enough(event, after, *limits)
                continue
            unwritten = event.tokens == 0 and not event.summary and not event.by
            failed = any(self.laws.tally[f"declined, {method}"] for method in ("summarize_keep_tail", "summarize_all"))
            assert event.method == "drop" or (unwritten and failed), "a summary that nobody wrote"
            self.laws.law_6_no_round_is_split(event, self.known)
            if alone:
                self.laws.law_7_progress(event, after, *limits)
            self._took_in(event)

    def _decided(self, found: Any, new: tuple[Any, ...]) -> None:
        self.known.due = None
        match found:
            case Send():
                self.known.due = found
                self._look_at(found)
            case Summarize() | Compact():
                self.known.due = found
                self.laws.law_10_nothing_is_paid_twice(found, self.known)
                self.asked_at = len(self.known.record)
                self.before = self.conversation.window
            case Count():
                self.known.due = found
            case WindowOverflow():
                self.overflowed = True
                self.laws.law_3_overflow(found, self.budget, new)
            case MisuseError():
                assert not new, "refused, and something changed"

    def _look_at(self, send: Send) -> None:
        """Every law that speaks of requests."""
        known, request = self.known, send.request
        assert not known.calls
        assert send.number == self.money.sends + 1
        self.money.sends += 1
        before = known.accepted
        previous = before.request if before is not None and before.epoch == send.epoch else None
        self.laws.law_2_the_wire_is_valid(request, previous)
        self.laws.law_3_the_wire_fits(send, self.budget - self.policy.reserve)
        self.laws.law_4_append_only(send, known)
        self.laws.law_5_no_thinking_is_stale(send, known, resolve(known.model))
        self.laws.law_5_what_is_valid_stays(self.conversation, send, known)
        self.laws.law_6_rounds_are_whole(request)
        self.laws.law_11_isolated(request, self.name, self.store, self.conversation)
        assert send.explain()
        known.accepted_before, known.accepted = known.accepted, send
        known.aside = send.aside if send.aside is not None else known.aside
        self.at_send[send.number], self.requests[send.number] = known.copy(), request
        self.laws.tally["aside asked for"] += send.aside is not None

    def until_send(self, how: str = "good") -> bool:
        """Plan, and do what is asked for, up to a request; False where none can be had.

        `how`: what comes of the first summary or compaction that is asked for; later ones are good.
        """
        for _ in range(MOST_DECISIONS):
            match self.known.due:
                case Send():
                    return True
                case Summarize():
                    self.summarize(how if how in SUMMARIES else "good")
                    how = "good"
                case Compact():
                    self.compact(how)
                    how = "good"
                case Count():
                    self.count("exact")
                case _:
                    self.decide()
                    if self.known.due is None:
                        return False
        raise AssertionError("law 7: planning does not come to an end")

    # -- summaries, compactions and counts ----------------------------------------------------------------------

    def summarize(self, kind: str, *, aside: bool = False) -> None:
        """Hand back a summary of a kind, at once or of what was asked for in the background."""
        due = self.known.aside if aside else self.known.due
        assert isinstance(due, Summarize)
        now, spent = self.world.now, self.money.summaries
        if kind == "raises":
            if self.attempt(lambda: self.conversation.summary_failed("it raised", cost=PRICE, of=due, now=now)):
                self._declined(aside=aside)
            return
        text = {"blank": " ", "long": "word and word " * 2_000}.get(kind) or summary(self.conversation, due)
        if not self.attempt(lambda: self.conversation.summarized(text, by="test", cost=PRICE, of=due, now=now)):
            assert kind == "long" or aside
            return
        assert kind != "long"
        self.money.summaries = spent + PRICE
        self._edited(aside=aside)

    def compact(self, kind: str, *, aside: bool = False) -> None:
        """Have the server compact; it brings a block, none, or an error (CMP-16, CMP-26, CMP-27)."""
        due = self.known.aside if aside else self.known.due
        assert isinstance(due, Compact)
        assert self.known.platform != "bedrock", "CMP-16"
        self.save(must=True)
        self.laws.law_2_the_wire_is_valid(due.request, None)
        self.laws.law_6_rounds_are_whole(due.request)
        said: dict[str, Any] = {
            "null": "",
            "call": [{"type": "tool_use", "id": "toolu_c", "name": "read_file", "input": {}}],
            "long": "word and word " * 6_000,
            "529": Fault.parse("529;code=compaction_unavailable"),
            "timeout": Fault.parse("timeout"),
        }
        self.world.sums_up = said.get(kind, "What was done: parse_config in src/app/main.py, line 1234, was read.")
        now = self.world.now
        try:
            reply = self.world.create(due.request)
        except (Refused, ConnectionError) as error:
            if isinstance(error, Refused):
                self.laws.law_2_refusals_are_injected(error, injected=kind == "529", narrow=self.narrow)
            failed = error
            if self.attempt(lambda: self.conversation.compaction_failed(failed, of=due, now=now)):
                self._declined(aside=aside)
            return
        self.laws.law_5_nothing_is_dropped(reply, resolve(self.known.model))
        events = len(self.conversation.events)
        if not self.attempt(lambda: self.conversation.compacted(reply, of=due, now=now)):
            assert aside, "a compaction that was asked for is not taken"
            return
        if isinstance(self.conversation.events[events], Declined):
            assert not reply["content"]
            self._declined(aside=aside)
        else:
            self.money.summaries += self.conversation.compactions[-1].cost
            self._edited(aside=aside)

    def _declined(self, *, aside: bool) -> None:
        """Nothing came of it: the history stays as it is, and what was paid is known."""
        event = self.conversation.events[-1]
        assert isinstance(event, Declined)
        self.money.summaries += event.cost
        self.known.due = None
        if aside:
            self.known.aside = None
        self.laws.tally[f"declined, {event.method}"] += 1
        self.save()

    def _edited(self, *, aside: bool) -> None:
        """Every law that speaks of edits that begin an epoch."""
        edit = self.conversation.compactions[-1]
        self.laws.tally[f"{edit.method}{', in the background' if aside else ''}"] += 1
        self.laws.tally["beside another summary"] += edit.first > 0
        self.laws.tally["a higher level"] += edit.level > 1
        self.laws.law_6_no_round_is_split(edit, self.known)
        if not aside and len(self.known.record) == self.asked_at:
            self.laws.law_7_progress(edit, self.conversation.window, self.before, self.limit, self.policy.min_gain)
        self._took_in(edit)
        self.save()

    def _took_in(self, edit: Compacted) -> None:
        self.laws.law_7_no_edit_without_new_content(self.known)
        bound = resolve(self.known.model).bound
        self.known.edited(edit, preserved=edit.method == "compact" and bound)
        self.known.due = self.known.aside = None

    def count(self, kind: str) -> None:
        """Hand back a count: the exact one, or none."""
        due = self.known.due
        assert isinstance(due, Count)
        tokens = self.world.count(due.request) if kind == "exact" else None
        self.conversation.counted(tokens, now=self.world.now)
        self.laws.tally[f"count, {kind}"] += 1
        self.known.due = None
        self.save()

    # -- the API ------------------------------------------------------------------------------------------------

    def say(self, shape: Shape) -> list[JSON]:
        """The blocks of the next reply, as the request that is due allows them."""
        assert isinstance(self.known.due, Send)
        self.number += 1
        request = self.known.due.request
        frame = Frame(profile=resolve(request["model"]), settings=request, tools=request.get("tools"))
        off = (request.get("tool_choice") or {}).get("type") == "none"
        said = content(shape, self.number, thinks=thinks(frame), tools=set() if off else _tools(request))
        last = request["messages"][-1]
        waiting = blocks_of(last)[-1] if last["role"] == "assistant" else {}
        # A turn that was paused in a call of the server's goes on with its result (MSG-13).
        return [server_result(waiting["id"]), *said] if waiting.get("type") == "server_tool_use" else said

    def send(self, says: Any) -> None:
        """Send the request that is due; what comes back is what the model says, or what goes wrong."""
        send = self.known.due
        assert isinstance(send, Send)
        self.save(must=True)
        self.world.says, self.world.sums_up = says, "A summary by the server."
        try:
            reply = self.world.create(send.request)
        except Refused as error:
            self.laws.law_2_refusals_are_injected(error, injected=isinstance(says, Fault), narrow=self.narrow)
            self.fail(error)
        except ConnectionError as error:
            self.fail(error)
        else:
            self.receive(send, reply)

    def receive(self, send: Send, reply: JSON) -> None:
        """A reply came."""
        self.laws.law_5_nothing_is_dropped(reply, resolve(self.known.model))
        told = reply if self.tell else {key: reply[key] for key in reply if key != "input_transformations"}
        self.received(send, reply, told, lambda: self.conversation.receive(told, now=self.world.now))

    def received(self, send: Send, reply: JSON, told: JSON, take: Callable[[], Any]) -> None:
        """A reply is taken. `told`: what the API tells of it."""
        events = len(self.conversation.events)
        take()
        self.known.hears(told, send)
        self.everything.append(self.known.record[-1])
        self.laws.tally[f"reply, {reply['stop_reason']}"] += 1
        for event in self.conversation.events[events + 1 :]:
            if isinstance(event, Compacted):
                self.laws.tally[event.method] += 1
                self.money.summaries += event.cost
                self._took_in(event)
            elif isinstance(event, Declined):
                self.laws.tally[f"declined, {event.method}"] += 1
                self.money.summaries += event.cost
        exact = self.world.share == 1.0 and (self.tell or len(self.known.makers | {self.known.model}) == 1)
        self.laws.law_12_honest_forecasts(self.conversation, send, told, exact=exact)
        self.save()

    def receive_again(self) -> None:
        """The last reply is handed in once more: it is not taken twice (law 10)."""
        if self.known.exchange is None or isinstance(self.known.due, Send):
            return
        with contextlib.suppress(ProtocolError):
            self.conversation.receive(self.known.exchange[1], now=self.world.now)
            raise AssertionError("law 10: a reply was recorded twice")

    def too_long(self, over: int) -> int:
        """The window turns out to be smaller than the request by so many tokens; the size of that."""
        send = self.known.due
        assert isinstance(send, Send)
        size = self.world.count({key: value for key, value in send.request.items() if key != "max_tokens"})
        said = f"prompt is too long: {size} tokens > {size - over} maximum"
        self.save(must=True)
        self.fail(Refused(400, {"type": "error", "error": {"type": "invalid_request_error", "message": said}}))
        return size

    def fail(self, error: Exception) -> None:
        """The request that is out came to nothing."""
        assert isinstance(self.known.due, Send)
        self.known.due = self.known.aside = None
        recovery = None
        with contextlib.suppress(MisuseError, WindowOverflow):  # final: the record says so, the conversation goes on
            recovery = self.conversation.fail(error, now=self.world.now)
        self.laws.tally[f"recovery, {recovery.action if recovery else 'give_up'}"] += 1
        failed = next(event for event in reversed(self.conversation.events) if isinstance(event, Failed))
        if failed.limit is not None:
            self.known.tightened = failed.limit
        if failed.tokens is not None:
            self.known.accepted = self.known.accepted_before
        if recovery is not None and recovery.settings is not None:
            self.known.settings = recovery.merged(self.known.settings)
            self.laws.tally["recovery, thinking dropped"] += 1
        if recovery is not None and recovery.strip_thinking:
            self.known.forgets_thinking(before=self.known.turn_start)  # that of an open turn must go back (REPLAY-01)
            self.laws.tally["recovery, thinking stripped"] += 1
        self.save()


def _outcome(conversation: Conversation, max_tokens: int, now: float) -> Any:
    """The decision, or the error in its place."""
    try:
        return conversation.plan(max_tokens=max_tokens, now=now)
    except (MisuseError, WindowOverflow) as error:
        return error


def _plain(found: Any) -> Any:
    """A decision or an error as what it is compared by, byte for byte."""
    if isinstance(found, CtxwindowError):
        return type(found).__name__, json.dumps(found.as_dict())
    if isinstance(found, Send):  # how an edit before it was chosen is told by the process that chose it
        found = dataclasses.replace(found, table=(), taken=None)
    return found, json.dumps([getattr(one, "request", None) for one in (found, getattr(found, "aside", None))])


def _difference(found: Any, expected: Any) -> str:
    """In what the same events give another plan."""
    if type(found) is not type(expected):
        return f"{type(found).__name__} or {type(expected).__name__}"
    return ", ".join(name for name in vars(found) if getattr(found, name) != getattr(expected, name)) or "the bytes"


def _tools(request: JSON) -> set[str]:
    """Names of the tools that the model knows; without a list of tools they are not known, and there is one."""
    if request.get("tools") is None:
        return {"read_file"}
    names = {tool["name"] for tool in request["tools"] if not tool.get("defer_loading")}
    for message in request["messages"]:
        names |= {block["tool"]["name"] for block in blocks_of(message) if block["type"] == "tool_addition"}
    return names
