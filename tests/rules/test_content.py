from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.rules import find_violations

BOUND, MANUAL = "claude-opus-5-5", "claude-sonnet-4-5"
HI = {"role": "user", "content": "hi"}


def found(messages: list[Any], model: str = BOUND, **settings: Any) -> list[tuple[str, str, str]]:
    """Rule, path and severity of everything found."""
    violations = find_violations({"model": model, "messages": messages, **settings})
    return [(violation.rule, violation.path, violation.severity) for violation in violations]


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": [text(block) if isinstance(block, str) else block for block in blocks]}


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


TOOLS = [{"type": "web_search_20250305", "name": "web_search"}]
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}}


def search_result(**fields: Any) -> dict[str, Any]:
    entry = {"type": "web_search_result", "url": "u", "title": "t", **fields}
    return {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [entry]}


def test_msg_06() -> None:
    """Empty text blocks are rejected, and white-space ones where the message has no visible text (recorded: beside
    visible text they are accepted)."""
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    answer = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]}
    assert found([{"role": "user", "content": " \n"}]) == [("MSG-06", "messages.0.content", "error")]
    assert found([{"role": "user", "content": [text("hi"), text("")]}]) == [("MSG-06", "messages.0.content.1", "error")]
    assert found([HI, assistant(" ", call), answer]) == [("MSG-06", "messages.1.content.0", "error")]
    assert found([HI, assistant("a", " ", "b"), HI]) == []
    assert found([HI, assistant("a"), HI]) == []


def test_msg_06_warns_where_nothing_is_recorded() -> None:
    message = assistant(" ", SEARCH, search_result(encrypted_content="e"), "Found it.")
    assert found([HI, message, HI]) == [("MSG-06", "messages.1.content.0", "warning")]


@pytest.mark.parametrize("empty", ["", []])
def test_msg_07(empty: Any) -> None:
    """A message with empty content is rejected, except a final assistant message."""
    assert found([{"role": "user", "content": empty}]) == [("MSG-07", "messages.0", "error")]
    assert found([HI, {"role": "assistant", "content": empty}, HI]) == [("MSG-07", "messages.1", "error")]
    assert found([HI, {"role": "assistant", "content": empty}], MANUAL) == []


def test_msg_07_has_the_recorded_text() -> None:
    (violation,) = find_violations({"model": MANUAL, "messages": [{"role": "user", "content": ""}]})
    assert violation.message == (
        "messages.0: all messages must have non-empty content except for the optional final assistant message"
    )


def test_msg_17() -> None:
    """max_tokens 0 is rejected with stream, manual thinking, output_config.format or a forced tool_choice."""
    assert found([HI], max_tokens=0) == []
    assert found([HI], max_tokens=1, stream=True) == []
    assert found([HI], max_tokens=0, stream=True) == [("MSG-17", "stream", "error")]
    assert ("MSG-17", "thinking.type", "error") in found([HI], MANUAL, max_tokens=0, thinking={"type": "enabled"})
    assert ("MSG-17", "tool_choice", "error") in found([HI], MANUAL, max_tokens=0, tool_choice={"type": "any"})
    shaped = {"format": {"type": "json_schema"}}
    assert found([HI], max_tokens=0, output_config=shaped) == [("MSG-17", "output_config.format", "error")]


@pytest.mark.parametrize("name", ["", "a b", "größe", "x" * 65])
def test_msg_18(name: str) -> None:
    """Tool names have 1 to 64 letters, digits, _ and -; input_examples fit the input_schema (judged by type, enum, const,
    required, properties, items and additionalProperties false only)."""
    assert found([HI], tools=[{"name": name, "input_schema": {}}]) == [("MSG-18", "tools.0.name", "error")]
    assert found([HI], tools=[{"name": "a-B_9", "input_schema": {}}]) == []


@pytest.mark.parametrize(
    ("examples", "places"),
    [
        ([{"a": 1}, {"a": 2, "b": "x"}], []),
        ([{"a": 1}, {"a": "x"}, {}], ["1", "2"]),
        ([None], ["0"]),
        ([], []),
        (None, []),
    ],
)
def test_msg_18_of_examples(examples: Any, places: list[str]) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    tool = {"name": "f", "input_schema": schema, "input_examples": examples}
    wanted = [("MSG-18", f"tools.0.custom.input_examples.{place}", "error") for place in places]
    assert found([HI], tools=[tool]) == wanted


def test_msg_18_of_examples_that_are_no_list() -> None:
    tool = {"name": "f", "input_schema": {}, "input_examples": {"a": 1}}
    assert found([HI], tools=[tool]) == [("MSG-18", "tools.0.custom.input_examples", "error")]


def test_msg_19() -> None:
    """Citations together with output_config.format are rejected."""
    source = {"type": "text", "media_type": "text/plain", "data": "x"}
    cited = {"role": "user", "content": [{"type": "document", "source": source, "citations": {"enabled": True}}]}
    plain = {"role": "user", "content": [{"type": "document", "source": source}]}
    shaped = {"format": {"type": "json_schema"}}
    assert found([cited], output_config=shaped) == [("MSG-19", "messages.0.content.0.citations", "error")]
    assert found([cited]) == []
    assert found([plain], output_config=shaped) == []


def test_msg_20() -> None:
    """encrypted_content of web search results and encrypted_index go back untouched."""
    whole = assistant(SEARCH, search_result(encrypted_content="e"), "Found it.")
    stripped = assistant(SEARCH, search_result(), "Found it.")
    assert found([HI, whole, HI]) == []
    assert found([HI, stripped, HI]) == [("MSG-20", "messages.1.content.1.content.0.encrypted_content", "error")]
