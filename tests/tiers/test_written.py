from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow import Policy, PolicyError

KEYS = sorted({*Policy.model_fields, "head_chars", "first_user_message", "tokens", "share"})


def test_toml_and_json_say_the_same() -> None:
    toml = 'budget = 0.5\nmethods = ["drop"]\n[spill]\ntokens = 50\n[pins]\nmatching = ["TODO"]\n'
    plain = '{"budget": 0.5, "methods": ["drop"], "spill": {"tokens": 50}, "pins": {"matching": ["TODO"]}}'
    policy = Policy.from_toml(toml)
    assert policy == Policy.from_json(plain)
    assert (policy.budget, policy.methods, policy.spill.tokens) == (0.5, ("drop",), 50)
    assert Policy.from_json(policy.model_dump_json()) == policy
    assert Policy.from_toml("") == Policy.from_json("{}") == Policy()


@pytest.mark.parametrize(
    ("text", "path", "told"),
    [
        ("budget = = 3", "policy", "this is not TOML: Invalid value (at line 1, column 10)"),
        ("\nhigh 3", "policy", "(at line 2,"),
        ("a = " + "[" * 100_000, "policy", "nested too deeply"),
        ("high = 0.8\nhigh = 0.9", "policy", "Cannot overwrite a value"),
        ("[spill]\nhead = 3", "spill.head", "Did you mean head_chars?"),
    ],
)
def test_a_mistake_in_toml(text: str, path: str, told: str) -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.from_toml(text)
    assert caught.value.path == path
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "path", "told"),
    [
        ('{"budget": 3', "policy", "this is not JSON: Expecting ',' delimiter: line 1 column 13"),
        ("[1]", "policy", "a table of keys"),
        ("5", "policy", "a table of keys"),
        ("[" * 100_000, "policy", "nested too deeply"),
        ('{"high": 0.8, "high": 0.9}', "high", "this key is there twice"),
        ('{"spill": {"share": 2}}', "spill.share", "less than or equal to 1"),
        ('{"high": NaN}', "high", "the default is 1.0"),
        ('{"budget": Infinity}', "budget", "a whole number of tokens"),
        ('{"budget": ' + "9" * 5_000 + "}", "policy", "this is not JSON: Exceeds the limit"),
    ],
)
def test_a_mistake_in_json(text: str, path: str, told: str) -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.from_json(text)
    assert caught.value.path == path
    assert told in str(caught.value)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(KEYS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(KEYS), _VALUES, max_size=4))
def test_whatever_is_written_is_a_policy_or_one_line(table: dict[str, Any]) -> None:
    policy: Policy | PolicyError
    try:
        policy = Policy.from_json(json.dumps(table))
    except PolicyError as error:
        policy = error
    if isinstance(policy, Policy):
        assert Policy.from_json(policy.model_dump_json()) == policy
        assert policy.low < policy.high
    else:
        assert "\n" not in str(policy)
        assert policy.path
        assert policy.remedy
