from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.catalog import resolve
from ctxwindow.rules import find_violations, prefix_report
from ctxwindow.rules.comparison import compaction_of
from ctxwindow.window.served import compaction_due

MODEL = "claude-opus-5-5"
BETAS = ["compact-2026-01-12", "compact-2026-09-04", "task-budgets-2026-03-13"]
EDIT = "context_management.edits.0"
SUMMARIZE: dict[str, Any] = {"type": "summarize"}
HI: dict[str, Any] = {"role": "user", "content": "hi"}
REPLY = {"role": "assistant", "content": "a"}
SIGNED = {"role": "assistant", "content": [{"type": "compaction", "content": "So far.", "signature": "s"}]}


def found(
    *messages: Any, model: str = MODEL, betas: list[str] | None = BETAS, **settings: Any
) -> list[tuple[str, str, str]]:
    """Rule, path and severity of everything found."""
    violations = find_violations({"model": model, "messages": list(messages), **settings}, betas=betas)
    return [(violation.rule, violation.path, violation.severity) for violation in violations]


def edit(**options: Any) -> dict[str, Any]:
    return {"edits": [{"type": "compact_20260112", **options}]}


def trigger(value: Any, kind: str = "input_tokens") -> dict[str, Any]:
    return edit(trigger={"type": kind, "value": value})


def test_cmp_01() -> None:
    """The threshold edit compacts when input tokens reach its trigger (150,000, at least 50,000) and goes on with the
    reply; it needs a beta header and a model that has it."""
    assert found(HI, context_management=edit()) == []
    assert found(HI, context_management=edit(trigger=None)) == []
    assert found(HI, context_management=trigger(50_000)) == []
    assert found(HI, context_management=trigger(49_999)) == [("CMP-01", f"{EDIT}.trigger.value", "error")]
    assert found(HI, context_management=trigger(9, "tool_uses")) == [("CMP-01", f"{EDIT}.trigger.type", "error")]
    assert found(HI, context_management=edit(), betas=[]) == [("CMP-01", "context_management", "error")]
    assert found(HI, context_management=edit(), betas=None) == [("CMP-01", "context_management", "warning")]
    assert found(HI, context_management=edit(), model="claude-sonnet-4-5") == [("CMP-01", EDIT, "error")]


def test_cmp_06() -> None:
    """pause_after_compaction stops with the block alone, so that kept messages can be put behind it."""
    assert found(HI, context_management=edit(pause_after_compaction=True)) == []
    path = f"{EDIT}.pause_after_compaction"
    assert found(HI, context_management=edit(pause_after_compaction="yes")) == [("CMP-06", path, "error")]


def test_cmp_07() -> None:
    """instructions replace the default prompt of the summary."""
    assert found(HI, context_management=edit(instructions="Keep names.")) == []
    assert found(HI, context_management=edit(instructions=None)) == []
    assert found(HI, context_management=edit(instructions=7)) == [("CMP-07", f"{EDIT}.instructions", "error")]


def test_cmp_08() -> None:
    """Thinking before a compaction block is not carried over; custom instructions hide it from the summary too."""
    thought = {"type": "thinking", "thinking": "", "signature": "t"}
    block = {"type": "compaction", "content": "So far."}
    messages = [HI, {"role": "assistant", "content": [thought, {"type": "text", "text": "a"}]}, HI]
    after = [*messages, {"role": "assistant", "content": [block, {"type": "text", "text": "b"}]}, HI]
    (state,) = prefix_report({"messages": after}, {"messages": messages}, resolve("claude-fable-5-1"))
    assert (state.path, state.state) == ("messages.1.content.0", "ignored")


def test_cmp_09() -> None:
    """The request's own model writes the summary; with tools it may call one instead, which leaves a null block."""
    failed = {"role": "assistant", "content": [{"type": "compaction", "content": None}, {"type": "text", "text": "a"}]}
    assert compaction_of([HI, failed]) is None
    assert found(HI, failed, HI) == []


def test_cmp_15() -> None:
    """A compaction closes a context of at least the trigger's size; how much more, its own counts do not say."""
    request = {"context_management": trigger(60_000)}
    assert [compaction_due(request, tokens) for tokens in (59_999, 60_000, 900_000)] == [False, True, True]
    assert [compaction_due({"context_management": edit()}, tokens) for tokens in (149_999, 150_000)] == [False, True]
    assert not compaction_due({}, 900_000)


def test_cmp_16() -> None:
    """An on-demand compaction returns one signed block and nothing else; it and every request that carries the block need
    a beta header, and Bedrock has none."""
    assert found(HI, REPLY, compaction=SUMMARIZE) == []
    assert found(SIGNED, HI) == []
    assert found(HI, REPLY, compaction=SUMMARIZE, betas=[]) == [("CMP-16", "compaction", "error")]
    assert found(HI, REPLY, compaction=SUMMARIZE, betas=None) == [("CMP-16", "compaction", "warning")]
    assert found(SIGNED, HI, betas=[]) == [("CMP-16", "messages.0.content.0.signature", "error")]
    assert found(HI, compaction={"type": "shorten"}) == [("CMP-16", "compaction.type", "error")]
    assert found(HI, compaction=SUMMARIZE, model="claude-sonnet-4-5") == [("CMP-16", "compaction", "error")]
    bedrock = found(HI, compaction=SUMMARIZE, anthropic_version="bedrock-2023-05-31")
    assert bedrock == [("CMP-16", "compaction", "error")]


@pytest.mark.parametrize("betas", [[], ["compact-2026-01-12"]])
def test_cmp_16_an_unsigned_block_needs_no_header_of_its_own(betas: list[str]) -> None:
    block = {
        "role": "assistant",
        "content": [{"type": "compaction", "content": "So far."}, {"type": "text", "text": "a"}],
    }
    assert found(HI, block, HI, betas=betas) == []


def test_cmp_17() -> None:
    """Instructions have at most 16,384 characters and replace the server's prompt; blank ones count as absent."""
    assert found(HI, compaction={**SUMMARIZE, "instructions": "x" * 16_384}) == []
    assert found(HI, compaction={**SUMMARIZE, "instructions": " "}) == []
    for wrong in ("x" * 16_385, 7):
        assert found(HI, compaction={**SUMMARIZE, "instructions": wrong}) == [
            ("CMP-17", "compaction.instructions", "error")
        ]


@pytest.mark.parametrize(
    ("path", "settings"),
    [
        ("context_management", {"context_management": edit()}),
        ("stop_sequences", {"stop_sequences": ["."]}),
        ("output_config.format", {"output_config": {"format": {"type": "json_schema", "schema": {}}}}),
        ("tool_choice", {"tool_choice": {"type": "any"}}),
        (
            "output_config.task_budget.remaining",
            {"output_config": {"task_budget": {"type": "tokens", "total": 20_000, "remaining": 9_000}}},
        ),
    ],
)
def test_cmp_18(path: str, settings: dict[str, Any]) -> None:
    """A compaction request has no context_management, stop_sequences, output_config.format or forced tool_choice; it and
    requests with a signed block have no task_budget.remaining."""
    model = "claude-opus-5"  # takes all of these
    assert "CMP-18" not in [rule for rule, _, _ in found(HI, model=model, **settings)]
    assert ("CMP-18", path, "error") in found(HI, model=model, compaction=SUMMARIZE, **settings)
    carried = ("CMP-18", path, "error") in found(SIGNED, HI, model=model, **settings)
    assert carried == path.endswith("remaining")


def test_cmp_18_takes_what_is_empty() -> None:
    assert (
        found(HI, compaction=SUMMARIZE, stop_sequences=[], context_management=None, tool_choice={"type": "none"}) == []
    )


def test_cmp_32() -> None:
    """A compact_* edit and a signed block never meet in one request."""
    assert found(SIGNED, HI, context_management=edit()) == [("CMP-32", EDIT, "error")]
    clears = {"edits": [{"type": "clear_tool_uses_20250919"}]}
    assert found(SIGNED, HI, context_management=clears, betas=[*BETAS, "context-management-2025-06-27"]) == []


def test_the_runner_has_no_compaction_control() -> None:
    """CMP-35: sent on as a field of the body, it would be refused."""
    assert found(HI, compaction_control={"enabled": True}) == [("VER-08", "compaction_control", "error")]
