from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from anthropic.types import ModelInfo
from anthropic.types.beta import BetaModelInfo
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.catalog import ModelProfile, models, overlay, resolve
from ctxwindow.errors import MisuseError, UnknownModel

EFFORTS = ("low", "medium", "high", "xhigh", "max")
TYPES = ("adaptive", "enabled", "disabled", "between_tools")


def supported(value: bool) -> dict[str, bool]:
    return {"supported": value}


def moment(day: dt.date | None) -> str | None:
    return f"{day}T00:00:00Z" if day else None


def listed(profile: ModelProfile) -> dict[str, Any]:
    """What the Models API would say of a model if it said what the catalog says."""
    thinking, features = profile.thinking, profile.features
    edits = supported(features.context_editing)
    plain = ("batch", "citations", "code_execution", "image_input", "pdf_input", "structured_outputs")
    capabilities: dict[str, Any] = {name: supported(True) for name in plain}
    capabilities |= {
        "server_tools": supported(True) | {"web_search": supported(True), "code_execution": supported(True)},
        "thinking": supported(thinking.prior_turns != "none")
        | {"types": {kind: supported(kind in thinking.accepts) for kind in TYPES}},
        "effort": supported(bool(thinking.effort_levels))
        | {level: supported(level in thinking.effort_levels) for level in EFFORTS},
        "context_management": supported(features.context_editing)
        | {
            "clear_tool_uses_20250919": edits,
            "clear_thinking_20251015": edits,
            "compact_20260112": supported(features.compaction_threshold),
        },
        "compaction": supported(features.compaction_on_demand)
        | {"summarize": supported(features.compaction_on_demand)},
    }
    return {
        "id": profile.id,
        "type": "model",
        "display_name": profile.display_name,
        "created_at": moment(profile.released),
        "line": profile.line,
        "lifecycle": profile.state,
        "deprecated_at": moment(profile.deprecated_on),
        "retires_at": moment(profile.retires_on),
        "max_input_tokens": profile.window,
        "max_tokens": profile.max_output,
        "capabilities": capabilities,
    }


@given(profile=st.sampled_from(models()), kind=st.sampled_from([dict, ModelInfo, BetaModelInfo]))
def test_a_list_that_agrees_changes_nothing(profile: ModelProfile, kind: Any) -> None:
    entry = listed(profile) if kind is dict else kind.model_validate(listed(profile))
    result = overlay([entry])
    assert result.changed == {}
    assert result.unknown == ()
    assert result.profiles == models()


def test_limits_are_laid_over() -> None:
    live = ModelInfo.model_validate(
        listed(resolve("claude-opus-5")) | {"max_input_tokens": 2_000_000, "max_tokens": 256_000}
    )
    result = overlay([live])
    profile = result.resolve("us.anthropic.claude-opus-5[1m]")
    assert (profile.window, profile.max_output) == (2_000_000, 256_000)
    assert profile.prices == resolve("claude-opus-5").prices  # the list has none
    assert result.changed == {"claude-opus-5": ("window", "max_output")}
    assert resolve("claude-opus-5").window == 1_000_000  # the catalog itself is untouched


def test_thinking_and_effort_are_laid_over() -> None:
    entry = listed(resolve("claude-opus-4-6"))
    entry["capabilities"]["thinking"]["types"] |= {"enabled": supported(False), "disabled": supported(False)}
    entry["capabilities"]["effort"] |= {"xhigh": supported(True), "high": supported(False)}
    result = overlay([BetaModelInfo.model_validate(entry)])
    thinking = result.resolve("claude-opus-4-6").thinking
    assert thinking.accepts == ("adaptive",)
    assert thinking.deprecated == ()
    assert thinking.always_on
    assert thinking.effort_levels == ("low", "medium", "xhigh", "max")
    assert thinking.effort_default is None  # the catalog's "high" is no longer accepted, and the new one is unknown
    assert set(result.changed["claude-opus-4-6"]) == {
        "thinking.accepts",
        "thinking.deprecated",
        "thinking.always_on",
        "thinking.effort_levels",
        "thinking.effort_default",
    }


def test_compaction_and_editing_are_laid_over() -> None:
    entry = listed(resolve("claude-haiku-5-5"))
    entry["capabilities"]["compaction"] = supported(True) | {"summarize": supported(False)}
    entry["capabilities"]["context_management"] |= {"clear_thinking_20251015": supported(False)}
    features = overlay([BetaModelInfo.model_validate(entry)]).resolve("claude-haiku-5-5").features
    assert not features.compaction_on_demand
    assert not features.context_editing  # one flag for both edits: half of it is not enough
    assert features.compaction_threshold
    entry["capabilities"]["context_management"] = supported(False)
    features = overlay([BetaModelInfo.model_validate(entry)]).resolve("claude-haiku-5-5").features
    assert not features.compaction_threshold


def test_the_stable_list_says_nothing_of_on_demand_compaction() -> None:
    live = ModelInfo.model_validate(listed(resolve("claude-haiku-5-5")))
    live = live.model_copy(update={"capabilities": None})
    assert overlay([live]).resolve("claude-haiku-5-5") == resolve("claude-haiku-5-5")


def test_lifecycle_is_laid_over() -> None:
    entry = listed(resolve("claude-opus-4-5"))
    entry |= {"lifecycle": "deprecated", "deprecated_at": "2026-11-24T08:00:00Z", "retires_at": "2027-02-01T00:00:00Z"}
    profile = overlay([ModelInfo.model_validate(entry)]).resolve("claude-opus-4-5")
    assert (profile.state, profile.deprecated_on) == ("deprecated", dt.date(2026, 11, 24))
    assert (profile.retires_on, profile.retired_on) == (dt.date(2027, 2, 1), None)
    entry["lifecycle"] = "retired"
    profile = overlay([entry]).resolve("claude-opus-4-5")
    assert (profile.state, profile.retired_on) == ("retired", dt.date(2027, 2, 1))
    assert overlay([{"id": "claude-opus-4-5"}]).resolve("claude-opus-4-5") == resolve("claude-opus-4-5")


def test_unknown_ids_are_reported() -> None:
    new = listed(resolve("claude-opus-5-5")) | {"id": "claude-opus-6"}
    result = overlay([new, {"id": "claude-2.1"}])
    assert result.unknown == ("claude-opus-6", "claude-2.1")
    assert result.profiles == models()
    with pytest.raises(UnknownModel):
        result.resolve("claude-opus-6")
    own = ModelProfile(id="claude-opus-6", window=1_000_000, max_output=128_000)
    assert result.resolve(own) is own


@pytest.mark.parametrize(
    "entry",
    [
        {"max_tokens": 5},
        {"id": 5},
        {"id": "claude-opus-5", "max_tokens": 0},
        {"id": "claude-opus-5", "lifecycle": "resting"},
        {"id": "claude-opus-5", "retires_at": "soon"},
        "claude-opus-5",
        None,
    ],
)
def test_what_is_no_entry_is_refused_with_its_place(entry: Any) -> None:
    with pytest.raises(MisuseError) as refused:
        overlay([{"id": "claude-opus-5"}, entry])
    assert refused.value.path == "models.1"
    assert refused.value.rule == "CTX-07"
