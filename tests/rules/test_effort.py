from __future__ import annotations

from typing import Any

from ctxwindow.catalog import resolve
from ctxwindow.rules import find_violations

HI: dict[str, Any] = {"role": "user", "content": "hi"}


def found(effort: str, model: str = "claude-opus-5-5") -> list[tuple[str, str]]:
    violations = find_violations({"model": model, "messages": [HI], "output_config": {"effort": effort}})
    return [(violation.rule, violation.message) for violation in violations]


def test_think_13() -> None:
    """The effort is a level that the model has."""
    assert found("max") == []
    assert [rule for rule, _ in found("extreme")] == ["THINK-13"]
    assert [rule for rule, _ in found("max", "claude-opus-4-5")] == ["THINK-13"]
    assert [rule for rule, _ in found("low", "claude-sonnet-4-5")] == ["THINK-13"]


def test_the_effort_of_a_request_that_sets_none() -> None:
    """THINK-13: high, but on two models."""
    defaults = {model: resolve(model).thinking.effort_default for model in ("claude-opus-5-5", "claude-haiku-5-5")}
    assert set(defaults.values()) == {"medium"}
    assert resolve("claude-sonnet-5-5").thinking.effort_default == "high"


def test_think_13_says_what_the_api_says() -> None:
    """Recorded on Opus 4.6."""
    assert found("xhigh", "claude-opus-4-6") == [
        ("THINK-13", "This model does not support effort level 'xhigh'. Supported levels: high, low, max, medium.")
    ]
    assert found("extreme") == [
        ("THINK-13", "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'")
    ]
