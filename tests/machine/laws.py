"""The twelve laws of the design, each as one named check of an engine against what is known of it."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from ctxwindow import Conversation, Send
from ctxwindow.record import decode_event, encode_event
from ctxwindow.record.events import Received, Sent
from tests.machine.known import JSON, Known, Money
from tests.machine.laws_of_edits import EditLaws
from tests.machine.laws_of_requests import RequestLaws


def again(conversation: Conversation) -> Conversation:
    """The conversation as read back from its events."""
    return Conversation.fold(decode_event(encode_event(event)) for event in conversation.events)


class Laws(RequestLaws, EditLaws):
    """The checks, and what they were put to."""

    def __init__(self, tally: Counter[str], *, enforced: bool) -> None:
        """`enforced`: whether the account's thinking is checked (BIND-04)."""
        self.tally = tally
        self.enforced = enforced

    # -- after every step ---------------------------------------------------------------------------------------

    def law_1_nothing_is_lost(self, conversation: Conversation, known: Known, everything: list[JSON]) -> None:
        """Every message can be read back, JSON-equal to what was given, on whatever branch it came."""
        assert json.dumps(list(conversation.messages)) == json.dumps(known.record)
        assert json.dumps(list(conversation.everything())) == json.dumps(everything)
        self.tally["law 1"] += 1

    def law_8_the_fold_is_the_conversation(self, conversation: Conversation) -> None:
        """The same events give the same conversation."""
        folded = again(conversation)
        assert folded.messages == conversation.messages
        assert json.dumps(folded.wire) == json.dumps(conversation.wire)
        assert folded.window == conversation.window
        seen = [(one.epoch, one.model, one.hot(), one.spilled, one.compactions) for one in (folded, conversation)]
        assert seen[0] == seen[1]
        halfway = [(one.awaiting, one.open_calls, dict(one.answers)) for one in (folded, conversation)]
        assert halfway[0] == halfway[1]

    def law_9_the_books_balance(self, conversation: Conversation, money: Money) -> None:
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
        assert len(spending.sends) == money.sends
        assert spending.summaries == pytest.approx(money.summaries), "a summary was paid twice, or never (law 10)"
        assert sum(spending.by.values()) == pytest.approx(spending.dollars or 0.0)
        self.tally["law 9"] += 1

    def law_9_every_block_has_its_price(self, conversation: Conversation) -> None:
        """What the blocks cost and the summaries sum up to what was spent."""
        spending = conversation.spending
        costs = sum(block.dollars for block in spending.blocks) + spending.summaries
        assert costs == pytest.approx(spending.dollars or 0.0)

    # -- at a crash, and at every reply -------------------------------------------------------------------------

    def law_10_what_was_kept_is_there(self, found: Conversation, events: tuple[Any, ...]) -> None:
        """Reopening gives the state at the last acknowledged append, and no reply is in it twice."""
        assert found.events == events
        replies = [event.reply_id for event in events if isinstance(event, Received)]
        assert len(replies) == len(set(replies))
        self.tally["law 10"] += 1

    def law_12_honest_forecasts(self, conversation: Conversation, send: Send, reply: JSON, *, exact: bool) -> None:
        """Forecast and actual are both recorded, and their error is reported.

        `exact`: the API tells the sizes as they are, of a prompt that it reads all of.
        """
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
        compacted = any(one["type"] == "compaction" for one in usage.get("iterations") or ())
        if not compacted:
            assert expense.tokens.prompt == (0 if refused else told)  # FB-02: that is not billed
        if exact and not compacted:
            assert window.low <= told <= window.high, f"{told} is not in {window.low} to {window.high}"
            self.tally["law 12, bounds"] += 1
        if expense.forecast is not None and actual:
            assert expense.error == pytest.approx((expense.forecast - actual) / actual)
            assert conversation.spending.forecast_error is not None
            self.tally["law 12"] += 1
