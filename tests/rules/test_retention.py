from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.catalog.profile import ThinkingProfile
from ctxwindow.record import Outline
from ctxwindow.rules import stripped, stripped_before
from ctxwindow.window import count, entry_for, open_ledger

HI = {"role": "user", "content": "hi"}
THOUGHT: dict[str, Any] = {"type": "thinking", "thinking": "", "signature": "s"}
CALL: dict[str, Any] = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
CALLS = {"role": "assistant", "content": [THOUGHT, CALL]}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]}
REPLY = {"role": "assistant", "content": [THOUGHT, {"type": "text", "text": "a"}]}


def outline(*messages: dict[str, Any]) -> Outline:
    followed = Outline()
    for message in messages:
        followed.add(message)
    return followed


def test_ret_01() -> None:
    """Keep-all models keep every turn's thinking in the window; it counts and is billed as input."""
    assert stripped_before(resolve("claude-opus-5-5"), outline(HI, REPLY, HI, REPLY, HI)) == 0


def test_ret_02() -> None:
    """Last-turn-only models keep the thinking of the last turn; older blocks are stripped and not billed."""
    profile = resolve("claude-sonnet-4-5")
    two_turns = outline(HI, REPLY, HI, CALLS, RESULT)  # V-RET-1
    assert stripped_before(profile, two_turns) == 2
    assert [stripped(profile, two_turns, index) for index in range(5)] == [True, True, False, False, False]


def test_ret_03() -> None:
    """The strip happens when a user message that is not only tool results follows; the cache ends there."""
    profile, growing = resolve("claude-haiku-4-5"), outline(HI, CALLS)
    before = []
    for message in (RESULT, REPLY, HI):
        growing.add(message)
        before.append(stripped_before(profile, growing))
    assert before == [0, 0, 4]


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-sonnet-4-5"])
def test_ret_06(model: str) -> None:
    """Inside an open tool loop all models keep the current turn's thinking."""
    assert not stripped(resolve(model), outline(HI, REPLY, HI, CALLS, RESULT), 3)


def test_a_model_without_thinking_reads_none() -> None:
    profile = ModelProfile(id="m", window=1_000, max_output=100, thinking=ThinkingProfile(prior_turns="none"))
    assert stripped_before(profile, outline(HI, REPLY)) == 2


def test_before_the_first_turn_nothing_is_stripped() -> None:
    assert stripped_before(resolve("claude-sonnet-4-5"), outline(REPLY)) == 0


def long_thought(signature: str) -> dict[str, Any]:
    return {**THOUGHT, "thinking": "Why? " * 200, "signature": signature}


def size(model: str, *messages: dict[str, Any]) -> int:
    return count({"model": model, "messages": list(messages)}).tokens


@pytest.mark.parametrize(("model", "subtracted"), [("claude-haiku-4-5", True), ("claude-opus-4-6", False)])
def test_the_window_is_the_input_and_the_current_turn(model: str, subtracted: bool) -> None:
    """RET-05, RET-08: less what was thought before on last-turn-only models, where a new turn starts; elsewhere it stays."""
    profile = resolve(model)
    followed = open_ledger(profile, {})
    for message in (HI, {"role": "assistant", "content": [long_thought("s"), CALL]}, RESULT):
        followed.add(entry_for(message, profile, before=followed.before))
    followed.anchor(1_000)
    thinking = followed.window().by["thinking"]
    text = {"role": "assistant", "content": "a"}
    for message in (HI, text):
        followed.add(entry_for(message, profile, before=followed.before))
    added = size(model, HI, text) - size(model) - 1  # the break after the results is made already
    assert followed.total.tokens == 1_000 + added - (thinking if subtracted else 0)


@pytest.mark.parametrize(("model", "kept"), [("claude-haiku-4-5", 1), ("claude-opus-4-6", 3)])
def test_thinking_is_cleared_by_an_edit(model: str, kept: int) -> None:
    """RET-07, RET-09: all but one turn's by default on last-turn-only models, none on keep-all models."""
    text = {"type": "text", "text": "a"}
    turns = [
        message for name in "abc" for message in (HI, {"role": "assistant", "content": [long_thought(name), text]})
    ]

    def counted(**options: Any) -> int:
        edits = {"edits": [{"type": "clear_thinking_20251015", **options}]}
        window = count({"model": model, "messages": [*turns, HI], "context_management": edits})
        return sum(block.kind == "thinking" and block.disposition == "counted" for block in window.blocks)

    assert counted() == kept
    assert counted(keep={"type": "thinking_turns", "value": 2}) == 2
