"""The driver when things stop halfway: replies that stream and are cut, rounds some of whose calls have their results."""

from __future__ import annotations

import json
from typing import Any

from ctxwindow import Send
from ctxwindow.catalog import resolve
from ctxwindow.emulator.stream import events_of
from ctxwindow.record.events import Arrived, Failed
from ctxwindow.record.streamed import Streamed, is_whole
from tests.machine.driven import Driven
from tests.machine.known import JSON


class Halfway(Driven):
    """A driver that streams, and keeps what has come so far."""

    def stream(self, says: Any, *, share: float, every: int, crash: bool, tells: bool) -> None:
        """Send the request that is due; a share of the events of its reply arrives, with a checkpoint after `every` of them.

        `crash`: the process dies then, and what was kept is what arrived. `tells`: the driver says what arrived.
        """
        send = self.known.due
        assert isinstance(send, Send)
        self.save(must=True)
        self.world.says, self.world.sums_up = says, "A summary by the server."
        reply = self.world.create(send.request)
        self.laws.law_5_nothing_is_dropped(reply, resolve(self.known.model))
        told = reply if self.tell else {key: reply[key] for key in reply if key != "input_transformations"}
        events = [dict(event.data) for event in events_of(told)]
        streamed = Streamed()
        for place, event in enumerate(events[: int(len(events) * share)], start=1):
            streamed.feed(event)
            if place % every == 0:
                self.conversation.arrived(streamed.taken(), now=self.world.now)
                self.save()
        if streamed.complete:
            self.received(send, reply, told, lambda: self.conversation.receive(streamed.message, now=self.world.now))
            return
        self.conversation.arrived(streamed.taken(), now=self.world.now)
        self.save()
        if crash:
            self.crash(remembers=True)
        mine = [event for event in self.conversation.events if isinstance(event, Arrived) and event.send == send.number]
        came = Streamed(part for event in mine for part in event.events).message
        said = came if tells else None
        if came is not None and is_whole(came):
            self.laws.tally["cut, and whole"] += 1
            self.received(send, reply, told, lambda: self.conversation.cut(said, now=self.world.now))
            return
        resumed = self.conversation.cut(said, now=self.world.now)
        self._was_cut(came, told)
        assert self.conversation.unanswered
        if resumed is not None:
            assert self.take(resumed, resumes=True), "what resumes a reply can be appended"
            assert self.conversation.unanswered
            self.laws.tally[f"cut, resumed by the {resumed['role']}"] += 1

    def _was_cut(self, came: JSON | None, told: JSON) -> None:
        """What came is in the record and off the wire, and its prompt is paid for (MSG-16)."""
        expense = self.conversation.spending.sends[-1]
        if came is None:
            self.known.due = self.known.aside = None
            assert isinstance(self.conversation.events[-1], Failed)
            assert expense.unknown == ("whether it was billed",)
            self.laws.tally["cut, with nothing"] += 1
        else:
            self.known.is_cut(came["content"])
            self.everything.append(self.known.record[-1])
            assert (expense.outcome, expense.unknown[-1:]) == ("cut", ("output that was cut off",))
            asked = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
            if not told["usage"].get("iterations"):
                assert expense.tokens.prompt == sum(told["usage"][key] for key in asked)
            self.laws.tally["cut, with content"] += bool(came["content"])
        self.save()

    def answer_some(self, kinds: list[str], number: int) -> None:
        """So many calls of a round have their results, which are kept; the others still run."""
        calls = [call for call in self.known.calls if call not in self.known.answered]
        given = self.answers(self.known.calls, kinds)["content"]
        for block in given:
            if block["tool_use_id"] in calls[:number]:
                self.conversation.answered(block, now=self.world.now)
                self.known.answered[block["tool_use_id"]] = block
                self.laws.tally["answered"] += 1
                self.save()

    def check(self) -> None:
        """And what stopped halfway is known."""
        super().check()
        assert [block["id"] for block in self.conversation.open_calls] == list(self.known.calls)
        assert json.dumps(dict(self.conversation.answers)) == json.dumps(self.known.answered)
