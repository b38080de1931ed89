"""One conversation under everything that a caller, the API and a crash may do to it, in any order."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ctxwindow import Conversation, Count, Send, Summarize
from ctxwindow.catalog import resolve
from ctxwindow.errors import MisuseError, WindowOverflow
from ctxwindow.record import decode_event, encode_event
from ctxwindow.record.blocks import blocks_of
from ctxwindow.rules import find_violations
from ctxwindow.testing import replies, user_messages
from ctxwindow.testing.content import interrupted_replies, results
from tests.driver import FAMILIES, MAX_TOKENS, small, summary

ERRORS: list[dict[str, Any]] = [
    {"type": "overloaded_error", "message": "Overloaded"},
    {"type": "invalid_request_error", "message": "messages.1: thinking is bound to a different conversation"},
    {"type": "invalid_request_error", "message": "something that nobody has read before"},
]


class ConversationMachine(RuleBasedStateMachine):
    """The model of it all is plain: the messages that were accepted, the calls that wait, the last send."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.record: list[dict[str, Any]] = []
        self.due: Send | Summarize | Count | None = None
        self.last: Send | None = None
        """The last send of this epoch, while nothing has happened that may change what was sent."""
        self.calls: tuple[str, ...] = ()
        self.issued: set[str] = set()
        """Every call that was ever made, on whatever branch."""
        self.left: dict[int, list[dict[str, Any]]] = {}
        """The record of each branch that was left, by its last event."""

    @initialize(
        model=st.sampled_from(FAMILIES),
        room=st.integers(min_value=1_500, max_value=4_000),
        exact=st.booleans(),
        high=st.sampled_from([0.85, 0.99]),
    )
    def begin(self, model: str, room: int, exact: bool, high: float) -> None:
        policy = small(room, exact_counts=exact, high=high)
        self.conversation = Conversation.start(model=model, system="Be brief.", policy=policy)

    def attempt(self, call: Callable[[], Any]) -> Any:
        """Only errors of ours are ever raised, and what is refused changes nothing (None)."""
        before = self.conversation.events
        try:
            return call()
        except MisuseError:
            assert self.conversation.events == before, "refused, and something changed"
        return None

    def take(self, message: dict[str, Any]) -> bool:
        """Append; follows what became of it."""
        given = copy.deepcopy(message)
        taken = self.attempt(lambda: self.conversation.append(message)) is not None
        assert message == given, "what was given was mutated"
        if taken:
            self.record.append(given)
            self.due = None
            self.calls = ()
        return taken

    # -- the caller ----------------------------------------------------------------------------------------

    @rule(message=user_messages())
    def user_speaks(self, message: dict[str, Any]) -> None:
        assert self.take(message) == (not self.calls), "open calls come first (TOOL-01)"

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def results_come(self, data: st.DataObject) -> None:
        assert self.take(data.draw(results(self.calls)))

    @precondition(lambda self: len(self.calls) > 1)
    @rule(data=st.data())
    def results_come_late(self, data: st.DataObject) -> None:
        first, *late = self.calls
        assert self.take(data.draw(results((first,), text=False)))
        assert not self.take({"role": "user", "content": "While you wait"})
        assert self.take(data.draw(results(tuple(late), text=False)))
        assert not self.take(data.draw(results((first,), text=False))), "answered twice (TOOL-03)"

    @rule(identity=st.sampled_from(["toolu_of_another", "toolu_1_0"]))
    def results_of_nothing(self, identity: str) -> None:
        if identity not in self.calls:
            assert not self.take({"role": "user", "content": [{"type": "tool_result", "tool_use_id": identity}]})

    @rule(
        message=st.sampled_from(
            [{"role": "user", "content": " "}, {"role": "user", "content": 7}, {"content": "x"}, {"role": "user"}]
        )
    )
    def nonsense(self, message: dict[str, Any]) -> None:
        assert not self.take(message)

    @precondition(lambda self: self.record and self.record[-1]["role"] == "user" and not self.calls)
    @rule()
    def caller_writes_a_reply(self) -> None:
        self.take({"role": "assistant", "content": [{"type": "text", "text": "Understood."}]})

    @rule(data=st.data(), calls=st.integers(0, 3), factor=st.sampled_from([None, 0.9, 1.0, 1.1]))
    def exchange(self, data: st.DataObject, calls: int, factor: float | None) -> None:
        """The usual: something is said or answered, the request is planned and sent, the model replies."""
        if self.calls:
            self.results_come(data)
        elif not isinstance(self.due, Send):
            self.take(data.draw(user_messages()))
        for _ in range(8):
            if isinstance(self.due, Send):
                return self.answers(data, calls, factor)
            if isinstance(self.due, Summarize):
                self.summarized("good")
            elif isinstance(self.due, Count):
                self.counted(factor)
            else:
                self.plan(0)
                if self.due is None:
                    return None  # an overflow
        raise AssertionError("planning does not come to an end")

    @rule(data=st.data(), rounds=st.integers(1, 4))
    def rounds(self, data: st.DataObject, rounds: int) -> None:
        """Several rounds of calls in a row."""
        for _ in range(rounds):
            self.exchange(data, 2, None)

    @rule(model=st.sampled_from(FAMILIES))
    def switch(self, model: str) -> None:
        if self.attempt(lambda: self.conversation.configure(model=model)) is None:
            self.due = self.last = None

    @rule(given=st.sampled_from([{}, {"metadata": {"user_id": "u"}}, {"stop_sequences": ["END"]}]))
    def settle(self, given: dict[str, Any]) -> None:
        self.attempt(lambda: self.conversation.configure(settings=given))
        self.due = None

    # -- planning ------------------------------------------------------------------------------------------

    @rule(more=st.sampled_from([0, 0, 0, 300]))
    def plan(self, more: int) -> None:
        epoch = self.conversation.epoch
        try:
            decision = self.attempt(lambda: self.conversation.plan(max_tokens=MAX_TOKENS + more))
        except WindowOverflow:
            self.due = None  # law 3 looks at its numbers
            return
        if decision is None:
            return
        assert not self.calls
        self.due = decision
        if isinstance(decision, Send):
            assert decision.epoch == epoch
            self.sent(decision)

    def sent(self, send: Send) -> None:
        """Every send checks clean, fits, balances, and extends the one before it."""
        previous = self.last.request if self.last is not None and self.last.epoch == send.epoch else None
        found = find_violations(send.request, previous=previous)
        assert not [violation for violation in found if violation.severity == "error"]
        budget = self.conversation.policy.budget or 0
        assert send.window.tokens + send.request["max_tokens"] <= budget
        assert send.sure == (send.window.high + send.request["max_tokens"] <= budget)
        assert send.window.tokens == sum(send.window.by.values())
        if previous is not None:
            old = [plain(message) for message in previous["messages"]]
            assert [plain(message) for message in send.request["messages"]][: len(old)] == old
        self.last = send

    @precondition(lambda self: isinstance(self.due, Summarize))
    @rule(kind=st.sampled_from(["good", "good", "good", "blank", "long"]))
    def summarized(self, kind: str) -> None:
        assert isinstance(self.due, Summarize)
        due, epoch = self.due, self.conversation.epoch
        text = {"blank": " ", "long": "word and word " * 2_000}.get(kind) or summary(self.conversation, due)
        self.attempt(lambda: self.conversation.summarized(text, by="test"))
        if self.conversation.epoch > epoch:
            assert kind != "long"
            assert self.conversation.window.tokens <= due.target
            self.last = self.due = None
        else:
            assert kind != "good"

    @precondition(lambda self: isinstance(self.due, Count))
    @rule(share=st.sampled_from([None, 0.9, 1.0, 1.1]))
    def counted(self, share: float | None) -> None:
        tokens = None if share is None else int(self.conversation.window.tokens * share)
        self.attempt(lambda: self.conversation.counted(tokens))
        self.due = None

    # -- the API -------------------------------------------------------------------------------------------

    def receive(self, message: dict[str, Any], stop_reason: str, *, factor: float | None = None) -> None:
        assert isinstance(self.due, Send)
        usage = None
        if factor is not None:
            usage = {"input_tokens": max(1, int(self.due.window.tokens * factor)), "output_tokens": 9}
        reply = {"content": message["content"], "stop_reason": stop_reason, "usage": usage}
        self.conversation.receive(reply)
        self.record.append(message)
        self.due = None

    @precondition(lambda self: isinstance(self.due, Send))
    @rule(data=st.data(), calls=st.integers(0, 3), factor=st.sampled_from([None, 0.9, 1.0, 1.1]))
    def answers(self, data: st.DataObject, calls: int, factor: float | None) -> None:
        self.number += 1
        self.calls = tuple(f"toolu_{self.number}_{index}" for index in range(calls))
        # With thinking off a reply that is sent back as the last message holds none (THINK-08).
        self.issued.update(self.calls)
        message = data.draw(replies(calls=self.calls, serial=f"sig{self.number}"))
        self.receive(message, "tool_use" if calls else "end_turn", factor=factor)

    @precondition(lambda self: isinstance(self.due, Send))
    @rule(data=st.data())
    def is_interrupted(self, data: st.DataObject) -> None:
        self.number += 1
        message, reason, _ = data.draw(interrupted_replies(serial=f"sig{self.number}"))
        self.receive(message, reason)

    @precondition(lambda self: isinstance(self.due, Send))
    @rule(error=st.sampled_from(ERRORS))
    def fails(self, error: dict[str, Any]) -> None:
        with contextlib.suppress(MisuseError):  # final: the record says so, the conversation goes on
            self.conversation.fail(error)
        self.due = None

    @precondition(lambda self: isinstance(self.due, Send))
    @rule(over=st.integers(min_value=1, max_value=400))
    def is_too_long(self, over: int) -> None:
        assert isinstance(self.due, Send)
        size = self.due.window.tokens
        message = f"prompt is too long: {size + over} tokens > {size} maximum"
        with contextlib.suppress(WindowOverflow):  # it was shrunk already
            self.attempt(lambda: self.conversation.fail({"type": "invalid_request_error", "message": message}))
        self.due = self.last = None

    @precondition(lambda self: not isinstance(self.due, Send))
    @rule()
    def nothing_is_due(self) -> None:
        if self.last is None:
            before = len(self.conversation.messages)
            self.attempt(lambda: self.conversation.summarized("x", by="test") if self.due is None else None)
            assert len(self.conversation.messages) == before

    # -- a crash, at any moment ----------------------------------------------------------------------------

    @rule()
    def restart(self) -> None:
        before = self.conversation
        self.conversation = again(before)
        if not isinstance(self.due, Send):
            self.due = None  # what was asked for is asked for again

    # -- time travel ---------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.record) > 3)
    @rule(data=st.data())
    def rewinds(self, data: st.DataObject) -> None:
        stay = data.draw(st.integers(0, len(self.record)))
        self.went_back(self.record[:stay], lambda: self.conversation.rewind(to=stay))

    @precondition(lambda self: self.left)
    @rule(data=st.data())
    def goes_over(self, data: st.DataObject) -> None:
        branch = data.draw(st.sampled_from(self.conversation.branches))
        record = self.record if branch.current else self.left[branch.tip]
        self.went_back(list(record), lambda: self.conversation.rewind(to=branch))

    def went_back(self, record: list[dict[str, Any]], go: Callable[[], None]) -> None:
        sends, ever = len(self.conversation.spending.sends), list(self.conversation.everything())
        tip = next(branch.tip for branch in self.conversation.branches if branch.current)
        self.left[tip] = self.record
        go()
        assert len(self.conversation.spending.sends) == sends
        assert list(self.conversation.everything()) == ever
        self.record = record
        self.due = self.last = None
        blocks = [block for message in record for block in blocks_of(message)]
        answered = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
        made = [block["id"] for block in blocks if block["type"] == "tool_use" and block["id"] in self.issued]
        self.calls = tuple(call for call in made if call not in answered)

    # -- what always holds ---------------------------------------------------------------------------------

    @invariant()
    def nothing_is_lost(self) -> None:
        if hasattr(self, "conversation"):
            assert json.dumps(list(self.conversation.messages)) == json.dumps(self.record)

    @invariant()
    def the_fold_is_the_conversation(self) -> None:
        if not hasattr(self, "conversation"):
            return
        live, folded = self.conversation, again(self.conversation)
        assert folded.messages == live.messages
        assert json.dumps(folded.wire) == json.dumps(live.wire)
        assert folded.window == live.window
        assert (folded.epoch, folded.model, folded.hot(), folded.spilled) == (
            live.epoch,
            live.model,
            live.hot(),
            live.spilled,
        )

    @invariant()
    def the_books_balance(self) -> None:
        if not hasattr(self, "conversation"):
            return
        window = self.conversation.window
        assert window.low <= window.tokens <= window.high
        assert window.tokens == sum(window.by.values())
        counted = sum(block.tokens for block in window.blocks if block.disposition == "counted")
        assert window.tokens == counted + window.by["overhead"]
        assert window.model == resolve(self.conversation.model).id


def again(conversation: Conversation) -> Conversation:
    """The conversation as read back from its events."""
    return Conversation.fold(decode_event(encode_event(event)) for event in conversation.events)


def plain(message: dict[str, Any]) -> str:
    """A message as JSON without cache markers."""
    blocks = [{key: value for key, value in block.items() if key != "cache_control"} for block in blocks_of(message)]
    return json.dumps({**message, "content": blocks})


def test_conversation_machine() -> None:
    """Whatever happens, in any order: nothing lost, every send valid and inside the budget, fold equal to live."""
    run_state_machine_as_test(
        ConversationMachine, settings=settings(settings.default, max_examples=30, stateful_step_count=25)
    )


@pytest.mark.slow
def test_conversation_machine_deep() -> None:
    """The same, longer and more often."""
    run_state_machine_as_test(
        ConversationMachine, settings=settings(settings.default, max_examples=300, stateful_step_count=60)
    )
