"""Laws 2 to 6 and 11, of every request that the engine hands out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from ctxwindow import Conversation, Send
from ctxwindow.catalog import ModelProfile
from ctxwindow.errors import WindowOverflow
from ctxwindow.record import Prefix
from ctxwindow.record.blocks import blocks_of
from ctxwindow.record.events import Sent
from ctxwindow.rules import find_violations, prefix_report
from ctxwindow.rules.enforcement import STALE
from ctxwindow.stores import Store
from tests.machine.known import JSON, Known, thinking_of
from tests.machine.world import Refused

MARKER = "xyzzyquux"
"""A word of another conversation, in each of its messages and nowhere else."""


def chain_of(request: JSON) -> list[str]:
    """Fingerprints of system, tools and the first 0, 1, 2 ... messages (BIND-14)."""
    prefix = Prefix(request.get("system"), request.get("tools"))
    for message in request["messages"]:
        prefix.add(message)
    return prefix.chain


def pairs_of(messages: Iterable[JSON]) -> tuple[set[str], set[str]]:
    """Ids of the calls in messages, and of the calls that are answered in them."""
    blocks = [block for message in messages for block in blocks_of(message)]
    calls = {block["id"] for block in blocks if block["type"] in ("tool_use", "server_tool_use")}
    return calls, {block["tool_use_id"] for block in blocks if block["type"].endswith("tool_result")}


class RequestLaws:
    """What each request is held to. Every check counts what it was put to, so that none passes for want of a case."""

    tally: Counter[str]
    enforced: bool
    """Whether the account's thinking is checked (BIND-04)."""

    def law_2_the_wire_is_valid(self, request: JSON, previous: JSON | None) -> None:
        """A planned request breaks no rule that the API answers with an error."""
        found = find_violations(request, previous=previous)
        errors = [f"{one.rule}: {one.message}" for one in found if one.severity == "error"]
        assert not errors, errors
        self.tally["law 2"] += 1

    def law_2_refusals_are_injected(self, error: Refused, *, injected: bool, narrow: bool) -> None:
        """The API refuses nothing but what it was told to, and what is larger than a window that nobody knew of."""
        too_long = narrow and ("prompt is too long" in error.said or "exceed context limit" in error.said)
        assert injected or too_long, f"the API refused a request: {error.said}"
        self.tally["refused, too long for a window nobody knew of" if too_long else "refused as told"] += 1

    def law_3_the_wire_fits(self, send: Send, budget: int) -> None:
        """window + reserved output <= the budget."""
        reserved = send.request["max_tokens"]
        assert send.window.tokens + reserved <= budget
        if send.sure:
            assert send.window.high + reserved <= budget
        self.tally["law 3"] += 1

    def law_3_overflow(self, overflow: WindowOverflow, budget: int, new: Iterable[Any]) -> None:
        """Or an overflow says what cannot shrink, and nothing is sent."""
        assert overflow.need > overflow.limit, str(overflow)
        assert overflow.limit <= budget
        assert sum(overflow.floor.values()) == overflow.need
        assert overflow.floor["max_tokens"] > 0
        assert not any(isinstance(event, Sent) for event in new)
        self.tally["overflow"] += 1

    def law_4_append_only(self, send: Send, known: Known) -> None:
        """Each request extends the one before it under the equality of BIND-14, unless an edit began an epoch."""
        chain = chain_of(send.request)
        assert chain[-1] == send.fingerprint, "the fingerprint is not that of the request"
        before = known.accepted
        if before is not None and before.epoch == send.epoch:
            old = chain_of(before.request)
            assert chain[: len(old)] == old, f"request {send.number} does not extend request {before.number}"
            self.tally["law 4"] += 1

    def law_5_no_thinking_is_stale(self, send: Send, known: Known, profile: ModelProfile) -> None:
        """Every block of thinking has the conversation before it that it was made in."""
        # A new signed block stands for messages that only its own request shows: there the API is the judge.
        if known.exchange is None or not self._checked(profile) or _has_block(send.request):
            return
        states = prefix_report(send.request, known.exchange, profile)
        stale = [f"{state.path}: {state.reason}" for state in states if state.state in STALE]
        assert not stale, stale
        self.tally["law 5, valid"] += len(states)

    def law_5_what_is_valid_stays(self, conversation: Conversation, send: Send, known: Known) -> None:
        """What no summary stands for is on the wire, with all thinking that can still be sent."""
        hot, wire = conversation.hot(), send.request["messages"]
        assert list(hot) == live_of(conversation, known)
        heads = wire[: len(wire) - len(hot)]
        assert len(heads) <= 1
        assert not any(thinking_of(message) for message in heads)
        for index, form in zip(hot, wire[len(heads) :], strict=True):
            thoughts = thinking_of(known.record[index])
            stays = thoughts if index not in known.gone else []
            assert thinking_of(form) == stays, f"message {index}: {len(thinking_of(form))} of {len(stays)} blocks"
            old = known.made.get(index, send.epoch) < send.epoch
            kind = "taken off" if index in known.gone else "kept over an edit" if old else "kept"
            self.tally[f"law 5, thinking {kind}"] += bool(thoughts)

    def law_5_nothing_is_dropped(self, reply: JSON, profile: ModelProfile) -> None:
        """The API drops no thinking but what this model cannot read (BIND-02)."""
        for change in reply.get("input_transformations") or ():
            if self._checked(profile):
                assert change["reason"] in ("model_binding_mismatch", "organization_binding_mismatch"), change
            self.tally[f"law 5, {change['type']}"] += 1

    def _checked(self, profile: ModelProfile) -> bool:
        return profile.bound and (self.enforced or profile.prefix_check == "all_accounts")

    def law_6_rounds_are_whole(self, request: JSON) -> None:
        """Every call on the wire has its result there, and every result its call."""
        calls, answered = pairs_of(request["messages"])
        # A user's turn gives up on a call of the server's that waits, and a paused one goes back as it is (MSG-13).
        assert {call for call in calls if not call.startswith("srv")} <= answered
        assert answered <= calls
        self.tally["law 6"] += bool(calls)

    def law_11_isolated(self, request: JSON, name: str, store: Store, conversation: Conversation) -> None:
        """Nothing of another conversation is on the wire, or is found in this one's part of the store."""
        assert MARKER not in json.dumps(request)
        assert not store.search(name, MARKER)
        assert not store.contains(name, MARKER)
        assert not conversation.recall(MARKER)
        self.tally["law 11"] += 1


def _has_block(request: JSON) -> bool:
    return any(block["type"] == "compaction" for message in request["messages"][:1] for block in blocks_of(message))


def live_of(conversation: Conversation, known: Known) -> list[int]:
    """Record indices of what has to stand on the wire word for word."""
    live = [index for index in range(len(known.record)) if index not in known.dead]
    edit = known.edit
    if edit is None:
        return live
    carried = range(*edit.carried) if edit.carried is not None else range(0)
    told = [index for index in carried if known.record[index]["role"] == "system"]
    return [index for index in live if index >= edit.tail or index in told]
