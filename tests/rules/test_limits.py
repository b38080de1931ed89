from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.rules import View, find_violations
from ctxwindow.rules.limits import message_count

HI: dict[str, Any] = {"role": "user", "content": "hi"}
BATCH = "output-300k-2026-03-24"


def found(**request: Any) -> list[tuple[str, str, str]]:
    body = {"model": "claude-opus-5-5", "messages": [HI], **request}
    return [(violation.rule, violation.path, violation.severity) for violation in find_violations(body)]


def test_ctx_06() -> None:
    """max_tokens is at most the model's longest reply, which is longer in a batch with its beta."""
    error, warning = [("CTX-06", "max_tokens", "error")], [("CTX-06", "max_tokens", "warning")]
    assert found(max_tokens=128_000) == []
    assert found(max_tokens=300_001) == error
    assert found(max_tokens=-1) == error
    # Whether the beta was sent is not known, then known.
    assert found(max_tokens=300_000) == warning
    assert found(max_tokens=300_000, betas=[]) == error
    assert found(max_tokens=300_000, betas=[BATCH]) == []
    assert found(max_tokens=64_001, model="claude-sonnet-4-5", betas=[BATCH]) == error


def test_ctx_06_says_what_the_api_says() -> None:
    (violation,) = find_violations({"model": "claude-opus-4-5-20251101", "messages": [HI], "max_tokens": 128_001})
    assert violation.message == (
        "max_tokens: 128001 > 64000, which is the maximum allowed number of output tokens for claude-opus-4-5-20251101"
    )


def test_ctx_12() -> None:
    """The beta context-1m-2025-08-07 has no effect any more."""
    assert found(betas=["context-1m-2025-08-07"]) == [("CTX-12", "betas", "warning")]
    assert found(betas=[BATCH]) == []


@pytest.mark.parametrize("field", ["system", "metadata"])
def test_ctx_18(field: str) -> None:
    """The body of a request has at most 32 MB (256 MB for a batch), whatever its tokens."""
    half = "x" * (16 * 1024 * 1024 - 100)
    value = half if field == "system" else {"user_id": half}
    full = [{"role": "user", "content": half}]
    assert found(messages=full) == []
    assert found(messages=full, **{field: value}) == []
    more = {"role": "user", "content": "x" * 300}
    assert found(messages=[*full, more], **{field: value}) == [("CTX-18", "messages", "error")]


def test_ctx_19() -> None:
    """A request holds at most 100,000 messages."""
    assert list(message_count(View([HI] * 100_000))) == []
    assert [finding.path for finding in message_count(View([HI] * 100_001))] == ["messages"]
