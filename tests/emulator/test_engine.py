from __future__ import annotations

import pytest

from ctxwindow.catalog import ModelProfile
from ctxwindow.emulator import Emulator, Limits, Request
from ctxwindow.emulator.http import Cut
from tests.emulator.scenes import BOUND, HEADERS, KEEPS, body, get, post, refused, said


def handle(emulator: Emulator, headers: dict[str, str], method: str = "POST", path: str = "/v1/messages") -> int:
    return emulator.handle(Request(method=method, path=path, headers=headers, body=b"{}"), at=0.0).status


def test_keys() -> None:
    """ERR-02"""
    version = {"anthropic-version": "2026-10-21"}
    no_key = Emulator().handle(Request(method="POST", path="/v1/messages", headers=version), at=0.0)
    assert refused(no_key, 401) == "x-api-key header is required"
    assert no_key.json["error"]["type"] == "authentication_error"
    emulator = Emulator(api_key="right")
    assert handle(emulator, {**version, "X-Api-Key": "right"}) == 400
    assert handle(emulator, {**version, "Authorization": "Bearer right"}) == 400
    wrong = emulator.handle(Request(method="GET", path="/v1/models", headers={**version, "x-api-key": "wröng"}), at=0.0)
    assert refused(wrong, 401) == "invalid x-api-key"


def test_versions() -> None:
    """VER-01, VER-04: sampling parameters pass under the older version on the models that have them."""
    sent = body(KEEPS, temperature=0.5)
    assert post(Emulator(), sent, anthropic_version="2023-06-01").status == 200
    assert refused(post(Emulator(), sent)).startswith("temperature")
    assert "2023-06-01 and 2026-10-21" in refused(post(Emulator(), sent, anthropic_version="2020-01-01"))
    headers = {"x-api-key": "k"}
    missing = Emulator().handle(Request(method="POST", path="/v1/messages", headers=headers), at=0.0)
    assert "header is required" in refused(missing)


def test_every_response_has_its_request_id() -> None:
    """ERR-01"""
    emulator = Emulator()
    good, bad = post(emulator, body()), post(emulator, body("nope"))
    assert good.headers["request-id"] == "req_000000000000000000000001"
    assert bad.json["request_id"] == bad.headers["request-id"] == "req_000000000000000000000002"


def test_endpoints_that_are_not_there() -> None:
    for method, path in [("GET", "/v1/messages"), ("POST", "/v1/complete"), ("DELETE", "/v1/models"), ("POST", "")]:
        assert handle(Emulator(), HEADERS, method, path) == 404


def test_a_query_is_no_part_of_the_path() -> None:
    assert post(Emulator(), body(), path="/v1/messages?beta=true").status == 200


def test_the_same_requests_get_the_same_responses() -> None:
    def run() -> list[object]:
        emulator = Emulator()
        return [post(emulator, sent, at=at) for at, sent in enumerate([body(), body(KEEPS), body(stream=True), b"{"])]

    assert run() == run()


def test_a_profile_of_ones_own() -> None:
    own = ModelProfile(id="my-model", window=1_000, max_output=100)
    emulator = Emulator(profiles=[own])
    sent = body("my-model", max_tokens=100)
    assert said(post(emulator, sent))["model"] == "my-model"
    assert get(emulator, "/v1/models/my-model").json["max_input_tokens"] == 1_000
    long = {**sent, "messages": [{"role": "user", "content": "word " * 2_000}]}
    assert "> 1000 maximum" in refused(post(emulator, long))


@pytest.mark.parametrize(("fault", "status", "kind"), [
    ("529", 529, "overloaded_error"), ("500", 500, "api_error"), ("402", 402, "billing_error"),
    ("403", 403, "permission_error"), ("504", 504, "timeout_error"), ("413", 413, "request_too_large"),
])  # fmt: skip
def test_faults_by_status(fault: str, status: int, kind: str) -> None:
    """ERR-02"""
    response = post(Emulator(), body(), x_emulate=fault)
    refused(response, status)
    assert response.json["error"]["type"] == kind


def test_a_429_says_when_to_come_back() -> None:
    """RATE-06"""
    response = post(Emulator(), body(), x_emulate="429;retry-after=1")
    assert refused(response, 429)
    assert response.headers["retry-after"] == "1"
    assert "retry-after" not in post(Emulator(), body(), x_emulate="429").headers


def test_a_fault_that_is_not_understood_is_an_error_of_its_own() -> None:
    assert "no such fault" in refused(post(Emulator(), body(), x_emulate="earthquake"))


def test_a_page_of_a_proxy() -> None:
    response = post(Emulator(), body(), x_emulate="html")
    assert (response.status, response.headers["content-type"]) == (502, "text/html")
    assert response.body.startswith(b"<html>")


def test_faults_in_a_script() -> None:
    emulator = Emulator([{"fault": "429;retry-after=2"}, "After.", {"fault": "error-event"}, "Cut."])
    assert post(emulator, body()).status == 429
    assert said(post(emulator, body()))["content"][0]["text"] == "After."
    broken = post(emulator, body(stream=True))
    assert broken.status == 200
    assert broken.events is not None
    assert broken.events[-1].name == "error"
    assert "message_stop" not in [event.name for event in broken.events]


def test_faults_in_mid_stream_without_a_stream() -> None:
    """ERR-03: an error as it is, and a body that breaks off; no events were asked for."""
    failed = post(Emulator(), body(), x_emulate="error-event")
    assert refused(failed, 529) == "Overloaded"
    cut = post(Emulator(), body(), x_emulate="cut-stream;after-bytes=30")
    assert (cut.status, cut.headers["content-type"], cut.events) == (200, "application/json", None)
    with pytest.raises(Cut):
        assert sum(map(len, cut.chunks())) == 30


def test_rate_limits_are_told_and_kept() -> None:
    """RATE-01, RATE-02, RATE-03"""
    emulator = Emulator(limits=Limits(requests=2, input_tokens=1_000, output_tokens=1_000))
    first = post(emulator, body())
    assert first.headers["anthropic-ratelimit-requests-limit"] == "2"
    assert first.headers["anthropic-ratelimit-requests-remaining"] == "1"
    assert first.headers["anthropic-ratelimit-requests-reset"] == "1970-01-01T00:00:30Z"
    left = int(first.headers["anthropic-ratelimit-input-tokens-remaining"])
    assert left == 1_000 - first.json["usage"]["input_tokens"]
    post(emulator, body())
    third = post(emulator, body())
    assert "2 requests per minute" in refused(third, 429)
    assert third.headers["retry-after"] == "30"
    assert post(emulator, body(KEEPS)).status == 200  # each model has its own
    assert post(emulator, body(), at=30.0).status == 200
    assert not [name for name in post(Emulator(), body()).headers if "ratelimit" in name]
    assert BOUND == "claude-opus-5-5"
