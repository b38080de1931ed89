from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.rules import find_violations

MODEL = "claude-opus-4-8"
FIVE: dict[str, Any] = {"type": "ephemeral"}
HOUR: dict[str, Any] = {"type": "ephemeral", "ttl": "1h"}
TOOL = {"name": "f", "input_schema": {"type": "object"}}


def text(value: str = "a", **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **more}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


HI = user(text())


def found(*messages: Any, **settings: Any) -> list[tuple[str, str, str]]:
    """Rule, path and message of everything found."""
    violations = find_violations({"model": MODEL, "messages": list(messages), **settings})
    assert all(violation.severity == "error" for violation in violations)
    return [(violation.rule, violation.path, violation.message) for violation in violations]


def rules(*messages: Any, **settings: Any) -> list[tuple[str, str]]:
    return [(rule, path) for rule, path, _ in found(*messages, **settings)]


def test_cache_02() -> None:
    """A request has at most four breakpoints, the automatic one included."""
    marked = text(cache_control=FIVE)
    four = user(marked, marked, marked, marked)
    assert found(four) == []
    said = "A maximum of 4 blocks with cache_control may be provided. Found 5."
    assert found(four, system=[marked]) == [("CACHE-02", "messages.0.content.3.cache_control", said)]
    assert found(four, tools=[{**TOOL, "cache_control": FIVE}])[0][2] == said
    assert found(four, cache_control=FIVE) == [("CACHE-02", "cache_control", said)]
    inner = {"type": "document", "source": {"type": "content", "content": [marked, marked]}}
    assert found(user(inner, marked, marked, marked))[0][2] == said
    assert found(user(marked, marked, marked, text(cache_control=None)), cache_control=FIVE) == []


def test_cache_03() -> None:
    """A top-level cache_control puts a breakpoint on the last block that may carry one; a breakpoint of another ttl there
    is rejected, and so is the field on Bedrock and Google Cloud."""
    assert rules(HI, cache_control=FIVE) == []
    assert rules(user(text(cache_control=HOUR)), cache_control=HOUR) == []
    assert rules(user(text(cache_control={**FIVE, "ttl": "5m"})), cache_control=FIVE) == []
    assert rules(user(text(cache_control=HOUR)), cache_control=FIVE) == [("CACHE-03", "cache_control")]
    assert rules(user(text(cache_control=HOUR), text()), cache_control=FIVE) == []
    for version in ("bedrock-2023-05-31", "vertex-2023-10-16"):
        assert rules(HI, cache_control=FIVE, anthropic_version=version) == [("CACHE-03", "cache_control")]


def test_cache_04() -> None:
    """Breakpoints live 5m or 1h, and those of 1h come before those of 5m in the order of rendering."""
    early, late = text(cache_control=FIVE), text(cache_control=HOUR)
    assert found(user(late, early)) == []
    assert found(user(late), system=[late], tools=[{**TOOL, "cache_control": HOUR}]) == []
    path = "messages.0.content.1.cache_control.ttl"
    said = (
        f"{path}: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note that blocks are "
        "processed in the following order: `tools`, `system`, `messages`."
    )
    assert found(user(early, late)) == [("CACHE-04", path, said)]
    assert rules(user(late), tools=[{**TOOL, "cache_control": FIVE}]) == [
        ("CACHE-04", "messages.0.content.0.cache_control.ttl")
    ]
    assert rules(user(early, text()), cache_control=HOUR) == [("CACHE-04", "cache_control.ttl")]
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [late]}
    assert rules(user(early), call, user(result)) == [("CACHE-04", "messages.2.content.0.content.0.cache_control.ttl")]


@pytest.mark.parametrize(
    ("control", "field"),
    [
        ("ephemeral", ""),
        ({}, ".type"),
        ({"type": "persistent"}, ".type"),
        ({"type": "ephemeral", "ttl": "10m"}, ".ttl"),
        ({"type": "ephemeral", "ttl": [1]}, ".ttl"),
    ],
)
def test_cache_04_and_what_is_no_marker(control: Any, field: str) -> None:
    assert rules(user(text(cache_control=control))) == [("CACHE-04", f"messages.0.content.0.cache_control{field}")]
    assert rules(HI, cache_control=control) == [("CACHE-04", f"cache_control{field}")]


def test_cache_09() -> None:
    """Thinking, citations, empty text, turn-scoped system messages and deferred tools carry no breakpoint."""
    thought = {"type": "thinking", "thinking": "", "signature": "s", "cache_control": FIVE}
    said = "messages.1.content.0.thinking.cache_control: Extra inputs are not permitted"
    path = "messages.1.content.0.cache_control"
    assert found(HI, {"role": "assistant", "content": [thought, text()]}, HI) == [("CACHE-09", path, said)]
    cited = {"type": "char_location", "cited_text": "a", "document_index": 0, "cache_control": FIVE}
    path = "messages.1.content.0.citations.0.cache_control"
    reply = {"role": "assistant", "content": [text(citations=[cited])]}
    assert found(HI, reply, HI) == [("CACHE-09", path, f"{path}: Extra inputs are not permitted")]
    outside = {**HI, "cache_control": FIVE}
    path = "messages.0.cache_control"
    assert found(outside) == [("CACHE-09", path, f"{path}: Extra inputs are not permitted")]
    assert found({**HI, "cache_control": None}) == []


def test_cache_09_empty_text() -> None:
    empty = text("", cache_control=FIVE)
    said = "messages.0.content.1.text: cache_control cannot be set for empty text blocks"
    assert ("CACHE-09", "messages.0.content.1.cache_control", said) in found(user(text(), empty))
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [text(), empty]}
    assert ("CACHE-09", "messages.2.content.0.content.1.cache_control") in rules(HI, call, user(result))
    assert rules(HI, system=[text(), empty]) == [("CACHE-09", "system.1.cache_control")]
    assert rules(HI, system=[text(" ", cache_control=FIVE)]) == []


def test_cache_19() -> None:
    """diagnostics.previous_message_id is the id of the response before, or null."""
    assert found(HI, diagnostics={"previous_message_id": None}) == []
    assert found(HI, diagnostics={"previous_message_id": "msg_1"}) == []
    assert found(HI, diagnostics=None) == []
    assert rules(HI, diagnostics={"previous_message_id": 7}) == [("CACHE-19", "diagnostics.previous_message_id")]
    assert rules(HI, diagnostics="msg_1") == [("CACHE-19", "diagnostics")]
