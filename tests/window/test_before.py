from __future__ import annotations

from functools import reduce
from typing import Any

from hypothesis import given

from ctxwindow.record.blocks import blocks_of
from ctxwindow.testing import Step, conversations
from ctxwindow.window.before import START, Before, forces, ordinary
from tests.window.scenes import assistant, call, result, text, user


def test_what_stands_before_the_next_message() -> None:
    assert START.then(user("Hello.")) == Before("user")
    calls = START.then(assistant(text("Let me see."), call("t0", "read"), call("t1", "write")))
    assert (calls.role, calls.results, dict(calls.names)) == ("assistant", False, {"t0": "read", "t1": "write"})
    assert calls.then(user([result("t0", "a"), result("t1", "b")])).results
    assert not calls.then(user([result("t0", "a"), text("And this?")])).results


def test_a_reminder_that_goes_with_its_turn_changes_nothing() -> None:
    """SYS-07."""
    results = Before("user", results=True)
    reminder: dict[str, Any] = {"role": "system", "content": "Be brief.", "clear_at": "next_user_message"}
    assert results.then(reminder) == results
    assert results.then({"role": "system", "content": "Be brief."}).role == "system"


def test_what_may_be_cited_stays_so() -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "Grass is green."}
    cited = user([{"type": "document", "source": source, "citations": {"enabled": True}}])
    assert START.then(cited).then(assistant(text("It is."))).cited
    assert not START.then(user([{"type": "document", "source": source}])).cited


def test_a_forced_call_is_the_same_throughout() -> None:
    assert forces({"tool_choice": {"type": "any"}})
    assert forces({"tool_choice": {"type": "tool", "name": "read"}})
    assert not forces({"tool_choice": {"type": "auto"}})
    assert not forces({"tool_choice": "any"})
    assert Before(None, forced=True).then(user("Hello.")).forced


def test_odd_messages() -> None:
    assert START.then({}).role == "None"
    assert START.then({"role": 7, "content": [3, None, {"type": None}]}) == Before("7")
    assert ordinary("nobody") == START


@given(conversations())
def test_it_is_what_the_last_lasting_message_leaves(steps: list[Step]) -> None:
    messages = [step.message for step in steps]
    lasting = [message for message in messages if message.get("clear_at") != "next_user_message"]
    before = reduce(Before.then, messages, START)
    assert before.role == lasting[-1]["role"]
    kinds = [block["type"] for block in blocks_of(lasting[-1])]
    assert before.results == (bool(kinds) and set(kinds) == {"tool_result"})
