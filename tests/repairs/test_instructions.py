from __future__ import annotations

from typing import Any

from ctxwindow.repairs import repair
from ctxwindow.rules import check
from tests.repairs.broken import BOUND, SYSTEMLESS, request

GO = {"role": "user", "content": "Go."}
DONE = {"role": "assistant", "content": "Done."}
BRIEF = {"role": "system", "content": "Be brief."}
REMINDER = {"type": "text", "text": "<system-reminder>\nBe brief.\n</system-reminder>"}
CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "search", "input": {}}]}
RESULT = {"type": "tool_result", "tool_use_id": "a", "content": "x"}
RESULTS = {"role": "user", "content": [RESULT]}


def mended(*messages: Any, model: str = BOUND) -> tuple[list[Any], list[tuple[str, str]]]:
    """The messages afterwards, and what was done: rule, path."""
    repaired, done = repair(request(list(messages), model))
    assert check(repaired).ok
    return repaired["messages"], [(one.rule, one.path) for one in done]


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def test_a_system_message_moves_behind_the_next_user_message() -> None:
    """SYS-04."""
    moved = ([GO, DONE, GO, BRIEF], [("SYS-04", "messages.2")])
    assert mended(GO, DONE, BRIEF, GO) == moved
    assert mended(BRIEF, GO, DONE, GO) == ([GO, BRIEF, DONE, GO], [("SYS-04", "messages.0")])
    assert mended(GO, CALL, BRIEF, RESULTS)[0] == [GO, CALL, RESULTS, BRIEF]
    assert mended(GO, DONE, BRIEF, GO, GO)[0] == [GO, DONE, GO, GO, BRIEF]
    other = {"role": "system", "content": "Be kind."}
    assert mended(GO, DONE, BRIEF, other, GO)[0] == [GO, DONE, GO, BRIEF, other]


def test_one_that_no_user_message_follows_becomes_a_reminder() -> None:
    assert mended(GO, DONE, BRIEF) == (
        [GO, DONE, {"role": "user", "content": [REMINDER]}],
        [("SYS-04", "messages.2")],
    )


def test_a_model_without_system_messages_is_reminded() -> None:
    """SYS-01."""
    reminded = [{"role": "user", "content": [text("Go."), REMINDER]}, DONE, GO]
    assert mended(GO, BRIEF, DONE, GO, model=SYSTEMLESS) == (reminded, [("SYS-01", "messages.1")])
    assert mended(BRIEF, GO, model=SYSTEMLESS)[0] == [{"role": "user", "content": [REMINDER, text("Go.")]}]
    assert mended(GO, CALL, BRIEF, RESULTS, model=SYSTEMLESS)[0][2] == {"role": "user", "content": [RESULT, REMINDER]}
    twice = mended(GO, BRIEF, BRIEF, model=SYSTEMLESS)[0]
    assert twice == [{"role": "user", "content": [text("Go."), REMINDER, REMINDER]}]


def test_what_says_nothing_any_more_is_left_out() -> None:
    """SYS-06 and SYS-07: an effort for later turns, and a message whose turn is over."""
    effort = {"role": "system", "content": [], "output_config": {"effort": "low"}}
    assert mended(GO, effort, DONE, GO, model=SYSTEMLESS)[0] == [GO, DONE, GO]
    over = {**BRIEF, "clear_at": "next_user_message"}
    assert mended(GO, over, DONE, GO, model=SYSTEMLESS)[0] == [GO, DONE, GO]
    assert mended(GO, over, model=SYSTEMLESS)[0] == [{"role": "user", "content": [text("Go."), REMINDER]}]


def test_tool_changes_cannot_be_said_in_words() -> None:
    change = {"role": "system", "content": [{"type": "tool_removal", "tool": {"type": "tool_reference", "name": "x"}}]}
    body = request([GO, change, DONE, GO], SYSTEMLESS)
    repaired, done = repair(body)
    assert (repaired, done) == (body, [])
    assert "SYS-01" in {violation.rule for violation in check(repaired).violations}
