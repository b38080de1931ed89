"""What a conversation learns from usage, counts and errors, and what it does not believe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow import Conversation, Count, Policy, ProtocolError, Send, Spill, WindowOverflow, count
from ctxwindow.catalog import resolve
from ctxwindow.record import decode_event, encode_event
from ctxwindow.stores import SqliteStore, keep, load
from ctxwindow.testing import json_values
from ctxwindow.window import size_message
from tests.driver import MAX_TOKENS, plan, small

OPUS, HAIKU = "claude-opus-4-6", "claude-haiku-4-5"
OPUS_PROFILE = resolve(OPUS)
IMAGES = [{"type": "image", "source": {"type": "url", "url": f"https://example.org/{n}.png"}} for n in range(3)]
LINE = "The log says that step {} of the build took a while, and nothing else of it is known to anybody here.\n"


def started(model: str = OPUS, tools: list[Any] | None = None, **settings: Any) -> Conversation:
    return Conversation.start(model=model, tools=tools, policy=Policy(**settings))


def ask(conversation: Conversation, lines: int = 10) -> Send:
    conversation.append({"role": "user", "content": "".join(LINE.format(number) for number in range(lines))})
    return plan(conversation)


def hear(conversation: Conversation, prompt: Any, *content: dict[str, Any], **fields: Any) -> None:
    """A reply with the usage of a prompt of so many tokens, or with this usage."""
    usage = prompt if isinstance(prompt, dict) else {"input_tokens": prompt}
    conversation.receive(
        {"content": list(content) or [{"type": "text", "text": "Noted."}], "usage": usage, **fields},
    )


# -- several samplings --------------------------------------------------------------------------------------


def test_after_a_compaction_the_window_is_what_the_last_sampling_read() -> None:
    """CMP-02, CTX-17: a recorded reply: 55,196 tokens were compacted, 220 were left, and the next request was 239."""
    conversation = started("claude-sonnet-4-6")
    ask(conversation, 400)
    usage = {
        "input_tokens": 220,
        "output_tokens": 8,
        "iterations": [
            {"type": "compaction", "input_tokens": 55_196, "output_tokens": 125},
            {"type": "message", "input_tokens": 220, "output_tokens": 8},
        ],
    }
    hear(
        conversation,
        usage,
        {"type": "compaction", "content": "They said hi. " * 20},
        {"type": "text", "text": "Go on."},
    )
    window = conversation.window
    assert (window.source, window.doubt) == ("anchored", None)
    assert 220 < window.tokens <= 220 + 8
    assert ask(conversation, 1).window.tokens < 280


def test_what_the_last_sampling_wrote_is_known_too() -> None:
    """V-TOK-2: after a compaction 23,000 tokens were read and 1,000 written: the context has 24,000."""
    conversation = started("claude-sonnet-4-6")
    ask(conversation, 400)
    entries = [
        {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3_500},
        {"type": "message", "input_tokens": 23_000, "output_tokens": 1_000},
    ]
    usage = {"input_tokens": 23_000, "output_tokens": 1_000, "iterations": entries}
    summary = {"type": "compaction", "content": "They said hi."}
    hear(conversation, usage, summary, OMITTED, {"type": "text", "text": "Go on."})
    assert conversation.window.tokens == 24_000
    assert conversation.window.by["overhead"] == sum(conversation.window.overheads.values())


def test_results_of_servers_are_in_what_the_last_sampling_read() -> None:
    """TOK-09: a recorded advisor: first 1,128 and then 1,262 tokens; the next request had 1,311."""
    conversation = started("claude-sonnet-5")
    ask(conversation, 30)
    first = conversation.window.tokens + 10
    usage = {
        "input_tokens": first * 2 + 160,
        "output_tokens": 121,
        "iterations": [
            {"type": "message", "input_tokens": first, "output_tokens": 110},
            {"type": "advisor_message", "input_tokens": 2_518, "output_tokens": 22},
            {"type": "message", "input_tokens": first + 160, "output_tokens": 11},
        ],
    }
    advice: list[dict[str, Any]] = [
        {"type": "text", "text": "I shall ask."},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "advisor", "input": {}},
        {
            "type": "advisor_tool_result",
            "tool_use_id": "srvtoolu_1",
            "content": {"type": "advisor_result", "text": LINE},
        },
        {"type": "text", "text": "So be it."},
    ]
    hear(conversation, usage, *advice)
    window = conversation.window
    assert window.doubt is None
    assert first + 160 < window.tokens <= first + 160 + 12
    assert window.tokens == sum(window.by.values())


def test_what_servers_sum_up_is_only_a_bound() -> None:
    """TOK-09: without iterations the number is that of several prompts together."""
    conversation = started()
    asked = ask(conversation).window.tokens
    found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
    call = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}
    hear(conversation, 9_000, call, found, {"type": "text", "text": "Found."})
    window = conversation.window
    assert window.source == "estimated"
    assert asked < window.tokens < 2 * asked
    assert window.high >= 9_000
    assert window.doubt is not None
    assert "TOK-09" in window.doubt
    ask(conversation)
    hear(conversation, 19_000, call, found, {"type": "text", "text": "Found."})
    assert conversation.window.high >= 19_000, "each sum is a bound"


# -- thinking -----------------------------------------------------------------------------------------------


def test_dropped_thinking_does_not_count() -> None:
    """TOK-23, BIND-08: what the server dropped is not in input_tokens, and its size is not put down to the estimates."""
    conversation = started("claude-opus-5-5")
    asked = ask(conversation).window.tokens
    thought = {**OMITTED, "thinking": LINE * 30}
    hear(conversation, asked, thought, {"type": "text", "text": "Noted."})
    before = ask(conversation).window
    thinking = before.by["thinking"]
    assert thinking > 500
    told = [{"type": "thinking_dropped", "path": "messages.1.content.0", "reason": "prefix_binding_mismatch"}]
    hear(conversation, before.tokens - thinking, input_transformations=told)
    window = conversation.window
    assert window.doubt is None
    assert window.by["thinking"] == 0
    assert window.not_counted["BIND-08"] == thinking
    assert [block.disposition for block in window.blocks if block.path == "messages.1.content.0"] == ["dropped"]
    assert window.overheads.get("unexplained", 0) == pytest.approx(0, abs=2)
    assert window.tokens == sum(window.by.values())


OMITTED = {"type": "thinking", "thinking": "", "signature": "c2lnbmF0dXJl" * 40}


@pytest.mark.parametrize("model", [OPUS, HAIKU])
@pytest.mark.parametrize(
    "usage", [{"output_tokens": 406, "output_tokens_details": {"thinking_tokens": 400}}, {"output_tokens": 406}]
)
def test_omitted_thinking_counts_as_billed_and_leaves_with_its_turn(model: str, usage: dict[str, Any]) -> None:
    """CTX-16, RET-02, V-RET-1: on last-turn-only models it is stripped when the next turn starts, not before."""
    conversation = started(model)
    asked = ask(conversation).window.tokens
    hear(conversation, {"input_tokens": asked, **usage}, OMITTED, {"type": "text", "text": "Noted."})
    assert conversation.window.by["thinking"] == pytest.approx(400, abs=4)
    assert conversation.window.tokens == pytest.approx(asked + 406, abs=4)
    before = conversation.window.tokens
    after = ask(conversation, 1).window
    if model == HAIKU:
        assert after.not_counted["RET-02"] == pytest.approx(400, abs=4)
        assert after.tokens < before - 350
        assert after.high < before - 100
    else:
        assert after.tokens > before


HIDDEN = {"type": "redacted_thinking", "data": "ZGF0YQ==" * 40}


@pytest.mark.parametrize("thought", [OMITTED, HIDDEN])
@pytest.mark.parametrize("output", [MAX_TOKENS + 1, 2_000_000])
def test_more_output_than_was_asked_for_is_not_learnt(thought: dict[str, Any], output: int) -> None:
    """CTX-06: the size of hidden thinking is what the output says; one that cannot be says nothing, and that is told."""
    conversation = started(OPUS)
    asked = ask(conversation).window.tokens
    hear(conversation, {"input_tokens": asked, "output_tokens": output}, thought, {"type": "text", "text": "Noted."})
    window = conversation.window
    assert window.doubt is not None
    assert f"{output:,}" in window.doubt
    assert window.high < asked + MAX_TOKENS
    assert isinstance(ask(conversation), Send)


def test_a_caller_may_have_asked_for_more_than_was_planned() -> None:
    for said in (None, 4_000):
        conversation = started(OPUS)
        asked = ask(conversation).window.tokens
        usage = {"input_tokens": asked, "output_tokens": 3_006}
        hear(conversation, usage, OMITTED, {"type": "text", "text": "Noted."}, max_tokens=said)
        assert conversation.window.doubt is None
        assert conversation.window.tokens == pytest.approx(asked + 3_006, abs=4)


# -- other settings -----------------------------------------------------------------------------------------

_SCHEMA = {
    "type": "object",
    "properties": {f"property_{number}": {"type": "string"} for number in range(40)},
    "additionalProperties": False,
}
_FORMAT: dict[str, Any] = {"format": {"type": "json_schema", "schema": _SCHEMA}}
_BUDGET = {"type": "tokens", "total": 20_000}
_CLEARS = {
    "type": "clear_tool_uses_20250919",
    "trigger": {"type": "tool_uses", "value": 1},
    "keep": {"type": "tool_uses", "value": 0},
}
_SETTINGS: list[dict[str, Any]] = [
    {"output_config": _FORMAT},
    {"output_format": _FORMAT["format"], "betas": ["structured-outputs-2025-11-13"]},
    {"output_config": {"task_budget": _BUDGET, "effort": "low"}, "betas": ["task-budgets-2026-03-13"]},
    {"context_management": {"edits": [_CLEARS]}, "betas": ["context-management-2025-06-27"]},
    {"thinking": {"type": "adaptive"}},
    {"tool_choice": {"type": "any"}},
    {"metadata": {"user_id": "u"}},
    {},
]  # fmt: skip
_TOOL = {"name": "look", "description": "Looks.", "input_schema": {"type": "object", "properties": {}}}


def _round(conversation: Conversation, number: int, usage: dict[str, Any] | None = None) -> None:
    """A call and its result."""
    call = {"type": "tool_use", "id": f"t{number}", "name": "look", "input": {"at": LINE.format(number)}}
    conversation.receive({"content": [call], "usage": usage, "stop_reason": "tool_use"})
    result = {"type": "tool_result", "tool_use_id": f"t{number}", "content": LINE.format(number) * 20}
    conversation.append({"role": "user", "content": [result]})


@given(st.lists(st.sampled_from(_SETTINGS), min_size=1, max_size=6), st.sampled_from([True, False]))
def test_after_other_settings_the_window_is_a_recount(settings: list[dict[str, Any]], spills: bool) -> None:
    """Whenever they are configured, before the first request, before a reply is in, or while a result waits to be sent."""
    policy = Policy(spill=Spill(tokens=300)) if spills else Policy()
    conversation = Conversation.start(model="claude-opus-4-7", tools=[_TOOL], policy=policy)
    conversation.append({"role": "user", "content": "Hi."})
    for number, given_ in enumerate(settings):
        conversation.configure(settings=given_)
        send = plan(conversation)
        assert send.window == count(send.request)
        _round(conversation, number)
    assert Conversation.fold(conversation.events).window == conversation.window


@pytest.mark.parametrize("settings", _SETTINGS)
def test_after_an_exact_size_other_settings_make_the_difference(settings: dict[str, Any]) -> None:
    conversation = Conversation.start(model="claude-opus-4-7", tools=[_TOOL])
    conversation.append({"role": "user", "content": "Hi."})
    _round(conversation, 0, {"input_tokens": plan(conversation).window.tokens + 30})
    before, send = conversation.window, plan(conversation)
    old = count(send.request)
    conversation.configure(settings=settings)
    send = plan(conversation)
    assert send.window.tokens - before.tokens == count(send.request).tokens - old.tokens
    assert send.window.tokens == sum(send.window.by.values())
    conversation.configure(settings={})
    assert conversation.window.tokens == before.tokens


@pytest.mark.parametrize("settings", [_SETTINGS[0], _SETTINGS[3]])
def test_a_count_with_other_settings_is_another(settings: dict[str, Any]) -> None:
    """What was counted without a schema is not the size with it: it is asked for again."""
    conversation = started(OPUS, budget=4_500, exact_counts=True, high=0.99)
    conversation.append({"role": "user", "content": [*IMAGES, {"type": "text", "text": "What is this?"}]})
    assert isinstance(conversation.plan(max_tokens=500), Count)
    conversation.counted(None)
    assert isinstance(conversation.plan(max_tokens=500), Send)
    conversation.configure(settings={"metadata": {"user_id": "u"}})
    assert isinstance(conversation.plan(max_tokens=500), Send)
    conversation.configure(settings=settings)
    assert isinstance(conversation.plan(max_tokens=500), Count)


# -- learning -----------------------------------------------------------------------------------------------


def test_forecasts_improve() -> None:
    """Images of unknown size that are always larger than estimated, by two thirds of what they may be."""
    conversation, errors = started(), []
    image = size_message({"role": "user", "content": [IMAGES[0]]}, OPUS_PROFILE).count
    real = image.tokens + (image.high - image.tokens) * 2 // 3
    hear(conversation, ask(conversation).window.tokens)
    for step in range(12):
        before = conversation.window.tokens
        conversation.append({"role": "user", "content": [IMAGES[step % 3]]})
        errors.append(before + real - plan(conversation).window.tokens)
        hear(conversation, before + real)
    assert errors[0] > 500
    assert all(abs(error) < 20 for error in errors[-6:])
    assert conversation.window.tokens == sum(conversation.window.by.values())


def test_a_client_that_hides_something_is_allowed_for() -> None:
    """Every third request has a reminder of 120 tokens that nobody sees: the bounds learn it, the forecast does not."""
    conversation = started()
    inside = []
    for step in range(40):
        window = ask(conversation, 3).window
        hidden = 120 if step % 3 == 2 else 0
        real = window.tokens + hidden
        inside.append(window.low <= real <= window.high)
        hear(conversation, real)
    assert sum(inside[12:]) >= 27
    last = ask(conversation, 3).window
    assert last.high - last.tokens < 200


# -- doubt --------------------------------------------------------------------------------------------------

TOOLS = [
    {
        "name": f"read_{number}",
        "description": "Reads one file of the repository, whole or in part, and numbers its lines. " * 12,
        "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}},
    }
    for number in range(12)
]


def test_a_report_that_cannot_be_is_said_to_be_doubtful_and_teaches_nothing() -> None:
    conversation = started()
    asked = ask(conversation, 60).window.tokens
    hear(conversation, 60)
    window = conversation.window
    assert window.source == "estimated"
    assert window.doubt is not None
    assert "less than half" in window.doubt
    assert window.as_dict()["doubt"] == window.doubt
    assert window.tokens > asked
    assert window.low <= 60 + (window.tokens - asked), "it may be right all the same"
    assert "unexplained" not in window.overheads
    send = ask(conversation)
    assert f"doubtful: {window.doubt}" in send.explain()
    hear(conversation, send.window.tokens)
    assert (conversation.window.source, conversation.window.doubt) == ("anchored", None)


def test_a_proxy_that_drops_the_tools_is_found_out_and_then_believed() -> None:
    conversation = started(tools=TOOLS)
    send = ask(conversation)
    tools = send.window.by["tools"] + send.window.overheads["tool prompt"]
    hear(conversation, send.window.tokens - tools)
    doubt = conversation.window.doubt
    assert doubt is not None
    assert "without its tools" in doubt
    send = ask(conversation)
    hear(conversation, send.window.tokens - tools)
    window = conversation.window
    assert (window.source, window.doubt) == ("anchored", None)
    assert window.overheads["unexplained"] == pytest.approx(-tools, abs=5)


def test_a_doubtful_report_that_is_large_is_a_bound_once() -> None:
    """What cannot break a request: it may be as large as reported. A source that contradicts itself is not heeded."""
    conversation = started()
    hear(conversation, ask(conversation, 60).window.tokens)
    ask(conversation)
    hear(conversation, 120_000)
    assert conversation.window.doubt
    assert conversation.window.high >= 120_000
    assert conversation.window.tokens < 5_000
    assert ask(conversation).window.high >= 120_000
    hear(conversation, 120_000)
    assert conversation.window.doubt
    assert conversation.window.high < 6_000


def test_beyond_the_window_it_is_no_bound() -> None:
    conversation = started(HAIKU)
    hear(conversation_after(conversation), 1_999_999)
    assert conversation.window.doubt
    assert conversation.window.high < 200_000


def conversation_after(conversation: Conversation) -> Conversation:
    """After one exchange of the size that was expected, and the next question."""
    hear(conversation, ask(conversation).window.tokens)
    ask(conversation)
    return conversation


def test_a_prompt_that_a_gateway_adds_is_believed_before_there_is_an_exact_size() -> None:
    conversation = started()
    hear(conversation, ask(conversation).window.tokens + 20_000)
    assert (conversation.window.source, conversation.window.doubt) == ("anchored", None)


def test_nothing_is_learnt_from_doubtful_numbers() -> None:
    honest, lied_to = started(budget=100_000), started(budget=100_000)
    for conversation in (honest, lied_to):
        for _ in range(3):
            conversation_after(conversation)
            hear(conversation, conversation.window.tokens)
    ask(honest)
    hear(honest, honest.window.tokens)
    ask(lied_to)
    hear(lied_to, 40)
    assert lied_to.window.doubt
    expected = ask(honest).window.tokens
    assert ask(lied_to).window.tokens == pytest.approx(expected, abs=30)


def test_an_error_that_tells_the_size_ends_all_doubt() -> None:
    """CTX-08: the API's own count."""
    conversation = started(HAIKU)
    ask(conversation, 60)
    hear(conversation, 60)
    assert conversation.window.doubt
    ask(conversation)
    message = "prompt is too long: 210000 tokens > 200000 maximum"
    conversation.fail({"error": {"type": "invalid_request_error", "message": message}})
    assert conversation.window.doubt is None


# -- count_tokens -------------------------------------------------------------------------------------------


def straddling(**policy: Any) -> Conversation:
    """A request whose estimate fits the budget, and whose upper bound does not."""
    conversation = started(**{"budget": 4_000, "high": 0.99, "low": 0.5, "exact_counts": True, **policy})
    conversation.append({"role": "user", "content": [*IMAGES, {"type": "text", "text": "What is this?"}]})
    return conversation


@pytest.mark.parametrize("policy", [{"exact_counts": False}, {"budget": 100_000}])
def test_no_count_is_asked_for_where_it_makes_no_difference(policy: dict[str, Any]) -> None:
    assert isinstance(straddling(**policy).plan(max_tokens=500), Send)


def test_a_count_is_asked_for_where_the_estimate_is_too_long_and_the_lower_bound_is_not() -> None:
    decision = straddling(budget=1_000).plan(max_tokens=500)
    assert isinstance(decision, Count)
    assert decision.window.low <= 500 < decision.window.tokens


def test_no_count_is_asked_for_where_nothing_can_fit() -> None:
    with pytest.raises(WindowOverflow):
        straddling(budget=510).plan(max_tokens=500)


def test_a_count_is_exact_after_a_reopen_too(tmp_path: Path) -> None:
    conversation = straddling()
    assert isinstance(conversation.plan(max_tokens=500), Count)
    conversation.counted(2_345)
    with SqliteStore(tmp_path / "store.db") as store:
        keep(store, "it", conversation)
        again = load(store, "it")
    assert (again.window.tokens, again.window.source) == (2_345, "exact")
    assert again.window == conversation.window
    assert isinstance(again.plan(max_tokens=500), Send)


@pytest.mark.parametrize("tokens", [0, 10**9, 10**30])
def test_a_count_that_cannot_be_is_as_good_as_none(tokens: int) -> None:
    conversation = straddling()
    expected = conversation.window
    assert isinstance(conversation.plan(max_tokens=500), Count)
    conversation.counted(tokens)
    assert conversation.window.doubt
    assert (conversation.window.tokens, conversation.window.source) == (expected.tokens, "estimated")
    send = conversation.plan(max_tokens=500)
    assert isinstance(send, Send)
    assert not send.sure


@pytest.mark.parametrize("tokens", [-1, 2.5, "2345", True, [2_345]])
def test_a_count_that_is_none_is_refused(tokens: Any) -> None:
    conversation = straddling()
    assert isinstance(conversation.plan(max_tokens=500), Count)
    with pytest.raises(ProtocolError):
        conversation.counted(tokens)
    conversation.counted(None)
    assert isinstance(conversation.plan(max_tokens=500), Send)


def test_a_count_settles_a_doubt() -> None:
    conversation = started(HAIKU, exact_counts=True)
    hear(conversation, ask(conversation, 60).window.tokens)
    ask(conversation)
    hear(conversation, 195_000)
    assert conversation.window.doubt
    conversation.append({"role": "user", "content": "And now?"})
    assert isinstance(conversation.plan(max_tokens=8_000), Count)
    conversation.counted(conversation.window.tokens + 3)
    settled = conversation.window
    assert (settled.source, settled.doubt) == ("exact", None)


@given(st.lists(st.sampled_from([None, 1, 900, 3_000, 10**8]), min_size=1, max_size=4), st.integers(2_000, 9_000))
def test_no_loop_of_counts(answers: list[int | None], budget: int) -> None:
    """Law 7: between two changes of the wire a count is asked for once at most."""
    conversation = started(budget=budget, exact_counts=True, high=0.99, low=0.5)
    for number in range(4):
        conversation.append({"role": "user", "content": [IMAGES[number % 3], {"type": "text", "text": LINE * 4}]})
        seen = set()
        for _ in range(20):
            try:
                decision = conversation.plan(max_tokens=500)
            except WindowOverflow:
                return
            if isinstance(decision, Send):
                break
            if isinstance(decision, Count):
                assert decision.fingerprint not in seen
                seen.add(decision.fingerprint)
                conversation.counted(answers[number % len(answers)])
            else:
                conversation.summarized("Images were shown.", by="test")
        else:
            raise AssertionError("no end of decisions")
        hear(conversation, None)


# -- anything at all ----------------------------------------------------------------------------------------

FIELDS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens", "cache_creation")
NUMBERS = st.none() | st.integers(-5, 300_000) | st.sampled_from([10**9, 10**30, -1, True, 1.5, "12", [], {}])
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(FIELDS, NUMBERS),
        "type": st.sampled_from(["message", "compaction", "advisor_message", "fallback_message", 7]),
        "model": st.sampled_from([None, OPUS, HAIKU, "no-such-model", 3]),
        "output_tokens_details": st.none() | st.fixed_dictionaries({"thinking_tokens": NUMBERS}) | json_values(),
    },
)
USAGES = st.builds(
    lambda usage, iterations: usage if iterations is None else {**usage, "iterations": iterations},
    ENTRIES,
    st.none() | st.lists(ENTRIES | json_values(), max_size=3) | json_values(),
)
CONTENTS = st.sampled_from(
    [
        [{"type": "text", "text": "Noted."}],
        [OMITTED, {"type": "text", "text": "Noted."}],
        [{"type": "compaction", "content": "They said hi."}, {"type": "text", "text": "Noted."}],
        [{"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}},
         {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
         {"type": "text", "text": "Found."}],
        [],
    ]
)  # fmt: skip
REPLIES = st.tuples(
    USAGES | json_values(),
    CONTENTS,
    st.sampled_from([None, OPUS, HAIKU, "no-such-model", 4]),
    st.sampled_from(["end_turn", "max_tokens", "pause_turn", "compaction", None, 5]),
)


@given(st.lists(REPLIES, min_size=1, max_size=6), st.sampled_from([OPUS, HAIKU, "claude-opus-5-5"]))
def test_no_usage_breaks_a_conversation(replies: list[Any], model: str) -> None:
    conversation = Conversation.start(model=model, policy=small(20_000))
    for usage, content, named, reason in replies:
        conversation.append({"role": "user", "content": LINE * 3})
        send = plan(conversation)
        conversation.receive({"content": content, "usage": usage, "model": named, "stop_reason": reason})
        window = conversation.window
        for one in (send.window, window):
            assert 0 <= one.low <= max(one.tokens, 0) <= one.high
            assert one.tokens == sum(one.by.values())
            assert one.by["overhead"] == sum(one.overheads.values())
        assert isinstance(json.dumps(window.as_dict(blocks=True)), str)
    events = [decode_event(encode_event(event)) for event in conversation.events]
    assert Conversation.fold(events).window == conversation.window
