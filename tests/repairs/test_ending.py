from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.repairs import repair
from ctxwindow.rules import check
from tests.repairs.broken import BOUND, PREFILL, request

GO = {"role": "user", "content": "Go."}
CUT = {"role": "assistant", "content": [{"type": "text", "text": "As far as I can "}]}
CALL = {"type": "tool_use", "id": "a", "name": "search", "input": {}}


def mended(*messages: Any, stop_reason: str | None = None, model: str = BOUND) -> tuple[list[Any], list[str]]:
    """The messages afterwards, and the rules behind what was done."""
    repaired, done = repair(request(list(messages), model), stop_reason=stop_reason)
    assert check(repaired).ok
    return repaired["messages"], [one.rule for one in done]


@pytest.mark.parametrize("stop_reason", [None, "max_tokens", "model_context_window_exceeded"])
def test_a_cut_text_is_quoted_where_there_is_no_prefill(stop_reason: str | None) -> None:
    """MSG-16: what was said stays, and a user message quotes its end."""
    messages, rules = mended(GO, CUT, stop_reason=stop_reason)
    assert messages[:2] == [GO, CUT]
    assert messages[2]["role"] == "user"
    assert "As far as I can\n\nGo on from exactly there" in messages[2]["content"]
    assert rules == ["MSG-16"]


def test_a_long_text_is_quoted_at_its_end() -> None:
    messages, _ = mended(GO, {"role": "assistant", "content": "x" * 5_000})
    assert 400 < len(messages[2]["content"]) < 600


def test_prefill_goes_on_from_the_text_itself() -> None:
    """MSG-05 and MSG-16."""
    messages, rules = mended(GO, CUT, model=PREFILL)
    assert messages == [GO, {"role": "assistant", "content": [{"type": "text", "text": "As far as I can"}]}]
    assert rules == ["MSG-05"]
    assert mended(GO, {"role": "assistant", "content": "As far"}, model=PREFILL)[1] == []


@pytest.mark.parametrize("stop_reason", ["end_turn", "stop_sequence"])
def test_a_finished_reply_needs_a_word_of_the_user(stop_reason: str) -> None:
    """MSG-04 and MSG-15."""
    messages, rules = mended(GO, CUT, stop_reason=stop_reason)
    assert messages[2] == {"role": "user", "content": "Go on."}
    assert rules == ["MSG-04"]


def test_an_image_cannot_be_quoted() -> None:
    seen = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    found = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    assert mended(GO, {"role": "assistant", "content": [seen, found]}) == (
        [GO, {"role": "assistant", "content": [seen, found]}],
        [],
    )


def test_a_refused_reply_is_discarded() -> None:
    """FB-02."""
    assert mended(GO, CUT, stop_reason="refusal") == ([GO], ["FB-02"])
    assert mended(GO, stop_reason="refusal") == ([GO], [])


@pytest.mark.parametrize("stop_reason", ["max_tokens", "model_context_window_exceeded"])
def test_a_reply_cut_inside_a_call_is_discarded(stop_reason: str) -> None:
    """MSG-14: asked for again with a larger max_tokens."""
    reply = {"role": "assistant", "content": [{"type": "text", "text": "Look:"}, CALL]}
    assert mended(GO, reply, stop_reason=stop_reason) == ([GO], ["MSG-14"])


def test_a_finished_call_is_answered_and_not_discarded() -> None:
    for stop_reason in (None, "tool_use"):
        messages, rules = mended(GO, {"role": "assistant", "content": [CALL]}, stop_reason=stop_reason)
        assert messages[1]["content"] == [CALL]
        assert messages[2]["content"][0]["is_error"] is True
        assert rules == ["TOOL-01"]


def test_a_paused_turn_goes_back_as_it_is() -> None:
    """MSG-13."""
    body = request([GO, CUT])
    assert repair(body, stop_reason="pause_turn") == (body, [])


@pytest.mark.parametrize("stop_reason", [None, "compaction"])
def test_a_reply_that_stopped_behind_its_compaction_goes_back_as_it_is(stop_reason: str | None) -> None:
    """CMP-06 and SDK-06."""
    body = request([GO, {"role": "assistant", "content": [{"type": "compaction", "content": "So far."}]}])
    assert repair(body, stop_reason=stop_reason) == (body, [])


def test_an_empty_reply_is_left_out() -> None:
    assert mended(GO, {"role": "assistant", "content": []}) == ([GO], ["MSG-04"])
    empty: dict[str, Any] = {"role": "assistant", "content": ""}
    assert mended(GO, empty, model=PREFILL) == ([GO, empty], [])
