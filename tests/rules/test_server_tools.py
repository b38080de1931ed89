from __future__ import annotations

from typing import Any

from ctxwindow.rules import find_violations

HI = {"role": "user", "content": "hi"}
CALL: dict[str, Any] = {"type": "tool_use", "id": "t", "name": "f", "input": {}}


def found(messages: list[Any], **settings: Any) -> list[tuple[str, str]]:
    """Rule and path of everything found."""
    violations = find_violations({"model": "claude-opus-5-5", "messages": messages, **settings})
    return [(violation.rule, violation.path) for violation in violations]


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def search(identity: str) -> dict[str, Any]:
    return {"type": "server_tool_use", "id": identity, "name": "web_search", "input": {}}


def search_result(identity: str) -> dict[str, Any]:
    return {"type": "web_search_tool_result", "tool_use_id": identity, "content": []}


def round_(call: dict[str, Any], result: dict[str, Any], *more: dict[str, Any]) -> list[Any]:
    """A round of one call, with more blocks behind its result."""
    result = {"type": "tool_result", "tool_use_id": "t", "content": "x", **result}
    return [HI, assistant({**CALL, **call}), {"role": "user", "content": [result, *more]}]


def test_tool_08() -> None:
    """Results of server tools stand after their call, paired by id, perhaps in a later message of the same turn."""
    assert found([HI, assistant(search_result("s"), search("s")), HI]) == [
        ("TOOL-09", "messages.1"),
        ("TOOL-08", "messages.1.content.0"),
    ]
    assert found([HI, assistant(search("s"), search_result("s")), HI]) == []
    assert found([HI, assistant(search("s")), assistant(search_result("s")), HI]) == []


def test_tool_08_says_what_the_api_says() -> None:
    result = {"type": "advisor_tool_result", "tool_use_id": "srvtoolu_1", "content": {}}
    request = {"model": "claude-opus-5-5", "messages": [HI, assistant(result), HI]}
    (violation,) = find_violations(request, betas=["advisor-tool-2026-03-01"])
    assert violation.message == (
        "messages.1.content.0: unexpected `tool_use_id` found in `advisor_tool_result` blocks: srvtoolu_1. Each "
        "`advisor_tool_result` block must have a corresponding `server_tool_use` block before it."
    )


def test_tool_09() -> None:
    """While a server tool call waits, a user message holds only the tool_result blocks of client calls."""
    tools = [{"type": "web_search_20250305", "name": "web_search"}]
    mixed = [HI, assistant(search("s"), CALL)]
    result: dict[str, Any] = {"type": "tool_result", "tool_use_id": "t", "content": "x"}
    text = {"type": "text", "text": "and?"}
    answered = {"role": "user", "content": [result]}
    assert found([*mixed, answered], tools=tools) == []
    assert found([*mixed, answered, assistant(search_result("s"), text), HI], tools=tools) == []
    assert found([*mixed, {"role": "user", "content": [result, text]}], tools=tools) == [("TOOL-09", "messages.1")]
    assert found([HI, assistant(search("s")), HI], tools=tools) == [("TOOL-09", "messages.1")]


def test_tool_09_names_the_tool_as_the_api_does() -> None:
    (violation,) = find_violations({"model": "claude-opus-5-5", "messages": [HI, assistant(search("srvtoolu_1")), HI]})
    assert violation.message == (
        "messages.1: `web_search` tool use with id `srvtoolu_1` was found without a corresponding `web_search_tool_result` "
        "block"
    )


def test_tool_10() -> None:
    """While a server tool call waits, the tools stay the same."""
    paused = {
        "role": "assistant",
        "content": [{"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_fetch", "input": {}}],
    }
    assert found([HI, paused]) == [("TOOL-10", "messages.1.content.0")]
    assert found([HI, paused], tools=[{"type": "web_fetch_20250910", "name": "web_fetch"}]) == []


def test_tool_11() -> None:
    """A tool_result is never given for a server tool call."""
    call = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    answer = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "srvtoolu_1", "content": "x"}]}
    tools = [{"type": "web_search_20250305", "name": "web_search"}]
    messages = [HI, {"role": "assistant", "content": [call]}, answer]
    assert found(messages, tools=tools) == [("TOOL-11", "messages.2.content.0")]
    assert found(round_({}, {})) == []


def test_tool_12() -> None:
    """While code waits for tool results, the message that answers holds tool_result blocks of text only."""
    caller = {"caller": {"type": "code_execution_20250825", "tool_id": "srvtoolu_1"}}
    image = [{"type": "image", "source": {"type": "base64", "data": "", "media_type": "image/png"}}]
    assert found(round_(caller, {})) == []
    assert found(round_(caller, {"content": image})) == [("TOOL-12", "messages.2.content.0")]
    assert found(round_({"caller": {"type": "direct"}}, {"content": image})) == []
    assert found(round_(caller, {}, {"type": "text", "text": "and?"})) == [("TOOL-12", "messages.2.content.1")]
