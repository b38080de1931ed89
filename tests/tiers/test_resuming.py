from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.catalog import resolve
from ctxwindow.record.blocks import blocks_of
from ctxwindow.tiers.resuming import continuation
from tests.driver import FAMILIES, MANUAL

PREFILL, LATER = FAMILIES[0], FAMILIES[1:]

TEXT = {"type": "text", "text": "One, two, \n"}
THOUGHT = {"type": "thinking", "thinking": "Count.", "signature": ""}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "read_file", "input": {"path": "a.py"}}


def resumed(content: Any, model: str, settings: dict[str, Any] | None = None, *, calls: bool = False) -> Any:
    return continuation(content, resolve(model), settings or {}, calls=calls)


def test_msg_16_models_with_prefill_go_on_from_the_text_itself() -> None:
    """MSG-05: without the white space at its end; thinking and calls are made anew."""
    found = resumed([THOUGHT, TEXT, CALL], PREFILL)
    assert found == {"role": "assistant", "content": [{"type": "text", "text": "One, two,"}]}


@pytest.mark.parametrize("model", LATER)
@pytest.mark.parametrize("calls", [True, False])
def test_msg_16_later_models_are_told_by_a_user_message(model: str, *, calls: bool) -> None:
    found = resumed([THOUGHT, TEXT, CALL, {"type": "text", "text": "three, 数"}], model, calls=calls)
    assert found["role"] == "user"
    assert [block["type"] for block in found["content"]] == ["text"]
    assert "\n\nOne, two, \nthree, 数\n\n" in found["content"][0]["text"]
    assert "Count." not in str(found)
    assert "a.py" not in str(found)


@pytest.mark.parametrize(("settings", "calls"), [(MANUAL, False), ({}, True), (MANUAL, True)])
def test_no_prefill_with_manual_thinking_or_behind_results(settings: dict[str, Any], *, calls: bool) -> None:
    """THINK-08: with manual thinking a final assistant message begins with thinking."""
    assert resumed([TEXT], PREFILL, settings, calls=calls)["role"] == "user"


@pytest.mark.parametrize("settings", [{}, {"thinking": {"type": "disabled"}}, {"thinking": None}, {"thinking": "odd"}])
def test_other_settings_do_not_stand_against_prefill(settings: dict[str, Any]) -> None:
    assert resumed([TEXT], PREFILL, settings)["role"] == "assistant"


@pytest.mark.parametrize("model", FAMILIES)
@pytest.mark.parametrize(
    "content",
    [
        *([], "", "  ", None, 5, {}, [THOUGHT], [CALL], [{"type": "text", "text": " \n"}], [{"type": "text"}]),
        *([{"type": "text", "text": 5}], [None, "odd", 3], [{"type": "text", "text": None}, CALL]),
    ],
)
def test_where_no_text_came_there_is_nothing_to_go_on_from(model: str, content: Any) -> None:
    """MSG-06: no message that is blank. What is no content raises nothing."""
    assert resumed(content, model) is None


@pytest.mark.parametrize("model", FAMILIES)
def test_content_may_be_a_string(model: str) -> None:
    found = resumed("One, two, ", model)
    assert "One, two," in blocks_of(found)[0]["text"]
