from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.catalog import resolve
from ctxwindow.testing import Step, conversations
from ctxwindow.tiers.wire import Wire, sendable, without_thinking

OPUS = resolve("claude-opus-4-6")


@pytest.mark.parametrize(
    ("message", "form"),
    [
        ({"role": "user", "content": "a"}, {"role": "user", "content": "a"}),
        ({"role": "assistant", "content": " \n"}, None),
        ({"role": "assistant", "content": []}, None),
        ({"role": "assistant", "content": [{"type": "text", "text": ""}]}, None),
        (
            {"role": "system", "content": [], "output_config": {"effort": "low"}},
            {"role": "system", "content": [], "output_config": {"effort": "low"}},
        ),
        ({"role": "user", "content": "a\ud83d"}, {"role": "user", "content": "a\ufffd"}),
        (
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"\ud83d": ["\ude00"]}}],
            },
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"\ufffd": ["\ufffd"]}}],
            },
        ),
        ({"role": "assistant", "content": [{"type": "thinking", "thinking": "\ud83d", "signature": "c2ln"}]}, None),
        ({"role": "assistant", "content": [{"type": "compaction", "content": "\ud83d", "signature": "c2ln"}]}, None),
    ],
)
def test_what_can_be_sent(message: dict[str, Any], form: dict[str, Any] | None) -> None:
    """MSG-06, MSG-07; SYS-06: an effort-only system message has no content. No request can carry half of a character, and what is
    signed is not changed (REPLAY-04, CMP-05).
    """
    assert sendable(message) == form


def test_without_thinking() -> None:
    thinking = {"type": "redacted_thinking", "data": "x"}
    assert without_thinking({"role": "assistant", "content": [thinking]}) is None
    plain = {"role": "assistant", "content": "a"}
    assert without_thinking(plain) == plain


@given(conversations(long=False), st.data())
def test_unsend_returns_to_what_was_sent(steps: list[Step], data: st.DataObject) -> None:
    messages = [step.message for step in steps]
    at = data.draw(st.integers(min_value=0, max_value=len(messages)))
    wire, reference = Wire(OPUS, {"system": "s"}), Wire(OPUS, {"system": "s"})
    assert not wire.unsend()
    for index, message in enumerate(messages[:at]):
        wire.add(message, index)
        reference.add(message, index)
    wire.sent()
    for index, message in enumerate(messages[at:], start=at):
        wire.add(message, index)
    assert wire.unsend()
    assert (wire.messages, wire.sources) == (reference.messages, reference.sources)
    assert wire.prefix.chain == reference.prefix.chain
    assert wire.ledger.window() == reference.ledger.window()
    assert wire.outline.boundaries == reference.outline.boundaries
