from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.rules import find_violations, is_misshapen

USER = {"role": "user", "content": "hi"}


def found(**request: Any) -> set[tuple[str, str]]:
    """Rule and path of every error and warning."""
    request = {"model": "claude-opus-5-5", "messages": [USER], **request}
    return {(violation.rule, violation.path) for violation in find_violations(request)}


def test_a_plain_request_breaks_nothing() -> None:
    assert found() == set()


@pytest.mark.parametrize("messages", [None, [], "hi", {"role": "user"}, 7])
def test_shape_01(messages: Any) -> None:
    """`messages` is a list with at least one message."""
    assert found(messages=messages) == {("SHAPE-01", "messages")}
    assert found(messages=[USER]) == set()


@pytest.mark.parametrize("message", ["hi", None, 7, ["user", "hi"]])
def test_shape_02(message: Any) -> None:
    """Each message is an object."""
    assert found(messages=[USER, message, USER]) == {("SHAPE-02", "messages.1")}


def test_shape_02_has_the_recorded_text() -> None:
    (violation,) = find_violations({"model": "claude-opus-5-5", "messages": ["Invalid content"]})
    assert violation.message == "messages.0: Input does not match the expected shape."


@pytest.mark.parametrize("role", [None, 7, ["user"], {}])
def test_shape_03(role: Any) -> None:
    """Each message has a string `role`."""
    assert found(messages=[{"role": role, "content": "hi"}]) == {("SHAPE-03", "messages.0.role")}
    assert found(messages=[{"content": "hi"}]) == {("SHAPE-03", "messages.0.role")}


@pytest.mark.parametrize("content", [None, 7, {"type": "text", "text": "hi"}, ({"type": "text", "text": "hi"},)])
def test_shape_04(content: Any) -> None:
    """`content` is a string or a list of blocks; only a system message may leave it out."""
    assert found(messages=[{"role": "user", "content": content}]) == {("SHAPE-04", "messages.0.content")}
    effort = {"role": "system", "output_config": {"effort": "low"}}
    assert found(messages=[USER, effort], betas=["mid-conversation-output-config-2026-07-01"]) == set()


@pytest.mark.parametrize("block", ["hi", None, {}, {"type": 7}, {"text": "hi"}])
def test_shape_05(block: Any) -> None:
    """A content block is an object with a string `type`."""
    good = {"type": "text", "text": "hi"}
    assert found(messages=[{"role": "user", "content": [good, block]}]) == {("SHAPE-05", "messages.0.content.1")}
    assert found(messages=[{"role": "user", "content": [good, good]}]) == set()


@pytest.mark.parametrize(
    ("role", "block", "field"),
    [
        ("user", {"type": "text"}, "text"),
        ("user", {"type": "text", "text": None}, "text"),
        ("user", {"type": "tool_result", "content": "x"}, "tool_use_id"),
        ("user", {"type": "image"}, "source"),
        ("user", {"type": "document", "source": "x"}, "source"),
        ("user", {"type": "search_result", "source": "s", "title": 7, "content": []}, "title"),
        ("user", {"type": "search_result", "source": "s", "title": "t", "content": "x"}, "content"),
        ("user", {"type": "container_upload"}, "file_id"),
        ("user", {"type": "tool_reference", "tool_name": None}, "tool_name"),
        ("user", {"type": "text", "text": "x", "citations": 1}, "citations"),
        ("user", {"type": "tool_result", "tool_use_id": "t", "is_error": "yes"}, "is_error"),
        ("assistant", {"type": "fallback", "from": {"model": "a"}, "to": None}, "to"),
        ("assistant", {"type": "tool_use", "name": "f", "input": {}}, "id"),
        ("assistant", {"type": "tool_use", "id": "t", "input": {}}, "name"),
        ("assistant", {"type": "tool_use", "id": "t", "name": "f", "input": "{}"}, "input"),
        ("assistant", {"type": "web_search_tool_result", "content": []}, "tool_use_id"),
        ("assistant", {"type": "thinking", "signature": "s"}, "thinking"),
        ("assistant", {"type": "thinking", "thinking": "", "signature": 7}, "signature"),
        ("assistant", {"type": "compaction", "content": 7}, "content"),
    ],
)
def test_shape_06(role: str, block: dict[str, Any], field: str) -> None:
    """A block has the fields that its type requires, of the right type."""
    messages = [USER, {"role": role, "content": [block]}, USER]
    # The next message is judged: it does not answer the broken call.
    assert found(messages=messages) - {("TOOL-01", "messages.1")} == {("SHAPE-06", f"messages.1.content.0.{field}")}


def test_shape_06_leaves_unknown_types_alone() -> None:
    assert found(messages=[{"role": "user", "content": [{"type": "hologram", "beam": 1}]}]) == set()


@pytest.mark.parametrize(
    ("role", "block", "text"),
    [
        (
            "user",
            {"type": "tool_use", "id": "t", "name": "f", "input": {}},
            "messages.0: `tool_use` blocks can only be in `assistant` messages",
        ),
        (
            "assistant",
            {"type": "tool_result", "tool_use_id": "t"},
            "messages.0: `tool_result` blocks can only be in `user` messages",
        ),
        (
            "user",
            {"type": "thinking", "thinking": "", "signature": "s"},
            "messages.0.content: thinking blocks may only be in `assistant` messages",
        ),
        *(
            (
                "user",
                block,
                f"messages.0: `{block['type']}` blocks can only be in `assistant` messages",
            )
            for block in (
                {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
                {"type": "mcp_tool_use", "id": "m", "name": "f", "server_name": "s", "input": {}},
                {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
                {"type": "mcp_tool_result", "tool_use_id": "m", "content": []},
            )
        ),
    ],
)
def test_shape_07(role: str, block: dict[str, Any], text: str) -> None:
    """Calls, results of the server's tools and thinking stand in assistant messages only, tool results in user messages
    only."""
    violations = find_violations({"model": "claude-opus-5-5", "messages": [{"role": role, "content": [block]}, USER]})
    assert [(violation.rule, violation.message) for violation in violations] == [("SHAPE-07", text)]


@pytest.mark.parametrize("content", [[], [{}], ["x"], {"type": "text"}, 7])
def test_shape_08(content: Any) -> None:
    """The content of a tool_result is a string or a list of blocks that is not empty."""
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]}

    def answered(content: Any) -> set[tuple[str, str]]:
        result = {"type": "tool_result", "tool_use_id": "t", "content": content}
        return found(messages=[USER, call, {"role": "user", "content": [result]}])

    assert answered(content) == {("SHAPE-08", "messages.2.content.0.content")}
    for good in ("", "x", None, [{"type": "text", "text": "x"}]):
        assert answered(good) == set()


def test_a_message_of_broken_shape_is_judged_by_nothing_else() -> None:
    broken = {
        "role": "user",
        "content": ["hi", {"type": "text", "text": ""}, {"type": "tool_result", "tool_use_id": "x"}],
    }
    assert found(messages=[broken, USER]) == {("SHAPE-05", "messages.0.content.0")}


def test_no_error_text_carries_content() -> None:
    content = "correct horse battery staple"
    request = {
        "model": content,
        "system": [{"type": content}],
        "messages": [
            {"role": content, "content": content},
            {
                "role": "user",
                "content": [{"type": "text", "text": content}, {"type": "tool_result", "tool_use_id": "t"}],
            },
            {"role": "assistant", "content": [{"type": "thinking", "thinking": content}]},
        ],
    }
    violations = find_violations(request)
    assert violations
    assert not any(content in f"{violation.message}{violation.remedy}{violation.path}" for violation in violations)


@pytest.mark.parametrize(
    ("block", "where"),
    [
        ({"type": "image", "source": {}}, "source.type"),
        ({"type": "image", "source": {"type": 7}}, "source.type"),
        ({"type": "image", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}, "source.type"),
        ({"type": "image", "source": {"type": "base64", "data": "x"}}, "source.base64.media_type"),
        ({"type": "image", "source": {"type": "url", "url": None}}, "source.url.url"),
        ({"type": "document", "source": {}}, "source.type"),
        ({"type": "document", "source": {"type": "file"}}, "source.file.file_id"),
        ({"type": "document", "source": {"type": "text", "media_type": "text/plain"}}, "source.text.data"),
        ({"type": "document", "source": {"type": "content", "content": 7}}, "source.content.content"),
    ],
)
def test_shape_06_of_sources(block: dict[str, Any], where: str) -> None:
    assert found(messages=[{"role": "user", "content": [block]}]) == {("SHAPE-06", f"messages.0.content.0.{where}")}
    held = {"type": "document", "source": {"type": "content", "content": [block]}}
    inner = f"messages.0.content.0.source.content.0.{where}"
    assert found(messages=[{"role": "user", "content": [held]}]) == {("SHAPE-06", inner)}


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": ""}},
        {"type": "document", "source": {"type": "content", "content": "a"}},
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a"}]}},
    ],
)
def test_shape_06_of_good_sources(block: dict[str, Any]) -> None:
    assert not {rule for rule, _ in found(messages=[{"role": "user", "content": [block]}])} & {"SHAPE-06"}


@pytest.mark.parametrize(
    ("content", "misshapen"),
    [
        ("text", False),
        ([{"type": "of_tomorrow"}], False),
        ([{"a": 1}], True),
        ([{"type": "text", "text": 5}], True),
        ([{"type": "tool_use", "id": 7, "name": "n", "input": {}}], True),
        ([{"type": "tool_result", "tool_use_id": "t"}], True),
    ],
)
def test_what_is_no_message_by_its_shape(content: Any, misshapen: bool) -> None:
    assert is_misshapen({"role": "assistant", "content": content}) == misshapen
