from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given

import ctxwindow
from ctxwindow.errors import InvalidRequest, UnknownModel
from tests.odd import odd_requests
from tests.sdk import with_objects

HELLO = [{"role": "user", "content": "Hello, Claude"}]


def test_the_books_of_a_request() -> None:
    request = {
        "model": "claude-opus-5",
        "system": "You are a scientist",
        "tools": [{"name": "get_weather", "description": "Weather.", "input_schema": {"type": "object"}}],
        "messages": HELLO,
    }
    window = ctxwindow.count(request)
    assert window.overheads["tool prompt"] == 286, "PRICE-08, Opus 5"
    assert window.tokens == sum(window.by.values())
    form = window.as_dict(blocks=True)
    assert form["free"] == 1_000_000 - window.tokens
    assert [row["path"] for row in form["blocks"]] == ["system.0", "tools.0", "messages.0.content.0"]


def test_a_forced_tool_choice_has_another_prompt() -> None:
    """TOOL-14, PRICE-08: the tool-use system prompt differs for any and tool."""
    request = {"model": "claude-haiku-4-5", "tools": [{"name": "a", "input_schema": {}}], "messages": HELLO}
    assert ctxwindow.count(request).overheads["tool prompt"] == 496
    assert ctxwindow.count({**request, "tool_choice": {"type": "any"}}).overheads["tool prompt"] == 588


def test_deferred_tools_cost_nothing() -> None:
    """TOK-22: deferred tools cost 0 until referenced."""
    tool = {"name": "b", "description": "long " * 200, "input_schema": {}, "defer_loading": True}
    window = ctxwindow.count({"model": "claude-opus-5", "tools": [tool], "messages": HELLO})
    assert window.by["tools"] == 0
    assert [block.disposition for block in window.blocks if block.path == "tools.0"] == ["deferred"]


def test_messages_before_a_compaction_block_are_ignored() -> None:
    """CMP-02: everything before the last non-null compaction block is ignored (V-CMP-1)."""
    block = {"type": "compaction", "content": "They spoke of the sky."}
    tail = [{"role": "assistant", "content": [block]}, {"role": "user", "content": "And now?"}]
    whole = ctxwindow.count({"model": "claude-opus-5", "messages": [*HELLO, *tail]})
    assert whole.tokens == ctxwindow.count({"model": "claude-opus-5", "messages": tail}).tokens
    assert whole.not_counted["CMP-02"] > 0
    assert whole.blocks[0].disposition == "compacted"


def test_a_null_compaction_block_is_a_no_op() -> None:
    """CMP-04: content null means the summary failed; it is a no-op."""
    null = {"role": "assistant", "content": [{"type": "compaction", "content": None}, {"type": "text", "text": "Hi."}]}
    window = ctxwindow.count({"model": "claude-opus-5", "messages": [*HELLO, null]})
    assert [(block.disposition, block.rule) for block in window.blocks] == [
        ("counted", "CTX-01"), ("ignored", "CMP-04"), ("counted", "CTX-01"),
    ]  # fmt: skip
    assert window.not_counted == {}


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(UnknownModel):
        ctxwindow.count({"messages": HELLO})
    with pytest.raises(UnknownModel) as caught:
        ctxwindow.count({"model": "claude-opus-55", "messages": HELLO})
    assert "claude-opus-5-5" in caught.value.near


def test_a_request_for_a_compaction_counts_like_any_other() -> None:
    """TOK-15: count_tokens accepts and ignores `compaction`."""
    request = {"model": "claude-opus-5-5", "messages": HELLO}
    assert ctxwindow.count({**request, "compaction": {"type": "summarize"}}) == ctxwindow.count(request)


def test_objects_of_the_sdk_count_like_what_they_stand_for() -> None:
    said = [{"type": "thinking", "thinking": "Hm. " * 50, "signature": "s"}, {"type": "text", "text": "Hello. " * 50}]
    request = {"model": "claude-opus-5", "messages": [*HELLO, {"role": "assistant", "content": said}, *HELLO]}
    objects = with_objects(request)
    kept = copy.deepcopy(objects)
    assert ctxwindow.count(objects).as_dict(blocks=True) == ctxwindow.count(request).as_dict(blocks=True)
    assert objects == kept, "changed"


@pytest.mark.parametrize("content", [5, None, {"a": 1}, [None, 3], [[]]])
def test_content_of_an_odd_type_counts_as_nothing(content: Any) -> None:
    request = {"model": "claude-opus-5", "messages": [{"role": "user", "content": content}]}
    empty = {"model": "claude-opus-5", "messages": [{"role": "user", "content": []}]}
    assert ctxwindow.count(request).tokens == ctxwindow.count(empty).tokens


@given(odd_requests())
def test_odd_json_is_counted_or_refused(request: dict[str, Any]) -> None:
    try:
        window = ctxwindow.count(request)
    except (InvalidRequest, UnknownModel):
        return
    assert window.tokens == sum(window.by.values())
