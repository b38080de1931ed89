from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.rules import find_violations
from ctxwindow.tiers.state import usable

BOUND, MANUAL = "claude-opus-5-5", "claude-sonnet-4-5"
HI = {"role": "user", "content": "hi"}
ON_DEMAND = ["compact-2026-09-04"]


def found(messages: list[Any], model: str = BOUND, **settings: Any) -> list[tuple[str, str, str]]:
    """Rule, path and severity of everything found."""
    violations = find_violations({"model": model, "messages": messages, **settings})
    return [(violation.rule, violation.path, violation.severity) for violation in violations]


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": [text(block) if isinstance(block, str) else block for block in blocks]}


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


TOOLS = [{"type": "web_search_20250305", "name": "web_search"}]
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}}


def search_result(**fields: Any) -> dict[str, Any]:
    entry = {"type": "web_search_result", "url": "u", "title": "t", **fields}
    return {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [entry]}


def test_msg_01() -> None:
    """Roles in `messages` are user, assistant and, on models that support it, system."""
    assert found([HI, {"role": "tool", "content": "x"}, HI]) == [("MSG-01", "messages.1.role", "error")]
    assert found([HI, {"role": "system", "content": "x"}]) == []


def test_msg_02() -> None:
    """Consecutive messages of one role are accepted and combined into one turn (recorded; older texts say otherwise)."""
    assert found([HI, HI, assistant("a"), assistant("b"), HI]) == []


def test_msg_03() -> None:
    """The first message should be the user's, or start with a compaction block (recorded: others are answered)."""
    assert found([assistant("a"), HI]) == [("MSG-03", "messages.0", "warning")]
    block = {"type": "compaction", "content": "so far", "signature": "s"}
    assert found([assistant(block), HI], betas=ON_DEMAND) == []


def test_msg_04() -> None:
    """On models without prefill a conversation does not end with an assistant message, except to resume a paused turn
    or go on from a compaction block, to continue after a fallback, or to be compacted."""
    assert found([HI, assistant("{")]) == [("MSG-04", "messages.1", "error")]
    assert found([HI, assistant("{")], MANUAL) == []
    assert found([HI, assistant("a", SEARCH)], tools=TOOLS) == []
    assert found([HI, assistant("a", SEARCH, search_result(encrypted_content="e"))]) == []
    continued: dict[str, Any] = {"fallback_credit_token": "t"}
    assert found([HI, assistant("a")], **continued) == []
    assert found([HI, assistant("a")], compaction={"type": "summarize"}, betas=ON_DEMAND) == []


def test_msg_04_says_what_the_api_says() -> None:
    (violation,) = find_violations({"model": BOUND, "messages": [HI, assistant("{")]})
    assert violation.message == (
        "This model does not support assistant message prefill. The conversation must end with a user message."
    )


def test_msg_04_only_warns_where_the_turn_may_be_paused() -> None:
    ended = assistant(SEARCH, search_result(encrypted_content="e"), "Found it.")
    assert found([HI, ended]) == [("MSG-04", "messages.1", "warning")]


@pytest.mark.parametrize("summary", ["So far.", None])
def test_a_reply_goes_on_from_the_compaction_block_it_stopped_behind(summary: str | None) -> None:
    """CMP-06 and SDK-06: the pause is sent back unchanged. Text behind the block is a prefill again (MSG-04)."""
    edit = {"type": "compact_20260112", "pause_after_compaction": True}
    settings: dict[str, Any] = {"context_management": {"edits": [edit]}, "betas": ["compact-2026-01-12"]}
    block = {"type": "compaction", "content": summary}
    assert found([HI, assistant(block)], "claude-opus-5", **settings) == []
    assert found([HI, assistant(block, "So")], "claude-opus-5", **settings) == [("MSG-04", "messages.1", "error")]
    on_demand = {"type": "compaction", "content": "So far.", "signature": "s"}  # as the tool runner adopts it (CMP-35)
    assert found([assistant(on_demand)], betas=ON_DEMAND) == []


def test_msg_05() -> None:
    """On models with prefill the final assistant text does not end in white space."""
    assert found([HI, assistant("{ ")], MANUAL) == [("MSG-05", "messages.1", "error")]
    assert found([HI, {"role": "assistant", "content": "{\n"}], MANUAL) == [("MSG-05", "messages.1", "error")]
    assert found([HI, assistant("{")], MANUAL) == []
    assert found([HI, assistant("{ "), HI], MANUAL) == []


def test_a_reply_that_claude_never_wrote_carries_no_thinking() -> None:
    """MSG-11."""
    assert found([HI, assistant("a"), HI]) == []
    made_up = {"type": "thinking", "thinking": "I would say a.", "signature": ""}
    assert found([HI, assistant(made_up, "a"), HI]) == [("REPLAY-04", "messages.1.content.0", "error")]


@pytest.mark.parametrize(
    ("stop_reason", "kept"),
    [
        ("end_turn", True),
        ("max_tokens", False),
        ("stop_sequence", True),
        ("tool_use", True),
        ("pause_turn", True),
        ("compaction", True),
        ("refusal", False),
        ("model_context_window_exceeded", False),
    ],
)
def test_what_a_stop_reason_makes_of_a_reply_with_a_call(stop_reason: str, kept: bool) -> None:
    """MSG-12."""
    assert usable(assistant("a", {"type": "tool_use", "id": "t", "name": "f", "input": {}}), stop_reason) == kept


def test_an_empty_reply_is_not_sent_back() -> None:
    """MSG-15."""
    assert not usable({"role": "assistant", "content": []}, "end_turn")


def test_a_cut_reply_goes_on_by_prefill_or_by_a_message() -> None:
    """MSG-16: up to Claude 4.5 the partial text ends the request; later it is quoted to the model."""
    assert found([HI, assistant("So")], MANUAL) == []
    assert [rule for rule, _, _ in found([HI, assistant("So")])] == ["MSG-04"]
    assert found([HI, assistant("So"), {"role": "user", "content": "You had got to: So. Go on."}]) == []


def test_msg_04_is_not_hidden_by_a_call_of_an_earlier_turn() -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    messages = [HI, assistant(call), HI, assistant("Done.")]
    found = {violation.rule for violation in find_violations({"model": BOUND, "messages": messages})}
    assert found == {"TOOL-01", "MSG-04"}
