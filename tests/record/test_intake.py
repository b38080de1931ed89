from __future__ import annotations

import copy
import datetime as dt
import json
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given

from ctxwindow.errors import InvalidRequest
from ctxwindow.record import from_json, intake, plain_json, to_json
from ctxwindow.record.intake import MAX_DEPTH
from ctxwindow.testing import json_values
from tests.odd import nested
from tests.sdk import sdk_message


@given(json_values())
def test_what_goes_in_comes_out(value: Any) -> None:
    """Law 1: JSON-equal to what was given, unknown fields and lone surrogates included."""
    before = copy.deepcopy(value)
    taken = intake(value)
    assert taken == value == before
    assert json.dumps(from_json(to_json(taken))) == json.dumps(value)


def test_nothing_mutable_is_shared() -> None:
    given_block: dict[str, Any] = {"content": [{"text": "a", "x": [1]}]}
    taken = intake(given_block)
    given_block["content"][0]["x"].append(2)
    assert taken == {"content": [{"text": "a", "x": [1]}]}


def test_key_order_and_number_kinds_stay() -> None:
    value = {"b": 1, "a": 1.0, "big": 2**70, "minus": -0.0}
    assert json.dumps(from_json(to_json(intake(value)))) == json.dumps(value)


def test_ten_megabytes_of_base64() -> None:
    data = "A" * 10_000_000
    taken = intake({"source": {"data": data}})
    assert taken["source"]["data"] is data
    assert from_json(to_json(taken)) == taken


def test_sdk_objects_and_dicts_alike() -> None:
    types = pytest.importorskip("anthropic.types")
    block = types.TextBlock.construct(type="text", text="hi", a_field_of_tomorrow=[1])
    assert intake({"role": "assistant", "content": [block]}) == {
        "role": "assistant",
        "content": [{"type": "text", "text": "hi", "a_field_of_tomorrow": [1]}],
    }


def test_times_that_the_sdk_has_parsed_become_text_again() -> None:
    types = pytest.importorskip("anthropic.types")
    models = pytest.importorskip("anthropic._models")
    value = {"id": "msg_1", "container": {"id": "c", "expires_at": "2026-11-22T10:00:00Z"}}
    assert intake(models.construct_type(type_=types.Message, value=value)) == value
    with pytest.raises(InvalidRequest, match="datetime is not JSON"):
        intake({"at": dt.datetime(2026, 11, 22, tzinfo=dt.UTC)})


class _Color(StrEnum):
    RED = "red"


def test_subclasses_become_their_base() -> None:
    assert intake({"color": _Color.RED, "many": (1, 2)}) == {"color": "red", "many": [1, 2]}


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": float("nan")}, "a"),
        ({"a": [b"bytes"]}, "a.0"),
        ({"a": {1: 2}}, "a"),
        ({"a": {1, 2}}, "a"),
        ({"n": 10**5000}, "n"),
    ],
)
def test_what_is_not_json_is_refused_with_its_path(value: Any, path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        intake(value)
    assert caught.value.path == path
    assert caught.value.remedy


def test_bottomless_nesting_is_refused() -> None:
    value: Any = "x"
    for _ in range(100_000):
        value = [value]
    with pytest.raises(InvalidRequest, match="nested deeper"):
        intake(value)


@given(json_values())
def test_what_is_plain_is_not_copied(value: Any) -> None:
    assert plain_json(value) is value


@pytest.mark.parametrize("value", [(1, 2), {"a": [(1,)]}, {"color": _Color.RED}, [{_Color.RED: 1}]])
def test_what_is_not_plain_is_taken_in(value: Any) -> None:
    assert plain_json(value) == intake(value)
    assert plain_json(plain_json(value)) == plain_json(value)


def test_an_object_of_the_sdk_is_taken_in() -> None:
    content: list[dict[str, Any]] = [{"type": "text", "text": "a"}, {"type": "brand_new", "x": {"y": None}}]
    taken = plain_json({"content": sdk_message(content, "claude-opus-5-5").content})
    assert taken == {"content": content}
    assert {type(block) for block in taken["content"]} == {dict}


@pytest.mark.parametrize("value", [float("nan"), [2**20_000], {"a": b""}, {1: 2}, {"a": {1}}, {"a": object()}])
def test_what_intake_refuses_is_not_plain(value: Any) -> None:
    with pytest.raises(InvalidRequest):
        plain_json(value)


@pytest.mark.parametrize("levels", [2_000, 100_000])
def test_deep_nesting_is_refused_where_it_begins(levels: int) -> None:
    for take in (intake, plain_json):
        with pytest.raises(InvalidRequest) as refused:
            take({"messages": nested(levels)})
        assert refused.value.path == "messages.0.0.0.0.0"


def test_depth_that_intake_allows_is_plain() -> None:
    for value in (nested(MAX_DEPTH + 1), nested(MAX_DEPTH + 2)):
        try:
            assert intake(value) == value
        except InvalidRequest:
            with pytest.raises(InvalidRequest):
                plain_json(value)
        else:
            assert plain_json(value) is value


def test_what_the_sdk_keeps_for_the_caller_is_not_sent() -> None:
    """`parsed_output` is no field of the API: the SDK leaves it out when it sends the block."""
    types = pytest.importorskip("anthropic.types")
    block = types.ParsedTextBlock[Any](type="text", text="{}", parsed_output={"a": 1})
    message = types.ParsedMessage[Any].construct(role="assistant", content=[block])
    assert intake(block) == {"type": "text", "text": "{}"}
    assert intake(message)["content"] == [{"type": "text", "text": "{}"}]
