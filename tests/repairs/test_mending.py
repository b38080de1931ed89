from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given

import ctxwindow
from ctxwindow.errors import InvalidRequest, UnknownModel
from ctxwindow.repairs import repair
from ctxwindow.repairs.mending import MENDED
from ctxwindow.rules import check, rules
from tests.odd import nested, odd_requests
from tests.repairs.broken import PREFILL, SYSTEMLESS, request
from tests.sdk import with_objects

GO: dict[str, Any] = {"role": "user", "content": "Go."}
DONE: dict[str, Any] = {"role": "assistant", "content": "Done."}


def test_the_function_is_public() -> None:
    assert ctxwindow.repair is repair
    repaired, done = ctxwindow.repair(request([GO]))
    assert (repaired, done) == (request([GO]), [])


def test_every_mended_rule_is_a_rule() -> None:
    assert {row.id for row in rules()} >= MENDED


def test_the_model_may_be_given_and_must_be_known_then() -> None:
    body = request([GO, {"role": "system", "content": "Be brief."}])
    assert repair(body)[1] == []
    assert [one.rule for one in repair(body, model=SYSTEMLESS)[1]] == ["SYS-01"]
    assert repair({**body, "model": "my-own-model"})[1] == []
    with pytest.raises(UnknownModel):
        repair(body, model="my-own-model")


def test_the_version_decides_what_is_wrong() -> None:
    cited = {"type": "text", "text": "x", "citations": [{"cited_text": "x"}]}
    body = request([{"role": "user", "content": [cited]}])
    assert repair(body, api_version="2023-06-01")[1] == []
    assert [one.rule for one in repair(body)[1]] == ["VER-03"]


def test_settings_are_left_and_named_by_check() -> None:
    body = {**request([GO, DONE, DONE], PREFILL), "tool_choice": {"type": "any"}, "temperature": 0.5}
    repaired, done = repair(body)
    assert (repaired, done) == (body, [])
    assert "VER-04" in {violation.rule for violation in check(repaired).violations}


@pytest.mark.parametrize(
    "odd", [None, [], "x", {}, {"messages": 3}, {"messages": [None, 3, {"role": [], "content": 3}]}]
)
def test_what_is_no_request_is_left(odd: Any) -> None:
    before = copy.deepcopy(odd)
    repaired, done = repair(odd)
    assert done == []
    assert repaired == (odd if isinstance(odd, dict) else {})
    assert odd == before


def test_several_mistakes_at_once() -> None:
    call = {"type": "tool_use", "id": "a", "name": "search", "input": {}}
    thought = {"type": "thinking", "thinking": "x"}
    body = request(
        [
            GO,
            {"role": "assistant", "content": [thought, call, call]},
            {"role": "user", "content": [{"type": "text", "text": " "}]},
            {"role": "assistant", "content": "As far as"},
        ]
    )
    repaired, done = repair(body)
    assert check(repaired).ok
    assert {one.rule for one in done} == {"MSG-06", "TOOL-04", "TOOL-01", "REPLAY-04", "MSG-16"}
    assert [one.path for one in done if one.rule == "TOOL-01"] == ["messages.1.content.1", "messages.1.content.2"]


def test_a_thousand_mistakes_are_mended_in_one_go() -> None:
    """Every mistake of one kind is mended at a time: the number of checks does not grow with their number."""
    call = {"type": "tool_use", "name": "search", "input": {}}
    messages: list[Any] = []
    for number in range(1_000):
        messages += [GO, {"role": "assistant", "content": [{**call, "id": f"t{number}"}]}]
    repaired, done = repair(request(messages))
    assert check(repaired).ok
    assert len(done) == 1_000


def test_objects_of_the_sdk_are_repaired_like_what_they_stand_for() -> None:
    call = {"type": "tool_use", "id": "a", "name": "search", "input": {}}
    body = request([GO, {"role": "assistant", "content": [{"type": "text", "text": " "}, call]}, GO])
    objects = with_objects(body)
    kept = copy.deepcopy(objects)
    assert repair(objects) == repair(body)
    assert repair(body)[1] != []
    assert objects == kept, "changed"


@pytest.mark.parametrize("odd", [nested(2_000), float("nan"), b"bytes"])
def test_what_json_cannot_carry_is_refused(odd: Any) -> None:
    body = {**request([GO]), "metadata": {"user_id": odd}}
    with pytest.raises(InvalidRequest) as refused:
        repair(body)
    assert str(refused.value.path).startswith("metadata.user_id")


@given(odd_requests())
def test_odd_json_is_repaired_or_left(body: dict[str, Any]) -> None:
    repaired, done = repair(body)
    assert done or repaired == body
