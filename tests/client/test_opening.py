"""Opening what is there already."""

from __future__ import annotations

import pytest

from ctxwindow import MisuseError, Policy, Session
from ctxwindow.stores import MemoryStore
from ctxwindow.testing import FakeClaude

MODEL = "claude-opus-5-5"
CALL = {"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {"word": "monad"}}


def look_up(word: str) -> str:
    """Look a word up."""
    return f"{word}: a burrito"


def test_without_its_tools_a_conversation_hands_their_calls_back() -> None:
    """To say that there is no such tool would be a lie to the model, which has it in its prefix."""
    store, fake = MemoryStore(), FakeClaude([[CALL], "A burrito, it seems."])
    Session.open(store, client=fake.client(), model=MODEL, tools=[look_up], policy=Policy(recall=True)).close()
    session = Session.open(store, client=fake.client())
    reply = session.run("What is a monad?")
    assert reply.stopped == "calls"
    assert [call.id for call in reply.calls] == ["toolu_1"]
    again = Session.open(store, client=fake.client(), tools=[look_up]).resume(interrupted="run")
    assert again is not None
    assert again.text == "A burrito, it seems."


@pytest.mark.parametrize("what", ["system", "tools", "policy"])
def test_what_stays_for_life_cannot_be_changed(what: str) -> None:
    store, client = MemoryStore(), FakeClaude().client()
    Session.open(store, client=client, model=MODEL).close()
    given = {"system": "Be brief.", "tools": [look_up], "policy": Policy(budget=20_000)}[what]
    with pytest.raises(MisuseError) as caught:
        Session.open(store, client=client, **{what: given})  # type: ignore[arg-type]
    assert (caught.value.path, caught.value.rule) == (what, "BIND-12")
