from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from ctxwindow.errors import HistoryError
from ctxwindow.record import decode_event, encode_event
from ctxwindow.record.events import Answered, Appended, Arrived, Compacted, Received, Started, kind_of
from ctxwindow.testing import json_values


@given(json_values())
def test_events_read_back_equal(value: Any) -> None:
    event = Received(send=1, message={"role": "assistant", "content": [{"type": "of_tomorrow", "x": value}]}, at=1.5)
    again = decode_event(encode_event(event))
    assert again == event
    assert kind_of(again) == "received"


def test_a_tuple_field_survives() -> None:
    event = Compacted(
        method="m", first=0, end=2, tail=2, instruction=None, carried=(1, 2), strip_thinking=True,
        summary="\ud800", by="x", tokens=1, before=2, target=1,
    )  # fmt: skip
    assert decode_event(encode_event(event)) == event


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"event":"of_tomorrow"}', b'{"event":"started"}', b"\xff"])
def test_what_is_no_event_is_a_history_error(data: bytes) -> None:
    with pytest.raises(HistoryError):
        decode_event(data)


def test_what_stopped_halfway_survives() -> None:
    arrived = Arrived(at=1.0, send=3, events=[{"type": "message_start", "message": {"id": "msg_1"}}])
    answered = Answered(block={"type": "tool_result", "tool_use_id": "toolu_1", "content": "\ud800"})
    cut = Received(send=3, message={"role": "assistant", "content": []}, cut=True)
    for event, kind in (
        (arrived, "arrived"),
        (answered, "answered"),
        (cut, "received"),
        (Appended(message={}, resumes=True), "appended"),
    ):
        assert decode_event(encode_event(event)) == event
        assert kind_of(event) == kind


def test_a_log_from_before_there_was_a_cut() -> None:
    received = decode_event(b'{"event":"received","send":1,"message":{}}')
    assert received == Received(send=1, message={}, cut=False)
    assert decode_event(b'{"event":"appended","message":{}}') == Appended(message={}, resumes=False)


def test_defaults_are_left_out() -> None:
    assert encode_event(Started(model="m")) == b'{"event":"started","model":"m"}'
    assert encode_event(Appended(message={})) == b'{"event":"appended","message":{}}'
