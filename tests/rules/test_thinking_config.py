from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.catalog import models, resolve
from ctxwindow.rules import find_violations
from ctxwindow.rules.thinking_config import refusal

HI: dict[str, Any] = {"role": "user", "content": "hi"}
ALWAYS, MANUAL, UPDATES, CAPPED = "claude-opus-5-5", "claude-sonnet-4-5", "claude-sonnet-5-5", "claude-haiku-5-5"
BINDING = "thinking-binding-controls-2026-08-01"
CALL: dict[str, Any] = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
ASKED = {"role": "assistant", "content": [CALL]}
ANSWER = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]}


def found(
    *messages: Any, model: str = ALWAYS, previous: Any = None, betas: Any = None, **settings: Any
) -> list[tuple[str, str, str]]:
    request = {"model": model, "messages": list(messages) or [HI], **settings}
    violations = find_violations(request, previous=previous, betas=betas)
    return [(violation.rule, violation.path, violation.severity) for violation in violations]


def said(*, model: str, **settings: Any) -> list[str]:
    return [v.message for v in find_violations({"model": model, "messages": [HI], "max_tokens": 4_000, **settings})]


def enabled(budget: object) -> dict[str, Any]:
    return {"type": "enabled", "budget_tokens": budget}


def test_think_01() -> None:
    """thinking has a type (adaptive, enabled, disabled, between_tools); display and block_binding go with the first two,
    and block_binding and display updates take a beta."""
    adaptive = {"type": "adaptive"}
    assert found(thinking={**adaptive, "display": "summarized"}) == []
    for wrong in ({"type": "on"}, {}, "adaptive", {"type": 7}):
        assert found(thinking=wrong) == [("THINK-01", "thinking.type", "error")]
    assert found(thinking={**adaptive, "display": "full"}) == [("THINK-01", "thinking.adaptive.display", "error")]
    assert found(thinking={**adaptive, "budget_tokens": 2_000}) == [
        ("THINK-01", "thinking.adaptive.budget_tokens", "error")
    ]
    assert found(thinking={"type": "disabled", "display": "omitted"}, model=CAPPED) == [
        ("THINK-01", "thinking.disabled.display", "error")
    ]


@pytest.mark.parametrize(
    ("field", "value", "beta"),
    [
        ("display", "updates", "thinking-display-updates-2026-08-18"),
        ("block_binding", {"prefix_mismatch_behavior": "drop_block"}, BINDING),
    ],
)
def test_think_01_asks_for_betas(field: str, value: Any, beta: str) -> None:
    """A missing beta is an error where all headers are known, else a warning."""
    path, thinking = f"thinking.adaptive.{field}", {"type": "adaptive", field: value}
    assert found(thinking=thinking) == [("THINK-01", path, "warning")]
    assert found(thinking=thinking, betas=[]) == [("THINK-01", path, "error")]
    assert found(thinking=thinking, betas=[beta]) == []


def test_think_01_says_what_the_api_says() -> None:
    """BIND-08: the field without the header."""
    binding = {"prefix_mismatch_behavior": "drop"}
    violations = find_violations(
        {"model": ALWAYS, "messages": [HI], "thinking": {"type": "adaptive", "block_binding": binding}}, betas=()
    )
    assert [violation.message for violation in violations] == [
        "thinking.adaptive.block_binding: Extra inputs are not permitted",
        "thinking.adaptive.block_binding.prefix_mismatch_behavior: Input should be 'error' or 'drop_block'",
    ]


# THINK-02, the table: what is a 400 on each model.
REFUSED = {
    "claude-fable-5": {"enabled", "disabled", "between_tools"},
    "claude-fable-5-1": {"enabled", "disabled", "between_tools"},
    "claude-mythos-5": {"enabled", "disabled", "between_tools"},
    "claude-mythos-preview": {"disabled"},
    "claude-opus-5-5": {"enabled", "disabled", "between_tools"},
    "claude-opus-5": {"enabled"},
    "claude-opus-4-8": {"enabled"},
    "claude-opus-4-7": {"enabled"},
    "claude-sonnet-5-5": {"enabled", "disabled"},
    "claude-sonnet-5": {"enabled"},
    "claude-haiku-5-5": {"enabled"},
    "claude-opus-4-6": set(),
    "claude-sonnet-4-6": set(),
    "claude-opus-4-5": {"adaptive"},
    "claude-sonnet-4-5": {"adaptive"},
    "claude-haiku-4-5": {"adaptive"},
}


@pytest.mark.parametrize("model", REFUSED)
def test_think_02_by_model(model: str) -> None:
    stated = {"adaptive", "enabled", "disabled"} | REFUSED[model]
    for kind in stated:
        thinking = enabled(2_000) if kind == "enabled" else {"type": kind}
        refused = [("THINK-02", "thinking.type", "error")] if kind in REFUSED[model] else []
        assert found(model=model, thinking=thinking, max_tokens=4_000) == refused


def test_think_02() -> None:
    """Each model accepts some types of thinking, and some models are turned off up to a certain effort only."""
    high, over = {"effort": "high"}, {"effort": "xhigh"}
    wrong = [("THINK-02", "output_config.effort", "error")]
    for model, off in (("claude-opus-5", "disabled"), (CAPPED, "disabled"), (UPDATES, "between_tools")):
        assert found(model=model, thinking={"type": off}) == []
        assert found(model=model, thinking={"type": off}, output_config=high) == []
        assert found(model=model, thinking={"type": off}, output_config=over) == wrong
        assert found(model=model, thinking={"type": "adaptive"}, output_config=over) == []
    assert found(model="claude-sonnet-5", thinking={"type": "disabled"}, output_config=over) == []


def test_a_refused_type_is_answered_in_the_words_of_the_api() -> None:
    """THINK-03."""
    (manual,) = said(model=ALWAYS, thinking=enabled(2_000))
    assert manual == (
        '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and '
        '"output_config.effort" to control thinking behavior.'
    )
    (disabled,) = said(model=ALWAYS, thinking={"type": "disabled"})
    assert disabled.startswith('"thinking.type.disabled" is not supported for this model.')
    assert said(model=MANUAL, thinking={"type": "adaptive"}) == ["adaptive thinking is not supported on this model"]


def test_what_a_profile_accepts_is_not_refused() -> None:
    """THINK-03."""
    for profile in models():
        assert {kind for kind in ("adaptive", "enabled", "disabled") if refusal(profile, kind) is None} == {
            kind for kind in profile.thinking.accepts if kind != "between_tools"
        }


def test_think_04() -> None:
    """A thinking budget has at least 1024 tokens and is less than max_tokens, which interleaved thinking lifts."""
    path = "thinking.enabled.budget_tokens"
    for budget in (1_023, None, "many", True):
        assert found(model=MANUAL, thinking=enabled(budget), max_tokens=4_000) == [("THINK-04", path, "error")]
    assert found(model=MANUAL, thinking=enabled(3_999), max_tokens=4_000) == []
    assert found(model=MANUAL, thinking=enabled(4_000)) == []
    over: dict[str, Any] = {"thinking": enabled(4_000), "max_tokens": 4_000}
    assert found(model=MANUAL, **over) == [("THINK-04", path, "warning")]
    assert found(model=MANUAL, **over, betas=[]) == [("THINK-04", path, "error")]
    assert found(model=MANUAL, **over, betas=["interleaved-thinking-2025-05-14"]) == []
    # Haiku 4.5 ignores the beta.
    assert found(model="claude-haiku-4-5", **over, betas=["interleaved-thinking-2025-05-14"]) == [
        ("THINK-04", path, "error")
    ]


def test_think_04_says_what_the_api_says() -> None:
    assert said(model=MANUAL, thinking=enabled(1_000)) == [
        "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
    ]
    assert said(model=MANUAL, thinking=enabled(4_000)) == [
        "`max_tokens` must be greater than `thinking.budget_tokens`."
    ]


def test_think_09() -> None:
    """Thinking turned on or off inside a tool loop is off for that request, without an error."""
    off, on = {"type": "disabled"}, {"type": "adaptive"}
    model = "claude-opus-4-6"
    before = {"model": model, "messages": [HI], "thinking": on}
    warning = [("THINK-09", "thinking", "warning")]
    assert found(HI, ASKED, ANSWER, model=model, previous=before, thinking=off) == warning
    assert found(HI, ASKED, ANSWER, model=model, previous=before) == warning  # off is this model's default
    assert found(HI, ASKED, ANSWER, model=model, previous=before, thinking=on) == []
    assert found(HI, ASKED, ANSWER, HI, model=model, previous=before, thinking=off) == []


def test_think_12() -> None:
    """between_tools takes no other field, and no change of effort by a message."""
    thinking = {"type": "between_tools"}
    assert found(model=UPDATES, thinking={**thinking, "display": "omitted"}) == [
        ("THINK-12", "thinking.between_tools.display", "error")
    ]
    louder = {"role": "system", "content": [], "output_config": {"effort": "low"}}
    assert ("THINK-12", "messages.1.output_config.effort", "error") in found(
        HI, louder, model=UPDATES, thinking=thinking
    )
    assert "THINK-12" not in {rule for rule, _, _ in found(HI, louder, model=UPDATES)}


def test_thinking_may_stand_anywhere_in_an_adaptive_turn() -> None:
    """THINK-06, THINK-14: also several blocks, and a progress update right before a call."""
    first, update = ({"type": "thinking", "thinking": "", "signature": name} for name in "ab")
    spoken = {"role": "assistant", "content": [{"type": "text", "text": "a"}, first, update, CALL]}
    assert found(HI, spoken, ANSWER) == []
    without = {"role": "assistant", "content": [{"type": "text", "text": "a"}, first, CALL]}
    before = {"model": ALWAYS, "messages": [HI, spoken, ANSWER]}
    assert [rule for rule, _, _ in found(HI, without, ANSWER, previous=before)] == ["REPLAY-02"]


def test_redacted_thinking_is_under_the_rules_of_thinking() -> None:
    """THINK-10."""
    redacted = {"type": "redacted_thinking", "data": "d"}
    assert found(HI, {"role": "assistant", "content": [redacted]}, HI) == [("MSG-09", "messages.1", "error")]


def test_signatures_go_from_platform_to_platform() -> None:
    """THINK-15: the ids of all platforms are one model, so that its thinking is never another model's."""
    thought = {"type": "thinking", "thinking": "", "signature": "s"}
    reply = {"role": "assistant", "content": [thought, {"type": "text", "text": "a"}]}
    before = {"model": "anthropic.claude-opus-5-5", "messages": [HI, reply, HI]}
    assert resolve("anthropic.claude-opus-5-5") == resolve(ALWAYS)
    assert found(HI, reply, HI, previous=before) == []
