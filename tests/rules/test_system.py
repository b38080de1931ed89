from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.catalog import Features, ModelProfile, ThinkingProfile
from ctxwindow.rules import View, find_violations, may_cut

HI = {"role": "user", "content": "hi"}
REPLY = {"role": "assistant", "content": "a"}
RULE = {"role": "system", "content": "Be brief."}
EFFORT = {"role": "system", "content": [], "output_config": {"effort": "low"}}
SERVED = {
    "role": "assistant",
    "content": [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
    ],
}


EFFORT_BETA = "mid-conversation-output-config-2026-07-01"
CLEAR_BETA = "mid-conversation-system-clear-at-2026-08-21"
CHANGES_BETA = "mid-conversation-tool-changes-2026-07-01"
ALL = (EFFORT_BETA, CLEAR_BETA, CHANGES_BETA)


def found(
    *messages: Any, model: str = "claude-opus-5-5", betas: Any = ALL, previous: Any = None, tools: Any = ()
) -> list[tuple[str, str, str]]:
    request = {"model": model, "messages": list(messages), "tools": list(tools)}
    violations = find_violations(request, betas=betas, previous=previous)
    return [(violation.rule, violation.path, violation.severity) for violation in violations]


@pytest.mark.parametrize("model", ["claude-opus-4-7", "claude-sonnet-4-5", "claude-mythos-preview"])
def test_sys_01(model: str) -> None:
    """role system is accepted in `messages` on some models only."""
    assert found(HI, RULE, model=model) == [("SYS-01", "messages.1", "error")]
    for supporting in ("claude-opus-4-8", "claude-sonnet-5-5", "claude-fable-5"):
        assert found(HI, RULE, model=supporting) == []


def test_sys_01_lets_the_effort_be_set_where_only_that_is_supported() -> None:
    profile = ModelProfile(
        id="m",
        window=1_000,
        max_output=100,
        features=Features(per_message_effort=True, prefill=True),
        thinking=ThinkingProfile(effort_levels=("low",)),
    )
    request = {"model": "m", "messages": [HI, EFFORT, REPLY]}
    assert find_violations(request, profile=profile, betas=ALL) == []
    assert [violation.rule for violation in find_violations({**request, "messages": [HI, RULE]}, profile=profile)] == [
        "SYS-01"
    ]


def test_sys_01_says_what_the_api_says() -> None:
    (violation,) = find_violations({"model": "claude-opus-4-7", "messages": [HI, RULE]})
    assert violation.message == "role 'system' is not supported on this model"


def test_sys_02() -> None:
    """Sonnet 5 is documented as not supporting role system (recorded probes were answered, so a warning)."""
    assert found(HI, RULE, model="claude-sonnet-5") == [("SYS-02", "messages.1", "warning")]
    assert found(HI, RULE, model="claude-opus-5") == []


def test_sys_04() -> None:
    """A system message follows a user message or an assistant message ending in a server tool result, and is last or
    followed by an assistant message; one that only sets the effort may stand anywhere."""
    assert found(HI, RULE) == []
    assert found(HI, RULE, RULE, REPLY, HI) == []
    assert found(HI, SERVED, RULE, REPLY, HI) == []
    assert found(EFFORT, HI, REPLY, EFFORT, HI) == []
    assert found(HI, EFFORT, HI) == []
    assert found(RULE, HI) == [("SYS-04", "messages.0", "error")]
    assert found(HI, REPLY, RULE, REPLY, HI) == [("SYS-04", "messages.2", "error")]
    assert found(HI, RULE, HI) == [("SYS-04", "messages.1", "error")]
    assert found(HI, RULE, RULE, HI) == [("SYS-04", "messages.2", "error")]


def test_sys_04_says_what_the_api_says() -> None:
    (after_reply,) = find_violations({"model": "claude-opus-5-5", "messages": [HI, REPLY, HI, REPLY, RULE, REPLY, HI]})
    assert after_reply.message == (
        "messages.4: role 'system' must follow a 'user' message or an 'assistant' message ending in a server tool result"
    )
    (before_user,) = find_violations({"model": "claude-opus-5-5", "messages": [HI, RULE, HI]})
    assert before_user.message == "messages.1: role 'system' must precede an 'assistant' message or end the array"


def test_v_sys_1() -> None:
    """A system message right after an assistant reply is a 400."""
    (violation,) = find_violations({"model": "claude-opus-5-5", "messages": [HI, RULE, REPLY, RULE]})
    assert violation.message == (
        "messages.3: role 'system' must follow a 'user' message or an 'assistant' message ending in a server tool result"
    )


def test_sys_05() -> None:
    """A system message holds text and tool changes, and has content or output_config."""
    image = {"type": "image", "source": {"type": "url", "url": "u"}}
    change = {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "f"}}
    assert found(HI, {"role": "system"}) == [("SYS-05", "messages.1", "error")]
    assert found(HI, {"role": "system", "content": [], "output_config": {}}) == [("SYS-05", "messages.1", "error")]
    assert found(HI, {"role": "system", "content": [image]}) == [("SYS-05", "messages.1.content.0", "error")]
    assert found(HI, {"role": "system", "content": [change]}, tools=[{"name": "f", "input_schema": {}}]) == []
    assert found(HI, {**RULE, "output_config": {}}) == []


def test_no_cut_leaves_a_system_message_first() -> None:
    view = View([HI, RULE, REPLY, HI])
    assert [index for index in range(5) if may_cut(view, index)] == [2, 3, 4]


def test_text_in_system_messages_is_let_through_on_haiku_5_5() -> None:
    """SYS-03."""
    assert found(HI, RULE, model="claude-haiku-5-5") == []
    assert found(HI, EFFORT, model="claude-haiku-5-5") == []


def test_sys_06() -> None:
    """A system message may set the effort of later turns, with a beta and on some models."""
    path = "messages.1.output_config.effort"
    assert found(HI, EFFORT) == []
    assert found(HI, EFFORT, betas=None) == [("SYS-06", path, "warning")]
    assert found(HI, EFFORT, betas=[]) == [("SYS-06", path, "error")]
    assert found(HI, EFFORT, model="claude-opus-4-8") == [("SYS-06", path, "error")]
    assert found(HI, {**EFFORT, "output_config": {"effort": "extreme"}}) == [("SYS-06", path, "error")]


def test_sys_08() -> None:
    """clear_at stands on system messages, with a beta; a turn-scoped one holds plain text without cache_control and sets
    no effort."""
    scoped = {**RULE, "clear_at": "next_user_message"}
    assert found(HI, scoped) == found(HI, {**scoped, "clear_at": "never"}) == []
    assert found(HI, scoped, betas=[]) == [("SYS-08", "messages.1.clear_at", "error")]
    assert found({**HI, "clear_at": "never"}) == [("SYS-08", "messages.0.clear_at", "error")]
    assert found(HI, {**scoped, "clear_at": "soon"}) == [("SYS-08", "messages.1.clear_at", "error")]
    change = {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "f"}}
    marked = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    assert found(HI, {**scoped, "content": [change]}, tools=[{"name": "f", "input_schema": {}}]) == [
        ("SYS-08", "messages.1.content.0", "error")
    ]
    assert found(HI, {**scoped, "content": [marked]}) == [("SYS-08", "messages.1.content.0.cache_control", "error")]
    assert found(HI, {**scoped, "output_config": {"effort": "low"}}) == [
        ("SYS-08", "messages.1.output_config", "error")
    ]
    assert found(HI, {**scoped, "clear_at": "never", "content": [marked]}) == []


def test_sys_08_says_what_the_api_says() -> None:
    marked = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    scoped = {"role": "system", "content": [marked], "clear_at": "next_user_message", "output_config": {}}
    change = {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "f"}}
    messages = [{**HI, "clear_at": "never"}, scoped, REPLY, HI, {**scoped, "content": [change]}, REPLY, HI]
    messages += [{**RULE, "clear_at": "soon"}]
    said = {v.message for v in find_violations({"model": "claude-opus-5-5", "messages": messages}, betas=[])}
    assert said >= {
        "messages.0.clear_at: clear_at is only permitted on role 'system' messages",
        "messages.1.clear_at: Extra inputs are not permitted",
        "messages.1: output_config is not permitted on a turn-scoped system message",
        "messages.1: cache_control is not permitted on a turn-scoped system message",
        "messages.4: a turn-scoped system message supports text blocks only",
        "messages.7.clear_at: Input should be 'next_user_message' or 'never'",
    }


def test_a_reminder_that_is_taken_out_again_invalidates_what_followed() -> None:
    """SYS-09."""
    reminder = {"type": "text", "text": "Be brief."}
    reply = {"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": "s"}, reminder]}
    with_it = {"role": "user", "content": [{"type": "text", "text": "hi"}, reminder]}
    before = {"model": "claude-opus-5-5", "messages": [with_it, reply, HI]}
    assert found(with_it, reply, HI, previous=before) == []
    assert [rule for rule, _, _ in found(HI, reply, HI, previous=before)] == ["BIND-05"]
