from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.errors import InvalidRequest, MisuseError
from ctxwindow.tiers.recovery import recover


def _body(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def test_prompt_too_long() -> None:
    """CTX-08: prompt is too long: N tokens > M maximum."""
    recovery = recover(_body("invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum"))
    assert (recovery.action, recovery.tokens, recovery.limit) == ("plan_again", 208_310, 200_000)


def test_input_and_output_together() -> None:
    """CTX-10: input length and max_tokens exceed context limit: A + B > C."""
    text = "input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000, decrease input length"
    recovery = recover(_body("invalid_request_error", text))
    assert (recovery.action, recovery.tokens, recovery.limit) == ("plan_again", 178_959, 200_000)


def test_sdk_exceptions_and_bodies_alike() -> None:
    class _Error(Exception):
        status_code = 529
        body = _body("overloaded_error", "Overloaded")

    recovery = recover(_Error())
    assert (recovery.action, recovery.status, recovery.kind) == ("send_again", 529, "overloaded_error")
    assert recover(ConnectionError("cut")).action == "send_again"
    assert recover(ValueError("a bug of the caller")).action == "give_up"


def test_settings_are_joined() -> None:
    text = "The block is bound to a different conversation. Remove the block"
    recovery = recover(_body("invalid_request_error", text))
    merged = recovery.merged({"thinking": {"type": "adaptive", "display": "omitted"}, "betas": ["a"], "metadata": {}})
    assert merged["thinking"]["display"] == "omitted"
    assert merged["thinking"]["block_binding"] == {"prefix_mismatch_behavior": "drop_block"}
    assert merged["betas"] == ["a", "thinking-binding-controls-2026-08-01"]
    assert "metadata" in merged


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("invalid_request_error", InvalidRequest),
        ("authentication_error", MisuseError),
        ("not_found_error", MisuseError),
    ],
)
def test_final_errors_are_raised_without_the_apis_text(kind: str, error: type[MisuseError]) -> None:
    recovery = recover(_body(kind, "the text may quote content"))
    with pytest.raises(error) as caught:
        recovery.raise_if_final()
    assert "quote" not in str(caught.value)


@pytest.mark.parametrize("odd", [{}, {"error": None}, {"error": "x"}, {"error": {"type": None}}, None, 7, "text"])
def test_odd_errors_never_crash(odd: Any) -> None:
    assert recover(odd).action in ("send_again", "give_up")
