"""A policy that cannot work with the system prompt and tools at hand is refused before anything is said."""

from __future__ import annotations

from typing import Any

import pytest

from ctxwindow import Conversation, Policy, PolicyError, Send, WindowOverflow
from ctxwindow.conversation.beginning import started
from tests.driver import plan

MODEL = "claude-opus-5-5"
SYSTEM = "word " * 2_000
TOOLS = [{"name": "read", "description": "word " * 2_000, "input_schema": {"type": "object"}}]


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"budget": 1}, "budget"),
        ({"budget": 3_000}, "budget"),
        ({"budget": 1, "methods": []}, "budget"),
        ({"budget": 8_000, "reserve": 7_000}, "budget"),
        ({"reserve": 999_000}, "reserve"),
        ({"budget": 8_000, "hot": {"tokens": 7_000}}, "hot.tokens"),
        ({"hot": {"tokens": 998_000}}, "hot.tokens"),
        ({"hot": {"tokens": 2_000_000}}, "hot.tokens"),
    ],
)
def test_a_policy_that_leaves_nothing_for_messages(settings: dict[str, Any], path: str) -> None:
    with pytest.raises(PolicyError) as caught:
        Conversation.start(model=MODEL, system=SYSTEM, tools=TOOLS, policy=Policy.parse(settings))
    assert caught.value.path == path
    assert "\n" not in str(caught.value)
    assert "word word" not in str(caught.value)


@pytest.mark.parametrize(
    "settings", [{"budget": 8_000}, {"budget": 8_000, "reserve": 1_000, "hot": {"tokens": 2_000}}, {"methods": []}]
)
def test_one_that_leaves_some_is_taken(settings: dict[str, Any]) -> None:
    conversation = Conversation.start(model=MODEL, system=SYSTEM, tools=TOOLS, policy=Policy.parse(settings))
    conversation.append({"role": "user", "content": "Hello."})
    assert isinstance(plan(conversation), Send)


def test_what_was_begun_can_be_opened_whatever_its_policy() -> None:
    """The check is of what a caller asks for; what is in a store must open, and then the plan tells what is too large."""
    conversation = Conversation.fold([started(model=MODEL, system=SYSTEM, policy=Policy(budget=1_500))])
    conversation.append({"role": "user", "content": "Hello."})
    with pytest.raises(WindowOverflow) as caught:
        plan(conversation)
    assert next(iter(caught.value.floor)) == "system"
