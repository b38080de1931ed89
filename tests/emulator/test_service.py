from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from ctxwindow.catalog import resolve
from ctxwindow.emulator import Emulator, Fault, Reply
from ctxwindow.rules import check
from ctxwindow.testing import requests
from ctxwindow.window import count, count_text, read_usage
from ctxwindow.window.block_sizes import size_block
from tests.emulator.scenes import (
    BOUND,
    COMPACT,
    EDITING,
    KEEPS,
    LAST_TURN,
    THRESHOLD,
    Chat,
    body,
    post,
    refused,
    said,
)  # fmt: skip

ADAPTIVE = {"type": "adaptive"}
TOOL = {"name": "read", "description": "Reads.", "input_schema": {"type": "object"}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {"path": "a"}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "x" * 4_000}
THOUGHT = {"type": "thinking", "thinking": "Let me see what there is to be seen here, and then decide."}
TEXT = {"type": "text", "text": "Done."}


def test_the_usage_is_the_size_of_the_window() -> None:
    """CTX-02, TOK-01, CTX-16: the next prompt is this one, its reply and what was added."""
    chat = Chat(Emulator([[TEXT], [TEXT]]), KEEPS)
    first = chat.say("Hello, what is there?")
    seen = read_usage(first["usage"])
    assert seen is not None
    assert seen.prompt == count({"model": KEEPS, "messages": chat.body["messages"][:1]}).tokens
    second = chat.say("And what else?")
    assert second["usage"]["input_tokens"] == count({**chat.body, "messages": chat.body["messages"][:3]}).tokens
    counted = post(
        chat.emulator, {"model": KEEPS, "messages": chat.body["messages"][:3]}, path="/v1/messages/count_tokens"
    )
    assert counted.json == {"input_tokens": second["usage"]["input_tokens"]}


@given(requests())
def test_count_tokens_and_create_agree(request: dict[str, Any]) -> None:
    """What count_tokens says of a request is what its usage says (TOK-12)."""
    betas = request.get("betas") or ()
    sent = {key: value for key, value in request.items() if key not in ("betas", "stream")}
    assert check(request).ok
    emulator = Emulator(accept_foreign=True)
    usage = read_usage(said(post(emulator, sent, *betas))["usage"])
    only = ("max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "metadata", "service_tier")
    asked = {key: value for key, value in sent.items() if key not in only}
    counted = post(emulator, asked, *betas, path="/v1/messages/count_tokens")
    assert counted.status == 200
    if usage is not None and usage.prompt is not None and "compaction" not in sent:
        assert counted.json["input_tokens"] == usage.prompt


def test_tok_13() -> None:
    for field, value in {"max_tokens": 5, "stream": False, "stop_sequences": [], "metadata": {}}.items():
        sent = {"model": BOUND, "messages": [{"role": "user", "content": "x"}], field: value}
        text = refused(post(Emulator(), sent, path="/v1/messages/count_tokens"))
        assert text == f"{field}: Extra inputs are not permitted"


def test_tok_15_count_tokens_ignores_on_demand_compaction() -> None:
    sent = {"model": BOUND, "messages": [{"role": "user", "content": "x"}]}
    plain = post(Emulator(), sent, path="/v1/messages/count_tokens").json
    asked = {**sent, "compaction": {"type": "summarize", "instructions": "Keep the names."}}
    assert post(Emulator(), asked, COMPACT, path="/v1/messages/count_tokens").json == plain


def test_tok_15_a_compaction_request_that_ends_in_a_reply_is_counted() -> None:
    """It breaks no rule for create (MSG-04)."""
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
    asked = {"model": BOUND, "messages": messages, "compaction": {"type": "summarize"}}
    said(post(Emulator(), {**asked, "max_tokens": 1_000}, COMPACT))
    counted = post(Emulator(), asked, COMPACT, path="/v1/messages/count_tokens")
    assert counted.json == {"input_tokens": count({"model": BOUND, "messages": messages}).tokens}


def test_thinking_counts_at_its_own_length_whatever_is_displayed() -> None:
    """TOK-03, TOK-04, THINK-11, RET-01"""
    omitted = Chat(Emulator([[THOUGHT, TEXT], [TEXT]]), BOUND)
    shown = Chat(Emulator([[THOUGHT, TEXT], [TEXT]]), BOUND, thinking={"type": "adaptive", "display": "summarized"})
    first = [chat.say("Look.") for chat in (omitted, shown)]
    assert [reply["content"][0]["thinking"] for reply in first] == ["", THOUGHT["thinking"]]
    tokens = size_block(THOUGHT, resolve(BOUND)).count.tokens  # what it adds to the next prompt (CTX-16)
    assert [reply["usage"]["output_tokens_details"]["thinking_tokens"] for reply in first] == [tokens, tokens]
    second = [chat.say("More.")["usage"]["input_tokens"] for chat in (omitted, shown)]
    assert second[0] == second[1]


def test_ret_02_last_turn_only_models_do_not_bill_earlier_thinking() -> None:
    manual = {"type": "enabled", "budget_tokens": 1_024}
    replies = [[THOUGHT, TEXT], [THOUGHT, TEXT]]
    chat = Chat(Emulator(replies), LAST_TURN, thinking=manual, max_tokens=2_000)
    chat.say("One.")
    second = chat.say("Two.")["usage"]["input_tokens"]
    bare = chat.copy()
    bare["messages"] = bare["messages"][:3]
    del bare["messages"][1]["content"][0]
    assert count({**bare, "model": LAST_TURN}).tokens == second


def test_ctx_08_a_prompt_over_the_window() -> None:
    """CTX-08, V-CTX-2"""
    sent = body(LAST_TURN, messages=[{"role": "user", "content": "word " * 250_000}])
    text = refused(post(Emulator(), sent))
    tokens = count(sent).tokens
    assert text == f"prompt is too long: {tokens} tokens > 200000 maximum"


def test_ctx_09_the_edge_of_the_window_ends_the_reply() -> None:
    """CTX-09, V-CTX-3"""
    sent = body(LAST_TURN, max_tokens=64_000, messages=[{"role": "user", "content": "word " * 199_900}])
    free = 200_000 - count(sent).tokens
    assert 0 < free < 64_000
    answer = said(post(Emulator(["long " * 2 * free]), sent))
    assert answer["stop_reason"] == "model_context_window_exceeded"
    assert 0 < answer["usage"]["output_tokens"] <= free


def test_ctx_10_older_models_refuse_it() -> None:
    """CTX-10, I-06"""
    sent = body("claude-opus-4-1", max_tokens=32_000, messages=[{"role": "user", "content": "word " * 190_000}])
    tokens = count(sent).tokens
    assert refused(post(Emulator(), sent)) == (
        f"input length and `max_tokens` exceed context limit: {tokens} + 32000 > 200000, decrease input length or "
        "`max_tokens` and try again"
    )
    assert said(post(Emulator(), sent, "model-context-window-exceeded-2025-08-26"))["stop_reason"] == "end_turn"


def test_the_cache_is_written_read_and_forgotten() -> None:
    """CACHE-04, CACHE-05, CACHE-07, CACHE-13"""
    emulator = Emulator()
    long = {"type": "text", "text": "word " * 3_000, "cache_control": {"type": "ephemeral"}}
    sent = body(messages=[{"role": "user", "content": [long]}])

    def ask(at: float) -> tuple[int, int]:
        usage = said(post(emulator, sent, at=at))["usage"]
        return usage["cache_creation_input_tokens"], usage["cache_read_input_tokens"]

    written, read = ask(0)
    assert written > 2_000
    assert (read, ask(299), ask(598)) == (0, (0, written), (0, written))
    assert ask(899) == (written, 0)
    hourly = {"type": "text", "text": "other " * 3_000, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    usage = said(post(emulator, body(messages=[{"role": "user", "content": [hourly]}]), at=900))["usage"]
    assert usage["cache_creation"]["ephemeral_1h_input_tokens"] == usage["cache_creation_input_tokens"] > 0
    assert usage["cache_creation"]["ephemeral_5m_input_tokens"] == 0


def test_v_cache_3_max_tokens_0_warms_the_cache() -> None:
    """V-CACHE-3, MSG-17"""
    emulator = Emulator([])
    long = {"type": "text", "text": "word " * 3_000, "cache_control": {"type": "ephemeral"}}
    answer = said(post(emulator, body(max_tokens=0, messages=[{"role": "user", "content": [long]}])))
    assert (answer["content"], answer["stop_reason"]) == ([], "max_tokens")
    assert answer["usage"]["cache_creation_input_tokens"] > 0
    assert answer["usage"]["output_tokens"] == 0


def rounds(number: int) -> list[dict[str, Any]]:
    """A conversation with rounds of a tool, each with a long result."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Look."}]
    for index in range(number):
        messages += [
            {"role": "assistant", "content": [{**CALL, "id": f"toolu_{index}"}]},
            {"role": "user", "content": [{**RESULT, "tool_use_id": f"toolu_{index}"}]},
        ]
    return messages


def test_edit_02_cleared_results_are_reported_and_not_billed() -> None:
    """EDIT-01, EDIT-02, EDIT-05, TOK-14"""
    edit = {"type": "clear_tool_uses_20250919", "trigger": {"type": "input_tokens", "value": 1_000}}
    sent = body(KEEPS, messages=rounds(6), tools=[TOOL])
    whole = said(post(Emulator(), sent))["usage"]["input_tokens"]
    managed = {**sent, "context_management": {"edits": [edit]}}
    answer = said(post(Emulator(), managed, EDITING))
    (applied,) = answer["context_management"]["applied_edits"]
    assert applied["type"] == "clear_tool_uses_20250919"
    assert applied["cleared_tool_uses"] == 3
    assert answer["usage"]["input_tokens"] == whole - applied["cleared_input_tokens"] < whole
    del managed["max_tokens"]
    counted = post(Emulator(), managed, EDITING, path="/v1/messages/count_tokens").json
    assert counted == {
        "input_tokens": answer["usage"]["input_tokens"],
        "context_management": {"original_input_tokens": whole},
    }
    nothing = {**sent, "messages": rounds(1), "context_management": {"edits": [edit]}}
    assert said(post(Emulator(), nothing, EDITING))["context_management"] == {"applied_edits": []}


def test_cmp_16_compaction_on_demand() -> None:
    """CMP-16, V-CMP-2"""
    sent = body(messages=[{"role": "user", "content": "One."}, {"role": "assistant", "content": "Two."}])
    answer = said(post(Emulator([], summaries=["A summary."]), {**sent, "compaction": {"type": "summarize"}}, COMPACT))
    (block,) = answer["content"]
    assert (block["type"], block["content"], answer["stop_reason"]) == ("compaction", "A summary.", "compaction")
    usage = answer["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (0, 0)
    (iteration,) = usage["iterations"]
    assert (iteration["type"], iteration["input_tokens"]) == ("compaction", count(sent).tokens)
    assert iteration["output_tokens"] == count_text("A summary.", "v4.8").tokens


@pytest.mark.parametrize(
    ("summary", "stop"),
    [
        ("", "end_turn"),
        ("   ", "end_turn"),
        (Reply(content=[CALL]), "tool_use"),
        (Reply(content=[], stop_reason="refusal"), "refusal"),
        ("word " * 2_000, "max_tokens"),
    ],
)
def test_cmp_27_a_compaction_without_a_summary(summary: Any, stop: str) -> None:
    sent = {**body(), "compaction": {"type": "summarize"}}
    answer = said(post(Emulator(summaries=[summary]), sent, COMPACT))
    assert (answer["content"], answer["stop_reason"]) == ([], stop)
    assert answer["usage"]["iterations"][0]["input_tokens"] > 0


def test_cmp_26_a_compaction_that_is_not_available() -> None:
    emulator = Emulator(summaries=[Fault(status=529, code="compaction_unavailable")])
    response = post(emulator, {**body(), "compaction": {"type": "summarize"}}, COMPACT)
    assert response.status == 529
    assert response.json["error"]["details"] == {"error_code": "compaction_unavailable"}


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        ({"content": "Another summary."}, "compaction_content_mismatch"),
        ({"signature": "EmUnonsense"}, "compaction_signature_invalid"),
        ({"signature": "foreign"}, "compaction_signature_invalid"),
        ({"tool_changes": []}, "compaction_tool_changes_mismatch"),
    ],
)
def test_cmp_23_to_25_a_changed_block(edit: dict[str, Any], code: str) -> None:
    emulator = Emulator()
    block = said(post(emulator, {**body(), "compaction": {"type": "summarize"}}, COMPACT))["content"][0]
    messages = [{"role": "assistant", "content": [{**block, **edit}]}, {"role": "user", "content": "Go on."}]
    response = post(emulator, body(messages=messages), COMPACT)
    assert response.status == 400
    assert response.json["error"]["details"]["error_code"] == code
    assert not response.json["error"]["message"].startswith("compaction_")


def test_cmp_29_tool_changes_come_back_with_the_block() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "One."},
        {
            "role": "system",
            "content": [{"type": "tool_addition", "tool": {"type": "tool_reference", "tool_name": "more"}}],
        },
    ]
    tools = [TOOL, {"name": "more", "input_schema": {"type": "object"}, "defer_loading": True}]
    sent = body(messages=messages, tools=tools, compaction={"type": "summarize"})
    emulator = Emulator()
    block = said(post(emulator, sent, COMPACT, "inline-tools-2026-09-15"))["content"][0]
    assert block["tool_changes"] == messages[1]["content"]
    following = [{"role": "assistant", "content": [block]}, {"role": "user", "content": "Go on."}]
    said(post(emulator, body(messages=following, tools=tools), COMPACT, "inline-tools-2026-09-15"))


def threshold(**fields: Any) -> dict[str, Any]:
    return {"edits": [{"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 50_000}, **fields}]}


def long_chat(**fields: Any) -> dict[str, Any]:
    messages = [
        {"role": "user", "content": "word " * 60_000},
        {"role": "assistant", "content": "I see."},
        {"role": "user", "content": "Go on."},
    ]
    return body("claude-opus-5", messages=messages, context_management=threshold(**fields))


def test_cmp_01_the_threshold_puts_a_block_in_front_of_the_reply() -> None:
    """CMP-01, CMP-02, CMP-10, V-TOK-2"""
    sent = long_chat()
    emulator = Emulator([[THOUGHT, TEXT], "Again."], summaries=["What happened."])
    answer = said(post(emulator, sent, THRESHOLD))
    assert [block["type"] for block in answer["content"]] == ["compaction", "thinking", "text"]
    compaction, message = answer["usage"]["iterations"]
    assert (compaction["type"], message["type"]) == ("compaction", "message")
    assert compaction["input_tokens"] > 50_000 > message["input_tokens"]
    assert answer["usage"]["input_tokens"] == message["input_tokens"]
    assert answer["usage"]["output_tokens"] == message["output_tokens"]
    # The whole goes back; what is before the block is neither read nor counted, and nothing is compacted again.
    sent["messages"] += [{"role": "assistant", "content": answer["content"]}, {"role": "user", "content": "More."}]
    again = said(post(emulator, sent, THRESHOLD))
    assert [block["type"] for block in again["content"]] == ["text"]
    assert again["usage"]["input_tokens"] < 1_000
    assert [entry["type"] for entry in again["usage"]["iterations"]] == ["message"]
    cut = {**sent, "messages": sent["messages"][3:]}
    assert said(post(Emulator(["x"]), cut, THRESHOLD))["usage"]["input_tokens"] == again["usage"]["input_tokens"]


def test_cmp_06_pause_after_compaction() -> None:
    answer = said(post(Emulator([]), long_chat(pause_after_compaction=True), THRESHOLD))
    assert [block["type"] for block in answer["content"]] == ["compaction"]
    assert answer["stop_reason"] == "compaction"


def test_cmp_09_a_summary_that_fails_leaves_a_null_block() -> None:
    """CMP-04, CMP-09: the block is a no-op, whether or not it is sent back."""
    sent = long_chat()
    emulator = Emulator([[THOUGHT, TEXT], "a", "b"], summaries=[""] * 3)
    answer = said(post(emulator, sent, THRESHOLD))
    assert answer["content"][0] == {"type": "compaction", "content": None}
    for content in (answer["content"], answer["content"][1:]):
        more = [*sent["messages"], {"role": "assistant", "content": content}, {"role": "user", "content": "More."}]
        assert post(emulator, {**sent, "messages": more}, THRESHOLD).status == 200


def test_replay_02_the_latest_thinking_of_an_open_round_cannot_be_changed() -> None:
    """V-REPLAY-1, REPLAY-02, and with manual thinking THINK-07"""
    chat = Chat(Emulator([[THOUGHT, CALL], "Done."]), KEEPS, thinking=ADAPTIVE, tools=[TOOL])
    chat.say("Look.")
    chat.body["messages"].append({"role": "user", "content": [RESULT]})
    edited = chat.copy()
    del edited["messages"][1]["content"][0]
    assert refused(post(chat.emulator, edited)) == (
        "messages.1.content.0: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be "
        "modified. These blocks must remain as they were in the original response."
    )
    assert chat.send().status == 200


def test_replay_03_thinking_of_a_finished_turn_may_be_left_out() -> None:
    chat = Chat(Emulator([[THOUGHT, TEXT], "Done."]), KEEPS, thinking=ADAPTIVE)
    chat.say("Look.")
    chat.body["messages"].append({"role": "user", "content": "More."})
    edited = chat.copy()
    del edited["messages"][1]["content"][0]
    assert post(chat.emulator, edited).status == 200


def test_replies_that_differ_in_thinking_alone_are_told_apart() -> None:
    emulator = Emulator([[{**THOUGHT, "thinking": f"Thought {number}."}, CALL] for number in range(3)] + ["x"] * 3)
    chats = [Chat(emulator, KEEPS, thinking=ADAPTIVE, tools=[TOOL]) for _ in range(3)]
    for number, chat in enumerate(chats):
        chat.say(f"Look {number}.")
        chat.body["messages"].append({"role": "user", "content": [RESULT]})
    assert [chat.send().status for chat in chats] == [200, 200, 200]


def test_a_model_that_is_not_there() -> None:
    """ERR-02; recorded: pydantic/pydantic-ai"""
    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        sent = body("claude-does-not-exist")
        if path.endswith("tokens"):
            del sent["max_tokens"]
        response = post(Emulator(), sent, path=path)
        assert refused(response, 404) == "model: claude-does-not-exist"
        assert response.json["error"]["type"] == "not_found_error"


def test_a_broken_rule_is_told_in_the_words_of_the_api() -> None:
    sent = body(
        KEEPS,
        messages=[{"role": "user", "content": "x"}, {"role": "assistant", "content": [CALL]}, *body()["messages"]],
    )
    assert refused(post(Emulator(), sent)).startswith(
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1."
    )


def test_replies_that_fail_are_the_emulators_fault() -> None:
    def broken(request: object) -> str:
        raise KeyError("model")

    response = post(Emulator(broken), body())
    assert refused(response, 500) == "the emulator's own replies failed: KeyError: 'model'"
    assert response.headers["x-should-retry"] == "false"
    spent = post(Emulator([]), body())
    assert refused(spent, 500) == "the emulator's script is used up after 0 replies"
    assert post(Emulator(lambda request: {"stop_reason": "end_turn"}), body()).status == 500


def test_input_is_not_changed() -> None:
    chat = Chat(Emulator(), BOUND)
    chat.say("One.")
    chat.body["messages"].append({"role": "user", "content": "Two."})
    before = chat.copy()
    chat.send()
    assert chat.body == before
