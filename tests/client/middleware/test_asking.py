"""What of a request of the SDK is managed, and what goes out in its place."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("anthropic")

from anthropic import APIRequest
from anthropic._models import FinalRequestOptions

from ctxwindow.client.middleware.asking import Asked, asked_of, without_markers

BODY: dict[str, Any] = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "a"}]}
MARK = {"cache_control": {"type": "ephemeral"}}


def request(
    body: Any = BODY, *, url: str = "/v1/messages?beta=true", method: str = "post", **headers: str
) -> APIRequest:
    options = FinalRequestOptions.construct(method=method, url=url, json_data=body, headers=headers)
    return APIRequest(options=options, cast_to=object, retries_taken=1)


def asked(**more: Any) -> Asked:
    found = asked_of(request({**BODY, **more}), marks=True)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "other",
    [
        request(url="/v1/messages/count_tokens"),
        request(url="/v1/messages/batches"),
        request(url="/v1/complete"),
        request(method="get"),
        request(None),
        request("text"),
        request({**BODY, "messages": []}),
        request({**BODY, "messages": ["a"]}),
        request({**BODY, "messages": None}),
        request({**BODY, "max_tokens": None}),
        request({**BODY, "model": 3}),
        request({**BODY, "compaction": {"type": "summarize"}}),
        request({**BODY, "thread": {"type": "continue"}}),
    ],
    ids=str,
)
def test_what_is_none_of_ours(other: APIRequest) -> None:
    assert asked_of(other, marks=True) is None


def test_what_is_said_of_one_request_is_no_setting() -> None:
    found = asked(
        stream=True, thinking={"type": "adaptive"}, thread={"type": "create"}, metadata={"user_id": "u"}, **MARK
    )
    assert found.settings == {"thinking": {"type": "adaptive"}, "metadata": {"user_id": "u"}}
    assert found.extras == {"stream": True}
    assert found.previous is None
    marked = asked_of(request({**BODY, **MARK}), marks=False)
    assert marked is not None
    assert marked.settings == MARK


def test_what_is_said_of_one_request_goes_out_with_it() -> None:
    extras = {"diagnostics": {"cache": True}, "fallback_credit_token": "token"}
    found = asked(**extras)
    assert found.settings == {}
    planned = {"model": "m", "max_tokens": 5, "messages": []}
    assert found.rewritten(planned).json == {**planned, **extras}
    assert found.own(planned).json == planned


def test_a_continued_thread_may_have_no_message() -> None:
    found = asked(messages=[], thread={"type": "continue", "previous_message_id": "msg_1"})
    assert found.previous == "msg_1"


def test_the_request_that_goes_out() -> None:
    given = request({**BODY, "stream": True}, **{"Anthropic-Beta": "one, message-threads-2026-08-12", "x-mine": "1"})
    found = asked_of(given, marks=True)
    assert found is not None
    assert found.settings == {"betas": ["one"]}
    planned = {"model": "canonical", "max_tokens": 5, "messages": [], "betas": ["one", "two"]}
    sent = found.rewritten(planned)
    assert sent.json == {"model": "m", "max_tokens": 5, "messages": [], "stream": True}
    assert sent.headers == {"Anthropic-Beta": "one,two", "x-mine": "1"}
    assert (sent.url, sent.retries_taken) == (given.url, 1)
    assert given.json == {**BODY, "stream": True}
    own = found.own(planned, count=True)
    assert own.url == "/v1/messages/count_tokens?beta=true"
    assert not own.stream
    body: Any = own.json
    assert "stream" not in body
    bare = found.rewritten({**planned, "betas": []})
    assert bare.headers == {"x-mine": "1"}


def test_what_a_recovery_has_set_stays() -> None:
    binding = {"prefix_mismatch_behavior": "drop_block"}
    current = {"thinking": {"type": "adaptive", "block_binding": binding}, "betas": ["b"]}
    found = asked(thinking={"type": "adaptive", "display": "omitted"}).settings_on(current)
    assert found["thinking"] == {"type": "adaptive", "display": "omitted", "block_binding": binding}
    assert found["betas"] == ["thinking-binding-controls-2026-08-01"]
    assert asked().settings_on(current)["thinking"] == {"type": "adaptive", "block_binding": binding}
    off = {"type": "disabled"}
    assert asked(thinking=off).settings_on(current)["thinking"] == off
    assert asked().settings_on({}) == {}


def test_markers_are_taken_off_and_nothing_else() -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "a", **MARK}]}
    call = {"type": "tool_use", "id": "t", "name": "n", "input": {"cache_control": 1}, **MARK}
    given: dict[str, Any] = {"role": "user", "content": [result, call]}
    assert without_markers(given) == {
        "role": "user",
        "content": [
            {**result, "content": [{"type": "text", "text": "a"}]},
            {"type": "tool_use", "id": "t", "name": "n", "input": {"cache_control": 1}},
        ],
    }
    assert "cache_control" in given["content"][1]
    plain = {"role": "user", "content": [{"type": "text", "text": "a"}]}
    assert without_markers(plain) is plain
    assert without_markers("text") == "text"
    assert without_markers(None) is None
