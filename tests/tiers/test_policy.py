from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ctxwindow import Conversation, Hot, Pins, Policy, PolicyError, Send, Spill, Warm, WindowOverflow
from ctxwindow.record import decode_event, encode_event

if TYPE_CHECKING:
    from pydantic import BaseModel


def test_defaults_are_in_order() -> None:
    policy = Policy()
    assert policy.cold is not None
    assert policy.low < policy.cold <= policy.high
    assert Policy.parse(policy.model_dump(mode="json")) == policy


def test_every_key_survives_being_stored() -> None:
    policy = Policy(
        budget=0.5,
        reserve=100,
        high=0.9,
        low=0.3,
        cold=None,
        methods=("drop", "compact"),
        hot=Hot(tokens=5, turns=1, rounds=2),
        warm=Warm(share=0.2, tokens=9, levels=1),
        pins=Pins(first_user_message=True, messages=(0, 7), matching=("a+",), editing_files=True, share=0.5),
        spill=Spill(tokens=70),
        keep_tools=("read",),
        recall=True,
        background=0.8,
        platform="bedrock",
    )
    stored = json.dumps(policy.model_dump(mode="json"))
    assert Policy.parse(json.loads(stored)) == policy


@pytest.mark.parametrize(
    ("settings", "path", "told"),
    [
        ({"budget": 0}, "budget", "a whole number of tokens"),
        ({"budget": "many"}, "budget", "a share of the window"),
        ({"budget": 1.5}, "budget", "up to 1.0"),
        ({"budget": True}, "budget", "a whole number"),
        ({"budget": float("nan")}, "budget", "a whole number"),
        ({"budget": 500, "reserve": 500}, "reserve", "leave nothing of a budget of 500"),
        ({"budget": 500, "hot": {"tokens": 600}}, "hot.tokens", "600 tokens word for word leave nothing"),
        ({"reserve": -1}, "reserve", "the default is 0"),
        ({"high": 1.5}, "high", "the default is 1.0"),
        ({"high": float("nan")}, "high", "the default is 1.0"),
        ({"high": "0.9"}, "high", "valid number"),
        ({"low": 0.9, "high": 0.5}, "low", "below the high one, 0.5"),
        ({"low": 0.5, "cold": 0.5}, "cold", "above low, 0.5, and at most high, 1.0"),
        ({"high": 0.8, "cold": 0.9}, "cold", "at most high, 0.8"),
        ({"background": 0.4}, "background", "above low, 0.6"),
        ({"horizon": True}, "horizon", "the default is 20"),
        ({"spill": {"share": -1}}, "spill.share", "the default is 0.15"),
        ({"spill": 5}, "spill", "a table of keys"),
        ({"warm": {"level": 2}}, "warm.level", "Did you mean levels?"),
        ({"methods": ["forget"]}, "methods.0", "summarize_keep_tail"),
        ({"methods": ["drop", "spill", "drop"]}, "methods", "drop is named twice"),
        ({"pins": {"matching": ["ok", "(oops"]}}, "pins.matching.1", "no regular expression: missing )"),
        ({"pins": {"matching": ["(?<=a)b"]}}, "pins.matching.0", "in linear time"),
        ({"pins": {"matching": [r"(a)\1"]}}, "pins.matching.0", "in linear time"),
        ({"pins": {"matching": ["a" * 501]}}, "pins.matching.0", "too long"),
        ({"pins": {"messages": [-1]}}, "pins.messages.0", "greater than or equal to 0"),
        ({"methods": "drop"}, "methods", "methods: this must be a list. Change it, or leave it out: the default is ["),
        ({"pins": {"matching": "TODO"}}, "pins.matching", "this must be a list."),
        ({"keep_tools": {"a": 1}}, "keep_tools", "this must be a list."),
        ({"keep_tools": [""]}, "keep_tools.0", "at least 1 character"),
        ({"platform": "azure"}, "platform", "'foundry'"),
        ({"zzz": "red"}, "zzz", "The keys here: budget"),
        ({"bugdet": 5}, "bugdet", "Did you mean budget?"),
        ({"a\nb" * 99: 5}, ("a b" * 99)[:60], "there is no such key"),
        ([], "policy", "a table of keys"),
    ],
)
def test_a_mistake_is_one_line_with_the_key(settings: Any, path: str, told: str) -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.parse(settings)
    assert caught.value.path == path
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mistake_in_python_is_told_in_the_same_way() -> None:
    with pytest.raises(PolicyError, match=r"^high: "):
        Policy(high=2)
    with pytest.raises(PolicyError, match=r"^spill\.share: "):
        Spill(share=2)
    with pytest.raises(PolicyError, match=r"^pins\.matching\.0: "):
        Pins(matching=("(",))


@pytest.mark.parametrize(
    ("marks", "cold"),
    [({}, 0.85), ({"high": 0.8}, 0.8), ({"high": 0.9}, 0.85), ({"low": 0.9}, 1.0), ({"cold": None}, None)],
)
def test_the_default_for_a_cold_cache_gives_way_to_the_marks(marks: dict[str, Any], cold: float | None) -> None:
    assert Policy.parse(marks).cold == cold


@pytest.mark.parametrize(
    ("budget", "tokens"), [(None, 1_000), (400, 400), (4_000, 1_000), (0.25, 250), (1.0, 1_000), (1, 1)]
)
def test_the_budget_in_tokens_is_never_more_than_the_window(budget: float | None, tokens: int) -> None:
    assert Policy(budget=budget).budget_of(1_000) == tokens


def test_a_share_that_leaves_no_room_is_refused_when_the_window_is_known() -> None:
    policy = Policy(budget=0.01, reserve=5_000)
    with pytest.raises(PolicyError, match="reserve: 5,000 tokens kept free leave nothing of a budget of 2,000"):
        Conversation.start(model="claude-haiku-4-5", policy=policy)
    assert Conversation.start(model="claude-opus-5-5", policy=policy).window.tokens >= 0


def test_the_reserve_is_kept_free() -> None:
    """Law 3: window + output + reserve stay within the budget; what does not fit says so, with numbers that sum up."""

    def started(reserve: int) -> Conversation:
        conversation = Conversation.start(model="claude-opus-4-6", policy=Policy(budget=2_000, reserve=reserve))
        conversation.append({"role": "user", "content": "word " * 700})
        return conversation

    assert isinstance(started(0).plan(max_tokens=500), Send)
    with pytest.raises(WindowOverflow) as caught:
        started(1_200).plan(max_tokens=500)
    assert caught.value.limit == 2_000
    assert caught.value.floor["reserve"] == 1_200
    assert sum(caught.value.floor.values()) == caught.value.need > 2_000


NUMBERS = [
    *("budget", "reserve", "horizon", "high", "low", "cold", "min_gain", "thinking_worth", "background", "instruction"),
    *("hot.tokens", "hot.turns", "hot.rounds", "warm.share", "warm.tokens", "warm.levels"),
    *("pins.share", "spill.share", "spill.tokens", "spill.head_chars", "spill.tail_chars"),
]


def _numbers() -> set[str]:
    """The keys of a policy that take numbers, as its schema tells."""
    found = set()
    models: dict[str, type[BaseModel]] = {"": Policy, "hot.": Hot, "warm.": Warm, "pins.": Pins, "spill.": Spill}
    for name, model in models.items():
        for key, field in model.model_json_schema()["properties"].items():
            kinds = {one.get("type") for one in (field, *field.get("anyOf", ()))}
            if kinds & {"integer", "number"}:
                found.add(f"{name}{key}")
    return found


@pytest.mark.parametrize("path", NUMBERS)
@pytest.mark.parametrize("number", [10**400, 10**10, -(10**400), float("inf")])
def test_numbers_have_bounds(path: str, number: float) -> None:
    """None is so large that it cannot be stored, or taken times a price."""
    assert set(NUMBERS) == _numbers()
    *table, key = path.split(".")
    with pytest.raises(PolicyError) as caught:
        Policy.parse({table[0]: {key: number}} if table else {key: number})
    assert caught.value.path == path
    assert len(str(caught.value)) < 300


def test_the_largest_numbers_work() -> None:
    most = 10**9
    policy = Policy(
        budget=most,
        horizon=10**6,
        hot=Hot(turns=most, rounds=most),
        warm=Warm(tokens=most, levels=most),
        pins=Pins(messages=(most,)),
        spill=Spill(tokens=most, head_chars=most, tail_chars=most),
    )
    conversation = Conversation.start(model="claude-opus-5-5", policy=policy, now=1.8e9)
    conversation.append({"role": "user", "content": "Hello."})
    assert isinstance(conversation.plan(max_tokens=500, now=1.8e9), Send)
    assert Conversation.fold([decode_event(encode_event(event)) for event in conversation.events]).policy == policy
