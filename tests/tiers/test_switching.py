"""What the next model reads of the history, and what is said about it."""

from __future__ import annotations

from typing import Any

import pytest

from ctxwindow import Conversation, Send
from ctxwindow.catalog import resolve
from ctxwindow.record.blocks import blocks_of
from ctxwindow.rules.reading import reads
from ctxwindow.tiers.switching import maker_of, unreadable
from tests.driver import plan

OPUS, SONNET = "claude-opus-5-5", "claude-sonnet-5-5"


def thought(number: int) -> list[dict[str, Any]]:
    thinking = {"type": "thinking", "thinking": "What was asked? " * 20, "signature": f"c2ln{number}"}
    return [thinking, {"type": "text", "text": "Yes."}]


def talk(*models: str, start: str = OPUS) -> Conversation:
    """A turn with each model; the first on `start`."""
    chat = Conversation.start(model=start, system="Be brief.")
    for number, model in enumerate(models):
        if model != chat.model:
            chat.configure(model=model)
        chat.append({"role": "user", "content": f"Question {number}?"})
        plan(chat)
        chat.receive({"content": thought(number), "stop_reason": "end_turn", "model": model})
    return chat


def next_send(chat: Conversation) -> Send:
    chat.append({"role": "user", "content": "And now?"})
    return plan(chat)


def test_what_the_next_model_reads_is_told_and_counted() -> None:
    """BIND-20, BIND-02, CACHE-15, CTX-20"""
    chat = talk(OPUS, OPUS)
    thinking = chat.window.by["thinking"]
    assert thinking > 0
    chat.configure(model=SONNET)
    assert (chat.window.by["thinking"], chat.window.not_counted) == (0, {"BIND-02": thinking})
    send = next_send(chat)
    (edit,) = send.edits
    assert (edit.method, edit.first, edit.end, edit.freed) == ("switch", 0, 4, thinking)
    assert edit.why == (
        "claude-opus-5-5 to claude-sonnet-5-5; of 2 thinking blocks it reads 0 (BIND-20); 2 it cannot read, which stay in the "
        "history and count nothing (BIND-02); the cache starts empty (CACHE-15); sizes are estimated anew (CTX-20)"
    )
    assert edit.why in send.explain()
    assert [block.disposition for block in send.window.blocks if block.kind == "thinking"] == ["unreadable"] * 2
    assert sum(block["type"] == "thinking" for one in send.request["messages"] for block in blocks_of(one)) == 2
    chat.receive({"content": thought(9), "stop_reason": "end_turn", "model": SONNET})
    assert next_send(chat).edits == (), "said once"


def test_a_model_that_comes_back_finds_its_thinking_again() -> None:
    """BIND-21"""
    chat = talk(OPUS, SONNET)
    chat.configure(model=OPUS)
    send = next_send(chat)
    assert "of 2 thinking blocks it reads 2" in send.edits[0].why, "Opus 5.5 reads both"
    assert send.window.not_counted == {}
    chat.configure(model=SONNET)
    assert [block.disposition for block in chat.window.blocks if block.kind == "thinking"] == ["unreadable", "counted"]


def test_what_nothing_is_stated_of_counts() -> None:
    assert reads(resolve("claude-fable-5-1"), resolve("claude-opus-5-5")) is True
    assert reads(resolve("claude-opus-4-5"), resolve("claude-sonnet-4-6")) is None
    chat = talk("claude-sonnet-4-6", start="claude-sonnet-4-6")
    chat.configure(model="claude-opus-4-5")
    assert "of 1 nothing is stated, which count as read" in next_send(chat).edits[0].why
    assert chat.window.not_counted == {}


def test_thinking_of_an_imported_history_is_of_nobody_known() -> None:
    chat = Conversation.start(model=OPUS)
    chat.append({"role": "user", "content": "Hi."})
    chat.append({"role": "assistant", "content": thought(1)})
    chat.configure(model=SONNET)
    assert "of 1 nothing is stated" in next_send(chat).edits[0].why


def test_nothing_is_said_where_nothing_changes() -> None:
    chat = Conversation.start(model=OPUS)
    chat.configure(model=SONNET)
    chat.append({"role": "user", "content": "Hi."})
    chat.configure(model=SONNET)
    assert plan(chat).edits == ()


@pytest.mark.parametrize(
    ("answered", "maker"),
    [(None, OPUS), (OPUS, OPUS), ("my-gateway/opus", OPUS), ("claude-opus-4-8", "claude-opus-4-8")],
)
def test_who_made_a_reply(answered: str | None, maker: str) -> None:
    assert maker_of(resolve(OPUS), answered).id == maker


def test_only_thinking_is_unreadable() -> None:
    form = {"role": "assistant", "content": [*thought(1), {"type": "redacted_thinking", "data": "x"}]}
    assert unreadable(form, resolve(SONNET), resolve(OPUS)) == {0: "BIND-02", 2: "BIND-02"}
    assert unreadable(form, resolve(SONNET), resolve(SONNET)) == {}
    assert unreadable(form, resolve(SONNET), None) == {}
