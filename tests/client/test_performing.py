"""Carrying out actions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ctxwindow import MisuseError, Session
from ctxwindow.stores import MemoryStore
from ctxwindow.testing import FakeClaude

CALL = {"type": "tool_use", "id": "toolu_1", "name": "ring", "input": {}}


def test_an_approval_that_must_be_awaited_is_no_refusal() -> None:
    """The call stays open, and runs when it is asked for properly; the model is told nothing."""

    async def approve(call: Mapping[str, Any]) -> bool:
        return True

    def ring() -> str:
        """Ring the bell."""
        return "ding"

    session = Session.open(
        MemoryStore(), client=FakeClaude([[CALL], "It rang."]).client(), model="claude-opus-5-5", tools=[ring]
    )
    with pytest.raises(MisuseError, match="approve: it is async"):
        session.run("Ring.", approve=approve)
    assert [call["id"] for call in session.open_calls] == ["toolu_1"]
    reply = session.resume(interrupted="run", approve=lambda call: True)
    assert reply is not None
    assert reply.text == "It rang."
    assert session.conversation.messages[2]["content"][0]["content"] == "ding"
