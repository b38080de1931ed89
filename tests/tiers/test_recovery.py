from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def _refused(message: str, code: str | None = None) -> dict[str, Any]:
    details = {"details": {"error_code": code}} if code else {}
    return {"type": "error", "error": {"type": "invalid_request_error", "message": message, **details}}


TOO_LONG = _refused("prompt is too long: 208310 tokens > 200000 maximum")
BOUND = _refused("Invalid `signature` in `thinking` block. The block is bound to a different conversation.")
FORGED = _refused("messages.1.content.0: Invalid `signature` in `thinking` block")
EXTRA = _refused("thinking.adaptive.block_binding: Extra inputs are not permitted")
BLOCK = _refused("compaction_signature_invalid: x", "compaction_signature_invalid")


@pytest.mark.parametrize(
    ("error", "known", "action", "rule"),
    [
        (TOO_LONG, {"shrunk": False}, "plan_again", "CTX-08"),
        (TOO_LONG, {"shrunk": True}, "give_up", "CTX-08"),
        (BOUND, {}, "plan_again", "BIND-26"),
        (BOUND, {"stripped": True}, "plan_again", "BIND-26"),
        (BOUND, {"dropping": True}, "give_up", "BIND-26"),
        (BOUND, {"thinking": {"type": "between_tools"}}, "plan_again", "BIND-26"),
        (BOUND, {"thinking": {"type": "between_tools"}, "stripped": True}, "give_up", "BIND-26"),
        (FORGED, {}, "plan_again", "REPLAY-04"),
        (FORGED, {"stripped": True}, "give_up", "REPLAY-04"),
        (EXTRA, {}, "give_up", "ERR-02"),
        (EXTRA, {"dropping": True}, "plan_again", "BIND-08"),
        (EXTRA, {"dropping": True, "stripped": True}, "give_up", "BIND-08"),
        (BLOCK, {"blocked": True}, "plan_again", "CMP-24"),
        (BLOCK, {"blocked": False}, "give_up", "CMP-24"),
    ],
)
def test_each_way_out_is_taken_once(error: Any, known: Any, action: str, rule: str) -> None:
    """Never the same body again: what was tried, and is no way any more, is the end."""
    recovery = recover(error, **known)
    assert (recovery.action, recovery.rule) == (action, rule)
    if action == "give_up":
        with pytest.raises(InvalidRequest) as caught:
            recovery.raise_if_final()
        assert caught.value.remedy
        assert "\n" not in str(caught.value)
    else:
        assert recovery.tokens or recovery.settings or recovery.strip_thinking or recovery.unblock, "another request"


def test_a_header_that_is_eaten_takes_the_setting_back() -> None:
    """BIND-08."""
    asked = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}, "display": "omitted"}
    recovery = recover(EXTRA, dropping=True)
    assert recovery.merged({"thinking": asked})["thinking"] == {"type": "adaptive", "display": "omitted"}
    assert recovery.strip_thinking


@pytest.mark.parametrize(
    "message", ["prompt is too long: 5 tokens > 200000 maximum", "exceed context limit: 1 + 1 > 5"]
)
def test_a_size_that_cannot_be_is_no_size(message: str) -> None:
    recovery = recover(_refused(message))
    assert (recovery.action, recovery.tokens, recovery.limit) == ("give_up", None, None)


@given(st.text(), st.sampled_from([None, 200, 400, 404, 429, 500]), st.none() | st.text(max_size=40))
def test_whatever_is_said_the_text_is_not_kept(text: str, status: int | None, code: str | None) -> None:
    """No content leaves by an error."""
    said = f"canary {text} canary"

    class _Error(Exception):
        status_code = status
        body = _refused(said, code)

    recovery = recover(_Error())
    assert "canary" not in f"{recovery.why} {recovery.remedy} {recovery.rule}"
