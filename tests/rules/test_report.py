from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.errors import UnknownModel
from ctxwindow.rules import check

HI = {"role": "user", "content": "Hello."}
ORPHAN = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "x"}]}


def request(*messages: Any, **settings: Any) -> dict[str, Any]:
    return {"model": "claude-opus-5-5", "max_tokens": 100, "messages": list(messages), **settings}


def test_a_clean_request_is_ok() -> None:
    report = check(request(HI))
    assert report.ok
    assert (report.model, report.violations, report.warnings, report.thinking) == ("claude-opus-5-5", (), (), ())


def test_everything_is_reported_at_once_and_warnings_are_no_violations() -> None:
    report = check(request({"role": "assistant", "content": "Hello."}, ORPHAN, tools=[{"name": "a b"}]))
    assert not report.ok
    assert {violation.rule for violation in report.violations} == {"TOOL-02", "MSG-18"}
    assert {violation.rule for violation in report.warnings} == {"MSG-03"}


def test_the_model_may_be_given_and_must_be_known_then() -> None:
    assert check(request(HI), model="claude-haiku-4-5").model == "claude-haiku-4-5-20251001"
    assert check({"messages": [HI]}).model is None
    with pytest.raises(UnknownModel):
        check(request(HI), model="claude-nobody")
