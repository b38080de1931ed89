from __future__ import annotations

from typing import Any

import pytest

from ctxwindow import Conversation, Policy, PolicyError, Send, Spill
from ctxwindow.tiers.presets import PRESETS
from tests.driver import plan


@pytest.mark.parametrize("name", PRESETS)
def test_each_is_a_policy_that_differs_from_the_default(name: str) -> None:
    policy = Policy.preset(name)
    assert policy != Policy()
    assert Policy.parse(policy.model_dump(mode="json")) == policy
    assert PRESETS[name].what.endswith(".")


def test_no_two_are_the_same() -> None:
    assert len({Policy.preset(name) for name in PRESETS}) == len(PRESETS) == 5


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-opus-4-6", "claude-opus-5-5"])
def test_each_keeps_a_conversation_in_its_budget(name: str, model: str) -> None:
    conversation = Conversation.start(model=model, policy=Policy.preset(name, budget=9_000))
    for number in range(12):
        conversation.append({"role": "user", "content": f"line {number} of a text that is long enough. " * 100})
        send = plan(conversation, now=float(number), max_tokens=1_000)
        assert isinstance(send, Send)
        assert send.window.tokens + 1_000 <= 9_000
        conversation.receive({"content": f"Answer {number}.", "stop_reason": "end_turn"}, now=float(number))
    assert conversation.compactions


def test_any_key_can_be_ones_own() -> None:
    changed = Policy.preset("chat", budget=50_000, spill=Spill(tokens=100), cold=None)
    assert (changed.budget, changed.spill, changed.cold) == (50_000, Spill(tokens=100), None)
    assert changed.hot == Policy.preset("chat").hot


@pytest.mark.parametrize(
    ("name", "changes", "path", "told"),
    [
        ("chatty", {}, "preset", "There are: chat, coding-agent, research, cost-first, fidelity-first."),
        ([], {}, "preset", "There are: chat,"),
        (None, {}, "preset", "There are: chat,"),
        ("chat", {"low": 0.9}, "cold", "must be above low, 0.9"),
        ("chat", {"hoot": 1}, "hoot", "Did you mean hot?"),
    ],
)
def test_a_wrong_name_or_change_is_told(name: Any, changes: dict[str, Any], path: str, told: str) -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.preset(name, **changes)
    assert caught.value.path == path
    assert told in str(caught.value)
