from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.emulator import ApiError, Event
from ctxwindow.emulator.stream import events_of, with_error
from ctxwindow.record import from_json

USAGE = {
    "input_tokens": 5, "cache_creation_input_tokens": 1, "cache_read_input_tokens": 2, "output_tokens": 9,
    "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 0}, "service_tier": "standard",
    "output_tokens_details": {"thinking_tokens": 4},
}  # fmt: skip
_blocks = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, st.text(max_size=80)),
    st.builds(lambda text: {"type": "thinking", "thinking": text, "signature": "s"}, st.text(max_size=80)),
    st.just({"type": "redacted_thinking", "data": "d"}),
    st.builds(
        lambda given: {"type": "tool_use", "id": "toolu_1", "name": "n", "input": given},
        st.dictionaries(st.text(max_size=5), st.text(max_size=40) | st.integers(), max_size=3),
    ),
    st.builds(
        lambda text: {"type": "compaction", "content": text, "encrypted_content": "e"}, st.text(min_size=1, max_size=50)
    ),
    st.just({"type": "compaction", "content": None}),
    st.just({"type": "compaction", "content": "Whole.", "signature": "s"}),
)


def message(*content: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": list(content),
        "stop_reason": "end_turn", "stop_sequence": None, "usage": USAGE, **fields,
    }  # fmt: skip


def gathered(events: tuple[Event, ...]) -> list[dict[str, Any]]:
    """The blocks that the events add up to."""
    blocks: list[dict[str, Any]] = []
    written = ""
    for event in events:
        data = event.data
        assert data["type"] == event.name
        if event.name == "content_block_start":
            assert data["index"] == len(blocks)
            blocks.append(dict(data["content_block"]))
            written = ""
        elif event.name == "content_block_delta":
            assert data["index"] == len(blocks) - 1
            match data["delta"]:
                case {"type": "text_delta", "text": text}:
                    blocks[-1]["text"] += text
                case {"type": "thinking_delta", "thinking": text}:
                    blocks[-1]["thinking"] += text
                case {"type": "signature_delta", "signature": text}:
                    blocks[-1]["signature"] = text
                case {"type": "input_json_delta", "partial_json": text}:
                    written += text
                case {"type": "compaction_delta"}:
                    blocks[-1].update(data["delta"], type="compaction")
        elif event.name == "content_block_stop" and written:
            blocks[-1]["input"] = from_json(written.encode())
    return blocks


@given(st.lists(_blocks, max_size=4))
def test_the_events_add_up_to_the_message(content: list[dict[str, Any]]) -> None:
    """A stream, accumulated, is the message that would have been returned unstreamed."""
    events = events_of(message(*content))
    assert gathered(events) == content
    names = [event.name for event in events]
    assert names[:2] == ["message_start", "ping"]
    assert names[-2:] == ["message_delta", "message_stop"]
    assert names.count("content_block_start") == names.count("content_block_stop") == len(content)


def test_tok_06_usage_is_cumulative() -> None:
    events = events_of(message({"type": "text", "text": "x"}, context_management={"applied_edits": []}))
    started, ended = events[0].data["message"], events[-2].data
    assert started["usage"]["input_tokens"] == ended["usage"]["input_tokens"] == 5
    assert (started["usage"]["output_tokens"], ended["usage"]["output_tokens"]) == (1, 9)
    assert (started["stop_reason"], ended["delta"]["stop_reason"]) == (None, "end_turn")
    # TOK-04 and EDIT-05: only at the end.
    assert "output_tokens_details" not in started["usage"]
    assert ended["usage"]["output_tokens_details"] == {"thinking_tokens": 4}
    assert "context_management" not in started
    assert ended["context_management"] == {"applied_edits": []}


def test_bind_08_transformations_come_first() -> None:
    events = events_of(message(input_transformations=[{"type": "thinking_dropped"}]))
    assert events[0].data["message"]["input_transformations"] == [{"type": "thinking_dropped"}]
    assert "input_transformations" not in events[-2].data


def test_cmp_12_and_cmp_33_how_compaction_blocks_come() -> None:
    """CMP-12, CMP-33"""
    threshold = events_of(message({"type": "compaction", "content": "All.", "encrypted_content": "e"}))
    start, delta = threshold[2].data, threshold[3].data
    assert start["content_block"]["content"] is None
    assert delta["delta"] == {"type": "compaction_delta", "content": "All.", "encrypted_content": "e"}
    signed = events_of(message({"type": "compaction", "content": "All.", "signature": "s"}))
    assert signed[2].data["content_block"] == {"type": "compaction", "content": "All.", "signature": "s"}
    assert signed[3].name == "content_block_stop"


def test_err_03_an_error_in_mid_stream() -> None:
    events = with_error(events_of(message({"type": "text", "text": "x" * 100})), ApiError(529, "Overloaded"), "req_1")
    assert events[0].name == "message_start"
    assert events[-1].data["error"] == {"type": "overloaded_error", "message": "Overloaded"}
