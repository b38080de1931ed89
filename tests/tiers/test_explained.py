from __future__ import annotations

from typing import Any

import pytest

from ctxwindow import Policy, PolicyError, UnknownModel
from ctxwindow.catalog import models
from ctxwindow.tiers.presets import PRESETS


def test_without_a_model_shares_stay_shares() -> None:
    text = Policy(high=0.9).explain()
    assert "may take the model's window." in text
    assert "shrunk above 90 % of the room, down to 60 % of the room." in text
    assert "Where the cache has expired it is shrunk above 85 % of the room already." in text
    assert "(up to" not in text


def test_with_a_model_they_are_told_in_tokens() -> None:
    text = Policy(budget=0.5, reserve=4_000, min_gain=0.2, horizon=7).explain("claude-opus-5-5")
    assert text.startswith("claude-opus-5-5 on claude_api: a window of 1,000,000 tokens, replies of up to 128,000.")
    assert "may take 500,000 tokens; 4,000 tokens of it stay free." in text
    assert "when the next request would not fit, down to 60 % of the room (up to 297,600 tokens)." in text
    assert "free 20 % of the room (up to 99,200 tokens) or more, and pay for itself within 7 sends." in text


def test_a_budget_in_tokens_needs_no_model() -> None:
    assert "down to 60 % of the room (up to 6,000 tokens)" in Policy(budget=10_000).explain()
    assert "may take 25 % of the window." in Policy(budget=0.25).explain()


@pytest.mark.parametrize(
    ("settings", "model", "told"),
    [
        ({"platform": "bedrock"}, "claude-opus-5-5", "  - not compact: Bedrock has no on-demand compaction [CMP-16]."),
        ({}, "claude-haiku-4-5", "  - not compact: claude-haiku-4-5-20251001 has no on-demand compaction [CMP-16]."),
        ({"methods": ["compact_threshold"], "high": 0.9}, "claude-opus-4-5", "has no compact_20260112 [CMP-01]."),
        (
            {"methods": ["compact_threshold"], "budget": 40_000, "high": 0.9},
            "claude-opus-5-5",
            "  - not compact_threshold: the least trigger is 50,000 tokens [CMP-01], and the room is 40,000 at most.",
        ),
        ({"methods": ["compact", "compact_threshold"]}, "claude-opus-5-5", "never meet in one request [CMP-32]"),
        ({"methods": ["spill"]}, None, "No method shrinks what was sent once"),
        ({"prefer": "order"}, None, "the first of this list is taken:"),
        ({}, None, "the cheapest over these sends is taken:"),
        ({"spill": {"tokens": 900, "head_chars": 7}}, None, "a tool result above 900 tokens, or 15 % of the room"),
        (
            {"hot": {"turns": 1, "rounds": 4}},
            None,
            "The newest 15 % of the room and 1 turn and 4 rounds stay word for word where a method can",
        ),
        ({"hot": {"tokens": 4_000}}, None, "The newest 4,000 tokens stay"),
        ({}, "claude-opus-5-5", "Thinking is bound to what stands before it [BIND-03]"),
        ({"background": 0.7}, None, "Above 70 % of the room it may be compacted while a reply is awaited [CMP-34]."),
        ({"warm": {"levels": 1}}, None, "There is one summary, written anew each time: 30 % of the room at most"),
        ({}, None, "they stand side by side while they share that part, and are then summarised together."),
        (
            {"methods": ["compact_threshold"], "high": 0.9, "pins": {"first_user_message": True}},
            None,
            "  - not compact_threshold: what is pinned would be gone in the middle of the reply.",
        ),
        (
            {"pins": {"first_user_message": True, "messages": [3, 9], "matching": ["a"], "editing_files": True}},
            None,
            "the first message of the user; messages 3, 9; what matches 1 expression; files that are being edited.",
        ),
        ({"keep_tools": ["todo", "plan"]}, None, "Never spilled or cleared: results of todo, plan."),
        ({"recall": True}, None, "The model has a tool to find and open what was put away."),
    ],
)
def test_what_a_key_says_is_told(settings: dict[str, Any], model: str | None, told: str) -> None:
    assert told in Policy.parse(settings).explain(model)


@pytest.mark.parametrize(
    ("settings", "model", "absent"),
    [
        ({}, "claude-haiku-4-5", "BIND-03"),
        ({"methods": ["compact"]}, "claude-opus-5-5", "BIND-03"),
        ({"cold": None}, None, "expired"),
        ({}, None, "Pinned"),
        ({"cache": None}, None, "expired"),
        ({"methods": ["compact", "drop"]}, None, "summary takes"),
        ({"methods": ["compact"]}, None, "summary takes"),
        ({"methods": ["compact", "drop"]}, None, "CMP-32"),
    ],
)
def test_what_does_not_apply_is_not_told(settings: dict[str, Any], model: str | None, absent: str) -> None:
    assert absent not in Policy.parse(settings).explain(model)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_explained_for_every_model(name: str) -> None:
    for profile in models():
        lines = Policy.preset(name).explain(profile).splitlines()
        assert all(line.endswith((".", ":")) for line in lines)


def test_what_cannot_be_explained() -> None:
    with pytest.raises(UnknownModel):
        Policy().explain("claude-opus-5-6")
    with pytest.raises(PolicyError, match="reserve"):
        Policy(budget=0.01, reserve=10_000).explain("claude-opus-5-5")
