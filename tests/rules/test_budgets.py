from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.rules import find_violations
from ctxwindow.rules.budgets import remaining

HI: dict[str, Any] = {"role": "user", "content": "hi"}
BETAS = ("task-budgets-2026-03-13", "compact-2026-09-04")
BUDGET: dict[str, Any] = {"type": "tokens", "total": 20_000}
PATH = "output_config.task_budget"
SUMMARY = {"role": "assistant", "content": [{"type": "compaction", "content": "so far", "signature": "c"}]}


def found(
    budget: Any, *messages: Any, model: str = "claude-opus-5-5", betas: Any = BETAS, previous: Any = None, **more: Any
) -> list[tuple[str, str, str]]:
    request = {"model": model, "messages": list(messages) or [HI], "output_config": {"task_budget": budget}, **more}
    violations = find_violations(request, betas=betas, previous=previous)
    return [(violation.rule, violation.path, violation.severity) for violation in violations]


def test_tb_01() -> None:
    """A task budget has type tokens and a total of at least 20,000, with a beta and on some models."""
    assert found(BUDGET) == found({**BUDGET, "remaining": 500}) == []  # the second was recorded on Opus 4.7
    for field, value in (("type", "dollars"), ("total", 19_999), ("total", "many"), ("remaining", "few")):
        assert found({**BUDGET, field: value}) == [("TB-01", f"{PATH}.{field}", "error")]
    assert found(BUDGET, betas=None) == [("TB-01", PATH, "warning")]
    assert found(BUDGET, betas=[]) == [("TB-01", PATH, "error")]
    for model in ("claude-sonnet-5", "claude-opus-4-6", "claude-haiku-4-5"):
        assert found(BUDGET, model=model) == [("TB-01", PATH, "error")]


def test_v_tb_1() -> None:
    """TB-02: each result and each generated token counts once; 19,000 are counted in the end."""
    replies = [(0, 5_000), (2_800, 4_000), (1_200, 6_000)]
    assert [remaining(100_000, replies[:count]) for count in range(1, 4)] == [95_000, 88_200, 81_000]


def test_what_remains_is_not_said_together_with_on_demand_compaction() -> None:
    """TB-03: CMP-18 finds it."""
    left = {**BUDGET, "remaining": 500}
    wrong = [("CMP-18", f"{PATH}.remaining", "error")]
    assert found(left, SUMMARY, HI) == wrong
    assert found(left, compaction={"type": "summarize"}) == wrong
    assert found(BUDGET, SUMMARY, HI) == []


@pytest.mark.parametrize(("budget", "changed"), [(BUDGET, False), ({**BUDGET, "total": 30_000}, True)])
def test_tb_04(budget: Any, changed: bool) -> None:
    """Another budget is another prompt: what stands behind it is not read from the cache."""
    before = {"model": "claude-opus-5-5", "messages": [HI], "output_config": {"task_budget": BUDGET}}
    assert found(budget, previous=before) == ([("TB-04", PATH, "warning")] if changed else [])
