from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given

from ctxwindow.errors import InvalidRequest, MisuseError, UnknownModel
from ctxwindow.rules import check
from tests.odd import nested, odd_requests
from tests.rules.test_prefix import conversation, response, without_thinking
from tests.sdk import sdk_message, with_objects

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


@pytest.mark.parametrize("odd", [nested(5_000), float("nan"), b"bytes", {1, 2}])
def test_what_json_cannot_carry_is_said_and_not_raised(odd: Any) -> None:
    body = request({"role": "user", "content": [{"type": "text", "text": "x", "more": odd}]})
    report = check(body, previous=body)
    assert [violation.rule for violation in report.violations] == ["SHAPE-12"]
    assert report.violations[0].path.startswith("messages.0.content.0.more")
    assert report.violations[0].remedy
    assert report.thinking == ()


def test_a_previous_request_that_json_cannot_carry_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refused:
        check(request(HI), previous=(request(HI), {"content": [b"bytes"]}))
    assert refused.value.path == "previous.1.content.0"


def test_objects_of_the_sdk_are_checked_like_what_they_stand_for() -> None:
    """`"content": reply.content` is how the SDK's own examples continue a conversation."""
    settings = {"model": "claude-opus-5-5", "max_tokens": 100}
    before, after, reply = conversation(2) | settings, conversation(3) | settings, response(2)
    objects = with_objects(before), with_objects(after), sdk_message(reply["content"], before["model"])
    kept = copy.deepcopy(objects)
    found = check(objects[1], previous=(objects[0], objects[2]))
    assert found == check(after, previous=(before, reply))
    assert found.ok
    assert all(state.valid for state in found.thinking)
    assert found.thinking
    assert objects == kept, "changed"


@given(odd_requests(), odd_requests())
def test_nothing_is_raised_for_odd_json(body: dict[str, Any], previous: dict[str, Any]) -> None:
    check(body, previous=previous)
