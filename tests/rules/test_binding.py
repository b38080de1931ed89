from __future__ import annotations

from typing import Any

from ctxwindow.rules import Violation, find_violations

THOUGHT = {"type": "thinking", "thinking": "", "signature": "s"}
MESSAGES = [
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": [THOUGHT, {"type": "text", "text": "a"}]},
    {"role": "user", "content": "and?"},
]


def changed(model: str = "claude-opus-5-5", **settings: Any) -> list[Violation]:
    """What is found when the system prompt changed since the request before."""
    old = {"model": model, "system": "Be brief.", "messages": MESSAGES}
    return find_violations({**old, "system": "Be brief. It is Monday.", **settings}, previous=old)


def test_bind_02() -> None:
    """Blocks that the model cannot read are dropped for that request, unbilled, without an error."""
    old = {"model": "claude-opus-5-5", "messages": MESSAGES}
    now = {**old, "model": "claude-sonnet-5-5", "system": "Another."}
    (found,) = find_violations(now, previous=old)
    assert (found.rule, found.path, found.severity) == ("BIND-02", "messages.1.content.0", "warning")
    assert "claude-sonnet-5-5 does not read the thinking of claude-opus-5-5" in found.message
    assert find_violations({**old, "model": "claude-fable-5-1"}, previous=old) == []


def test_bind_05() -> None:
    """Thinking whose prefix differs from when it was created is rejected."""
    assert [(v.rule, v.path, v.severity) for v in changed()] == [("BIND-05", "messages.1.content.0", "error")]
    assert changed("claude-opus-4-8") == []
    same = {"model": "claude-opus-5-5", "messages": MESSAGES}
    assert find_violations(same, previous=same) == []
    assert find_violations(same) == []


def test_bind_05_says_what_the_api_says() -> None:
    (violation,) = changed()
    assert violation.message == (
        "messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to a different conversation. "
        'Remove the block, or set `thinking.block_binding.prefix_mismatch_behavior` to "drop_block". That setting requires '
        "the `thinking-binding-controls-2026-08-01` value in the `anthropic-beta` header. The `system` prompt differs from "
        "the one this block was created with."
    )
    assert "system_changed [BIND-12]" in violation.remedy
    (with_beta,) = changed(betas=["thinking-binding-controls-2026-08-01"])
    assert "header" not in with_beta.message


def test_bind_08() -> None:
    """prefix_mismatch_behavior drop_block drops failing blocks and lists them in input_transformations."""
    dropping = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}
    (found,) = changed(thinking=dropping, betas=["thinking-binding-controls-2026-08-01"])
    assert (found.rule, found.severity) == ("BIND-05", "warning")
    assert "drops this block and goes on (thinking_dropped, prefix_binding_mismatch)" in found.message


def test_bind_17_an_old_account_lets_it_pass() -> None:
    """BIND-17: nothing is dropped, each block that would fail is listed."""
    old = {"model": "claude-opus-5-5", "messages": MESSAGES}
    (found,) = find_violations({**old, "system": "Another."}, previous=old, enforcement="off")
    assert (found.rule, found.severity) == ("BIND-05", "warning")
    assert "thinking_mismatch_allowed" in found.message


def test_a_model_that_is_not_known_is_not_judged() -> None:
    assert [violation.rule for violation in changed("my-own-model")] == ["SHAPE-10"]


def test_nesting_too_deep_to_compare_is_said_and_not_raised() -> None:
    deep: Any = "x"
    for _ in range(5_000):
        deep = [deep]
    nested = {"role": "user", "content": [{"type": "text", "text": "x", "more": deep}]}
    request = {"model": "claude-opus-5-5", "messages": [nested]}
    assert [(v.rule, v.path) for v in find_violations(request, previous=request)] == [("BIND-05", "messages")]
