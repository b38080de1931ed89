"""Nothing that a client can send crashes the emulator: a typed answer, always."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.emulator import Emulator, Fault, Request
from ctxwindow.emulator.http import ERROR_TYPES
from ctxwindow.errors import MisuseError
from ctxwindow.record import from_json, to_json
from ctxwindow.testing import json_values
from tests.emulator.scenes import BINDING, BOUND, COMPACT, EDITING, HEADERS, KEEPS, LAST_TURN, THRESHOLD, body, post

_FIELDS = [
    "model", "messages", "max_tokens", "system", "tools", "tool_choice", "thinking", "stream", "stop_sequences",
    "context_management", "compaction", "output_config", "cache_control", "metadata", "thread", "fallbacks", "betas",
]  # fmt: skip
_WORDS = [
    "role", "content", "type", "text", "user", "assistant", "system", "tool_use", "tool_result", "thinking", "signature",
    "compaction", "id", "name", "input", "tool_use_id", "cache_control", "ephemeral", "ttl", "1h", "edits", "trigger",
    "clear_tool_uses_20250919", "clear_thinking_20251015", "compact_20260112", "value", "keep", "image", "source",
    "base64", "data", "media_type", "document", "citations", "enabled", "adaptive", "summarize", "clear_at",
    "defer_loading", "tool_reference", "tool_name", "input_schema", "any", "tool", "format", "schema", "encrypted_content",
    BOUND, KEEPS, LAST_TURN,
]  # fmt: skip

_odd = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(min_value=10**30), st.floats(), st.text(max_size=8),
    st.sampled_from(_WORDS),
)  # fmt: skip
_near = st.recursive(
    _odd,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=5),
    max_leaves=20,
)
_blocks = st.lists(st.dictionaries(st.sampled_from(_WORDS), _near, max_size=5), max_size=4)
_messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system"]), "content": st.text(max_size=5) | _blocks | _near}
    ),
    max_size=5,
)
_paths = st.sampled_from(["/v1/messages", "/v1/messages/count_tokens", "/v1/messages/batches"])
_betas = st.lists(st.sampled_from([BINDING, COMPACT, THRESHOLD, EDITING, "nonsense", ""]), max_size=3)


def typed(status: int, sent: bytes) -> None:
    """The answer to what may be anything: of a documented status, with the body that goes with it (ERR-01, ERR-02)."""
    assert status == 200 or 400 <= status < 500
    if status != 200:
        found = from_json(sent)
        assert found["type"] == "error"
        assert found["error"]["type"] == ERROR_TYPES[status]
        assert isinstance(found["error"]["message"], str)
        assert found["request_id"].startswith("req_")


@given(st.binary(max_size=200), _paths)
def test_bytes(sent: bytes, path: str) -> None:
    response = post(Emulator(), sent, path=path)
    assert response.status == 400
    typed(response.status, response.body)


@given(json_values(), _paths)
def test_any_json(sent: Any, path: str) -> None:
    response = post(Emulator(), sent, path=path)
    typed(response.status, response.body)


@given(st.dictionaries(st.sampled_from(_FIELDS), _near, max_size=4), _messages, _betas, _paths)
def test_almost_a_request(fields: dict[str, Any], messages: Any, betas: list[str], path: str) -> None:
    sent = body(**{"messages": messages, **fields})
    if path.endswith("batches"):
        sent = {"requests": [{"custom_id": "a", "params": sent}]}
    elif path.endswith("count_tokens"):
        del sent["max_tokens"]
    try:
        raw = to_json(sent)
    except ValueError:  # not a number: no JSON either
        raw = str(sent).encode("utf-8", "surrogatepass")
    response = post(Emulator(), raw, *betas, path=path)
    typed(response.status, response.body or b"".join(response.chunks()))
    if path.endswith("batches") and response.status == 200:
        emulator = Emulator()
        created = post(emulator, raw, *betas, path=path).json
        (row,) = emulator._batches.results(created["id"]).splitlines()
        result = from_json(row)["result"]
        assert result["type"] == "succeeded" or result["error"]["error"]["type"] in ERROR_TYPES.values()
        assert result["type"] == "succeeded" or result["error"]["error"]["type"] != "api_error"


@given(
    st.text(max_size=10), st.text(max_size=40), st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=4)
)
def test_any_method_path_and_headers(method: str, path: str, headers: dict[str, str]) -> None:
    for extra in ({}, HEADERS):
        response = Emulator().handle(Request(method=method, path=path, headers={**headers, **extra}), at=0.0)
        typed(response.status, response.body)


def asks_for_a_fault(text: str) -> bool:
    try:
        Fault.parse(text)
    except MisuseError:
        return False
    return True


@given(st.text(max_size=30), st.text(max_size=40), st.text(max_size=40))
def test_any_value_of_the_headers_that_are_read(fault: str, betas: str, version: str) -> None:
    for headers in ({"x-emulate": fault}, {"anthropic-beta": betas}, {"anthropic-version": version}):
        request = Request(method="POST", path="/v1/messages", headers={**HEADERS, **headers}, body=to_json(body()))
        response = Emulator().handle(request, at=0.0)
        if not asks_for_a_fault(fault):
            typed(response.status, response.body)


@pytest.mark.parametrize("depth", [100, 500, 2_000, 100_000])
@pytest.mark.parametrize("place", ["input", "schema", "content", "bare"])
def test_deep_nesting(depth: int, place: str) -> None:
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    raw = {
        "bare": deep,
        "input": b'{"model":"%s","max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":'
        b'[{"type":"tool_use","id":"a","name":"b","input":%s}]},{"role":"user","content":[{"type":"tool_result",'
        b'"tool_use_id":"a"}]}]}' % (BOUND.encode(), deep),
        "schema": b'{"model":"%s","max_tokens":9,"messages":[{"role":"user","content":"x"}],"tools":[{"name":"b",'
        b'"input_schema":%s}],"tool_choice":{"type":"auto"}}' % (BOUND.encode(), deep),
        "content": b'{"model":"%s","max_tokens":9,"messages":[{"role":"user","content":[%s]}]}'
        % (BOUND.encode(), deep),
    }[place]
    response = post(Emulator(), raw)
    typed(response.status, response.body)


@pytest.mark.parametrize("number", ["1" * 5_000, "-1", "1e400", "1e5", "1.5", "true", '"9"', "null", "1" * 30])
def test_odd_numbers(number: str) -> None:
    raw = b'{"model":"%s","max_tokens":%s,"messages":[{"role":"user","content":"x"}]}' % (
        BOUND.encode(),
        number.encode(),
    )
    response = post(Emulator(), raw)
    typed(response.status, response.body)
    assert response.status == 400


def test_more_messages_than_a_request_may_hold() -> None:
    """CTX-19"""
    many = [{"role": ("user", "assistant")[index % 2], "content": "x"} for index in range(100_001)]
    response = post(Emulator(), body(messages=many))
    typed(response.status, response.body)
    assert response.status == 400


def test_a_body_over_32_megabytes() -> None:
    """CTX-18"""
    response = post(Emulator(), b" " * (32 * 1024 * 1024 + 1))
    assert response.status == 413
    typed(response.status, response.body)
