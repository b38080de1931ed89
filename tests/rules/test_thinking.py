from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.rules import View, find_violations
from ctxwindow.rules.thinking import begins_with_thinking

HI = {"role": "user", "content": "hi"}
BOUND, MANUAL = "claude-opus-5-5", "claude-sonnet-4-5"
ENABLED = {"type": "enabled", "budget_tokens": 2_000}
TEXT: dict[str, Any] = {"type": "text", "text": "a"}
CALL: dict[str, Any] = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
ANSWER = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]}


def thought(signature: str = "s") -> dict[str, Any]:
    return {"type": "thinking", "thinking": "", "signature": signature}


REDACTED = {"type": "redacted_thinking", "data": "d"}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def found(messages: list[Any], model: str = MANUAL, **settings: Any) -> list[tuple[str, str, str]]:
    violations = find_violations({"model": model, "messages": messages, **settings})
    return [(violation.rule, violation.path, violation.severity) for violation in violations]


@pytest.mark.parametrize("block", [thought(), REDACTED])
def test_msg_09(block: dict[str, Any]) -> None:
    """The final block of an assistant message is not a thinking block."""
    assert found([HI, assistant(TEXT, block), HI], BOUND) == [("MSG-09", "messages.1", "error")]
    assert found([HI, assistant(block), HI], BOUND) == [("MSG-09", "messages.1", "error")]
    assert found([HI, assistant(block, TEXT), HI], BOUND) == []


def test_msg_10() -> None:
    """In manual mode an assistant message that holds thinking begins with it."""
    late = [HI, assistant(TEXT, thought(), TEXT), HI]
    assert found(late, thinking=ENABLED) == [("MSG-10", "messages.1.content.0", "error")]
    assert found(late, BOUND) == []
    assert found([HI, assistant(thought(), TEXT), HI], thinking=ENABLED) == []
    compacted = assistant({"type": "compaction", "content": "so far"}, thought(), TEXT)
    assert found([HI, compacted, HI], "claude-opus-4-6", thinking=ENABLED) == []


def test_msg_10_is_a_warning_with_interleaved_thinking() -> None:
    late = [HI, assistant(TEXT, thought(), TEXT), HI]
    betas = ["interleaved-thinking-2025-05-14"]
    assert found(late, thinking=ENABLED, betas=betas) == [("MSG-10", "messages.1.content.0", "warning")]


def test_think_07() -> None:
    """In manual mode the final assistant turn begins with a thinking block."""
    assert found([HI, assistant(CALL), ANSWER], thinking=ENABLED) == [("THINK-07", "messages.1.content.0", "error")]
    assert found([HI, assistant(TEXT)], thinking=ENABLED) == [("THINK-07", "messages.1.content.0", "error")]
    assert found([HI, assistant(thought(), CALL), ANSWER], thinking=ENABLED) == []
    assert found([HI, assistant(REDACTED, CALL), ANSWER], thinking=ENABLED) == []
    # A turn that a new user turn follows may have lost its thinking, and adaptive mode has no such rule.
    assert found([HI, assistant(CALL), ANSWER, assistant(TEXT), HI], thinking=ENABLED) == []
    assert found([HI, assistant(CALL), ANSWER], BOUND, thinking={"type": "adaptive"}) == []


def test_think_07_looks_at_the_first_assistant_message_of_the_turn() -> None:
    second = {**CALL, "id": "u"}
    answer = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "u", "content": "x"}]}
    loop = [HI, assistant(thought(), CALL), ANSWER, assistant(second), answer]
    assert found(loop, thinking=ENABLED) == []
    assert found([HI, assistant(CALL), ANSWER, assistant(thought(), second), answer], thinking=ENABLED) == [
        ("THINK-07", "messages.1.content.0", "error")
    ]


def test_think_07_looks_past_a_compaction_block() -> None:
    block = {"type": "compaction", "content": "so far", "signature": "c"}
    settings: dict[str, Any] = {"model": "claude-opus-4-6", "thinking": ENABLED, "betas": ["compact-2026-09-04"]}
    for start in (assistant(block), assistant(block, thought("r"), CALL)):
        rest = [assistant(thought(), CALL), ANSWER] if len(start["content"]) == 1 else [ANSWER]
        assert found([start, *rest], **settings) == []
    assert found([assistant(block), assistant(CALL), ANSWER], **settings) == [
        ("THINK-07", "messages.1.content.0", "error")
    ]


def test_think_07_says_what_the_api_says() -> None:
    (violation,) = find_violations({"model": MANUAL, "messages": [HI, assistant(CALL), ANSWER], "thinking": ENABLED})
    assert violation.message == (
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is "
        "enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use` "
        "and `tool_result` blocks). We recommend you include thinking blocks from previous turns. To avoid this "
        "requirement, disable `thinking`."
    )


def test_think_08() -> None:
    """With thinking off, a final assistant message on a model with prefill holds no thinking."""
    prefilled = [HI, assistant(thought(), TEXT)]
    assert found(prefilled) == [("THINK-08", "messages.1.content.0", "error")]
    assert found(prefilled, thinking={"type": "disabled"}) == [("THINK-08", "messages.1.content.0", "error")]
    assert found(prefilled, thinking=ENABLED) == []
    assert found([HI, assistant(TEXT)]) == []
    assert found([*prefilled, HI]) == []


def test_begins_with_thinking() -> None:
    view = View([HI, assistant(thought(), TEXT), assistant(TEXT, thought()), assistant()])
    assert [begins_with_thinking(view, index) for index in range(4)] == [False, True, False, False]
