"""The twelve laws of the design, each as one named check of an engine against what is known of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from ctxwindow import Conversation, Send, Summarize
from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.errors import WindowOverflow
from ctxwindow.record import Prefix, decode_event, encode_event
from ctxwindow.record.blocks import blocks_of
from ctxwindow.record.events import Appended, Compacted, Received, Sent
from ctxwindow.rules import find_violations, prefix_report
from ctxwindow.rules.enforcement import STALE
from ctxwindow.stores import Store
from ctxwindow.window import Window
from tests.driver import fixed_tokens
from tests.machine.known import Known, thinking_of
from tests.machine.world import Refused

JSON = dict[str, Any]

MARKER = "xyzzyquux"
"""A word of another conversation, in each of its messages and nowhere else."""


def again(conversation: Conversation) -> Conversation:
    """The conversation as read back from its events."""
    return Conversation.fold(decode_event(encode_event(event)) for event in conversation.events)


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


class Laws:
    """The checks. Each counts what it was put to, so that none can pass for want of a case."""

    def __init__(self, tally: Counter[str], *, enforced: bool) -> None:
        """`enforced`: whether the account's thinking is checked (BIND-04)."""
        self.tally = tally
        self.enforced = enforced

    # -- after every step ---------------------------------------------------------------------------------------

    def law_1_nothing_is_lost(self, conversation: Conversation, known: Known) -> None:
        """Every message can be read back, JSON-equal to what was given."""
        assert json.dumps(list(conversation.messages)) == json.dumps(known.record)
        self.tally["law 1"] += 1

    def law_8_the_fold_is_the_conversation(self, conversation: Conversation) -> None:
        """The same events give the same conversation."""
        folded = again(conversation)
        assert folded.messages == conversation.messages
        assert json.dumps(folded.wire) == json.dumps(conversation.wire)
        assert folded.window == conversation.window
        seen = [(one.epoch, one.model, one.hot(), one.spilled, one.compactions) for one in (folded, conversation)]
        assert seen[0] == seen[1]

    def law_9_the_books_balance(self, conversation: Conversation, known: Known) -> None:
        """window = the sum over counted blocks + named overheads; spending = the sum of what was bought."""
        window = conversation.window
        assert window.low <= window.tokens <= window.high
        assert window.tokens == sum(window.by.values())
        assert window.by["overhead"] == sum(window.overheads.values())
        blocks = window.blocks
        counted = sum(block.tokens for block in blocks if block.disposition == "counted")
        assert window.tokens == counted + window.by["overhead"]
        assert len({block.path for block in blocks}) == len(blocks), "a block has two dispositions"
        assert all(block.rule for block in blocks)
        spending = conversation.spending
        assert spending.summaries == pytest.approx(known.summaries), "law 10: a summary was paid twice, or never"
        assert sum(spending.by.values()) == pytest.approx(spending.dollars or 0.0)
        self.tally["law 9"] += 1

    def law_9_every_block_has_its_price(self, conversation: Conversation) -> None:
        """What the blocks cost and the summaries sum up to what was spent."""
        spending = conversation.spending
        costs = sum(block.dollars for block in spending.blocks) + spending.summaries
        assert costs == pytest.approx(spending.dollars or 0.0)

    # -- at every request ---------------------------------------------------------------------------------------

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
        self.tally["too long, by a window nobody knew of" if too_long else "refused as told"] += 1

    def law_3_the_wire_fits(self, send: Send, budget: int) -> None:
        """window + reserved output <= the budget."""
        reserved = send.request["max_tokens"]
        assert send.window.tokens + reserved <= budget
        if send.sure:
            assert send.window.high + reserved <= budget
        self.tally["law 3"] += 1

    def law_3_overflow(self, overflow: WindowOverflow, budget: int, new: Iterable[Any]) -> None:
        """Or an overflow says what cannot shrink, and nothing is sent."""
        assert overflow.need > overflow.limit
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
            assert chain[: len(old)] == old
            self.tally["law 4"] += 1

    def law_5_no_thinking_is_stale(self, send: Send, known: Known, profile: ModelProfile) -> None:
        """Every block of thinking has the conversation before it that it was made in."""
        if known.exchange is None or not self._checked(profile):
            return
        states = prefix_report(send.request, known.exchange, profile)
        assert not [state for state in states if state.state in STALE]
        self.tally["law 5, valid"] += len(states)

    def law_5_what_is_valid_stays(self, conversation: Conversation, send: Send, known: Known) -> None:
        """What no summary stands for is on the wire, with all thinking that can still be sent."""
        hot, wire = conversation.hot(), send.request["messages"]
        assert list(hot) == self._live(conversation, known)
        heads = wire[: len(wire) - len(hot)]
        assert len(heads) == (1 if len(hot) < len(wire) else 0)
        assert not any(thinking_of(message) for message in heads)
        for index, form in zip(hot, wire[len(heads) :], strict=True):
            stays = thinking_of(known.record[index]) if index not in known.gone else []
            assert thinking_of(form) == stays, f"message {index}"
            old = known.made.get(index, send.epoch) < send.epoch
            kind = "kept over an edit" if old and stays else "taken off" if index in known.gone else "kept"
            self.tally[f"law 5, thinking {kind}"] += bool(thinking_of(known.record[index]))

    @staticmethod
    def _live(conversation: Conversation, known: Known) -> list[int]:
        """Record indices of what has to stand on the wire word for word."""
        live = [index for index in range(len(known.record)) if index not in known.dead]
        if not conversation.compactions:
            return live
        edit = conversation.compactions[-1]
        carried = range(*edit.carried) if edit.carried is not None else range(0)
        told = [index for index in carried if known.record[index]["role"] == "system"]
        return [index for index in live if index >= edit.tail or index in told]

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

    # -- at every edit ------------------------------------------------------------------------------------------

    def law_6_no_round_is_split(self, edit: Compacted, known: Known) -> None:
        """What a summary stands for holds whole rounds; so does what is kept."""
        assert edit.end <= edit.tail <= len(known.record)
        live = {index: message for index, message in enumerate(known.record) if index not in known.dead}
        gone, kept = (
            pairs_of(message for index, message in live.items() if (index < edit.end) is before)
            for before in (True, False)
        )
        assert not gone[0] & kept[1], "a call was cut off from its result"
        assert {call for call in gone[0] if not call.startswith("srv")} <= gone[1]
        assert not known.calls, "an open round was compacted"

    def law_7_progress(
        self, edit: Compacted, after: Window, due: Summarize, before: Window, limit: int, gain: float
    ) -> None:
        """After an edit usage is at or under the target; it freed what the policy asks for, or was needed."""
        assert after.tokens <= edit.target == due.target
        freed = before.tokens - after.tokens
        assert freed > 0
        if before.high <= limit:
            assert freed >= int((limit - fixed_tokens(before)) * gain)
        self.tally["law 7, needed" if before.high > limit else "law 7, at the mark"] += 1

    def law_7_no_edit_without_new_content(self, conversation: Conversation) -> None:
        """Between two edits something was said."""
        kinds = [type(event) for event in conversation.events if isinstance(event, (Appended, Received, Compacted))]
        assert not any(one is next_one is Compacted for one, next_one in zip(kinds, kinds[1:], strict=False))
        ends = [edit.end for edit in conversation.compactions]
        assert ends == sorted(set(ends))
        self.tally["law 7, edits in a row"] += len(ends) > 1

    # -- at a crash, and at every reply -------------------------------------------------------------------------

    def law_10_what_was_kept_is_there(self, found: Conversation, known: Known, events: tuple[Any, ...]) -> None:
        """Reopening gives the state at the last acknowledged append."""
        assert found.events == events
        self.law_1_nothing_is_lost(found, known)
        self.tally["law 10"] += 1

    def law_10_nothing_is_paid_twice(self, due: Summarize, conversation: Conversation) -> None:
        """No summary is asked for that stands already."""
        ends = [edit.end for edit in conversation.compactions]
        assert due.segment.end > max(ends, default=0)

    def law_11_isolated(self, request: JSON, name: str, store: Store) -> None:
        """Nothing of another conversation is on the wire, or is found in this one's part of the store."""
        assert MARKER not in json.dumps(request)
        assert not store.search(name, MARKER)
        assert not store.contains(name, MARKER)
        self.tally["law 11"] += 1

    def law_12_honest_forecasts(
        self, conversation: Conversation, send: Send, reply: JSON, *, exact: bool, now: float
    ) -> None:
        """Forecast and actual are both recorded, and their error is reported."""
        sent = next(event for event in reversed(conversation.events) if isinstance(event, Sent))
        window, forecast = send.window, send.forecast
        assert (sent.send, sent.tokens, sent.low, sent.high) == (send.number, window.tokens, window.low, window.high)
        assert (sent.cost_warm, sent.cost_cold, sent.lives) == (forecast.warm, forecast.cold, forecast.lives)
        expense = conversation.spending.sends[-1]
        assert (expense.send, expense.outcome) == (send.number, "answered")
        assert expense.forecast == (forecast.warm if forecast.lives else forecast.cold)
        usage, actual = reply["usage"], expense.prompt_dollars
        told = usage["input_tokens"] + usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]
        refused = reply["stop_reason"] == "refusal" and not reply["content"]
        assert expense.tokens.prompt == (0 if refused else told)  # FB-02: that is not billed
        if exact and told:
            assert window.low <= told <= window.high, f"{told} is not in {window.low} to {window.high}"
            self.tally["law 12, bounds"] += 1
        if expense.forecast is not None and actual:
            assert expense.error == pytest.approx((expense.forecast - actual) / actual)
            assert conversation.spending.forecast_error is not None
            self.tally["law 12"] += 1


