from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.catalog import resolve
from ctxwindow.rules import Violation, find_violations, prefix_report
from ctxwindow.window import serve

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


def states(request: dict[str, Any], previous: dict[str, Any]) -> list[tuple[bool, str | None]]:
    """Validity, and what changed in the words of BIND-07, of each block on a bound model."""
    return [(state.valid, state.kind) for state in prefix_report(request, previous, resolve("claude-opus-5-5"))]


def test_bind_01() -> None:
    """A replayed thinking block is checked for who may read it, and for system, tools and all messages before it."""
    before = {"model": "claude-opus-5-5", "system": "Be brief.", "messages": MESSAGES}
    kinds = [
        (state.state, state.kind)
        for model, system in (("claude-sonnet-5-5", "Be kind."), ("claude-opus-5-5", "Be kind."))
        for state in prefix_report({**before, "model": model, "system": system}, before, resolve(model))
    ]
    assert kinds == [("unreadable", None), ("stale", "system_changed")]


def test_bind_06() -> None:
    """The error may end in a sentence that says what differs; the format is not promised."""
    (by_system,) = changed()
    assert by_system.message.endswith("The `system` prompt differs from the one this block was created with.")
    before = {"model": "claude-opus-5-5", "messages": MESSAGES}
    tool = {"name": "f", "input_schema": {"type": "object"}}
    (by_tools,) = find_violations({**before, "tools": [tool]}, previous=before)
    assert by_tools.message.endswith("The `tools` list differs from the one this block was created with.")


def test_bind_07() -> None:
    """An unpublished header may name the kind and the pattern of the change; it is never depended on."""
    before = {"model": "claude-opus-5-5", "system": "Be brief.", "messages": MESSAGES}
    (state,) = prefix_report({**before, "system": "Be kind."}, before, resolve("claude-opus-5-5"))
    assert (state.kind, state.pattern, state.rule) == ("system_changed", "system_rerendered", "BIND-12")


def test_bind_22() -> None:
    """Whether blocks of older models carry a record is documented in two ways; they are treated as bound."""
    old = {"model": "claude-opus-4-8", "system": "Be brief.", "messages": MESSAGES}
    now = {**old, "model": "claude-opus-5-5", "system": "Be kind."}
    assert [(violation.rule, violation.severity) for violation in find_violations(now, previous=old)] == [
        ("BIND-05", "error")
    ]


@pytest.mark.parametrize("behavior", ["error", "drop_block"])
def test_bind_23(behavior: str) -> None:
    """A corrupted signature is rejected, with drop_block too."""
    forged = {"role": "assistant", "content": [{**THOUGHT, "signature": ""}, {"type": "text", "text": "a"}]}
    thinking = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": behavior}}
    request = {"model": "claude-opus-5-5", "messages": [MESSAGES[0], forged, MESSAGES[2]], "thinking": thinking}
    found = find_violations(request, betas=["thinking-binding-controls-2026-08-01"])
    assert [(violation.rule, violation.severity) for violation in found] == [("REPLAY-04", "error")]


@pytest.mark.parametrize("why", ["dropped", "unreadable"])
def test_bind_24(why: str) -> None:
    """Thinking that is dropped is neither billed nor counted, and stays in the history."""
    profile = resolve("claude-opus-5-5")
    thinking = {"type": "thinking", "thinking": "Long thoughts. " * 50, "signature": "s" * 400}
    whole = {"role": "assistant", "content": [thinking, {"type": "text", "text": "a"}]}
    request = {"model": profile.id, "messages": [MESSAGES[0], whole, MESSAGES[2]]}
    kept = serve(request, profile)
    dropped = serve(request, profile, **{why: ["messages.1.content.0"]})
    bare = {**request, "messages": [MESSAGES[0], {"role": "assistant", "content": [whole["content"][1]]}, MESSAGES[2]]}
    assert dropped.window.tokens == serve(bare, profile).window.tokens < kept.window.tokens
    assert request["messages"][1] is whole
    assert whole["content"][0] is thinking


def test_bind_25() -> None:
    """In a batch failing blocks are dropped where the field is not set."""
    old = {"model": "claude-opus-5-5", "system": "Be brief.", "messages": MESSAGES}
    now = {**old, "system": "Be kind."}
    (in_a_batch,) = find_violations(now, previous=old, enforcement="drop_block")
    assert (in_a_batch.rule, in_a_batch.severity) == ("BIND-05", "warning")
    assert "thinking_dropped" in in_a_batch.message


@pytest.mark.parametrize(("behavior", "severity"), [("error", "error"), ("drop_block", "warning")])
def test_bind_27(behavior: str, severity: str) -> None:
    """Setting the field opts a request of an older account into the check."""
    old = {"model": "claude-opus-5-5", "system": "Be brief.", "messages": MESSAGES}
    thinking = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": behavior}}
    now = {**old, "system": "Be kind.", "thinking": thinking}
    (found,) = find_violations(now, previous=old, enforcement="off", betas=["thinking-binding-controls-2026-08-01"])
    assert (found.rule, found.severity) == ("BIND-05", severity)
    assert "thinking_mismatch_allowed" not in found.message


def test_bind_29() -> None:
    """Turns of other models may be appended as plain text and calls; earlier thinking stays valid."""
    foreign = [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]},
        {"role": "assistant", "content": "Another model's answer."},
        {"role": "user", "content": "thanks"},
    ]
    assert states({"messages": [*MESSAGES, *foreign]}, {"messages": MESSAGES}) == [(True, None)]


def test_bind_30() -> None:
    """System and tools may follow from the model that is called; what stays changed after the switch is an edit."""
    mine, theirs = {"system": "You are one.", "messages": MESSAGES}, {"system": "You are two.", "messages": MESSAGES}
    assert states(mine, mine) == [
        (True, None)
    ]  # there and back again: compared with the last request of the same model
    assert states(theirs, mine) == [(False, "system_changed")]


def test_bind_31() -> None:
    """A gateway that moves system messages into `system`, or thinking to the front, breaks what it forwards."""
    told = {"role": "system", "content": "Be brief."}
    sent = {"messages": [MESSAGES[0], told, *MESSAGES[1:]]}
    assert states({"system": "Be brief.", "messages": MESSAGES}, sent) == [(False, "system_changed")]
    text, late = {"type": "text", "text": "a"}, {**THOUGHT, "signature": "late"}
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    answer = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]}
    reply = {"role": "assistant", "content": [THOUGHT, text, late, call]}
    hoisted = {"role": "assistant", "content": [THOUGHT, late, text, call]}
    before, after = ({"model": "claude-opus-4-8", "messages": [MESSAGES[0], form, answer]} for form in (reply, hoisted))
    assert [violation.rule for violation in find_violations(after, previous=before)] == ["REPLAY-02"]
    assert states(after, before) == [(True, None), (False, "blocks_replaced")]


def test_a_model_that_is_not_known_is_not_judged() -> None:
    assert [violation.rule for violation in changed("my-own-model")] == ["SHAPE-10"]


def test_nesting_too_deep_to_compare_is_said_and_not_raised() -> None:
    deep: Any = "x"
    for _ in range(5_000):
        deep = [deep]
    nested = {"role": "user", "content": [{"type": "of_tomorrow", "more": deep}]}
    request = {"model": "claude-opus-5-5", "messages": [nested]}
    before = {**request, "messages": [MESSAGES[0]]}
    assert [(v.rule, v.path) for v in find_violations(request, previous=before)] == [("BIND-05", "messages")]
