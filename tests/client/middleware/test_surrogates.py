"""Halves of characters in the caller's list or in a reply: what goes out can be sent, where the SDK alone would raise."""

from __future__ import annotations

from tests.client.middleware.callers import Bench, Caller, said

HALF = "\ud83d"


def test_they_are_recorded_as_they_came_and_sent_as_a_sign() -> None:
    bench = Bench([f"A smile: {HALF}", "Two.", "Three."])
    caller = Caller(bench)
    for text in ("a", f"b {HALF}", "c"):
        caller.ask(text)
    assert said(bench.record()) == ["a", f"A smile: {HALF}", f"b {HALF}", "Two.", "c", "Three."]
    last = str(bench.fake.requests[-1].json["messages"])
    assert "A smile: \ufffd" in last
    assert "b \ufffd" in last
