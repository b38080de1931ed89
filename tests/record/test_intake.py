from __future__ import annotations

import copy
import datetime as dt
import json
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given

from ctxwindow.errors import InvalidRequest
from ctxwindow.record import from_json, intake, to_json
from ctxwindow.testing import json_values


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
