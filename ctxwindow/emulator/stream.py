"""The events of a streamed reply, in the order and with the fields that the SDK accumulates.

`message_start` carries the input side of the usage (TOK-06: `message_delta` is cumulative), a `ping` follows, then each
block starts, grows and stops. A threshold compaction block grows in one delta (CMP-12); a signed one arrives whole in
its start event (CMP-33).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctxwindow.emulator.http import ApiError, Event, error_body
from ctxwindow.record import to_json

__all__ = ["events_of", "with_error"]

_PIECE = 24
"""Characters of one delta. The API's own vary; nothing documented depends on them."""


def events_of(message: Mapping[str, Any]) -> tuple[Event, ...]:
    """The events that build up `message`, a whole reply as it would be returned unstreamed."""
    usage = dict(message["usage"])
    started = {key: value for key, value in usage.items() if key not in ("output_tokens_details", "iterations")}
    opening = {
        **message,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**started, "output_tokens": min(1, usage["output_tokens"])},
    }
    late = {key: opening.pop(key) for key in ("context_management",) if key in opening}
    opening.pop("stop_details", None)
    ending = {
        "type": "message_delta",
        "delta": {key: message.get(key) for key in ("stop_reason", "stop_sequence", "stop_details")},
        "usage": {key: value for key, value in usage.items() if key not in ("cache_creation", "service_tier")},
        **late,  # EDIT-05: on streams in the final message_delta
    }
    events = [Event("message_start", {"type": "message_start", "message": opening}), Event("ping", {"type": "ping"})]
    for index, block in enumerate(message["content"]):
        start, deltas = _grow(block)
        events.append(
            Event("content_block_start", {"type": "content_block_start", "index": index, "content_block": start})
        )
        events += [
            Event("content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta})
            for delta in deltas
        ]
        events.append(Event("content_block_stop", {"type": "content_block_stop", "index": index}))
    return (*events, Event("message_delta", ending), Event("message_stop", {"type": "message_stop"}))


def _grow(block: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The block as it starts, and what is added to it."""
    match block.get("type"):
        case "text":
            deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(str(block.get("text", "")))]
            cited = [{"type": "citations_delta", "citation": citation} for citation in block.get("citations") or ()]
            return {**block, "text": "", **({"citations": []} if cited else {})}, [*deltas, *cited]
        case "thinking":
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in _pieces(block["thinking"])]
            return {**block, "thinking": "", "signature": ""}, [
                *deltas,
                {"type": "signature_delta", "signature": block["signature"]},
            ]
        case "tool_use" | "server_tool_use" | "mcp_tool_use":
            written = to_json(block["input"]).decode() if block.get("input") else ""
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *_pieces(written))]
            return {**block, "input": {}}, deltas
        case "compaction" if "signature" not in block:
            grown = {key: block.get(key) for key in ("content", "encrypted_content") if key in block}
            return {**block, **dict.fromkeys(grown)}, [{"type": "compaction_delta", **grown}]
        case _:
            return dict(block), []


def _pieces(text: str) -> Iterator[str]:
    return (text[place : place + _PIECE] for place in range(0, len(text), _PIECE))


def with_error(events: tuple[Event, ...], error: ApiError, request_id: str) -> tuple[Event, ...]:
    """The first half of a stream, and then an `error` event (ERR-03)."""
    return (*events[: len(events) // 2], Event("error", error_body(error, request_id)))
