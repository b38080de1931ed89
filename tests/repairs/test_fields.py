from __future__ import annotations

from typing import Any

from ctxwindow.repairs import repair
from ctxwindow.rules import check
from tests.repairs.broken import request

EPHEMERAL: dict[str, Any] = {"type": "ephemeral"}
GO = {"role": "user", "content": "Go."}


def text(words: str, **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **fields}


def marked(words: str, **control: Any) -> dict[str, Any]:
    return text(words, cache_control={**EPHEMERAL, **control})


def mended(body: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The request afterwards, and what was left out: rule, path."""
    repaired, done = repair(body)
    assert check(repaired).ok
    return repaired, [(one.rule, one.path) for one in done]


def test_of_too_many_markers_the_oldest_of_the_messages_go() -> None:
    """CACHE-02: at most four."""
    body = request([{"role": "user", "content": [marked(str(number)) for number in range(4)]}])
    body["system"] = [marked("Be brief.")]
    repaired, done = mended(body)
    assert done == [("CACHE-02", "messages.0.content.0.cache_control")]
    assert repaired["messages"][0]["content"] == [text("0"), *body["messages"][0]["content"][1:]]
    assert repaired["system"] is body["system"]
    everywhere = {**body, "system": [marked(str(number)) for number in range(6)]}
    assert [path for _, path in mended(everywhere)[1]] == [
        *(f"messages.0.content.{place}.cache_control" for place in range(4)),
        "system.0.cache_control",
        "system.1.cache_control",
    ]


def test_markers_are_left_out_where_none_may_stand() -> None:
    """CACHE-09."""
    thought = {"type": "thinking", "thinking": "x", "signature": "s", "cache_control": EPHEMERAL}
    body = request([GO, {"role": "assistant", "content": [thought, text("Done.")]}, {**GO, "cache_control": EPHEMERAL}])
    repaired, done = mended(body)
    assert done == [
        ("CACHE-09", "messages.1.content.0.cache_control"),
        ("CACHE-09", "messages.2.cache_control"),
    ]
    assert repaired["messages"][2] == GO


def test_a_marker_of_an_hour_behind_a_shorter_one_is_shortened() -> None:
    """CACHE-04."""
    body = request([{"role": "user", "content": [marked("a"), marked("b", ttl="1h")]}])
    repaired, done = mended(body)
    assert repaired["messages"][0]["content"] == [marked("a"), marked("b")]
    assert done == [("CACHE-04", "messages.0.content.1.cache_control.ttl")]
    odd = request([{"role": "user", "content": [text("a", cache_control="yes"), marked("b")]}])
    assert mended(odd)[0]["messages"][0]["content"] == [text("a"), marked("b")]


def test_the_automatic_marker_goes_where_the_last_block_has_another() -> None:
    """CACHE-03."""
    body = {**request([{"role": "user", "content": [marked("a", ttl="1h")]}]), "cache_control": EPHEMERAL}
    repaired, done = mended(body)
    assert "cache_control" not in repaired
    assert done == [("CACHE-03", "cache_control")]


def test_fields_of_a_response_are_left_out() -> None:
    """VER-08."""
    answer = {"role": "assistant", "id": "msg_1", "content": [text("Done.", index=0)]}
    repaired, done = mended(request([GO, answer, GO]))
    assert repaired["messages"][1] == {"role": "assistant", "content": [text("Done.")]}
    assert done == [("VER-08", "messages.1.content.0.index"), ("VER-08", "messages.1.id")]


def test_settings_are_the_callers() -> None:
    body = {**request([GO]), "no_such_setting": 1}
    assert repair(body) == (body, [])
    assert "VER-08" in {violation.rule for violation in check(body).violations}


def test_a_field_inside_a_string_message_leaves_the_string() -> None:
    repaired, done = mended(request([{**GO, "output_config": {"effort": "low"}}]))
    assert repaired["messages"] == [GO]
    assert done == [("VER-07", "messages.0.output_config")]


def test_a_result_of_nothing_has_no_content() -> None:
    """SHAPE-08."""
    call = {"type": "tool_use", "id": "a", "name": "search", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "a", "content": []}
    body = request([GO, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}])
    repaired, done = mended(body)
    assert repaired["messages"][2]["content"] == [{"type": "tool_result", "tool_use_id": "a"}]
    assert done == [("SHAPE-08", "messages.2.content.0.content")]


def test_citations_stay_with_replies() -> None:
    """VER-03."""
    cited = text("As written.", citations=[{"type": "char_location", "cited_text": "x"}])
    assert mended(request([{"role": "user", "content": [cited]}]))[0]["messages"][0]["content"] == [text("As written.")]
