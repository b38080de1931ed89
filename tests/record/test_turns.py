from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.record import Outline
from ctxwindow.record.turns import is_turn_start
from ctxwindow.testing import Step, conversations


def _outline(messages: list[dict[str, Any]]) -> Outline:
    outline = Outline()
    for message in messages:
        outline.add(message)
    return outline


def _call(*ids: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "tool_use", "id": i, "name": "n", "input": {}} for i in ids]}


def _result(*ids: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": i} for i in ids]}


def test_only_tool_results_start_no_turn() -> None:
    """RET-04: tool_result-only user messages do not start a new turn."""
    assert is_turn_start({"role": "user", "content": "hi"})
    assert not is_turn_start(_result("t"))
    assert is_turn_start({"role": "user", "content": [*_result("t")["content"], {"type": "text", "text": "and"}]})
    assert not is_turn_start({"role": "assistant", "content": "hi"})


def test_a_round_is_open_until_every_call_is_answered() -> None:
    outline = _outline([{"role": "user", "content": "go"}, _call("a", "b"), _result("a")])
    assert outline.open_calls == {"b": 1}
    assert [one.end for one in outline.rounds] == [None]
    assert outline.boundaries == [0, 1]
    outline.add(_result("b"))
    assert [one.end for one in outline.rounds] == [4]
    assert outline.boundaries == [0, 1, 4]


def test_assistant_messages_in_a_row_leave_several_rounds_open() -> None:
    """MSG-02: consecutive same-role messages are accepted."""
    outline = _outline([{"role": "user", "content": "go"}, _call("a"), _call("b")])
    mark = outline.mark()
    outline.add(_result("b"))
    assert [one.end for one in outline.rounds] == [None, 4]
    outline.add(_result("a"))
    assert [one.end for one in outline.rounds] == [5, 4]
    assert outline.boundaries == [0, 1, 5]
    outline.rollback(mark)
    assert [one.end for one in outline.rounds] == [None, None]
    assert outline.open_calls == {"a": 1, "b": 2}
    outline.add(_result("a", "b"))
    assert outline.boundaries == [0, 1, 4]


@given(conversations(long=False), st.data())
def test_rollback_returns_to_the_mark(steps: list[Step], data: st.DataObject) -> None:
    messages = [step.message for step in steps]
    at = data.draw(st.integers(min_value=0, max_value=len(messages)))
    outline = _outline(messages[:at])
    mark = outline.mark()
    for message in messages[at:]:
        outline.add(message)
    outline.rollback(mark)
    assert vars(outline) == vars(_outline(messages[:at]))


def test_server_pairs_may_span_messages_of_a_turn() -> None:
    """TOOL-08: server tool pairs pair by id and may sit in different assistant messages of the same turn."""
    call = {"role": "assistant", "content": [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}]}
    answer = {"role": "assistant", "content": [{"type": "web_search_tool_result", "tool_use_id": "s", "content": []}]}
    outline = _outline([{"role": "user", "content": "go"}, call, answer])
    assert outline.boundaries == [0, 1, 3]


@given(conversations(long=False))
def test_boundaries_split_no_round(steps: list[Step]) -> None:
    messages = [step.message for step in steps]
    outline = _outline(messages)
    assert not outline.open_calls
    for round_ in outline.rounds:
        assert round_.end is not None
        assert not any(round_.start < index < round_.end for index in outline.boundaries)
    assert [index for index in range(len(messages)) if outline.starts_turn(index)] == outline.turns
    assert outline.turns == [index for index, message in enumerate(messages) if is_turn_start(message)]
