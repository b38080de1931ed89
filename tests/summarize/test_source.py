from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ctxwindow.summarize.source import Piece, main_argument, pieces


def texts(*messages: Any) -> list[str]:
    return [piece.text for piece in pieces(messages, 0)]


def one(block: dict[str, Any], role: str = "user") -> list[Piece]:
    return list(pieces([{"role": role, "content": [block]}], 7))


def test_a_string_stands_for_one_text_block() -> None:
    """MSG-08: content as a string equals one text block."""
    block = {"role": "user", "content": [{"type": "text", "text": "hello"}]}
    assert list(pieces([{"role": "user", "content": "hello"}], 3)) == list(pieces([block], 3))
    assert [piece.message for piece in pieces([block, block], 3)] == [3, 4]


@pytest.mark.parametrize(("role", "work"), [("user", "user"), ("assistant", "assistant"), ("system", "system")])
def test_whose_words_they_are(role: str, work: str) -> None:
    (piece,) = one({"type": "text", "text": "hello"}, role)
    assert (piece.work, piece.form, piece.role) == (work, "text", role)


def test_reasoning_is_never_quoted() -> None:
    """REPLAY-04, THINK-10: thinking belongs to its place and signature; as plain text it would be forged."""
    thinking = {
        "type": "thinking",
        "thinking": "secret plan",
        "signature": "sig",
        "text": "secret",
        "content": "secret",
    }
    redacted = {"type": "redacted_thinking", "data": "opaque", "text": "secret"}
    nested = {
        "type": "tool_result",
        "tool_use_id": "t",
        "content": [thinking, redacted, {"type": "text", "text": "seen"}],
    }
    later = {"type": "block_of_next_year", "content": [thinking], "reasoning": "secret", "text": "seen"}
    message = {"role": "assistant", "content": [thinking, redacted, nested, later]}
    assert texts(message) == ["seen", "seen"]


def test_an_expired_reminder_stays_expired() -> None:
    """SYS-07: a turn-scoped system message renders only until a later user message exists."""
    assert texts({"role": "system", "content": "for this turn", "clear_at": "next_user_message"}) == []
    assert texts({"role": "system", "content": "for good", "clear_at": "never"}) == ["for good"]


def test_a_call_is_its_main_argument_and_the_rest() -> None:
    call = {"type": "tool_use", "id": "t", "name": "Edit", "input": {"old": "a b", "file_path": "/x.py", "n": 3}}
    found = one(call, "assistant")
    assert [(piece.form, piece.label, piece.text) for piece in found] == [
        ("call", "Edit", "/x.py"),
        ("argument", "", "a b"),
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"path": "/p", "command": "ls"}, "ls"),
        ({"zeta": "first", "alpha": "second"}, "first"),
        ({"todos": [{"content": "write"}]}, "write"),
        ({"command": "  ", "n": 1}, ""),
        ({}, ""),
        (None, ""),
        ("bare", "bare"),
    ],
)
def test_main_argument(arguments: Any, expected: str) -> None:
    assert main_argument(arguments) == expected


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"type": "tool_result", "tool_use_id": "t", "content": "plain"}, ["plain"]),
        ({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "a"}, "b"]}, ["a", "b"]),
        (
            {"type": "search_result", "source": "https://x", "title": "T", "content": [{"type": "text", "text": "c"}]},
            ["https://x", "T", "c"],
        ),
        (
            {"type": "document", "title": "D", "source": {"type": "text", "media_type": "text/plain", "data": "body"}},
            ["D", "D", "body"],
        ),
        (
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "part"}]}},
            ["", "part"],
        ),
        (
            {
                "type": "web_fetch_tool_result",
                "tool_use_id": "s",
                "content": {
                    "type": "web_fetch_result",
                    "url": "https://u",
                    "content": {"type": "document", "source": {"type": "text", "data": "page"}},
                },
            },
            ["https://u", "", "page"],
        ),
        (
            {
                "type": "web_search_tool_result",
                "content": [
                    {"type": "web_search_result", "title": "T", "url": "https://u", "encrypted_content": "AAAA"}
                ],
            },
            ["T", "https://u"],
        ),
        (
            {
                "type": "bash_code_execution_tool_result",
                "content": {"type": "bash_code_execution_result", "stdout": "out", "stderr": "err", "return_code": 0},
            },
            ["out", "err"],
        ),
        ({"type": "block_of_next_year", "blob": "QUJD", "text": "readable", "id": "x"}, ["readable"]),
        ({"type": "mcp_tool_listing", "mcp_server_name": "m", "tools": [{"description": "d"}]}, []),
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}}, ["image/png"]),
        ({"type": "container_upload", "file_id": "file_1"}, ["file_1"]),
    ],
)
def test_text_is_reached_wherever_it_is_kept(block: dict[str, Any], expected: list[str]) -> None:
    assert [piece.text for piece in one(block)] == expected


def test_a_failed_result_is_told_apart() -> None:
    (failed,) = one({"type": "tool_result", "tool_use_id": "t", "content": "boom", "is_error": True})
    (fine,) = one({"type": "tool_result", "tool_use_id": "t", "content": "ok", "is_error": False})
    assert (failed.form, fine.form) == ("error", "result")


def test_an_attachment_is_named_not_quoted() -> None:
    """CMP-29: images and documents inside the range are content that a summary cannot carry."""
    (piece,) = one({"type": "image", "source": {"type": "url", "url": "https://x/y.png"}})[:1]
    assert (piece.form, piece.label, piece.text) == ("media", "image", "https://x/y.png")


def test_a_compaction_block_is_an_earlier_summary() -> None:
    (piece,) = one({"type": "compaction", "content": "so far", "encrypted_content": "AAAA"}, "assistant")
    assert (piece.form, piece.text) == ("summary", "so far")
    assert one({"type": "compaction", "content": None}, "assistant") == []  # CMP-04: failed, a no-op


def test_nesting_has_no_depth_limit() -> None:
    value: Any = "deep"
    for _ in range(50_000):
        value = [{"content": value}]
    assert texts({"role": "user", "content": [{"type": "tool_result", "content": value}]}) == ["deep"]


JSON = st.recursive(
    st.sampled_from([None, True, 3, 0.5, "", "text", "thinking", "tool_use", "tool_result", "image", "user"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["type", "text", "content", "input", "name", "source", "title", "data", "is_error", "role"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=10,
)


@example([{"content": {"type": []}}, {"content": [{"type": {}, "content": [{"type": []}]}]}])
@given(st.lists(JSON, max_size=4))
def test_property_odd_shapes_are_read_as_far_as_they_hold_strings(messages: list[Any]) -> None:
    """Odd shapes are stepped over or read as far as they hold strings; nothing here raises."""
    for piece in pieces(messages, 0):
        assert isinstance(piece.text, str)
        assert isinstance(piece.label, str)
        assert 0 <= piece.message < len(messages)
