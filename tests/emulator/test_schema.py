from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.emulator import ApiError
from ctxwindow.emulator.schema import check_types, only_for_create
from tests.emulator.scenes import body

REQUIRED = ("model", "max_tokens", "messages")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"max_tokens": "5"}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": True}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": None}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": -1}, "max_tokens: Input should be greater than or equal to 0"),
        ({"messages": {}}, "messages: Input should be a valid list"),
        ({"model": 5}, "model: Input should be a valid string"),
        ({"stream": "yes"}, "stream: Input should be a valid boolean"),
        ({"thinking": []}, "thinking: Input should be a valid object"),
        ({"temperature": "hot"}, "temperature: Input should be a valid number"),
        ({"stop_sequences": [1]}, "stop_sequences.0: Input should be a valid string"),
        ({"stop_sequences": [" "]}, "stop_sequences: each stop sequence must contain non-whitespace"),
        ({"betas": []}, "betas: Extra inputs are not permitted"),
    ],
)
def test_wrong_types(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ApiError) as refusal:
        check_types(body(**fields), required=REQUIRED)
    assert (refusal.value.status, refusal.value.message) == (400, text)


def test_required_fields() -> None:
    for field in REQUIRED:
        sent = body()
        del sent[field]
        with pytest.raises(ApiError, match=f"{field}: Field required"):
            check_types(sent, required=REQUIRED)


def test_right_types() -> None:
    check_types(body(temperature=1, context_management=None, stop_sequences=["a"], stream=False), required=REQUIRED)
    only_for_create({"model": "m", "messages": []})
