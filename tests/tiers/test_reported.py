from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from ctxwindow.catalog import resolve
from ctxwindow.record.events import Received
from ctxwindow.testing import json_values
from ctxwindow.tiers.reported import Reported, dropped, reported
from ctxwindow.window import Billed

OPUS = resolve("claude-opus-4-8")
TEXT = {"type": "text", "text": "Hello."}
SEARCH = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
PLAIN = {"input_tokens": 900, "output_tokens": 12}


def told(
    *content: dict[str, Any],
    usage: dict[str, Any] | None = None,
    model: str | None = None,
    stop_reason: str = "end_turn",
    settings: dict[str, Any] | None = None,
) -> Reported:
    event = Received(
        send=1,
        message={"role": "assistant", "content": list(content) or [TEXT]},
        usage=PLAIN if usage is None else usage,
        stop_reason=stop_reason,
        model=model,
    )
    found = reported(event, OPUS, settings or {})
    assert found is not None
    return found


def test_a_plain_reply_tells_the_request_and_itself() -> None:
    """CTX-02, CTX-16."""
    assert told() == Reported(sent=900, output=12, billed=Billed(output=12))
    assert told(stop_reason="max_tokens").billed == Billed(output=12, cut=True)


def test_no_usage_tells_nothing() -> None:
    assert reported(Received(send=1, message={"role": "assistant", "content": "Hi."}), OPUS, {}) is None


def test_the_output_of_a_forced_call_is_not_the_whole_of_it() -> None:
    assert told(settings={"tool_choice": {"type": "any"}}).billed is None


def test_thinking_is_billed_for_thinking() -> None:
    usage = {**PLAIN, "output_tokens_details": {"thinking_tokens": 7}}
    thought = {"type": "thinking", "thinking": "", "signature": "c2ln"}
    assert told(thought, TEXT, usage=usage).billed == Billed(output=12, thinking=7)
    assert told(TEXT, usage=usage).billed == Billed(output=12)


def test_more_output_than_can_be_is_doubted() -> None:
    """CTX-06, TOK-09: one sampling keeps to what was asked for; several may write more together, and no window holds more."""
    event = Received(send=1, message={"role": "assistant", "content": [TEXT]}, usage=PLAIN)
    for asked, doubted in ((11, True), (12, False), (None, False)):
        found = reported(event, OPUS, {}, asked)
        assert found is not None
        assert (found.sent, found.doubt is not None, found.billed is None) == (900, doubted, doubted)
    most = OPUS.max_output
    for output, doubted in ((most, False), (most + 1, True)):
        assert (told(usage={**PLAIN, "output_tokens": output}).doubt is not None) is doubted
    one = {"type": "message", "input_tokens": 900, "output_tokens": most}
    twice = {"input_tokens": 1_800, "output_tokens": 2 * most, "iterations": [one, one]}
    assert told(SEARCH, FOUND, TEXT, usage=twice).doubt is None
    for odd in ({"output_tokens": 2 * most + 1}, {"output_tokens": most - 1}):
        found = told(SEARCH, FOUND, TEXT, usage={**twice, **odd})
        assert (found.billed, found.doubt is not None) == (None, True)
    summed = told(SEARCH, FOUND, TEXT, usage={**PLAIN, "output_tokens": OPUS.window + 1})
    assert "TOK-09" not in str(summed.doubt)


ADVISED = {
    "input_tokens": 2_390,
    "output_tokens": 121,
    "iterations": [
        {"type": "message", "input_tokens": 1_128, "output_tokens": 110},
        {"type": "advisor_message", "input_tokens": 2_518, "output_tokens": 22},
        {"type": "message", "input_tokens": 1_262, "output_tokens": 11},
    ],
}


def test_several_samplings() -> None:
    """CTX-17: never the summed top level; the last one read the reply up to the last result."""
    advice = {"type": "advisor_tool_result", "tool_use_id": "s", "content": []}
    found = told(TEXT, SEARCH, advice, TEXT, usage=ADVISED)
    assert (found.sent, found.last, found.place, found.doubt) == (1_128, 1_262, 3, None)


def test_without_iterations_server_tools_sum_up() -> None:
    """TOK-09: in 70 recorded replies the top-level input is that of several samplings together."""
    found = told(SEARCH, FOUND, TEXT)
    assert found.sent == 900
    assert found.doubt is not None
    assert "TOK-09" in found.doubt


def test_a_compaction_hides_the_request() -> None:
    """TOK-10: a compaction entry tells nothing of the size of what it closed."""
    usage = {
        "input_tokens": 220,
        "output_tokens": 8,
        "iterations": [
            {"type": "compaction", "input_tokens": 55_196, "output_tokens": 125},
            {"type": "message", "input_tokens": 220, "output_tokens": 8},
        ],
    }
    found = told({"type": "compaction", "content": "They said hi."}, TEXT, usage=usage)
    assert (found.sent, found.last, found.place, found.doubt) == (None, 220, 1, None)


@pytest.mark.parametrize("name", ["claude-sonnet-5", "claude-haiku-4-5-20251001"])
def test_counts_of_another_model_say_nothing(name: str) -> None:
    """CTX-20: counts never transfer between tokenizers."""
    found = told(model=name)
    assert found.sent is None
    assert found.doubt is not None
    assert name in found.doubt


@pytest.mark.parametrize("name", ["claude-opus-4-8", "my-gateways-name", None])
def test_a_name_that_nobody_knows_may_be_a_gateways(name: str | None) -> None:
    assert told(model=name).sent == 900


def test_a_fallback_says_what_the_first_attempt_read() -> None:
    """TOK-11: tokens of different models are never merged in one field."""
    usage = {
        "input_tokens": 1_300,
        "output_tokens": 40,
        "iterations": [
            {"type": "message", "model": "claude-opus-4-8", "input_tokens": 900, "output_tokens": 0},
            {"type": "fallback_message", "model": "claude-opus-4-6", "input_tokens": 700, "output_tokens": 40},
        ],
    }
    found = told(usage=usage, model="claude-opus-4-6")
    assert (found.sent, found.last, found.billed) == (900, None, None)


def transformed(told: Any) -> Received:
    return Received(
        send=1, message={"role": "assistant", "content": [TEXT]}, usage=PLAIN, rest={"input_transformations": told}
    )


def test_dropped_thinking_is_named_by_the_server() -> None:
    """BIND-08, BIND-18: what failed the prefix check, and what this model cannot read."""
    told = [
        {"type": "thinking_dropped", "path": "messages.1.content.0", "reason": "prefix_binding_mismatch"},
        {"type": "thinking_dropped", "path": "messages.3.content.2", "reason": "model_binding_mismatch"},
        {"type": "thinking_mismatch_allowed", "path": "messages.5.content.0", "reason": "prefix_binding_mismatch"},
    ]
    assert dropped(transformed(told)) == {1: {0: "BIND-08"}, 3: {2: "BIND-02"}}


@given(json_values())
def test_whatever_is_said_of_dropped_thinking_is_read(value: Any) -> None:
    assert dropped(transformed(value)) == {}
    assert dropped(transformed([value, {"type": "thinking_dropped", "path": value}])) == {}
