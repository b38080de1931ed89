from __future__ import annotations

import copy
import datetime
from typing import Any

import pytest
from hypothesis import given

from ctxwindow import Conversation, Decision, Send, Summarize
from ctxwindow.catalog import resolve
from ctxwindow.errors import InvalidRequest
from ctxwindow.record.blocks import blocks_of
from ctxwindow.rules import find_violations
from ctxwindow.summarize import Ask, SummaryRejected, read_summary, request_for
from ctxwindow.summarize.claude import THINKING_ROOM, paid
from ctxwindow.testing import FakeClaude, requests
from tests.driver import FAMILIES, MANUAL, TOOLS, small
from tests.summarize.scenes import segment, user

NOW = datetime.datetime(2026, 11, 20, tzinfo=datetime.UTC).timestamp()
OPUS = resolve("claude-opus-5-5")


def ask(body: dict[str, Any], **options: Any) -> Ask:
    profile = resolve(str(body["model"]))
    return request_for(segment(user("Go."), budget=2_000), body, profile=profile, now=NOW, **options)


def body(**fields: Any) -> dict[str, Any]:
    return {"model": OPUS.id, "max_tokens": 900, "messages": [user("Go.")], **fields}


@given(prefix=requests())
def test_property_a_request_that_rides_on_a_valid_one_is_valid(prefix: dict[str, Any]) -> None:
    """Whatever its model, tools, thinking and settings are; and what was there is still there, in front (BIND-13)."""
    profile = resolve(str(prefix["model"]))
    last = blocks_of(prefix["messages"][-1])[-1:]
    if any(violation.severity == "error" for violation in find_violations(prefix, profile=profile)):
        return
    if last and last[0]["type"].endswith("tool_use"):
        return  # a paused turn: no segment ends inside one (law 6)
    before = copy.deepcopy(prefix)
    made = ask(prefix)
    assert prefix == before
    wrong = find_violations(made.request, previous=prefix, profile=profile)
    assert [found for found in wrong if found.severity == "error"] == []
    kept = made.request["messages"][:-1]
    assert kept == prefix["messages"][: len(kept)]
    assert all(message["role"] == "system" for message in prefix["messages"][len(kept) :])
    for field in ("system", "tools", "thinking", "model", "betas"):
        assert made.request.get(field) == prefix.get(field)


def test_what_would_spoil_the_answer_is_left_out() -> None:
    prefix = body(
        stop_sequences=["x"],
        stream=True,
        output_config={"format": {"type": "json_schema", "schema": {}}, "effort": "low"},
        context_management={"edits": [{"type": "compact_20260112"}, {"type": "clear_tool_uses_20250919"}]},
        tools=TOOLS,
    )
    made = ask(prefix).request
    assert "stop_sequences" not in made
    assert "stream" not in made
    assert made["output_config"] == {"effort": "low"}
    assert made["context_management"] == {"edits": [{"type": "clear_tool_uses_20250919"}]}
    bare = ask(body(output_config={"format": {}}, context_management={"edits": [{"type": "compact_20260112"}]})).request
    assert not {"output_config", "context_management"} & bare.keys()


@pytest.mark.parametrize(
    ("choice", "no_tools", "sent"),
    [
        (None, False, None),
        (
            {"type": "auto", "disable_parallel_tool_use": True},
            False,
            {"type": "auto", "disable_parallel_tool_use": True},
        ),
        ({"type": "any"}, False, {"type": "none"}),
        ({"type": "tool", "name": "search"}, False, {"type": "none"}),
        (None, True, {"type": "none"}),
    ],
)
def test_the_tool_choice_stays_where_it_can(
    choice: dict[str, Any] | None, sent: dict[str, Any] | None, *, no_tools: bool
) -> None:
    """CACHE-11: another one writes all messages to the cache anew."""
    prefix = body(tools=TOOLS, **({"tool_choice": choice} if choice else {}))
    assert ask(prefix, no_tools=no_tools).request.get("tool_choice") == sent
    assert "tool_choice" not in ask(body(), no_tools=True).request


@pytest.mark.parametrize(
    ("model", "settings", "room"),
    [
        ("claude-opus-5-5", {}, THINKING_ROOM),
        ("claude-opus-4-6", {}, 0),
        ("claude-opus-4-6", MANUAL, 1024),
        ("claude-opus-4-6", {"thinking": {"type": "adaptive"}}, THINKING_ROOM),
        ("claude-haiku-4-5", {"thinking": {"type": "disabled"}}, 0),
    ],
)
def test_room_for_thinking(model: str, settings: dict[str, Any], room: int) -> None:
    assert ask(body(model=model, **settings)).request["max_tokens"] == 2_500 + room


def test_a_prompt_that_leaves_no_room_does_not_fit() -> None:
    long = [user("word " * 400_000)]
    assert not ask(body(model="claude-haiku-4-5", messages=long)).fits
    assert ask(body(model="claude-haiku-4-5")).fits


def test_what_it_costs_with_and_without_the_cache() -> None:
    marked = [
        {
            "role": "user",
            "content": [{"type": "text", "text": "word " * 20_000, "cache_control": {"type": "ephemeral"}}],
        }
    ]
    cached, plain = ask(body(messages=marked)), ask(body(messages=[user("word " * 20_000)]))
    assert cached.warm is not None
    assert cached.cold is not None
    assert plain.warm is not None
    assert plain.cold == plain.warm
    assert cached.warm < plain.warm < cached.cold
    price = OPUS.price_at(datetime.date(2026, 11, 20))
    output = 2_000 * price.rate("output") / 1e6
    assert cached.cold - output == pytest.approx(1.25 * (plain.cold - output), rel=0.02)
    hourly = copy.deepcopy(marked)
    hourly[0]["content"][0]["cache_control"]["ttl"] = "1h"  # type: ignore[index]
    assert (ask(body(messages=hourly)).cold or 0) > cached.cold


def test_without_a_prefix_the_segment_goes_as_text() -> None:
    made = request_for(segment(user("Port it to Rust."), budget=500), None, profile=OPUS, problems=["It was empty."])
    content = [block["text"] for message in made.request["messages"] for block in message["content"]]
    assert "Port it to Rust." in content[0]
    assert content[1].endswith("It was empty.")
    assert find_violations(made.request, profile=OPUS) == []


@pytest.mark.parametrize("model", FAMILIES)
def test_the_engines_decision_asks_a_legal_request_that_reads_the_cache(model: str) -> None:
    """Sent to an emulator that holds the prefix in its cache."""
    profile, fake = resolve(model), FakeClaude(clock=lambda: NOW)
    chat = Conversation.start(
        model=model, system="Be brief. " * 900, policy=small(16_000, methods=["summarize_keep_tail"])
    )
    client = fake.client()
    decision: Decision | None = None
    for number in range(80):
        chat.append(user(f"Question {number}? " + "word " * 300), now=NOW)
        decision = chat.plan(max_tokens=500, now=NOW)
        if isinstance(decision, Summarize):
            break
        assert isinstance(decision, Send)
        reply = client.beta.messages.create(**decision.request)
        chat.receive(reply, now=NOW)
    assert isinstance(decision, Summarize)
    made = request_for(decision.segment, decision.prefix, profile=profile, now=NOW)
    reply = client.beta.messages.create(**made.request)
    usage = reply.usage
    assert (usage.cache_read_input_tokens or 0) > 0.8 * made.tokens
    bill = paid(made, reply, profile, NOW)
    assert bill is not None
    assert made.warm is not None
    assert bill < 3 * made.warm


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ({"stop_reason": "refusal", "content": []}, "refusal"),
        ({"stop_reason": "tool_use", "content": [{"type": "tool_use", "id": "t", "name": "x", "input": {}}]}, "call"),
        (
            {"stop_reason": "end_turn", "content": [{"type": "server_tool_use", "id": "t", "name": "x", "input": {}}]},
            "call",
        ),
        ({"stop_reason": "max_tokens", "content": [{"type": "text", "text": "half"}]}, "cut"),
        ({"stop_reason": "model_context_window_exceeded", "content": [{"type": "text", "text": "half"}]}, "cut"),
        ({"stop_reason": "end_turn", "content": [{"type": "thinking", "thinking": "x", "signature": "y"}]}, "empty"),
        ({"stop_reason": "end_turn", "content": [{"type": "text", "text": " \n"}]}, "empty"),
        ({"stop_reason": "end_turn", "content": None}, "empty"),
        ([], "unreadable"),
    ],
)
def test_replies_that_are_no_summary(reply: Any, kind: str) -> None:
    found = read_summary(reply)
    assert isinstance(found, SummaryRejected)
    assert found.kind == kind


def test_a_reply_that_is_one() -> None:
    thinking = {"type": "thinking", "thinking": "x", "signature": "y"}
    content = [thinking, {"type": "text", "text": "[Goal]\n"}, {"type": "text", "text": "- x"}]
    assert read_summary({"stop_reason": "end_turn", "content": content}) == "[Goal]\n\n- x"
    assert read_summary({"content": "- x"}) == "- x"
    with pytest.raises(InvalidRequest):
        read_summary({"content": {1}})


def test_what_was_paid() -> None:
    made = ask(body())
    price = OPUS.price_at(datetime.date(2026, 11, 20))
    usage = {"input_tokens": 100, "cache_read_input_tokens": 5_000, "output_tokens": 300}
    expected = (100 * price.rate("input") + 5_000 * price.rate("cache_read") + 300 * price.rate("output")) / 1e6
    assert paid(made, {"usage": usage}, OPUS, NOW) == pytest.approx(expected)
    assert paid(made, {"content": []}, OPUS, NOW) is None
    assert paid(made, {"usage": {**usage, "output_tokens": -1}}, OPUS, NOW) is None
    assert paid(made, {"usage": usage}, OPUS, 0.0) is None
