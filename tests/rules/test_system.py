from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.catalog import Features, ModelProfile
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


def found(*messages: Any, model: str = "claude-opus-5-5") -> list[tuple[str, str, str]]:
    violations = find_violations({"model": model, "messages": list(messages)})
    return [(violation.rule, violation.path, violation.severity) for violation in violations]


@pytest.mark.parametrize("model", ["claude-opus-4-7", "claude-sonnet-4-5", "claude-mythos-preview"])
def test_sys_01(model: str) -> None:
    """role system is accepted in `messages` on some models only."""
    assert found(HI, RULE, model=model) == [("SYS-01", "messages.1", "error")]
    for supporting in ("claude-opus-4-8", "claude-sonnet-5-5", "claude-fable-5"):
        assert found(HI, RULE, model=supporting) == []


def test_sys_01_lets_the_effort_be_set_where_only_that_is_supported() -> None:
    profile = ModelProfile(
        id="m", window=1_000, max_output=100, features=Features(per_message_effort=True, prefill=True)
    )
    request = {"model": "m", "messages": [HI, EFFORT, REPLY]}
    assert find_violations(request, profile=profile) == []
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


def test_sys_04_takes_system_messages_in_a_row_as_one_section() -> None:
    assert found(HI, EFFORT, RULE, REPLY, HI) == []
    assert found(HI, RULE, EFFORT, REPLY, HI) == []
    assert found(HI, REPLY, EFFORT, RULE, REPLY, HI) == [("SYS-04", "messages.3", "error")]
    assert found(HI, REPLY, RULE, RULE, REPLY, HI) == [("SYS-04", "messages.2", "error")]
    assert found(HI, RULE, EFFORT, HI) == [("SYS-04", "messages.1", "error")]


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
    assert found(HI, {"role": "system", "content": [change]}) == []
    assert found(HI, {**RULE, "output_config": {}}) == []


def test_no_cut_leaves_a_system_message_first() -> None:
    view = View([HI, RULE, REPLY, HI])
    assert [index for index in range(5) if may_cut(view, index)] == [2, 3, 4]
