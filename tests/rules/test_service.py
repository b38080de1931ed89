"""RATE, ERR and SDK: what follows the rules about the service."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic import Anthropic, _constants

from ctxwindow.emulator.batches import Batches
from ctxwindow.emulator.http import ApiError
from ctxwindow.emulator.limits import Limits, Meter
from ctxwindow.emulator.service import Answer, Setting
from ctxwindow.rules import find_violations
from ctxwindow.rules.service import _UNSTREAMED, _UNSTREAMED_ON
from ctxwindow.tiers.recovery import recover

HI: dict[str, Any] = {"role": "user", "content": "hi"}


def error(kind: str, **details: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": "no", "details": details}, "request_id": "req_1"}


class StatusError(Exception):
    """What the SDK raises, as far as `recover` looks at it."""

    def __init__(self, status: int, kind: str, **details: str) -> None:
        super().__init__("no")
        self.status_code, self.body = status, error(kind, **details)


def test_sdk_02() -> None:
    """Without a stream the SDK asks for no more tokens than come in ten minutes."""

    def found(tokens: int, model: str = "claude-opus-5-5", **more: Any) -> list[tuple[str, str, str]]:
        request = {"model": model, "messages": [HI], "max_tokens": tokens, "stream": False, **more}
        return [(violation.rule, violation.path, violation.severity) for violation in find_violations(request)]

    assert found(21_333) == []
    assert found(21_334) == [("SDK-02", "stream", "warning")]
    assert found(21_334, stream=True) == found(21_334, timeout=900) == []
    assert found(8_193, "claude-opus-4-20250514") == [("SDK-02", "stream", "warning")]


def test_v_sdk_1() -> None:
    """SDK-02: the SDK itself draws the line where it is drawn here."""
    with Anthropic(api_key="k") as client:
        timeout = client._calculate_nonstreaming_timeout
    timeout(_UNSTREAMED, None)
    with pytest.raises(ValueError, match="Streaming is required"):
        timeout(_UNSTREAMED + 1, None)
    assert all(_constants.MODEL_NONSTREAMING_TOKENS[model] == most for model, most in _UNSTREAMED_ON.items())


@pytest.mark.parametrize("status", [408, 409, 429, 500, 501, 503, 504, 520, 524, 529])
def test_passing_faults_are_sent_again(status: int) -> None:
    """SDK-01, SDK-03, RATE-06: as the SDK does before it raises; it has an exception for each, with its status."""
    assert recover(StatusError(status, "api_error")).action == "send_again"


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413])
def test_other_faults_are_not(status: int) -> None:
    """SDK-01."""
    assert recover(StatusError(status, "invalid_request_error")).action == "give_up"


def test_a_spent_limit_is_not_waited_for() -> None:
    """RATE-06, ERR-01: the code in the details tells it from a limit that time mends."""
    spent = StatusError(429, "rate_limit_error", error_code="enforced_spend_limit_reached")
    assert (recover(spent).action, recover(spent).rule) == ("give_up", "RATE-06")
    assert recover(StatusError(429, "rate_limit_error", error_code="other")).action == "send_again"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("invalid_request_error", 400),
        ("authentication_error", 401),
        ("billing_error", 402),
        ("permission_error", 403),
        ("not_found_error", 404),
        ("request_too_large", 413),
        ("rate_limit_error", 429),
        ("api_error", 500),
        ("timeout_error", 504),
        ("overloaded_error", 529),
    ],
)
def test_each_type_has_its_status(kind: str, status: int) -> None:
    """ERR-02, ERR-03: also in an error event, which comes without one, behind a 200."""
    assert recover(error(kind)).status == status


def test_an_expired_file_is_not_asked_for_again() -> None:
    """MEDIA-09, SDK-03: the code tells it from another 404."""
    recovery = recover(StatusError(404, "not_found_error", error_code="file_expired"))
    assert (recovery.action, recovery.rule) == ("give_up", "MEDIA-09")
    assert "Upload it again" in recovery.remedy
    assert recover(StatusError(404, "not_found_error", error_code="file_lost")).rule == "ERR-02"


@pytest.mark.parametrize(("code", "rule"), [("thread_not_found", "THR-03"), ("thread_already_continued", "THR-04")])
def test_a_thread_that_is_lost_is_told_by_its_code(code: str, rule: str) -> None:
    """SDK-03"""
    assert recover(StatusError(404, "not_found_error", error_code=code)).rule == rule


def test_an_error_event_has_the_status_of_its_type() -> None:
    """ERR-03: the SDK raises it with the 200 of the stream."""
    recovery = recover(StatusError(200, "overloaded_error"))
    assert (recovery.action, recovery.status) == ("send_again", 529)
    assert recover(StatusError(200, "invalid_request_error")).action == "give_up"


def test_three_buckets_fill_by_the_minute() -> None:
    """RATE-01, RATE-03, RATE-04, RATE-05: requests, input and output as generated; one set whatever the prompt's length."""
    meter = Meter(Limits(requests=2, input_tokens=1_000, output_tokens=100))
    meter.admit(0.0)
    meter.charge(input_tokens=900, output_tokens=10)
    meter.admit(0.0)
    with pytest.raises(ApiError) as refused:
        meter.admit(0.0)
    assert refused.value.status == 429
    meter.admit(30.0)
    meter.charge(input_tokens=10, output_tokens=150)
    with pytest.raises(ApiError):
        meter.admit(31.0)
    assert (Limits().requests, Limits().input_tokens, Limits().output_tokens) == (1_000, 2_000_000, 400_000)


@pytest.mark.parametrize(
    "params", [{"fallbacks": "default"}, {"stream": True}, {"speed": "fast"}, {"max_tokens": 0}], ids=str
)
def test_what_a_batch_cannot_do_fails_item_by_item(params: dict[str, Any]) -> None:
    """RATE-08, FB-09."""
    batches = Batches(lambda body, setting: Answer(message={"usage": {}}, input_tokens=1, output_tokens=1))
    good: dict[str, Any] = {"model": "claude-opus-5-5", "max_tokens": 9, "messages": [HI]}
    items = [{"custom_id": "good", "params": good}, {"custom_id": "bad", "params": {**good, **params}}]
    setting = Setting(at=0.0, version="2026-10-21")
    batch = batches.create({"requests": items}, setting)
    rows = [json.loads(line) for line in batches.results(batch["id"]).splitlines()]
    assert {row["custom_id"]: row["result"]["type"] for row in rows} == {"good": "succeeded", "bad": "errored"}
    with pytest.raises(ApiError):
        batches.create({"requests": items * 50_001}, setting)
