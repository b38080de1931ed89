"""Carrying out actions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from ctxwindow import MisuseError, Session
from ctxwindow.client.actions import Collect, Create, StartAside
from ctxwindow.client.performing import ClientPerformer
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


def test_what_is_prepared_in_the_background_does_not_keep_the_process() -> None:
    script = (
        "import time, types\n"
        "from ctxwindow.client.actions import Create, StartAside\n"
        "from ctxwindow.client.performing import ClientPerformer\n"
        "class Messages:\n"
        "    def create(self, **given):\n"
        "        print('asked', flush=True); time.sleep(600)\n"
        "performer = ClientPerformer(types.SimpleNamespace(messages=Messages()), 'stable')\n"
        "performer.perform(StartAside(Create({'model': 'm'}, 'summary')))\n"
        "time.sleep(0.1)\n"
    )
    done = subprocess.run(  # noqa: S603 - our own statement
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "asked\n", "")


@pytest.mark.parametrize("fails", [False, True])
def test_what_comes_of_the_background_is_collected_once(fails: bool) -> None:
    def create(**given: Any) -> Any:
        if fails:
            raise LookupError("nobody is there")
        return {"content": []}

    performer = ClientPerformer(SimpleNamespace(messages=SimpleNamespace(create=create)), "stable")  # type: ignore[arg-type]
    performer.perform(StartAside(Create({"model": "m"}, "summary")))
    found = performer.perform(Collect(wait=True))
    assert isinstance(found, LookupError) if fails else found == {"content": []}
    assert performer.perform(Collect(wait=True)) is None
