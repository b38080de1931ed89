from __future__ import annotations

import pytest

from ctxwindow.emulator import ApiError, Event, Response
from ctxwindow.emulator.http import Cut, Unanswered, error_body, refusal


def test_error_bodies() -> None:
    """ERR-01, ERR-02"""
    assert error_body(ApiError(400, "No."), "req_1") == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "No."},
        "request_id": "req_1",
    }
    coded = error_body(ApiError(404, "Gone.", code="thread_not_found", details={"more": 1}), "req_2")
    assert coded["error"] == {
        "type": "not_found_error",
        "message": "Gone.",
        "details": {"error_code": "thread_not_found", "more": 1},
    }


@pytest.mark.parametrize(
    ("message", "status", "code", "text"),
    [
        ("compaction_block_ambiguous: Two.", 400, "compaction_block_ambiguous", "Two."),
        ("tool_reference_unresolved: Which?", 400, "tool_reference_unresolved", "Which?"),
        ("thread_not_found: Gone.", 404, "thread_not_found", "Gone."),
        ("max_tokens: 5 > 4", 400, None, "max_tokens: 5 > 4"),
        ("cache_control: Extra inputs are not permitted", 400, None, "cache_control: Extra inputs are not permitted"),
    ],
)
def test_codes_move_into_the_details(message: str, status: int, code: str | None, text: str) -> None:
    found = refusal(message)
    assert (found.status, found.code, found.message) == (status, code, text)


def test_images_that_are_too_large_say_how_large_they_may_be() -> None:
    """MEDIA-04"""
    path = "messages.7.content.2.image.source.base64.data"
    found = refusal(f"{path}: At least one of the image dimensions exceed max allowed size: 8000 pixels", path=path)
    assert (found.code, found.details) == (
        "image_dimensions_too_large",
        {"max_side_length_pixels": 8_000, "paths": [path]},
    )


def test_a_response_is_cut_after_so_many_bytes() -> None:
    """ERR-03"""
    events = (Event("ping", {"type": "ping"}), Event("message_stop", {"type": "message_stop"}))
    whole = b"".join(Response(status=200, headers={}, events=events).chunks())
    assert whole.startswith(b'event: ping\ndata: {"type":"ping"}\n\nevent: message_stop\n')
    for after in range(len(whole) + 2):
        parts: list[bytes] = []
        with pytest.raises(Cut):
            parts.extend(Response(status=200, headers={}, events=events, cut_after=after).chunks())
        assert b"".join(parts) == whole[:after]


def test_silence() -> None:
    with pytest.raises(Unanswered) as silence:
        list(Response(status=504, headers={}, silent=3.0).chunks())
    assert silence.value.seconds == 3.0
