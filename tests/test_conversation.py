from __future__ import annotations

import copy
from typing import Any

import pytest

from ctxwindow import (
    Conversation,
    Count,
    Decision,
    InvalidRequest,
    MisuseError,
    Policy,
    ProtocolError,
    Send,
    Summarize,
    UnknownModel,
    WindowOverflow,
)
from ctxwindow.catalog import ModelProfile
from ctxwindow.record import decode_event, encode_event
from ctxwindow.record.blocks import blocks_of
from ctxwindow.record.events import Started
from ctxwindow.rules import find_violations
from tests.driver import plan, summary

USER = {"role": "user", "content": "Fix the failing test in src/app.py."}
LINE = "line {} of a file that the tool has read, with a name such as parse_config_{}\n"


def _start(model: str = "claude-opus-4-6", **settings: Any) -> Conversation:
    return Conversation.start(model=model, policy=Policy(**settings))


def _call(number: int, *, thinking: bool = True) -> dict[str, Any]:
    content: list[Any] = [
        {"type": "tool_use", "id": f"toolu_{number}", "name": "read", "input": {"path": f"src/{number}.py"}}
    ]
    if thinking:
        content.insert(0, {"type": "thinking", "thinking": f"Read file {number} next.", "signature": "s" * 60})
    return {"content": content, "stop_reason": "tool_use"}


def _result(number: int, lines: int = 20) -> dict[str, Any]:
    text = "".join(LINE.format(line, number) for line in range(lines))
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": text}]}


def _agent(conversation: Conversation, rounds: int, *, lines: int = 20, thinking: bool = True) -> list[Send]:
    sends = []
    conversation.append(USER)
    for number in range(rounds):
        sends.append(plan(conversation))
        conversation.receive(_call(number, thinking=thinking))
        conversation.append(_result(number, lines))
    sends.append(plan(conversation))
    return sends


# -- beginnings -------------------------------------------------------------------------------------------


def test_the_request_carries_everything_it_was_started_with() -> None:
    tools = [{"name": "read", "input_schema": {"type": "object"}}]
    conversation = Conversation.start(
        model="anthropic.claude-opus-4-6-v1", system="Be brief.", tools=tools, settings={"metadata": {"user_id": "u"}}
    )
    conversation.append(USER)
    request = plan(conversation).request
    assert request["model"] == "claude-opus-4-6"
    assert request["max_tokens"] == 500
    assert request["tools"] == tools
    assert request["metadata"] == {"user_id": "u"}
    assert request["system"][0]["text"] == "Be brief."


def test_a_model_of_ones_own() -> None:
    profile = ModelProfile(id="claude-of-tomorrow", window=50_000, max_output=5_000)
    conversation = Conversation.start(model=profile)
    conversation.append(USER)
    assert plan(conversation).request["model"] == "claude-of-tomorrow"
    again = Conversation.fold(decode_event(encode_event(event)) for event in conversation.events)
    assert again.window.size == 50_000


def test_a_model_nobody_knows() -> None:
    with pytest.raises(UnknownModel, match="claude-opus-5"):
        Conversation.start(model="claude-opus-55")


@pytest.mark.parametrize("key", ["model", "messages", "max_tokens", "system", "tools"])
def test_settings_do_not_shadow_arguments(key: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Conversation.start(model="claude-opus-5-5", settings={key: 1})
    assert caught.value.path == f"settings.{key}"


# -- append -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "rule"),
    [
        ({"content": "no role"}, "SHAPE"),
        ({"role": "user", "content": 7}, "SHAPE"),
        ({"role": "user", "content": " "}, "MSG-06"),
        ({"role": "user", "content": []}, "MSG-07"),
        ({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1"}]}, "TOOL-02"),
        ({"role": "user", "content": [{"type": "text", "text": "x", "n": float("nan")}]}, None),
    ],
)
def test_invalid_input_is_refused_before_anything_is_stored(message: dict[str, Any], rule: str | None) -> None:
    """Law 2: refused with an error that names the rule, the path and the way out."""
    conversation = _start()
    conversation.append(USER)
    before = conversation.events
    with pytest.raises(InvalidRequest) as caught:
        conversation.append(message)
    assert (caught.value.rule or "").startswith(rule or "")
    assert str(caught.value.path).startswith("messages.1")
    assert caught.value.remedy
    assert conversation.events == before
    assert conversation.messages == (USER,)


def test_what_was_given_is_never_mutated_and_later_changes_do_not_reach_us() -> None:
    conversation = _start()
    given = {"role": "user", "content": [{"type": "text", "text": "Hello."}]}
    before = copy.deepcopy(given)
    conversation.append(given)
    plan(conversation)
    assert given == before
    given["content"].append({"type": "text", "text": "later"})  # type: ignore[attr-defined]
    assert conversation.messages == (before,)


def test_open_calls_must_be_answered() -> None:
    """TOOL-01: every client tool_use must be answered in the very next user message."""
    conversation = _start()
    conversation.append(USER)
    plan(conversation)
    conversation.receive(_call(0))
    with pytest.raises(ProtocolError) as caught:
        plan(conversation)
    assert caught.value.rule == "TOOL-01"
    with pytest.raises(InvalidRequest) as refused:
        conversation.append(USER)
    assert refused.value.rule == "TOOL-01"


def test_nothing_to_answer() -> None:
    with pytest.raises(ProtocolError, match="empty"):
        plan(_start())
    conversation = _start()
    conversation.append(USER)
    plan(conversation)
    conversation.receive({"content": "Done."})
    with pytest.raises(ProtocolError) as caught:
        plan(conversation)
    assert caught.value.rule == "MSG-04"


@pytest.mark.parametrize("max_tokens", [0, -1, 10_000_000])
def test_max_tokens_that_cannot_be(max_tokens: int) -> None:
    conversation = _start()
    conversation.append(USER)
    with pytest.raises(InvalidRequest) as caught:
        conversation.plan(max_tokens=max_tokens)
    assert caught.value.path == "max_tokens"


def test_max_tokens_that_leave_no_room_beside_the_thinking_budget() -> None:
    """THINK-04: seen when a request is planned, because only then it is known how long the reply may be."""
    thinking = {"type": "enabled", "budget_tokens": 2_000}
    conversation = Conversation.start(model="claude-haiku-4-5", settings={"thinking": thinking})
    conversation.append(USER)
    with pytest.raises(ProtocolError) as caught:
        conversation.plan(max_tokens=2_000)
    assert caught.value.rule == "THINK-04"
    assert isinstance(conversation.plan(max_tokens=2_001), Send)


# -- receive ----------------------------------------------------------------------------------------------


def test_no_reply_is_due() -> None:
    conversation = _start()
    with pytest.raises(ProtocolError):
        conversation.receive({"content": "Hi."})
    with pytest.raises(ProtocolError):
        conversation.fail({"error": {"type": "api_error", "message": "x"}})
    with pytest.raises(ProtocolError):
        conversation.summarized("x", by="me")


@pytest.mark.parametrize(
    "reply",
    [
        {"content": [], "stop_reason": "refusal"},
        {"content": [{"type": "thinking", "thinking": "I wonder", "signature": "s" * 40}], "stop_reason": "max_tokens"},
        {"content": [{"type": "tool_use", "id": "t", "name": "n", "input": {}}], "stop_reason": "max_tokens"},
        {"content": [{"type": "text", "text": "\n\n"}], "stop_reason": "end_turn"},
    ],
)
def test_a_reply_that_cannot_be_sent_back_is_evidence_only(reply: dict[str, Any]) -> None:
    """FB-02, MSG-09, MSG-14, MSG-06: recorded, not replayed; the same request can be sent again."""
    conversation = _start()
    conversation.append(USER)
    first = plan(conversation)
    conversation.receive(reply)
    assert conversation.messages[1]["content"] == reply["content"]
    second = plan(conversation)
    assert second.number == 2
    assert second.request["messages"] == first.request["messages"]


def test_blank_text_stays_in_the_record_and_leaves_the_wire() -> None:
    """MSG-06: blank text blocks are rejected; BIND-14 ignores them in the prefix."""
    conversation = _start()
    conversation.append(USER)
    plan(conversation)
    reply = [{"type": "text", "text": "\n\n"}, *_call(0)["content"]]
    conversation.receive({"content": reply})
    conversation.append(_result(0))
    assert [block["type"] for block in plan(conversation).request["messages"][1]["content"]] == ["thinking", "tool_use"]
    assert conversation.messages[1]["content"] == reply


def test_sdk_objects_are_taken_as_they_come() -> None:
    types = pytest.importorskip("anthropic.types")
    message = types.Message.construct(
        id="msg_1",
        model="claude-opus-4-6",
        role="assistant",
        type="message",
        content=[types.TextBlock.construct(type="text", text="Hello.")],
        stop_reason="end_turn",
        usage=types.Usage.construct(input_tokens=77, output_tokens=3),
    )
    conversation = _start()
    conversation.append(USER)
    plan(conversation)
    conversation.receive(message)
    assert conversation.messages[1] == {"role": "assistant", "content": [{"type": "text", "text": "Hello."}]}
    conversation.append(USER)
    assert conversation.window.source == "anchored"
    assert 77 < conversation.window.tokens < 120


def test_a_paused_turn_goes_back_as_it_is() -> None:
    """MSG-13: append the assistant content unchanged and resend."""
    conversation = _start()
    conversation.append(USER)
    plan(conversation)
    paused = [{"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}]
    conversation.receive({"content": paused, "stop_reason": "pause_turn"})
    assert plan(conversation).request["messages"][-1]["content"][0]["id"] == "srvtoolu_1"


# -- plan -------------------------------------------------------------------------------------------------


def test_planning_again_gives_the_same_send() -> None:
    conversation = _start()
    conversation.append(USER)
    first, events = plan(conversation), len(conversation.events)
    assert plan(conversation) is first
    assert len(conversation.events) == events
    assert plan(conversation, max_tokens=400).number == 2


def test_forecast_and_actual_are_both_recorded() -> None:
    """Law 12: forecast and actual usage and cost are both recorded for every send."""
    conversation = _start()
    conversation.append(USER)
    send = plan(conversation, now=1_790_000_000.0)
    conversation.receive({"content": "Done.", "usage": {"input_tokens": 40, "output_tokens": 3}})
    sent, received = conversation.events[-2:]
    assert (sent.tokens, sent.cost_cold) == (send.window.tokens, send.forecast.cold)  # type: ignore[union-attr]
    assert received.usage == {"input_tokens": 40, "output_tokens": 3}  # type: ignore[union-attr]


def test_keep_tail_keeps_thinking_where_it_is_not_bound() -> None:
    conversation = _start(budget=6_000, methods=("summarize_keep_tail",))
    sends = _agent(conversation, 30)
    assert conversation.epoch >= 1
    assert {edit.method for edit in conversation.compactions} == {"summarize_keep_tail"}
    last = sends[-1].request["messages"]
    assert last[0]["role"] == "user"
    assert "Fix the failing test in src/app.py." in str(last[0]["content"])
    assert all(block["type"] == "thinking" for message in last[1::2] for block in blocks_of(message)[:1])


def test_in_an_open_loop_a_bound_model_gets_one_message() -> None:
    """BIND-28: one user message = summary + next instruction; REPLAY-01 forbids a loop without its thinking."""
    conversation = _start("claude-opus-5-5", budget=7_000)
    sends = _agent(conversation, 30)
    assert {edit.method for edit in conversation.compactions} == {"summarize_all"}
    opened = next(send for send in sends if send.epoch == 1)
    (head,) = opened.request["messages"]
    texts = [block["text"] for block in head["content"]]
    assert texts[0].startswith("[Summary of messages 0 to ")
    assert USER["content"] in texts
    assert any(text.startswith("[Result of read, call toolu_") for text in texts)
    assert not any(block["type"] in ("thinking", "tool_result") for block in head["content"])


def test_at_a_turn_boundary_a_bound_tail_goes_out_without_thinking() -> None:
    """BIND-28: client tiers that keep a verbatim tail must send that tail without thinking."""
    conversation = _start("claude-opus-5-5", budget=7_000)
    for number in range(40):
        conversation.append({"role": "user", "content": LINE.format(number, number) * 8})
        plan(conversation)
        thinking = {"type": "thinking", "thinking": f"About {number}.", "signature": "s" * 60}
        conversation.receive({"content": [thinking, {"type": "text", "text": f"Answer {number}. " * 20}]})
    assert {edit.method for edit in conversation.compactions} == {"summarize_keep_tail"}
    assert all(edit.strip_thinking for edit in conversation.compactions)
    edit = conversation.compactions[-1]
    kept = [index for index in conversation.hot() if index < edit.tail + 2]
    assert kept


def test_an_oversized_result_is_spilled_before_its_first_send() -> None:
    conversation = _start(budget=20_000)
    conversation.append(USER)
    plan(conversation)
    conversation.receive(_call(0))
    conversation.append(_result(0, lines=2_000))
    send = plan(conversation)
    assert [edit.method for edit in send.edits] == ["spill"]
    assert list(conversation.spilled) == ["m2.0"]
    assert conversation.open("m2.0") == _result(0, lines=2_000)["content"][0]
    shown = send.request["messages"][2]["content"][0]
    assert shown["tool_use_id"] == "toolu_0"
    assert "handle: m2.0" in shown["content"][0]["text"]
    assert send.window.high + 500 <= 20_000


def test_a_handle_that_never_existed() -> None:
    with pytest.raises(ProtocolError):
        _start().open("m0.0")


def test_many_results_that_do_not_fit_together_are_spilled_largest_first() -> None:
    conversation = _start(budget=8_000)
    conversation.append(USER)
    plan(conversation)
    calls = [{"type": "tool_use", "id": f"t{number}", "name": "read", "input": {}} for number in range(20)]
    conversation.receive({"content": calls, "stop_reason": "tool_use"})
    results = [
        {"type": "tool_result", "tool_use_id": f"t{number}", "content": LINE.format(0, 0) * 30} for number in range(20)
    ]
    conversation.append({"role": "user", "content": results})
    send = plan(conversation)
    assert send.window.high + 500 <= 8_000
    assert conversation.spilled


def test_what_cannot_fit_is_named_at_once() -> None:
    """Law 3: a WindowOverflow says which blocks cannot shrink."""
    conversation = Conversation.start(model="claude-opus-4-6", system="word " * 3_000, policy=Policy(budget=2_000))
    conversation.append(USER)
    with pytest.raises(WindowOverflow) as caught:
        plan(conversation)
    assert next(iter(caught.value.floor)) == "system"
    assert caught.value.need > caught.value.limit == 2_000
    assert not any(isinstance(event, Send) for event in conversation.events)
    form = caught.value.as_dict()
    assert form["need"] == caught.value.need


def test_a_summary_that_is_too_long_changes_nothing() -> None:
    conversation = _start(budget=6_000)
    decision = _until_summarize(conversation)
    events = conversation.events
    with pytest.raises(ProtocolError, match="tokens and may have"):
        conversation.summarized("word " * 5_000, by="model")
    assert conversation.events == events
    conversation.summarized(summary(conversation, decision), by="extractive", cost=0.01)
    assert conversation.compactions[-1].cost == 0.01
    assert isinstance(conversation.plan(max_tokens=500), Send)


def test_an_empty_summary_is_taken() -> None:
    conversation = _start(budget=6_000)
    _until_summarize(conversation)
    conversation.summarized("", by="nobody")
    assert isinstance(conversation.plan(max_tokens=500), Send)


def _until_summarize(conversation: Conversation) -> Summarize:
    conversation.append(USER)
    for number in range(100):
        decision = conversation.plan(max_tokens=500)
        if isinstance(decision, Summarize):
            return decision
        conversation.receive(_call(number))
        conversation.append(_result(number))
    raise AssertionError("no summary was asked for")


def test_a_second_summary_builds_on_the_first() -> None:
    conversation = _start(budget=6_000)
    _agent(conversation, 60)
    first, second = conversation.compactions[:2]
    assert first.first == second.first == 0
    assert first.end < second.end
    decision = None
    conversation.receive({"content": "Done."})
    while not isinstance(decision, Summarize):
        conversation.append({"role": "user", "content": LINE.format(1, 1) * 20})
        decision = conversation.plan(max_tokens=500)
        if isinstance(decision, Send):
            conversation.receive({"content": "Noted."})
    last = conversation.compactions[-1]
    assert decision.segment.previous == last.summary
    assert decision.segment.messages_from == last.end
    assert decision.segment.messages == conversation.messages[last.end : decision.segment.end]


def test_count_is_asked_for_when_the_bounds_straddle_the_budget() -> None:
    images = [{"type": "image", "source": {"type": "url", "url": f"https://example.org/{n}.png"}} for n in range(3)]
    conversation = _start(budget=4_000, exact_counts=True, high=0.99, low=0.5)
    conversation.append({"role": "user", "content": [*images, {"type": "text", "text": "What is this?"}]})
    decision = conversation.plan(max_tokens=500)
    assert isinstance(decision, Count)
    assert "max_tokens" not in decision.request
    conversation.counted(2_345)
    send = conversation.plan(max_tokens=500)
    assert isinstance(send, Send)
    assert (send.window.tokens, send.window.source) == (2_345, "exact")


def test_where_no_count_can_be_had_the_api_has_the_last_word() -> None:
    """The estimate fits, the bound does not, and nothing is left to shrink: the send says that it is not sure."""
    images = [{"type": "image", "source": {"type": "url", "url": f"https://example.org/{n}.png"}} for n in range(3)]
    conversation = _start(budget=4_000, exact_counts=True, high=0.99, low=0.5)
    conversation.append({"role": "user", "content": images})
    assert isinstance(conversation.plan(max_tokens=500), Count)
    conversation.counted(None)
    send = conversation.plan(max_tokens=500)
    assert isinstance(send, Send)
    assert not send.sure
    assert send.window.tokens + 500 <= 4_000 < send.window.high + 500


def test_a_document_behind_a_url_can_be_sent() -> None:
    document = {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}}
    conversation = _start("claude-haiku-4-5")
    conversation.append({"role": "user", "content": [document, {"type": "text", "text": "Sum it up."}]})
    assert not plan(conversation).sure


def test_a_resumed_history_is_never_edited_before_its_replies() -> None:
    """BIND-12: clearing an old tool_result while keeping later thinking fails the prefix check."""
    conversation = _start("claude-opus-5-5", budget=100_000)
    thinking = {"type": "thinking", "thinking": "Read it.", "signature": "s" * 60}
    conversation.append(USER)
    conversation.append({"role": "assistant", "content": [thinking, *_call(0, thinking=False)["content"]]})
    conversation.append(_result(0, lines=1_000))
    conversation.append({"role": "assistant", "content": [thinking, {"type": "text", "text": "Read."}]})
    conversation.append(USER)
    send = plan(conversation)
    assert conversation.spilled == {}
    assert send.request["messages"][2] == _result(0, lines=1_000)


def test_a_window_that_keeps_being_too_small_ends_in_an_overflow() -> None:
    """Law 7: no loop of compactions without new content."""
    conversation = _start("claude-haiku-4-5", budget=50_000)
    _agent(conversation, 10)
    error = {"error": {"type": "invalid_request_error", "message": "prompt is too long: 25000 tokens > 20000 maximum"}}

    def insist() -> None:
        for _ in range(8):
            conversation.fail(error)
            plan(conversation)

    with pytest.raises(WindowOverflow):
        insist()
    ends = [edit.end for edit in conversation.compactions]
    assert len(ends) == len(set(ends)) <= 2


def test_what_follows_evidence_is_judged_by_the_wire() -> None:
    """SYS-04: the refused reply between them is not on the wire."""
    conversation = _start("claude-opus-5-5")
    conversation.append(USER)
    conversation.append({"role": "system", "content": "Stay brief."})
    plan(conversation)
    conversation.receive({"content": [], "stop_reason": "refusal"})
    with pytest.raises(InvalidRequest) as caught:
        conversation.append(USER)
    assert caught.value.rule == "SYS-04"
    assert plan(conversation).request["messages"][-1]["role"] == "system"


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"settings": {"tool_choice": {"type": "any"}}, "tools": [{"name": "a", "input_schema": {}}]}, "TOOL-15"),
        ({"tools": [{"name": "a", "input_schema": {}, "defer_loading": True}]}, "TOOL-17"),
        ({"system": 123}, "SHAPE-09"),
        ({"tools": "abc"}, "SHAPE-09"),
        ({"settings": {"betas": 5}}, None),
    ],
)
def test_what_stands_around_the_messages_is_judged_at_the_start(fields: dict[str, Any], rule: str | None) -> None:
    """Law 2: invalid input is refused before anything is stored."""
    with pytest.raises(InvalidRequest) as caught:
        Conversation.start(model="claude-opus-5-5", **fields)
    assert caught.value.rule == rule


def test_configure_refuses_what_start_refuses_and_what_the_history_forbids() -> None:
    conversation = _start("claude-opus-5-5")
    conversation.append(USER)
    conversation.append({"role": "system", "content": "Stay brief."})
    for settings in ({"system": "new"}, {"model": "x"}, {"max_tokens": 5}):
        with pytest.raises(InvalidRequest):
            conversation.configure(settings=settings)
    with pytest.raises(InvalidRequest) as caught:
        conversation.configure(model="claude-haiku-4-5")
    assert caught.value.rule == "SYS-01"
    assert conversation.model == "claude-opus-5-5"
    assert len(conversation.events) == 3


def test_settings_that_bear_on_nothing_keep_the_anchor() -> None:
    conversation = _start()
    conversation.append(USER)
    plan(conversation)
    conversation.receive({"content": "Hi.", "usage": {"input_tokens": 50}})
    conversation.append(USER)
    conversation.configure(settings={"metadata": {"user_id": "u"}})
    assert conversation.window.source == "anchored"
    assert plan(conversation).request["metadata"] == {"user_id": "u"}


@pytest.mark.parametrize("now", [float("nan"), float("inf"), "x", True])
def test_times_that_cannot_be_stored(now: Any) -> None:
    conversation = _start()
    with pytest.raises(MisuseError):
        conversation.append(USER, now=now)
    assert conversation.messages == ()


def test_odd_fields_of_a_reply_do_not_make_the_record_unreadable() -> None:
    conversation = _start()
    conversation.append(USER)
    plan(conversation)
    conversation.receive({"content": "Hi.", "stop_reason": 7, "id": [], "model": {}, "usage": "x"})
    again = Conversation.fold(decode_event(encode_event(event)) for event in conversation.events)
    assert again.messages == conversation.messages


@pytest.mark.parametrize(
    "bad",
    [{"text": None}, {"text": 5}, {"by": None}, {"cost": float("nan")}, {"cost": 1e308}, {"cost": -1}, {"cost": True}],
)
def test_a_summary_that_cannot_be_stored_changes_nothing(bad: dict[str, Any]) -> None:
    conversation = _start(budget=6_000)
    _until_summarize(conversation)
    events, window = conversation.events, conversation.window
    with pytest.raises(ProtocolError):
        conversation.summarized(**{"text": "They spoke.", "by": "me", **bad})
    assert (conversation.events, conversation.window, conversation.epoch) == (events, window, 0)


def test_messages_may_arrive_while_a_summary_is_written() -> None:
    conversation = _start("claude-opus-5-5", budget=6_000)
    decision = _until_summarize(conversation)
    late = {"role": "user", "content": "And be quick."}
    conversation.append(late)
    conversation.summarized(summary(conversation, decision), by="extractive")
    assert "And be quick." in str(plan(conversation).request["messages"][0]["content"])


def test_changing_the_request_does_not_reach_the_engine() -> None:
    tools = [{"name": "a", "input_schema": {}}]
    conversation = Conversation.start(model="claude-opus-4-6", tools=tools, settings={"metadata": {"user_id": "u"}})
    conversation.append(USER)
    request = plan(conversation).request
    request.pop("max_tokens")
    request["tools"].append("junk")
    request["metadata"]["user_id"] = "x"
    conversation.receive({"content": "Hi."})
    conversation.append(USER)
    again = plan(conversation).request
    assert [{**tool, "cache_control": None} for tool in again["tools"]] == [{**tools[0], "cache_control": None}]
    assert again["metadata"] == {"user_id": "u"}


def test_the_same_body_is_never_sent_twice_after_a_binding_error() -> None:
    """BIND-26: never resend the same body."""
    conversation = Conversation.start(model="claude-opus-5-5", settings={"thinking": {"type": "adaptive"}})
    conversation.append(USER)
    plan(conversation)
    error = {"error": {"type": "invalid_request_error", "message": "bound to a different conversation"}}
    conversation.fail(error)
    plan(conversation)
    with pytest.raises(InvalidRequest) as caught:
        conversation.fail(error)
    assert caught.value.rule == "BIND-26"


def test_a_server_call_that_was_cut_is_evidence_only() -> None:
    conversation = _start()
    conversation.append(USER)
    plan(conversation)
    call = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    conversation.receive({"content": [call], "stop_reason": "max_tokens"})
    conversation.append(USER)
    assert len(plan(conversation).request["messages"]) == 2


def test_many_unsent_results_are_spilled_in_one_step() -> None:
    conversation = _start(budget=20_000)
    conversation.append(USER)
    plan(conversation)
    calls = [{"type": "tool_use", "id": f"t{number}", "name": "read", "input": {}} for number in range(60)]
    conversation.receive({"content": calls, "stop_reason": "tool_use"})
    results = [
        {"type": "tool_result", "tool_use_id": f"t{number}", "content": LINE.format(0, 0) * 30} for number in range(60)
    ]
    conversation.append({"role": "user", "content": results})
    assert plan(conversation).sure
    assert 10 < len(conversation.spilled) < 60


# -- cache ------------------------------------------------------------------------------------------------


def test_breakpoints_and_forecast() -> None:
    at = 1_790_000_000.0
    conversation = Conversation.start(model="claude-sonnet-4-6", system="rules " * 1_500)
    conversation.append(USER)
    first = plan(conversation, now=at)
    assert first.breakpoints == ("system.0", "messages.0.content.0")
    assert first.forecast.cached == 0
    conversation.receive(_call(0))
    conversation.append(_result(0))
    second = plan(conversation, now=at + 60)
    assert second.breakpoints == ("system.0", "messages.0.content.0", "messages.2.content.0")
    assert second.forecast.cached == first.window.tokens
    assert second.forecast.lives
    assert second.forecast.warm is not None
    assert second.forecast.cold is not None
    assert second.forecast.warm < second.forecast.cold
    conversation.receive(_call(1))
    conversation.append(_result(1))
    assert not plan(conversation, now=at + 1_000).forecast.lives


def test_the_callers_own_markers_are_left_alone() -> None:
    """CACHE-02: at most 4 breakpoints a request; those of the caller stay, ours are not added."""
    system = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    conversation = Conversation.start(model="claude-opus-4-6", system=system)
    conversation.append(USER)
    send = plan(conversation)
    assert send.breakpoints == ()
    assert send.request["system"] == system


# -- fail and configure -----------------------------------------------------------------------------------


def test_prompt_too_long_is_learnt_from_and_shrunk() -> None:
    """CTX-08: the error tells the exact size and the window."""
    conversation = _start("claude-haiku-4-5")
    sends = _agent(conversation, 40)
    before = sends[-1].window.tokens
    recovery = conversation.fail(
        {
            "type": "error",
            "error": {"type": "invalid_request_error", "message": "prompt is too long: 30000 tokens > 20000 maximum"},
        }
    )
    assert (recovery.action, recovery.rule, recovery.tokens) == ("plan_again", "CTX-08", 30_000)
    send = plan(conversation)
    assert send.window.tokens < before
    assert send.window.high + 500 <= 20_000


def test_bound_to_a_different_conversation_asks_to_drop_from_then_on() -> None:
    """BIND-26: retry once with header + drop_block and persist that choice for the session."""
    conversation = Conversation.start(model="claude-opus-5-5", settings={"thinking": {"type": "adaptive"}})
    conversation.append(USER)
    plan(conversation)
    message = (
        "messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to a different conversation."
    )
    recovery = conversation.fail({"error": {"type": "invalid_request_error", "message": message}})
    assert recovery.action == "plan_again"
    request = plan(conversation).request
    assert request["thinking"] == {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}
    assert request["betas"] == ["thinking-binding-controls-2026-08-01"]


@pytest.mark.parametrize("kind", ["overloaded_error", "rate_limit_error", "api_error", "timeout_error"])
def test_passing_faults_may_be_sent_again(kind: str) -> None:
    conversation = _start()
    conversation.append(USER)
    first = plan(conversation)
    assert conversation.fail({"error": {"type": kind, "message": "x"}}).action == "send_again"
    assert plan(conversation).request == first.request


def test_what_cannot_be_helped_is_raised_without_content() -> None:
    conversation = _start()
    conversation.append(USER)
    plan(conversation)
    with pytest.raises(MisuseError) as caught:
        conversation.fail({"error": {"type": "authentication_error", "message": "invalid x-api-key sk-ant-secret"}})
    assert "secret" not in str(caught.value)


def test_a_model_switch_keeps_the_record_and_counts_anew() -> None:
    """BIND-21: keep all blocks in history across switches; CTX-20: counts never transfer between tokenizers."""
    conversation = _start("claude-opus-4-6")
    _agent(conversation, 5)
    before = conversation.window.tokens
    conversation.configure(model="claude-opus-5-5")
    assert conversation.model == "claude-opus-5-5"
    assert conversation.window.tokens > before
    send = plan(conversation)
    assert send.forecast.cached == 0
    assert sum(block["type"] == "thinking" for m in send.request["messages"] for block in blocks_of(m)) == 5


def test_events_are_taken_once_a_conversation_has_started() -> None:
    with pytest.raises(MisuseError):
        Conversation.start(model="claude-opus-4-6", policy=Policy.parse({"budget": 0}))
    assert isinstance(_start().events[0], Started)


CHANGES = {"betas": ["mid-conversation-tool-changes-2026-07-01", "mid-conversation-system-clear-at-2026-08-21"]}


def _adds(name: str) -> dict[str, Any]:
    return {"role": "system", "content": [{"type": "tool_addition", "tool": {"type": "tool_reference", "name": name}}]}


@pytest.mark.parametrize("tools", [None, [{"name": "read", "input_schema": {"type": "object"}}]])
def test_a_tool_that_nobody_defined_cannot_be_added(tools: list[dict[str, Any]] | None) -> None:
    """SYS-11: refused when the message comes, not when it is sent."""
    conversation = Conversation.start(model="claude-opus-5-5", tools=tools, settings=CHANGES)
    conversation.append({"role": "user", "content": "Deploy it."})
    before = conversation.events
    with pytest.raises(InvalidRequest, match="not defined before it") as raised:
        conversation.append(_adds("deploy"))
    assert (raised.value.rule, raised.value.path) == ("SYS-11", "messages.1.content.0")
    assert conversation.events == before


def test_a_tool_that_is_declared_can_be_added_after_a_compaction_too() -> None:
    late = {"name": "deploy", "input_schema": {"type": "object"}, "defer_loading": True}
    tools = [{"name": "read", "input_schema": {"type": "object"}}, late]
    conversation = Conversation.start(
        model="claude-opus-5-5", tools=tools, settings=CHANGES, policy=Policy(budget=4_000, methods=("summarize_all",))
    )
    for number in range(12):
        conversation.append({"role": "user", "content": f"{number}: keep the old name. " * 40})
        plan(conversation)
        conversation.receive({"content": [{"type": "text", "text": "Kept."}]})
    assert conversation.epoch
    conversation.append({"role": "user", "content": "Deploy it."})
    conversation.append(_adds("deploy"))
    with pytest.raises(InvalidRequest) as raised:
        conversation.append(_adds("destroy"))
    assert raised.value.path == f"messages.{conversation.recorded}.content.0"


def test_a_beta_that_the_history_needs_cannot_be_taken_away() -> None:
    """SYS-08: without its beta the field `clear_at` is refused."""
    conversation = Conversation.start(model="claude-opus-5-5", settings=CHANGES)
    conversation.append({"role": "user", "content": "Hello."})
    conversation.append({"role": "system", "content": "Be brief.", "clear_at": "next_user_message"})
    before = conversation.events
    with pytest.raises(InvalidRequest, match="clear_at"):
        conversation.configure(settings={"betas": []})
    assert conversation.events == before
    conversation.configure(settings={**CHANGES, "metadata": {"user_id": "u"}})


def test_a_system_message_alone_asks_for_nothing() -> None:
    """SYS-06: one that only sets the effort may stand anywhere."""
    effort = {"betas": ["mid-conversation-output-config-2026-07-01"]}
    conversation = Conversation.start(model="claude-opus-5-5", settings=effort)
    conversation.append({"role": "system", "content": [], "output_config": {"effort": "low"}})
    with pytest.raises(ProtocolError, match="empty"):
        conversation.plan(max_tokens=500)
    conversation.append({"role": "user", "content": "Hello."})
    assert isinstance(conversation.plan(max_tokens=500), Send)


def test_more_markers_than_there_may_be_are_taken_and_thinned() -> None:
    """CACHE-02: an agent may mark each message as it comes."""
    conversation = Conversation.start(model="claude-opus-5-5", system="Be brief.")
    marked = {"type": "text", "text": "Hello.", "cache_control": {"type": "ephemeral"}}
    send: Decision | None = None
    for _ in range(7):
        conversation.append({"role": "user", "content": [marked]})
        send = conversation.plan(max_tokens=500)
        assert isinstance(send, Send)
        assert not [found for found in find_violations(send.request) if found.severity == "error"]
        conversation.receive({"content": [{"type": "text", "text": "Yes."}]})
    assert isinstance(send, Send)
    assert send.request["messages"][-1]["content"] == [marked]
    assert str(send.request).count("ephemeral") == 4
