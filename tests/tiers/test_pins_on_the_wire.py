"""Pins and the engine: whatever the method, what is pinned is on every wire, word for word."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from ctxwindow import Conversation, Pins, Policy, WindowOverflow, check
from ctxwindow.record.blocks import blocks_of, texts_of
from tests.driver import plan

METHODS = ("compact", "summarize_keep_tail", "summarize_all", "drop")
TASK = "Make the parser accept empty lines. Never touch vendor/."
SHOWN = "def parse(line):\n    return line.split(',')\n"


def _texts(request: dict[str, Any]) -> list[str]:
    return [text for message in request["messages"] for block in blocks_of(message) for text in texts_of(block)]


def _started(method: str, pins: Pins, model: str = "claude-opus-5-5", budget: int = 14_000) -> Conversation:
    policy = Policy(budget=budget, high=0.8, cold=None, methods=(method,), pins=pins)
    return Conversation.start(model=model, policy=policy)


def _sent(conversation: Conversation, number: int) -> dict[str, Any]:
    request = plan(conversation, now=float(number)).request
    assert [str(found) for found in check(request).violations if found.severity == "error"] == []
    return request


def _round(conversation: Conversation, number: int, name: str, result: str, **arguments: Any) -> dict[str, Any]:
    request = _sent(conversation, number)
    call = {"type": "tool_use", "id": f"t{number}", "name": name, "input": arguments}
    conversation.receive({"content": [call], "stop_reason": "tool_use"}, now=float(number))
    answer = {"type": "tool_result", "tool_use_id": f"t{number}", "content": result}
    conversation.append({"role": "user", "content": [answer]}, now=float(number))
    return request


@pytest.mark.parametrize("method", METHODS)
def test_in_a_chat(method: str) -> None:
    conversation = _started(method, Pins(first_user_message=True, matching=("remember",)))
    said = [TASK, "remember: the tests are in tests/", *(f"word {number} " * 400 for number in range(25))]
    for number, text in enumerate(said):
        conversation.append({"role": "user", "content": text}, now=float(number))
        texts = _texts(_sent(conversation, number))
        assert all(pinned in texts for pinned in said[: min(2, number + 1)])
        conversation.receive({"content": f"Answer {number}.", "stop_reason": "end_turn"}, now=float(number))
    assert len(conversation.compactions) >= 2
    assert all(edit.pinned for edit in conversation.compactions)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-opus-4-6"])
def test_in_one_long_turn_of_tool_rounds(method: str, model: str) -> None:
    conversation = _started(method, Pins(first_user_message=True, editing_files=True), model)
    conversation.append({"role": "user", "content": TASK}, now=0.0)
    _round(conversation, 0, "read", SHOWN, path="parser.py")
    _round(conversation, 1, "edit", "done", path="parser.py", old_str="','", new_str="';'")
    for number in range(2, 17):
        texts = _texts(_round(conversation, number, "run", f"output {number} " * 400, command="make test"))
        assert any(TASK in text for text in texts)
        assert texts.count(SHOWN) == 1, "pinned or still there, and not both"
        assert any("';'" in text for text in texts), "the edit since it was shown"
    assert conversation.compactions


@pytest.mark.parametrize("method", METHODS)
def test_a_pin_of_the_callers_counts_from_then_on_and_can_be_taken_off(method: str) -> None:
    conversation = _started(method, Pins())
    conversation.append({"role": "user", "content": TASK}, now=0.0)
    _sent(conversation, 0)
    conversation.receive({"content": "The plan: first the lexer.", "stop_reason": "end_turn"}, now=0.0)
    conversation.pin(1)

    def grow(until: int) -> dict[str, Any]:
        request: dict[str, Any] = {}
        while len(conversation.compactions) < until:
            number = len(conversation.messages)
            conversation.append({"role": "user", "content": f"word {number} " * 400}, now=float(number))
            request = _sent(conversation, number)
            conversation.receive({"content": "Yes.", "stop_reason": "end_turn"}, now=float(number))
        return request

    assert "The plan: first the lexer." in _texts(grow(2))
    conversation.unpin(1)
    assert "The plan: first the lexer." not in _texts(grow(4))


def test_pins_larger_than_their_share_leave_the_oldest_out() -> None:
    conversation = _started("summarize_all", Pins(matching=("^big",), share=0.2))
    for number in range(60):
        conversation.append({"role": "user", "content": f"big {number} " + "word " * 400}, now=float(number))
        _sent(conversation, number)
        conversation.receive({"content": "Yes.", "stop_reason": "end_turn"}, now=float(number))
    edit = conversation.compactions[-1]
    assert 0 < len(edit.pinned) <= 0.2 * 14_000 / 400
    assert edit.pinned == tuple(range(edit.pinned[0], edit.pinned[-1] + 1, 2))
    assert edit.pinned[-1] >= edit.end - 2


@pytest.mark.parametrize("method", METHODS)
def test_what_is_named_and_has_no_share_is_told(method: str) -> None:
    """By the policy or the caller; once for each compaction that leaves it out."""
    conversation = _started(method, Pins(messages=(0,), share=0.03))
    told = []
    for number in range(0, 140, 2):
        text = f"small {number}" if number in {2, 6} else f"big {number} " + "word " * 400
        conversation.append({"role": "user", "content": text}, now=float(number))
        if number in {2, 4, 6}:
            conversation.pin(number)
        send = plan(conversation, now=float(number))
        told += [edit for edit in send.edits if edit.method == "pin"]
        assert all(edit.why in send.explain() for edit in send.edits)
        conversation.receive({"content": "Yes.", "stop_reason": "end_turn"}, now=float(number))
    assert len(told) == len(conversation.compactions) > 1
    assert {edit.pinned for edit in conversation.compactions[1:]} == {(2, 6)}
    assert (told[-1].first, told[-1].end, told[-1].freed) == (0, 5, 0)
    assert told[-1].why.startswith("2 pinned messages have no share of the room")


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_told_where_all_have_their_share(method: str) -> None:
    conversation = _started(method, Pins(first_user_message=True))
    for number in range(0, 100, 2):
        text = "small" if number < 4 else f"big {number} " + "word " * 400
        conversation.append({"role": "user", "content": text}, now=float(number))
        if number == 2:
            conversation.pin(number)
        assert "pin" not in {edit.method for edit in plan(conversation, now=float(number)).edits}
        conversation.receive({"content": "Yes.", "stop_reason": "end_turn"}, now=float(number))
    assert conversation.compactions


@pytest.mark.skipif(importlib.util.find_spec("ctok") is None, reason="made to measure, with exact counts")
def test_what_was_found_gives_way_to_a_message_that_must_be_sent() -> None:
    """Law 3: what is new goes out whatever it takes; a found pin is not a reason to refuse it, a named one is."""
    big = "".join(f"line {number} of a long text that somebody pasted\n" for number in range(770))

    def grown(pins: Pins) -> Conversation:
        conversation = _started("summarize_all", pins)
        for number in range(5):
            conversation.append({"role": "user", "content": f"old {number} " + "word " * 300}, now=float(number))
            _sent(conversation, number)
            conversation.receive({"content": "Yes.", "stop_reason": "end_turn"}, now=float(number))
        conversation.append({"role": "user", "content": big}, now=9.0)
        return conversation

    found = grown(Pins(matching=("^old",)))
    assert big in _texts(_sent(found, 9))
    assert len(found.compactions[-1].pinned) < 5
    with pytest.raises(WindowOverflow) as caught:
        _sent(grown(Pins(messages=(0, 2, 4, 6, 8), share=0.5)), 9)
    assert {"messages.0", "messages.8"} <= set(caught.value.floor)


def test_another_branch_has_pins_of_its_own() -> None:
    """After a rewind nothing of the branch that was left is pinned, at the same places of the record or elsewhere."""
    conversation = _started("summarize_all", Pins(matching=("^keep",)))
    for number, text in enumerate(["keep this", "keep that"]):
        conversation.append({"role": "user", "content": text}, now=float(number))
        _sent(conversation, number)
        conversation.receive({"content": "Yes.", "stop_reason": "end_turn"}, now=float(number))
    conversation.rewind(to=2)
    texts: list[str] = []
    for number in range(2, 30):
        conversation.append({"role": "user", "content": f"word {number} " * 400}, now=float(number))
        texts = _texts(_sent(conversation, number))
        conversation.receive({"content": "Yes.", "stop_reason": "end_turn"}, now=float(number))
    assert conversation.compactions[-1].pinned == (0,)
    assert "keep this" in texts
    assert "keep that" not in texts


@pytest.mark.parametrize("method", METHODS)
def test_what_stays_anyway_is_not_repeated(method: str) -> None:
    conversation = _started(method, Pins(editing_files=True))
    conversation.append({"role": "user", "content": TASK}, now=0.0)
    for number in range(0, 40, 2):
        shown = f"version {number} of the file " + "word " * 200
        _round(conversation, number, "read", shown, path="parser.py")
        _round(conversation, number + 1, "edit", "done", path="parser.py", old_str="','", new_str=f"{number} " * 400)
        assert _texts(_sent(conversation, number + 1)).count(shown) == 1
    assert conversation.compactions
