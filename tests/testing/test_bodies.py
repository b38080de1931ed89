from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings

from ctxwindow.catalog import resolve
from ctxwindow.record.blocks import blocks_of
from ctxwindow.testing import exchanges, requests
from ctxwindow.testing.bodies import MODELS

Body = dict[str, Any]


def kinds(body: Body) -> set[str]:
    """Types of the blocks in a request."""
    return {block["type"] for message in body["messages"] for block in blocks_of(message)}


HELD: dict[str, Callable[[Body], object]] = {
    "manual thinking": lambda body: body.get("thinking", {}).get("type") == "enabled",
    "thinking off": lambda body: body.get("thinking", {}).get("type") == "disabled",
    "between tools": lambda body: body.get("thinking", {}).get("type") == "between_tools",
    "block_binding": lambda body: body.get("thinking", {}).get("block_binding"),
    "a forced choice": lambda body: body.get("tool_choice", {}).get("type") == "any",
    "a deferred tool": lambda body: any(tool.get("defer_loading") for tool in body.get("tools", ())),
    "structured output": lambda body: body.get("output_config", {}).get("format"),
    "context editing": lambda body: body.get("context_management"),
    "a compaction block": lambda body: "compaction" in kinds(body),
    "an on-demand compaction": lambda body: body.get("compaction"),
    "a system message": lambda body: any(message["role"] == "system" for message in body["messages"]),
    "an image": lambda body: "image" in kinds(body),
    "a document": lambda body: "document" in kinds(body),
    "a server tool": lambda body: "server_tool_use" in kinds(body),
    "redacted thinking": lambda body: "redacted_thinking" in kinds(body),
    "a prefill": lambda body: body["messages"][-1]["role"] == "assistant" and resolve(body["model"]).features.prefill,
    "an hour-long marker": lambda body: "1h" in str(body),
    "cache warming": lambda body: body["max_tokens"] == 0,
}


@pytest.mark.slow
@pytest.mark.parametrize("what", HELD)
def test_requests_hold(what: str) -> None:
    found = find(
        requests(), lambda body: bool(HELD[what](body)), settings=settings(max_examples=2_000, phases=[Phase.generate])
    )
    assert found["model"] in MODELS


@given(requests(models=["claude-haiku-4-5"]))
def test_only_the_models_asked_for(body: Body) -> None:
    assert body["model"] == "claude-haiku-4-5"
    assert isinstance(body["betas"], list)


@given(exchanges())
def test_the_second_request_extends_the_first(pair: tuple[Body, Body]) -> None:
    before, after = pair
    sent = len(before["messages"])
    assert after["messages"][:sent] == before["messages"]
    assert after["messages"][sent]["role"] == "assistant"
    assert {key: value for key, value in after.items() if key != "messages"} == {
        key: value for key, value in before.items() if key != "messages"
    }
