from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ctxwindow.catalog import ModelProfile, document, models, resolve
from ctxwindow.catalog.lookup import REGIONS, names_of
from ctxwindow.errors import MisuseError, UnknownModel

SHARED = Path(__file__).parents[2].parent / "shared"
IDS = [profile.id for profile in models()]


def names() -> list[tuple[str, str]]:
    """Every name that the catalog lists -> id."""
    listed: list[tuple[str, str]] = []
    for profile in models():
        own = (profile.id, *profile.aliases, *profile.bedrock_ids, profile.vertex_id, profile.foundry_id)
        listed += [(name, profile.id) for name in own if name]
    return listed


@st.composite
def decorated(draw: st.DrawFn) -> tuple[str, str]:
    """A listed name in a documented decoration, and the id that it means."""
    name, wanted = draw(st.sampled_from(names()))
    if "@" not in name and ":" not in name and not name.startswith("anthropic."):
        name += draw(st.sampled_from(["", "@default"]))
    if not name.startswith("anthropic."):
        name = draw(st.sampled_from(["", "anthropic/", "anthropic."])) + name
    if name.startswith("anthropic."):
        name = draw(st.sampled_from(["", *REGIONS])) + name
    name += draw(st.sampled_from(["", "[1m]", "[1M]"]))
    if draw(st.booleans()):
        name = name.replace(":", "%3A").replace("@", "%40")
    return (name.upper() if draw(st.booleans()) else name), wanted


@given(decorated())
def test_every_name_in_every_decoration_is_found(case: tuple[str, str]) -> None:
    """Look-up by API id, alias, Bedrock, Vertex and Foundry id, with region prefixes, `@date` and `[1m]` suffixes."""
    name, wanted = case
    assert resolve(name).id == wanted


@given(name=st.sampled_from(names()), cut=st.integers(1, 30), tail=st.text("abcdefgh-0123456789.", max_size=4))
def test_nothing_is_guessed(name: tuple[str, str], cut: int, tail: str) -> None:
    """An unknown id is an error; a name that merely begins like a known one is unknown."""
    changed = name[0][:-cut] + tail
    bare = changed.removeprefix("anthropic.")
    assume(all(bare not in names_of(profile) for profile in models()))
    with pytest.raises(UnknownModel) as unknown:
        resolve(changed)
    assert unknown.value.model == changed
    assert unknown.value.remedy
    assert "ModelProfile" in unknown.value.remedy


@given(st.text(max_size=40))
def test_any_other_string_is_unknown(name: str) -> None:
    """An unknown id is an error that lists near names: no other exception, and each name offered can be used."""
    assume(all(name.lower() not in names_of(profile) for profile in models()))
    with pytest.raises(UnknownModel) as unknown:
        resolve(name)
    assert len(unknown.value.near) <= 3
    assert all(resolve(near).id for near in unknown.value.near)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("us.anthropic.claude-haiku-4-5-20251001-v1%3A0", "claude-haiku-4-5-20251001"),  # as recorded
        ("eu.anthropic.claude-haiku-4-5-20251001-v1", "claude-haiku-4-5-20251001"),  # as recorded
        ("us.anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-sonnet-20241022"),
        ("claude-3-5-sonnet-v2@20241022", "claude-3-5-sonnet-20241022"),
        ("claude-3-7-sonnet@20250219", "claude-3-7-sonnet-20250219"),
        ("anthropic.claude-haiku-4-5", "claude-haiku-4-5-20251001"),
        ("claude-sonnet-4@default", "claude-sonnet-4-20250514"),
        ("claude-3-5-sonnet@default", "claude-3-5-sonnet-20240620"),
        ("claude-opus-4-8@default", "claude-opus-4-8"),
        ("claude-opus-4-8@20260528", "claude-opus-4-8"),
        ("claude-sonnet-4-5-20250929@20250929", "claude-sonnet-4-5-20250929"),
        ("claude-opus-4-6[1m]", "claude-opus-4-6"),
        ("global.anthropic.claude-fable-5-2", "claude-fable-5-2"),
        ("anthropic/claude-sonnet-5", "claude-sonnet-5"),
        ("Claude-Opus-5", "claude-opus-5"),
    ],
)
def test_names_people_meet(name: str, wanted: str) -> None:
    assert resolve(name).id == wanted


@pytest.mark.parametrize(
    "name",
    [
        "",
        "claude",
        "claude-opus",
        "claude-opus-4",  # neither an alias nor a Vertex id without its date
        "claude-sonnet-4-5-20250930",  # no such snapshot
        "claude-sonnet-4-5@20250930",
        "claude-opus-4-8@20261399",  # no such day
        "claude-opus-4-8@2026052",
        "claude-opus-4-8@٢٠٢٦٠٥٢٨",  # digits, but not these
        "claude-opus-4-8@",
        "claude-3-5-sonnet-20240620-v2:0",  # v2 is the other snapshot
        "us.claude-opus-4-8",  # a region needs `anthropic.`
        "sa.anthropic.claude-opus-4-8",
        "claude-opus-4-6-1m-context-window-beta",  # the rulebook, ZONES-BLOG 0.1
        "gpt-4",
    ],
)
def test_names_that_are_no_models(name: str) -> None:
    with pytest.raises(UnknownModel):
        resolve(name)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("claude-sonet-4-5", "claude-sonnet-4-5"),  # recorded: the API answers 404
        ("us.anthropic.claude-opus-55", "claude-opus-5-5"),
        ("claude-4-5-haiku", "claude-haiku-4-5"),  # recorded: the API answers 404
        ("claude-opus-4.6", "claude-opus-4-6"),
        ("claude-sonnet-4-5-20250930", "claude-sonnet-4-5-20250929"),
        ("claude-haiku-5.5[1m]", "claude-haiku-5-5"),
    ],
)
def test_an_unknown_name_lists_near_ones_best_first(name: str, near: str) -> None:
    with pytest.raises(UnknownModel) as unknown:
        resolve(name)
    assert unknown.value.near[0] == near
    assert near in str(unknown.value)


@pytest.mark.parametrize("decoration", ["{}", "anthropic.{}", "anthropic/{}"])
def test_a_retired_model_without_data_is_named_as_retired(decoration: str) -> None:
    with pytest.raises(UnknownModel, match="was retired on 2025-07-21") as gone:
        resolve(decoration.format("claude-2.1"))
    assert "retired" in gone.value.args[0]
    assert gone.value.near == ()
    assert {retired.id for retired in document().retired_without_data} >= {"claude-2.1", "claude-instant-1.2"}


def test_a_profile_is_returned_as_it_is() -> None:
    own = ModelProfile(id="gateway-model", window=300_000, max_output=20_000)
    assert resolve(own) is own


@pytest.mark.parametrize("name", [None, 5, ["claude-opus-5"]])
def test_what_is_no_string_is_refused_kindly(name: Any) -> None:
    with pytest.raises(MisuseError, match=type(name).__name__):
        resolve(name)


def test_no_name_means_two_models() -> None:
    owners: dict[str, str] = {}
    for profile in models():
        for name in names_of(profile):
            assert owners.setdefault(name, profile.id) == profile.id


@pytest.mark.recorded
def test_every_id_of_the_facts_is_found() -> None:
    facts_file = SHARED / "facts" / "catalog.json"
    if not facts_file.exists():
        pytest.skip("the facts are not here")
    rows = json.loads(facts_file.read_bytes())["models"]
    assert [row["id"] for row in rows] != []
    assert {row["id"] for row in rows} == set(IDS)
    for row in rows:
        ids = [row["id"], *row["aliases"], row["bedrock_id"], row["vertex_id"], row["foundry_id"]]
        for name in filter(None, ids):
            assert resolve(name).id == row["id"]
            assert resolve(f"{name}[1m]").id == row["id"]
        for region in ("us.", "eu.", "apac.", "au.", "jp.", "global."):
            if row["bedrock_id"]:
                assert resolve(region + row["bedrock_id"]).id == row["id"]


@pytest.mark.recorded
def test_every_model_that_answered_in_the_recordings_is_found() -> None:
    pairs = SHARED / "data" / "dev" / "usage_pairs.jsonl"
    if not pairs.exists():
        pytest.skip("the recordings are not here")
    answered: dict[str, str] = {}
    refused: set[str] = set()
    with pairs.open(encoding="utf-8") as lines:
        for line in lines:
            pair = json.loads(line)
            if pair["http_status"] == 200 and pair.get("response_model"):
                answered[pair["model"]] = pair["response_model"]
            elif pair["http_status"] == 404:
                refused.add(pair["model"])
    # No spelling of the documentation: what a tracer made of an id, and an inner name in a Bedrock answer.
    undocumented = {"anthropic.claude-3-5-sonnet-20241022-v2-0", "claude-3-sonnet-28k-20240229"}
    claude_2 = {"anthropic.claude-v2", "claude-2.1"}
    assert len(answered) > 30
    for asked, meant in answered.items():
        if not {asked, meant} & (undocumented | claude_2):
            assert resolve(asked).id == resolve(meant).id, asked
    assert refused
    for asked in refused:
        with pytest.raises(UnknownModel):
            resolve(asked)
