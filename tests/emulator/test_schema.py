from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.emulator import ApiError, Emulator
from ctxwindow.emulator.schema import check_types, only_for_create
from ctxwindow.rules import check
from tests.emulator.scenes import body, post, refused

REQUIRED = ("model", "max_tokens", "messages")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"max_tokens": "5"}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": True}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": None}, "max_tokens: Input should be a valid integer"),
        ({"messages": {}}, "messages: Input should be a valid list"),
        ({"model": 5}, "model: Input should be a valid string"),
        ({"stream": "yes"}, "stream: Input should be a valid boolean"),
        ({"thinking": None}, "thinking: Input should be a valid object"),
        ({"service_tier": 1}, "service_tier: Input should be a valid string"),
        ({"stop_sequences": [1]}, "stop_sequences.0: Input should be a valid string"),
        ({"stop_sequences": [" "]}, "stop_sequences: each stop sequence must contain non-whitespace"),
        ({"betas": []}, "betas: Extra inputs are not permitted"),
    ],
)
def test_wrong_types(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ApiError) as refusal:
        check_types(body(**fields), required=REQUIRED)
    assert (refusal.value.status, refusal.value.message) == (400, text)


@pytest.mark.parametrize(
    "fields",
    [
        {"max_tokens": -1}, {"thinking": []}, {"temperature": "hot"}, {"context_management": []}, {"compaction": 1},
        {"cache_control": "x"}, {"thread": []}, {"diagnostics": 7}, {"top_k": {}}, {"tools": [{}]}, {"tool_choice": {}},
        {"mcp_servers": [None]}, {"metadata": {"x": 1}}, {"output_config": {"x": 1}},
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]},
    ],
)  # fmt: skip
def test_the_rest_is_refused_by_the_rules_as_check_says(fields: dict[str, Any]) -> None:
    """What `check` flags, the emulator rejects, in its words."""
    report = check(body(**fields), betas=[])
    assert refused(post(Emulator(["Hi."]), body(**fields))) in {violation.message for violation in report.violations}


def test_required_fields() -> None:
    for field in REQUIRED:
        sent = body()
        del sent[field]
        with pytest.raises(ApiError, match=f"{field}: Field required"):
            check_types(sent, required=REQUIRED)


def test_right_types() -> None:
    check_types(body(temperature=1, context_management=None, stop_sequences=["a"], stream=False), required=REQUIRED)
    only_for_create({"model": "m", "messages": []})
