from __future__ import annotations

import pytest

from ctxwindow.emulator import ApiError, Request
from ctxwindow.emulator.admission import Head, admit, read_body

HEADERS = {"x-api-key": "k", "anthropic-version": "2026-10-21"}


def test_heads() -> None:
    betas = {"anthropic-beta": " a,b , ,c", "x-emulate": "529"}
    assert admit({**HEADERS, **betas}, None) == Head(version="2026-10-21", betas=("a", "b", "c"), fault="529")
    assert admit({"authorization": "Bearer t", "anthropic-version": "2023-06-01"}, "t").version == "2023-06-01"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b'{"a": NaN}', "a: NaN and infinity are not JSON."),
        (b'{"a":' + b"9" * 5_000 + b"}", ""),
        (b"[]", "should be a JSON object"),
        (b'"model"', "should be a JSON object"),
        (b'{"a":' + b"[" * 300 + b"]" * 300 + b"}", "levels"),
    ],
)
def test_bodies_that_are_none(body: bytes, text: str) -> None:
    with pytest.raises(ApiError) as refusal:
        read_body(Request(method="POST", path="/", body=body))
    assert refusal.value.status == 400
    assert text in refusal.value.message


def test_lone_surrogates_are_taken_as_they_come() -> None:
    assert read_body(Request(method="POST", path="/", body=rb'{"a": "\ud800"}')) == {"a": "\ud800"}


def test_ctx_18_the_limit_is_a_number_of_bytes() -> None:
    read_body(Request(method="POST", path="/", body=b"{}" + b" " * 8), limit=10)
    with pytest.raises(ApiError) as refusal:
        read_body(Request(method="POST", path="/", body=b"{}" + b" " * 9), limit=10)
    assert (refusal.value.status, refusal.value.message) == (413, "Request exceeds the maximum size")
