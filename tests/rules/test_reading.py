from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.catalog import ModelProfile, models, resolve
from ctxwindow.rules.reading import DROP_REASONS, drop_reason, reads

PROFILES = st.sampled_from(models())
FRONTIER = ("fable", "mythos")


def read(reader: str, producer: str) -> bool | None:
    return reads(resolve(reader), resolve(producer))


def test_bind_18() -> None:
    """A dropped block names one reason: organisation before end user before model before prefix."""
    for first, second in itertools.combinations(DROP_REASONS, 2):
        assert drop_reason({second, first}) == first
    assert [reason.partition("_")[0] for reason in DROP_REASONS] == ["organization", "end", "model", "prefix"]
    assert drop_reason({"of_tomorrow"}) is None
    assert drop_reason(["of_tomorrow", "prefix_binding_mismatch"]) == "prefix_binding_mismatch"


def test_bind_19() -> None:
    """Thinking of account-bound models is dropped in other accounts, without an error."""
    for bound in map(resolve, ("claude-sonnet-5-5", "claude-haiku-5-5")):
        assert reads(bound, bound) is True
        assert reads(bound, bound, same_account=False) is False
    older = resolve("claude-sonnet-5")
    assert reads(resolve("claude-sonnet-5-5"), older, same_account=False) is True


@pytest.mark.parametrize(
    ("reader", "producer", "answer"),
    [
        ("claude-fable-5-1", "claude-mythos-5-1", True),
        ("claude-mythos-5-1", "claude-fable-5-1", True),
        ("claude-fable-5-1", "claude-fable-5", True),
        ("claude-fable-5-1", "claude-haiku-4-5", True),
        ("claude-fable-5-1", "claude-opus-5-5", True),
        ("claude-fable-5-1", "claude-sonnet-5-5", False),
        ("claude-fable-5-1", "claude-haiku-5-5", None),
        ("claude-fable-5-1", "claude-fable-5-2", False),
        ("claude-opus-5-5", "claude-opus-5", True),
        ("claude-opus-5-5", "claude-sonnet-4-5", True),
        ("claude-opus-5-5", "claude-haiku-4-5", True),
        ("claude-opus-5-5", "claude-sonnet-5-5", True),
        ("claude-opus-5-5", "claude-fable-5", False),
        ("claude-opus-5-5", "claude-mythos-5-1", False),
        ("claude-sonnet-5-5", "claude-sonnet-5", True),
        ("claude-sonnet-5-5", "claude-opus-4-8", True),
        ("claude-sonnet-5-5", "claude-haiku-5-5", True),
        ("claude-sonnet-5-5", "claude-haiku-4-5", True),
        ("claude-sonnet-5-5", "claude-opus-5", False),
        ("claude-sonnet-5-5", "claude-opus-5-5", False),
        ("claude-sonnet-5-5", "claude-fable-5-1", False),
        ("claude-haiku-5-5", "claude-sonnet-5", True),
        ("claude-haiku-5-5", "claude-opus-5", False),
        ("claude-haiku-5-5", "claude-sonnet-5-5", False),
        ("claude-opus-5", "claude-sonnet-5-5", False),
        ("claude-opus-5", "claude-opus-4-8", True),
        ("claude-opus-5", "claude-opus-5-5", None),
        ("claude-opus-4-8", "claude-fable-5-1", False),
        ("claude-opus-4-1", "claude-opus-4-0", None),
        ("claude-3-haiku-20240307", "claude-3-opus-20240229", False),
        ("claude-fable-5", "claude-fable-5-1", False),
        ("claude-fable-5", "claude-opus-4-8", None),
        ("claude-fable-5-2", "claude-mythos-5-2", True),
        ("claude-fable-5-2", "claude-fable-5-1", None),
    ],
)
def test_bind_20_by_model(reader: str, producer: str, answer: bool | None) -> None:
    assert read(reader, producer) is answer


@given(PROFILES, PROFILES)
def test_bind_20(reader: ModelProfile, producer: ModelProfile) -> None:
    """Which model reads the thinking of which others is stated per model; what is not stated is unknown."""
    answer = reads(reader, producer)
    if reader.id == producer.id:
        assert answer is (reader.thinking.prior_turns != "none")
    elif producer.line in FRONTIER and reader.line not in FRONTIER:
        assert answer is False, "no model below them reads Fable or Mythos"
    elif answer and producer.released and reader.released and producer.released > reader.released:
        assert producer.id in ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"), "named on their own"


def test_models_of_which_nothing_is_stated_read_themselves_only() -> None:
    mine = msgspec.structs.replace(resolve("claude-opus-5"), id="mine", line=None)
    assert reads(mine, mine) is True
    assert reads(mine, resolve("claude-opus-4-8")) is None
    assert reads(resolve("claude-opus-5-5"), mine) is None
