"""Server-sent events, decoded as their bytes come."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("anthropic")

from ctxwindow.client.middleware.following import Events

EVENTS: list[dict[str, Any]] = [
    {"type": "ping"},
    {"type": "content_block_delta", "delta": {"text": "Grüße ☃ 𝄞\n"}},
    {"type": "message_stop"},
]


def stream(newline: str) -> bytes:
    lines = [
        f"event: {event['type']}{newline}data: {json.dumps(event, ensure_ascii=False)}{newline}{newline}"
        for event in EVENTS
    ]
    return f": a comment{newline}{''.join(lines)}".encode()


@given(st.lists(st.integers(0, 400), max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_events_come_out_whole_wherever_the_bytes_are_cut(cuts: list[int], newline: str) -> None:
    body = stream(newline)
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    events = Events()
    found = [event for start, end in itertools.pairwise(places) for event in events.feed(body[start:end])]
    assert found == EVENTS


def test_what_is_no_json_is_left_out() -> None:
    events = Events()
    assert events.feed(b'data: {\n\ndata: 3\n\ndata: \n\n\n\ndata:{"type":\ndata:"ping"}\n\n') == [{"type": "ping"}]
