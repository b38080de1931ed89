from __future__ import annotations

from hypothesis import given

from ctxwindow.rules import find_violations
from ctxwindow.testing import Step, conversations


@given(conversations())
def test_generated_conversations_are_valid(steps: list[Step]) -> None:
    messages = [step.message for step in steps[:-1]]
    violations = find_violations({"model": "claude-opus-4-6", "max_tokens": 10, "messages": messages})
    assert [violation for violation in violations if violation.severity == "error"] == []


@given(conversations())
def test_steps_alternate_between_what_came_in_and_replies(steps: list[Step]) -> None:
    assert [step.kind for step in steps] == ["append", "receive"] * (len(steps) // 2)
    assert all((step.kind == "receive") == (step.message["role"] == "assistant") for step in steps)
