from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.recall.entries import block_at, entries_of, handle_of, message_of
from ctxwindow.record.blocks import blocks_of
from ctxwindow.record.events import Appended, Compacted, Counted, Received
from ctxwindow.record.surrogates import without_surrogates
from ctxwindow.testing import user_messages
from ctxwindow.testing.strategies import replies
from ctxwindow.tiers.wire import sendable


def compacted(summary: str) -> Compacted:
    return Compacted(
        method="summarize_all",
        first=0,
        end=12,
        tail=12,
        instruction=None,
        carried=None,
        strip_thinking=False,
        summary=summary,
        by="somebody",
        tokens=1,
        before=2,
        target=3,
    )


def test_each_block_with_text_is_an_entry() -> None:
    tools: dict[str, str] = {}
    content: list[Any] = [
        {"type": "thinking", "thinking": "no signature"},
        {"type": "text", "text": " "},
        {"type": "text", "text": "Look."},
        {"type": "thinking", "thinking": "signed", "signature": "s"},
        {"type": "tool_use", "id": "t1", "name": "read", "input": {"path": "a.py"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aaaa"}},
    ]
    event = Received(at=5.0, send=1, message={"role": "assistant", "content": content})
    text, call = entries_of(event, 7, tools)
    assert (text.path, text.handle, text.kind, text.role, text.at) == (
        "messages.7.content.2", "m7.0", "text", "assistant", 5.0,
    )  # fmt: skip
    assert (call.path, call.handle, call.tool, call.text) == ("messages.7.content.4", "m7.2", "read", "read\na.py")
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "x = 1"}]}
    (found,) = entries_of(Appended(message=result), 8, tools)
    assert (found.tool, found.text, found.at) == ("read", "x = 1", None)


def test_a_summary_is_an_entry_of_its_range() -> None:
    (found,) = entries_of(compacted("So far so good."), 12, {})
    assert (found.path, found.handle, found.kind, found.message) == ("summaries.0-12", "s0-12", "summary", None)
    assert list(entries_of(compacted(" "), 12, {})) == []
    assert list(entries_of(Counted(fingerprint="f", tokens=1), 12, {})) == []


@given(user_messages() | replies().map(lambda reply: {"role": "assistant", "content": reply["content"]}))
def test_a_handle_counts_the_blocks_that_are_sent(message: dict[str, Any]) -> None:
    """As spilled results are counted: by the form that goes out."""
    form = sendable(message)
    for entry in entries_of(Appended(message=message), 3, {}):
        place = message_of(entry.handle)
        assert place is not None
        assert place[1] is not None
        position = int(entry.path.split(".")[-1])
        assert form is not None
        block = blocks_of(message)[position]
        assert block == block_at(message, place[1])
        assert blocks_of(form)[place[1]] == without_surrogates(block)


@pytest.mark.parametrize(
    "text", ["", "m", "m-1", "m1.", "m1.x", "M1", " m1", "m1.0.0", "m\u0661", "m" + "9" * 30, "s0-3"]
)
def test_what_is_no_handle_of_a_message(text: str) -> None:
    assert message_of(text) is None


@given(st.integers(0, 10**9 - 1), st.integers(0, 10**9 - 1))
def test_a_handle_reads_back(message: int, block: int) -> None:
    assert message_of(handle_of(message, block)) == (message, block)
    assert message_of(f"m{message}") == (message, None)
    assert block_at({"content": "x"}, block) == ({"type": "text", "text": "x"} if block == 0 else None)
