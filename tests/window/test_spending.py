from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from ctxwindow.catalog import resolve
from ctxwindow.window import Book, Expense, Sending, entry_for, open_ledger
from tests.window.scenes import assistant, text, user

NOVEMBER = dt.datetime(2026, 11, 20, tzinfo=dt.UTC).timestamp()
OPUS = resolve("claude-opus-5-5")
YES = assistant(text("Yes."))


def book_of(*messages: dict[str, Any], **options: Any) -> tuple[Book, Sending]:
    """A book, and a request of these messages to enter."""
    record = list(messages)
    ledger = open_ledger(OPUS, {})
    for message in record:
        ledger.add(entry_for(message, OPUS))
    sources = list(range(len(record)))
    sending = Sending(window=ledger.window(), messages=record, sources=sources, tools=(), epoch=0, length=len(record))
    return Book([*record, YES], **options), sending


def expense(number: int, turn: int = 1, **forecast: Any) -> Expense:
    return Expense(send=number, turn=turn, model=OPUS.id, at=NOVEMBER, **forecast)


def test_totals_by_hand() -> None:
    book, sending = book_of(user("word " * 200))
    book.sent(expense(1, 1, warm=0.005, cold=0.005), OPUS, sending)
    book.answered({"input_tokens": 1_000, "output_tokens": 50}, message=YES, index=1)
    book.sent(expense(2, 2), OPUS, sending)
    book.unanswered(billed=False)
    book.sent(expense(3, 2), OPUS, sending)
    book.answered({"input_tokens": 2_000}, message=YES, index=1)
    book.sent(expense(4, 3), OPUS, sending)
    assert book.waiting
    book.compacted(9_000, 0.25)
    found = book.spending()
    assert [send.outcome for send in found.sends] == ["answered", "failed", "answered", "waiting"]
    assert found.dollars == pytest.approx(0.004 + 0.001 + 0.008 + 0.25)
    assert found.by == pytest.approx({"uncached": 0.012, "output": 0.001, "summaries": 0.25})
    assert (found.unpriced, found.unknown) == (0, {"output_tokens": 1})
    assert found.forecast_error == pytest.approx(0.25)
    turns = [(turn.name, turn.items, turn.tokens, turn.unknown) for turn in found.by_turn]
    assert turns == [("1", 1, 1_050, 0), ("2", 2, 2_000, 1), ("3", 1, 0, 0)]
    assert [turn.dollars for turn in found.by_turn] == pytest.approx([0.005, 0.008, 0])
    assert sum(block.dollars for block in found.blocks) == pytest.approx((found.dollars or 0) - 0.25)
    assert json.loads(json.dumps(found.as_dict()))["dollars"] == found.dollars


def test_an_edit_pays_back_on_its_own_branch() -> None:
    book, sending = book_of(user("Hi."))

    def send() -> None:
        book.sent(expense(len(book) + 1), OPUS, sending)
        book.answered({"input_tokens": 10, "output_tokens": 1}, message=YES, index=1)

    send()  # 1
    book.compacted(9_000, 0.25)
    send()  # 2, the first that is smaller for it
    send()  # 3
    book.rewound(1, [])
    send()  # 4, as it was before the edit
    assert [(edit.send, edit.sent) for edit in book.spending().edits] == [(2, 2)]
    book.rewound(1, [(9_000, 0.25)])
    send()  # 5, after the same edit
    book.rewound(3, [])
    send()  # 6
    found = book.spending()
    assert [(edit.send, edit.sent) for edit in found.edits] == [(2, 3), (5, 1)]
    assert found.summaries == 0.25
    book.compacted(9_000, 0.5)
    book.rewound(None, [])
    send()
    assert (len(book.spending().edits), book.spending().summaries) == (2, 0.75)


def test_nothing_known_is_not_nothing_paid() -> None:
    book, sending = book_of(user("Hi."))
    assert book.spending().dollars is None
    book.sent(expense(1), OPUS, sending)
    book.answered(None, message=YES, index=1)
    found = book.spending()
    assert (found.dollars, found.unpriced, found.unknown, found.blocks) == (None, 1, {"usage": 1}, ())
    assert (found.thinking, found.forecast_error, found.by_tool, found.by_kind) == (None, None, (), ())


def test_thinking_is_a_part_of_the_output() -> None:
    book, sending = book_of(user("Hi."))
    for told in (60, None):
        details = {} if told is None else {"output_tokens_details": {"thinking_tokens": told}}
        book.sent(expense(len(book) + 1), OPUS, sending)
        book.answered({"input_tokens": 10, "output_tokens": 100, **details}, message=YES, index=1)
    found = book.spending()
    assert found.thinking == pytest.approx(60 * 20 / 1_000_000)
    assert found.by["output"] == pytest.approx(200 * 20 / 1_000_000)


def test_a_spending_stays_as_it_was_taken() -> None:
    book, sending = book_of(user("Hi."))
    book.sent(expense(1), OPUS, sending)
    before = book.spending()
    book.answered({"input_tokens": 10, "output_tokens": 1}, message=YES, index=1)
    assert (before.dollars, before.sends[0].outcome) == (None, "waiting")
    assert before != book.spending()


def test_a_compaction_pays_back_by_what_was_billed_after_it() -> None:
    """5,000 tokens written are 0.025 dollars, against 0.03 for 150,000 read; later ones save 0.0285 each."""
    book, sending = book_of(user("Summary."))
    book.compacted(150_000, 0.04)
    book.sent(expense(1), OPUS, sending)
    (forecast,) = book.spending().edits
    assert forecast.after == sending.window.tokens
    usage = {
        "input_tokens": 0,
        "cache_read_input_tokens": 2_500,
        "cache_creation_input_tokens": 5_000,
        "output_tokens": 1,
    }
    book.answered(usage, message=YES, index=1)
    book.sent(expense(2), OPUS, sending)
    (edit,) = book.spending().edits
    assert (edit.send, edit.before, edit.after, edit.sent) == (1, 150_000, 7_500, 2)
    assert (edit.payback.without, edit.payback.first) == pytest.approx((0.03, 0.0255))
    assert (edit.payback.paid, edit.payback.sends) == (0.04, 3)


def test_a_compaction_that_no_send_followed_is_paid_all_the_same() -> None:
    book, _ = book_of(user("Hi."))
    book.compacted(9_000, 0.25)
    assert (book.spending().dollars, book.spending().edits) == (0.25, ())


def test_a_summary_stored_at_a_cost_that_cannot_be_is_left_out() -> None:
    """What is stored is not always what is accepted today; and several compactions may come before one send."""
    book, sending = book_of(user("Hi."))
    book.compacted(9_000, 1e308)
    book.compacted(9_000, 900_000.0)
    book.compacted(9_000, 900_000.0)
    book.sent(expense(1), OPUS, sending)
    (edit,) = book.spending().edits
    assert (book.spending().summaries, edit.payback.paid) == (1_800_000.0, 1_000_000.0)
