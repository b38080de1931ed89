from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.catalog import resolve
from ctxwindow.rules import find_violations
from ctxwindow.window import entry_for, open_ledger

MODEL, MANUAL = "claude-opus-5-5", "claude-sonnet-4-5"
BETAS = ["context-management-2025-06-27", "compact-2026-01-12"]
HI = {"role": "user", "content": "hi"}
USES: dict[str, Any] = {"type": "clear_tool_uses_20250919"}
THINKING: dict[str, Any] = {"type": "clear_thinking_20251015"}
EDIT = "context_management.edits.0"


def found(*edits: Any, model: str = MODEL, betas: Any = BETAS, **settings: Any) -> list[tuple[str, str, str]]:
    """Rule, path and severity of everything found."""
    request = {"model": model, "messages": [HI], "context_management": {"edits": list(edits)}, **settings}
    violations = find_violations(request, betas=betas)
    return [(violation.rule, violation.path, violation.severity) for violation in violations]


def tokens(value: Any, kind: str = "input_tokens") -> dict[str, Any]:
    return {"type": kind, "value": value}


def test_edit_01() -> None:
    """Edits are made by the server on its own copy, with a beta header; the client keeps and sends the whole history."""
    assert found(THINKING, USES) == []
    assert found(USES, betas=[]) == [("EDIT-01", "context_management", "error")]
    assert found(USES, betas=None) == [("EDIT-01", "context_management", "warning")]
    assert found({"type": "compact_20260112"}, betas=BETAS[1:]) == []
    assert found(USES, model="claude-3-haiku-20240307") == [("EDIT-01", EDIT, "error")]


def test_edit_01_says_what_the_api_says_of_unknown_fields() -> None:
    request = {"model": MODEL, "messages": [HI], "context_management": {"edits": [USES]}}
    (violation,) = find_violations(request, betas=[])
    assert violation.message == "context_management: Extra inputs are not permitted"


@pytest.mark.parametrize(
    ("edit", "severity"), [({"type": "clear_images_2027"}, "warning"), ({}, "error"), (7, "error")]
)
def test_edit_01_and_what_is_no_edit(edit: Any, severity: str) -> None:
    assert found(edit) == [("EDIT-01", EDIT, severity)]


@pytest.mark.parametrize("given", ["edits", {"edits": 7}, {"edits": None}, []])
def test_edit_01_and_what_is_no_list(given: Any) -> None:
    request = {"model": MODEL, "messages": [HI], "context_management": given}
    assert [violation.path for violation in find_violations(request)] == ["context_management.edits"]


def test_edit_02() -> None:
    """clear_tool_uses clears the oldest results above its trigger (100,000 input tokens) and keeps the last 3."""
    assert found({**USES, "trigger": tokens(30_000), "keep": tokens(0, "tool_uses")}) == []
    assert found({**USES, "trigger": tokens(9, "tool_uses")}) == []
    assert found({**USES, "trigger": None, "keep": None}) == []
    assert found({**USES, "trigger": tokens("9")}) == [("EDIT-02", f"{EDIT}.trigger.value", "error")]
    assert found({**USES, "trigger": tokens(True)}) == [("EDIT-02", f"{EDIT}.trigger.value", "error")]
    assert found({**USES, "trigger": tokens(-1)}) == [("EDIT-02", f"{EDIT}.trigger.value", "error")]
    assert found({**USES, "trigger": 30_000}) == [("EDIT-02", f"{EDIT}.trigger.type", "error")]
    assert found({**USES, "keep": tokens(3)}) == [("EDIT-02", f"{EDIT}.keep.type", "error")]


def test_edit_03() -> None:
    """clear_at_least is a number of input tokens under which nothing is cleared, exclude_tools names tools,
    clear_tool_inputs is a boolean or names tools."""
    assert found({**USES, "clear_at_least": tokens(5_000), "exclude_tools": ["f"], "clear_tool_inputs": True}) == []
    assert found({**USES, "clear_at_least": None, "exclude_tools": None, "clear_tool_inputs": ["f"]}) == []
    for field, value in (("clear_at_least", 5_000), ("exclude_tools", "f"), ("clear_tool_inputs", [7])):
        assert found({**USES, field: value}) == [("EDIT-03", f"{EDIT}.{field}", "error")]


@pytest.mark.parametrize("keep", ["all", {"type": "all"}, tokens(1, "thinking_turns"), None])
def test_edit_06_keeps(keep: Any) -> None:
    assert found({**THINKING, "keep": keep}) == []


def test_edit_06() -> None:
    """clear_thinking keeps the thinking of the last N assistant turns, or all, and needs thinking turned on."""
    assert found({**THINKING, "keep": tokens(0, "thinking_turns")}) == [("EDIT-06", f"{EDIT}.keep.value", "error")]
    assert found({**THINKING, "keep": "some"}) == [("EDIT-06", f"{EDIT}.keep.type", "error")]
    assert found(THINKING, model=MANUAL) == [("EDIT-06", EDIT, "error")]
    assert found(THINKING, model=MANUAL, max_tokens=9_000, thinking={"type": "enabled", "budget_tokens": 2_000}) == []


def test_edit_06_has_the_recorded_text() -> None:
    request = {"model": MANUAL, "messages": [HI], "context_management": {"edits": [THINKING]}}
    (violation,) = find_violations(request, betas=BETAS)
    assert violation.message == "`clear_thinking_20251015` strategy requires `thinking` to be enabled"


def test_edit_07() -> None:
    """clear_thinking is listed first when it is combined with other edits."""
    assert found(USES, THINKING) == [("EDIT-07", "context_management.edits.1", "error")]


def test_edit_08() -> None:
    """Edits by the server never count as edits of the prefix of thinking."""
    thought = {"type": "thinking", "thinking": "", "signature": "s"}
    messages = [HI, {"role": "assistant", "content": [thought, {"type": "text", "text": "a"}]}, HI]
    before = {"model": MODEL, "messages": messages}
    edited = {**before, "context_management": {"edits": [{**THINKING, "keep": tokens(1, "thinking_turns")}, USES]}}
    assert find_violations(edited, previous=before, betas=BETAS) == []
    assert find_violations(before, previous=edited, betas=BETAS) == []


def test_edit_10() -> None:
    """Context editing is not fully compatible with blocks of the advisor tool."""
    advisor = {"type": "advisor_20260301", "name": "advisor", "model": MODEL}
    assert found(USES, tools=[advisor]) == [("EDIT-10", EDIT, "warning")]
    assert found({"type": "compact_20260112"}, tools=[advisor]) == []
    call = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "advisor", "input": {}}
    advice = {"type": "advisor_tool_result", "tool_use_id": "srvtoolu_1", "content": {"type": "advisor_result"}}
    reply = {"role": "assistant", "content": [call, advice, {"type": "text", "text": "a"}]}
    request = {"model": MODEL, "messages": [HI, reply, HI], "context_management": {"edits": [USES]}}
    assert "EDIT-10" in [violation.rule for violation in find_violations(request, betas=BETAS)]


def test_what_the_server_adds_is_learnt_from_the_usage() -> None:
    """EDIT-09: a warning whose size is not documented counts once a usage has told the whole."""
    profile = resolve(MODEL)
    followed = open_ledger(profile, {})
    followed.add(entry_for(HI, profile, before=followed.before))
    followed.anchor(followed.total.tokens + 70)
    assert followed.window().overheads["unexplained"] == 70
