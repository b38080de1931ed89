from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.catalog import resolve
from ctxwindow.tiers.caching import LastSend, forecast, has_markers, mark, prompt_bill, thin
from ctxwindow.window import Bill

OPUS = resolve("claude-opus-5-5")
AT = 1_792_000_000.0


def _request(*contents: Any, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content} for content in contents], **fields}


def test_breakpoints_at_the_end_of_system_of_the_send_before_and_of_the_wire() -> None:
    request = _request("one", "two", "three", system="rules")
    last = LastSend(tokens=10, messages=2, at=AT)
    assert mark(request, "5m", last) == ("system.0", "messages.1.content.0", "messages.2.content.0")
    assert request["messages"][2]["content"][0]["cache_control"] == {"type": "ephemeral"}
    assert "cache_control" not in str(request["messages"][0])


def test_the_hour_is_written_out() -> None:
    """CACHE-04: TTLs 5m (default) and 1h."""
    request = _request("one")
    mark(request, "1h", None)
    assert request["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}


def test_not_on_thinking_blank_text_or_turn_scoped_messages() -> None:
    """CACHE-09: thinking blocks, empty text and turn-scoped system messages take no marker."""
    thinking = {"type": "thinking", "thinking": "hm", "signature": "s"}
    request = _request([{"type": "text", "text": "a"}, thinking, {"type": "text", "text": " "}])
    assert mark(request, "5m", None) == ("messages.0.content.0",)
    scoped = {"messages": [{"role": "system", "content": "x", "clear_at": "next_user_message"}]}
    assert mark(scoped, "5m", None) == ()


def test_a_marker_inside_a_tool_input_is_data() -> None:
    assert has_markers([{"type": "text", "cache_control": {"type": "ephemeral"}}])
    assert not has_markers([{"type": "tool_use", "input": {"cache_control": 1}}])
    assert not has_markers([{"type": "text", "cache_control": None}])


def test_short_prompts_are_not_cached() -> None:
    """CACHE-08: a prefix under the minimum (512 on Opus 5.5) is silently not cached."""
    assert prompt_bill(OPUS, 511, 0, "5m") == Bill(uncached=511)
    assert prompt_bill(OPUS, 512, 0, "5m") == Bill(written_5m=512)
    assert prompt_bill(OPUS, 2_000, 500, "5m") == Bill(written_5m=2_000)
    assert prompt_bill(OPUS, 2_000, 1_500, "1h") == Bill(read=1_500, written_1h=500)
    assert prompt_bill(OPUS, 2_000, 1_500, None) == Bill(uncached=2_000)


def test_the_entry_lives_from_the_send_that_wrote_it() -> None:
    """CACHE-05: lifetime counts from the start of the request that wrote or read the entry."""
    last = LastSend(tokens=10_000, messages=3, at=AT)
    assert forecast(OPUS, 12_000, last, "5m", AT + 300).lives
    assert not forecast(OPUS, 12_000, last, "5m", AT + 301).lives
    assert forecast(OPUS, 12_000, last, "1h", AT + 301).lives
    assert not forecast(OPUS, 12_000, None, "5m", AT).lives
    cost = forecast(OPUS, 12_000, last, "5m", AT)
    assert cost.warm is not None
    assert round(cost.warm, 6) == round((10_000 * 0.2 + 2_000 * 5) / 1_000_000, 6)
    assert cost.cold == 12_000 * 5 / 1_000_000


def test_the_settings_of_a_request_have_prices_of_their_own() -> None:
    """PRICE-02: fast mode is 8 and 40 dollars on Opus 5.5, the US 1.1 times; both stack."""
    opus, november = resolve("claude-opus-5-5"), 1_795_000_000.0
    plain = forecast(opus, 10_000, None, "5m", november, max_tokens=1_000)
    assert (plain.cold, plain.reply) == pytest.approx((0.05, 0.02))
    asked = {"speed": "fast", "inference_geo": "us"}
    fast = forecast(opus, 10_000, None, "5m", november, settings=asked, max_tokens=1_000)
    assert (fast.cold, fast.reply) == pytest.approx((0.05 * 2 * 1.1, 0.02 * 2 * 1.1))
    nowhere = forecast(resolve("claude-haiku-4-5"), 10_000, None, "5m", november, settings=asked, max_tokens=1_000)
    assert (nowhere.warm, nowhere.cold, nowhere.reply) == (None, None, None)


def _marked(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}


def test_the_oldest_markers_of_too_many_go() -> None:
    """CACHE-02: at most four, those of tools and system among them."""
    result = {"type": "tool_result", "tool_use_id": "t", "content": [_marked("result")]}
    contents = [[_marked("one")], [result], "plain", [_marked("four")], [_marked("five"), _marked("six")]]
    request = _request(*contents, system=[_marked("rules")])
    before = [dict(message) for message in request["messages"]]
    thin(request, [0, 1, 3, 4])
    assert [has_markers(message["content"]) for message in request["messages"]] == [False, False, False, True, True]
    assert request["messages"][1]["content"][0]["content"] == [{"type": "text", "text": "result"}]
    assert request["messages"][4] == before[4]
    assert has_markers(before[0]["content"]), "what was recorded stays as it was"


def test_as_many_markers_as_there_may_be_stay() -> None:
    request = _request(*[[_marked(str(number))] for number in range(4)])
    before = [dict(message) for message in request["messages"]]
    thin(request, [0, 1, 2, 3])
    assert request["messages"] == before


def test_the_input_of_a_call_is_no_marker() -> None:
    call = {"type": "tool_use", "id": "t", "name": "n", "input": {"cache_control": {"type": "ephemeral"}}}
    request = _request(*[[_marked(str(number))] for number in range(5)], [call])
    assert not has_markers(call)
    thin(request, [0, 1, 2, 3, 4])
    assert request["messages"][5]["content"] == [call]
