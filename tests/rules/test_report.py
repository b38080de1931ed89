from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.errors import MisuseError, UnknownModel
from ctxwindow.rules import check
from tests.rules.test_prefix import conversation, response, without_thinking

HI = {"role": "user", "content": "Hello."}
ORPHAN = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "x"}]}


def request(*messages: Any, **settings: Any) -> dict[str, Any]:
    return {"model": "claude-opus-5-5", "max_tokens": 100, "messages": list(messages), **settings}


def test_a_clean_request_is_ok() -> None:
    report = check(request(HI))
    assert report.ok
    assert (report.model, report.violations, report.warnings, report.thinking) == ("claude-opus-5-5", (), (), ())


def test_everything_is_reported_at_once_and_warnings_are_no_violations() -> None:
    report = check(
        request({"role": "assistant", "content": "Hello."}, ORPHAN, tools=[{"name": "a b", "input_schema": {}}])
    )
    assert not report.ok
    assert {violation.rule for violation in report.violations} == {"TOOL-02", "MSG-18"}
    assert {violation.rule for violation in report.warnings} == {"MSG-03"}


def test_the_model_may_be_given_and_must_be_known_then() -> None:
    assert check(request(HI), model="claude-haiku-4-5").model == "claude-haiku-4-5-20251001"
    assert check({"messages": [HI]}).model is None
    with pytest.raises(UnknownModel):
        check(request(HI), model="claude-nobody")


def test_the_thinking_is_reported_with_what_changed() -> None:
    old = conversation(2) | {"model": "claude-opus-5-5", "max_tokens": 100}
    edited = conversation(3) | {"model": "claude-opus-5-5", "max_tokens": 100, "system": "Be brief. It is Monday."}
    report = check(edited, previous=(old, response(2)))
    assert [state.state for state in report.thinking] == ["stale"] * 3
    assert {(state.kind, state.pattern) for state in report.thinking} == {("system_changed", "system_rerendered")}
    assert {violation.rule for violation in report.violations} == {"BIND-05"}
    for enforcement in ("drop_block", "off"):
        allowed = check(edited, previous=old, enforcement=enforcement)
        assert allowed.ok
        assert len(allowed.warnings) == 3
        assert not any(state.valid for state in allowed.thinking)


def test_an_enforcement_that_is_none_is_refused() -> None:
    with pytest.raises(MisuseError, match="no such enforcement"):
        check(request(HI), enforcement="maybe")  # type: ignore[arg-type]


def test_as_dict_is_the_contract_of_the_command_line() -> None:
    old = conversation(3) | {"model": "claude-opus-5-5"}
    form = check(without_thinking(old, 1), previous=old).as_dict()
    assert list(form) == ["ok", "violations", "warnings", "thinking", "model"]
    assert form["ok"] is False
    assert [set(row) for row in form["violations"]] == [{"rule", "path", "message", "remedy"}]
    assert form["thinking"][1] == {
        "path": "messages.5.content.0",
        "valid": False,
        "reason": (
            "predecessor_missing [BIND-10]: The `thinking` block that preceded this one when it was created is missing "
            "from this request."
        ),
        "state": "missing_predecessor",
        "kind": "predecessor_missing",
        "pattern": "unknown",
        "rule": "BIND-10",
    }


def test_explain_says_it_all_in_lines() -> None:
    old = conversation(2) | {"model": "claude-opus-5-5"}
    new = {**conversation(2), "model": "claude-opus-5-5", "messages": [*old["messages"][:-1], ORPHAN]}
    lines = check(new, previous=old).explain().splitlines()
    assert lines[0].startswith("error TOOL-02 at messages.4.content.0: unexpected `tool_use_id` found")
    assert lines[1].startswith("  ")
    assert lines[-2] == "thinking blocks: 2 valid"
    assert lines[-1] == "broken rules: 1; warnings: 0; checked for claude-opus-5-5"
    assert check({"messages": [HI]}).explain().endswith("checked for a model that is not known")


def test_what_is_nested_too_deep_to_compare_is_said_and_not_raised() -> None:
    deep: Any = "x"
    for _ in range(5_000):
        deep = [deep]
    body = request({"role": "user", "content": [{"type": "text", "text": "x", "more": deep}]})
    report = check(body, previous=body)
    assert "BIND-05" in {violation.rule for violation in report.violations}
    assert report.thinking == ()
