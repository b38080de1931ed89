from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given

from ctxwindow import Conversation, Policy, Send, Summarize
from ctxwindow.record import decode_event, encode_event
from tests.driver import Case, cases, plan, run

NOVEMBER = dt.datetime(2026, 11, 20, tzinfo=dt.UTC).timestamp()
USAGE = {"input_tokens": 1_000, "output_tokens": 50}


def reply(text: str = "Yes.", **fields: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "usage": USAGE, "stop_reason": "end_turn", **fields}


def asked() -> Conversation:
    chat = Conversation.start(model="claude-opus-5-5", policy=Policy(methods=()))
    chat.append({"role": "user", "content": "Hi."})
    return chat


def test_a_send_is_entered_with_its_forecast_and_its_bill() -> None:
    chat = asked()
    first = plan(chat, now=NOVEMBER)
    assert chat.spending.sends[0].outcome == "waiting"
    chat.receive(reply(), now=NOVEMBER + 5)
    chat.append({"role": "user", "content": "And?"})
    second = plan(chat, now=NOVEMBER + 10)
    chat.receive(reply(usage=None), now=NOVEMBER + 15)
    one, two = chat.spending.sends
    assert (one.warm, one.cold, one.lives) == (first.forecast.warm, first.forecast.cold, False)
    assert (two.warm, two.cold, two.lives) == (second.forecast.warm, second.forecast.cold, True)
    assert one.dollars == pytest.approx((1_000 * 4 + 50 * 20) / 1_000_000)
    assert (two.dollars, two.unknown) == (None, ("usage",))
    assert [send.turn for send in chat.spending.sends] == [1, 2]


def test_the_model_that_answered_sets_the_price() -> None:
    """TOK-11"""
    chat = asked()
    plan(chat, now=NOVEMBER)
    chat.receive(reply(model="claude-opus-4-8"))
    assert chat.spending.dollars == pytest.approx((1_000 * 5 + 50 * 25) / 1_000_000)


@pytest.mark.parametrize(
    ("error", "outcome", "dollars"),
    [
        ({"status_code": 529, "error": {"type": "overloaded_error", "message": "Overloaded"}}, "failed", 0.0),
        (ConnectionError("gone"), "given_up", None),
    ],
)
def test_an_error_is_not_billed_and_of_a_broken_connection_nobody_knows(
    error: Any, outcome: str, dollars: float | None
) -> None:
    chat = asked()
    plan(chat, now=NOVEMBER)
    if isinstance(error, dict):
        error = _error(**error)
    chat.fail(error)
    plan(chat, now=NOVEMBER + 1)
    chat.receive(reply())
    failed, answered = chat.spending.sends
    assert (failed.outcome, failed.dollars) == (outcome, dollars)
    assert answered.outcome == "answered"


def _error(status_code: int, error: dict[str, str]) -> Exception:
    raised = Exception(error["message"])
    raised.status_code = status_code  # type: ignore[attr-defined]
    raised.body = {"type": "error", "error": error}  # type: ignore[attr-defined]
    return raised


def test_a_request_that_was_given_up_is_known_to_be_unknown() -> None:
    chat = asked()
    plan(chat, now=NOVEMBER)
    chat.append({"role": "user", "content": "Never mind."})
    assert chat.spending.unknown == {"whether it was billed": 1}
    plan(chat, now=NOVEMBER)
    chat.plan(max_tokens=100, now=NOVEMBER)
    assert [send.outcome for send in chat.spending.sends] == ["given_up", "given_up", "waiting"]


def test_what_a_summary_cost_is_told_with_when_it_pays_back() -> None:
    chat = Conversation.start(model="claude-opus-4-6", policy=Policy(budget=3_000, exact_counts=False))
    for number in range(20):
        chat.append({"role": "user", "content": f"{number}: " + "some words to fill the window with " * 30})
        decision = chat.plan(max_tokens=500, now=NOVEMBER)
        while isinstance(decision, Summarize):
            chat.summarized("A summary.", by="a model", cost=0.02, now=NOVEMBER)
            decision = chat.plan(max_tokens=500, now=NOVEMBER)
        assert isinstance(decision, Send)
        chat.receive(reply(usage={"input_tokens": decision.window.tokens, "output_tokens": 5}), now=NOVEMBER)
    found = chat.spending
    assert len(found.edits) == len(chat.compactions) > 0
    assert found.by["summaries"] == found.summaries == pytest.approx(0.02 * len(chat.compactions))
    edit = found.edits[0]
    assert edit.before == chat.compactions[0].before > edit.after
    assert edit.payback.paid == 0.02
    assert {"summary.1.content.0"} <= {block.path for block in found.blocks}


@given(cases())
def test_law_12_forecast_and_bill_stand_in_the_book_for_every_send(case: Case) -> None:
    """Forecast and actual usage and cost are both recorded for every send, and their error is reported."""
    result = run(case, start=NOVEMBER)
    book = result.conversation.spending
    assert [send.send for send in book.sends] == [sent.send.number for sent in result.sends]
    for sent, entered in zip(result.sends, book.sends, strict=True):
        forecast = sent.send.forecast
        assert (entered.warm, entered.cold, entered.lives) == (forecast.warm, forecast.cold, forecast.lives)
        if entered.dollars is not None and entered.prompt_dollars:
            assert entered.forecast is not None
            assert entered.error == (entered.forecast - entered.prompt_dollars) / entered.prompt_dollars
    parts = sum(block.dollars for block in book.blocks) + book.summaries
    assert parts == pytest.approx(book.dollars or 0.0, abs=1e-12)
    assert all(block.dollars >= -1e-12 for block in book.blocks)


@given(cases())
def test_law_8_a_reopened_conversation_has_the_same_book(case: Case) -> None:
    conversation = run(case, start=NOVEMBER).conversation
    again = type(conversation).fold(decode_event(encode_event(event)) for event in conversation.events)
    assert again.spending == conversation.spending
    assert again.spending.blocks == conversation.spending.blocks
