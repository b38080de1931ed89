from __future__ import annotations

import copy
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.catalog import resolve
from ctxwindow.rules import prefix_report
from ctxwindow.rules.comparison import _overlap, compaction_of

BOUND = resolve("claude-opus-5-5")
TOOLS: list[Any] = [
    {"name": "read", "description": "Reads.", "input_schema": {"type": "object"}},
    {"name": "write", "input_schema": {"type": "object"}},
    {"name": "rare", "input_schema": {"type": "object"}, "defer_loading": True},
]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def thought(signature: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": "", "signature": signature}


def reply(number: int) -> dict[str, Any]:
    return {"role": "assistant", "content": [thought(f"s{number}"), {"type": "text", "text": f"answer {number}"}]}


def conversation(turns: int) -> dict[str, Any]:
    """A request with `turns` finished turns, a thinking block each, and one more user message."""
    messages = [message for number in range(turns) for message in (user(f"question {number}"), reply(number))]
    return {"system": "Be brief.", "tools": copy.deepcopy(TOOLS), "messages": [*messages, user(f"question {turns}")]}


def states(request: dict[str, Any], previous: dict[str, Any]) -> list[tuple[str, bool, str | None]]:
    """Path, validity and the first words of the reason of each block."""
    report = prefix_report(request, previous, BOUND)
    return [(state.path, state.valid, state.reason and state.reason.split(":")[0]) for state in report]


def valid(request: dict[str, Any], previous: dict[str, Any]) -> list[bool]:
    return [state.valid for state in prefix_report(request, previous, BOUND)]


def reasons(request: dict[str, Any], previous: dict[str, Any]) -> list[str | None]:
    return [reason for _, _, reason in states(request, previous)]


def without_thinking(request: dict[str, Any], *numbers: int) -> dict[str, Any]:
    changed = copy.deepcopy(request)
    for message in changed["messages"]:
        if isinstance(message["content"], list):
            message["content"] = [
                block for block in message["content"] if block.get("signature") not in {f"s{n}" for n in numbers}
            ]
    return changed


def test_appending_keeps_everything_valid() -> None:
    """BIND-13: the new reply's block is valid when nothing before it changed."""
    assert states(conversation(3), conversation(2)) == [
        ("messages.1.content.0", True, None),
        ("messages.3.content.0", True, None),
        ("messages.5.content.0", True, None),
    ]


def test_v_bind_1() -> None:
    """Of six blocks, dropping the first, the last five or all is fine; dropping only the second is not (BIND-10)."""
    old = conversation(6)
    assert valid(without_thinking(old, 0), old) == [True] * 5
    assert valid(without_thinking(old, 1, 2, 3, 4, 5), old) == [True]
    assert valid(without_thinking(old, *range(6)), old) == []
    assert states(without_thinking(old, 1), old) == [
        ("messages.1.content.0", True, None),
        *((f"messages.{1 + 2 * n}.content.0", False, "predecessor_missing [BIND-10]") for n in range(2, 6)),
    ]


def test_dropping_the_last_old_block_orphans_the_new_reply() -> None:
    """BIND-10: the run goes through the reply to the request before."""
    new = without_thinking(conversation(3), 1)
    assert valid(new, conversation(2)) == [True, False]
    assert valid(without_thinking(conversation(3), 0, 1), conversation(2)) == [True]


def test_reordered_blocks_are_not_a_run() -> None:
    old = conversation(2)
    new = copy.deepcopy(old)
    first, second = new["messages"][1]["content"], new["messages"][3]["content"]
    first[0], second[0] = second[0], first[0]
    assert valid(new, old) == [False, False]


def test_a_block_put_back_breaks_those_behind_it() -> None:
    """BIND-11: once removed, a block is never restored."""
    old = without_thinking(conversation(3), 0)
    assert states(conversation(3), old) == [
        ("messages.1.content.0", True, "unknown"),
        ("messages.3.content.0", False, "blocks_inserted [BIND-11]"),
        ("messages.5.content.0", False, "blocks_inserted [BIND-11]"),
    ]


@pytest.mark.parametrize("edit", ["first user message", "tool result", "system", "tools"])
def test_v_bind_2(edit: str) -> None:
    """A marker line in the first user message, an edited tool result, an edited system prompt: 400 each."""
    old = conversation(2)
    call = {"type": "tool_use", "id": "t", "name": "read", "input": {}}
    answer = [{"type": "tool_result", "tool_use_id": "t", "content": "the file"}]
    old["messages"] += [
        {"role": "assistant", "content": [thought("s9"), call]},
        {"role": "user", "content": answer},
        {"role": "assistant", "content": [thought("s10"), {"type": "text", "text": "done"}]},
        user("go on"),
    ]
    new = copy.deepcopy(old)
    expected: list[str | None]
    if edit == "first user message":
        new["messages"][0]["content"] += "\nmarker"
        expected = ["blocks_modified [BIND-12]"] * 4
    elif edit == "tool result":
        new["messages"][6]["content"][0]["content"] = "[cleared]"
        expected = [None, None, None, "blocks_modified [BIND-12]"]
    elif edit == "system":
        new["system"] += " Today is Monday."
        expected = ["system_changed [BIND-12]"] * 4
    else:
        new["tools"][1]["description"] = "Writes."
        expected = ["tools_changed [BIND-12]"] * 4
    assert reasons(new, old) == expected
    assert valid(new, old) == [reason is None for reason in expected]


def test_v_bind_3() -> None:
    """Tools reordered, cache_control moved, string wrapped, trailing space, a deferred tool added: no mismatch."""
    old = conversation(2)
    new = copy.deepcopy(conversation(3))
    new["tools"] = [*reversed(new["tools"]), {"name": "new", "input_schema": {}, "defer_loading": True}]
    text = {"type": "text", "text": "question 0 ", "cache_control": {"type": "ephemeral"}}
    new["messages"][0] = {"role": "user", "content": [text]}
    assert valid(new, old) == [True, True, True]


def test_removed_and_inserted_messages_are_told_apart() -> None:
    old = conversation(3)
    shorter, longer = copy.deepcopy(old), copy.deepcopy(old)
    del shorter["messages"][:2]
    longer["messages"].insert(2, user("and another thing"))
    assert reasons(shorter, old) == ["blocks_removed [BIND-12]", "blocks_removed [BIND-12]"]
    assert reasons(longer, old) == [None, "blocks_inserted [BIND-12]", "blocks_inserted [BIND-12]"]
    (state, _) = prefix_report(shorter, old, BOUND)
    assert state.reason is not None
    assert state.reason.endswith("is missing from this request, starting at `messages.0`.")


def test_a_definition_of_a_loaded_tool_counts_from_where_it_was_named() -> None:
    """BIND-14: a deferred tool is outside the prefix until a reference names it."""
    old = conversation(2)
    old["messages"][2] = {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "x", "content": [{"type": "tool_reference", "tool_name": "rare"}]}
        ],
    }
    new = copy.deepcopy(old)
    new["tools"][2]["description"] = "Rarely."
    assert reasons(new, old) == [None, "tools_changed [BIND-12]"]


def test_content_behind_a_block_in_its_own_message_does_not_count() -> None:
    old = conversation(1)
    after, before = copy.deepcopy(old), copy.deepcopy(old)
    after["messages"][1]["content"].append({"type": "text", "text": "more"})
    assert valid(after, old) == [True]
    before["messages"][1]["content"].insert(0, {"type": "text", "text": "first"})
    assert valid(before, old) == [False]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ((0, 1, 2, 3), [None, None]),
        ((0, 2, 1, 3), [None, "blocks_replaced [BIND-31]"]),
        ((1, 0, 2, 3), ["blocks_replaced [BIND-31]", None]),
        ((0, 1, 3, 2), [None, "blocks_replaced [BIND-31]"]),
    ],
)
@pytest.mark.parametrize("latest", [False, True])
def test_the_place_of_a_block_among_the_blocks_of_its_message_counts(
    order: tuple[int, ...], expected: list[str | None], latest: bool
) -> None:
    """BIND-31: thinking moved inside its own message. Thinking itself is no part of what is compared (BIND-14)."""
    text = {"type": "text", "text": "note"}
    blocks = [thought("s8"), text, thought("s9"), {"type": "text", "text": "done"}]
    old = {**conversation(0), "messages": [user("q"), {"role": "assistant", "content": blocks}, user("on")]}
    if not latest:
        old["messages"] += [{"role": "assistant", "content": "a"}, user("and on")]
    new = copy.deepcopy(old)
    new["messages"][1]["content"] = [blocks[at] for at in order]
    assert reasons(new, old) == expected


def test_blank_text_dropped_before_a_block_is_no_move() -> None:
    """BIND-14."""
    old, new = conversation(2), conversation(2)
    old["messages"][1]["content"][:0] = [{"type": "text", "text": "\n"}]
    assert valid(new, old) == [True, True]


def test_a_branch_before_the_divergence_is_not_an_edit() -> None:
    """BIND-16: edit and resubmit of the latest user turn."""
    new = copy.deepcopy(conversation(2))
    new["messages"][4] = user("another question")
    assert valid(new, conversation(2)) == [True, True]
    del new["messages"][2:]
    assert valid(new, conversation(2)) == [True]


def test_unbound_models_are_not_checked() -> None:
    new = conversation(2)
    new["system"] = "Another."
    assert [(s.valid, s.reason) for s in prefix_report(new, conversation(2), resolve("claude-opus-4-8"))] == [
        (True, None),
        (True, None),
    ]
    assert not any(state.valid for state in prefix_report(new, conversation(2)))  # an unknown model counts as bound


def block(signature: str | None = "c") -> dict[str, Any]:
    return {"type": "compaction", "content": "So far.", **({} if signature is None else {"signature": signature})}


def adopted(old: dict[str, Any], cut: int, *more: dict[str, Any]) -> dict[str, Any]:
    """`old` with a signed block in place of its first `cut` messages, and further messages."""
    first = {"role": "assistant", "content": [block()]}
    return {**old, "messages": [first, *copy.deepcopy(old["messages"][cut:]), *more]}


def test_a_tail_kept_behind_a_signed_block_stays_valid() -> None:
    """CMP-30: the kept messages directly follow the summarised ones, unchanged, under another role."""
    old = conversation(3)
    assert states(adopted(old, 4, reply(3), user("on")), old) == [
        ("messages.2.content.0", True, None),
        ("messages.4.content.0", True, None),
    ]


def test_a_tail_kept_in_the_message_of_the_block_stays_valid() -> None:
    """CMP-21: the block may also be the first block of the first kept message."""
    old = conversation(2)
    merged = {"role": "user", "content": [block(), {"type": "text", "text": "question 1"}]}
    new = {**old, "messages": [merged, *copy.deepcopy(old["messages"][3:])]}
    assert states(new, old) == [("messages.1.content.0", True, None)]


def test_a_tail_that_does_not_follow_is_lost() -> None:
    old = conversation(3)
    gap = adopted(old, 4)
    gap["messages"][1]["content"] = "rewritten"
    assert valid(gap, old) == [False]
    assert reasons(adopted(old, 0), old) == ["blocks_removed [CMP-30]"] * 3
    old["messages"].insert(4, user("first this"))
    assert reasons(adopted(old, 5), old) == ["blocks_removed [CMP-30]"]
    assert reasons(adopted(old, 4), old) == [None]


def test_nothing_kept_and_nothing_before_are_no_mistake() -> None:
    old = conversation(1)
    assert states(adopted(old, 3), old) == []
    assert states(adopted(old, 3, user("on")), {**old, "messages": []}) == []


def test_a_block_that_was_not_signed_carries_no_tail() -> None:
    """BIND-15 restarts the prefix at the block; CMP-30 speaks of signed blocks only."""
    old = conversation(3)
    new = adopted(old, 4)
    del new["messages"][0]["content"][0]["signature"]
    assert valid(new, old) == [False]


def test_system_and_tools_count_behind_a_compaction_too() -> None:
    """CMP-30 and CMP-31."""
    old = conversation(3)
    new = {**adopted(old, 4), "system": "Another."}
    assert reasons(new, old) == ["system_changed [BIND-12]"]


def test_after_adoption_the_prefix_starts_at_the_block() -> None:
    """BIND-15."""
    old = adopted(conversation(3), 4)
    new = {**old, "messages": [*copy.deepcopy(old["messages"]), reply(3), user("on")]}
    assert valid(new, old) == [True, True]
    new["messages"][0]["content"][0]["content"] = "Rewritten."
    assert valid(new, old) == [False, False]
    del new["messages"][0]
    assert valid(new, old) == [False, False]


def test_thinking_before_a_threshold_block_is_not_read() -> None:
    """CMP-02 and BIND-15: messages before the last block may be dropped."""
    old = conversation(2)
    turn = {"role": "assistant", "content": [block(None), thought("s2"), {"type": "text", "text": "a"}]}
    new = {**old, "messages": [*copy.deepcopy(old["messages"]), turn, user("on")]}
    expected = [(f"messages.{at}.content.0", True, "ignored [CMP-02, BIND-15]") for at in (1, 3)]
    assert states(new, old) == [*expected, ("messages.5.content.1", True, None)]
    later = {**new, "messages": [*copy.deepcopy(new["messages"][5:]), reply(3), user("more")]}
    assert states(later, new) == [("messages.0.content.1", True, None), ("messages.2.content.0", True, None)]


def test_the_last_compaction_block_with_content_counts() -> None:
    failed = {"role": "assistant", "content": [{"type": "compaction", "content": None}]}
    messages = [{"role": "assistant", "content": [block("a"), block("b")]}, failed]
    found = compaction_of(messages)
    assert found is not None
    assert (found.message, found.place, found.block["signature"]) == (0, 1, "b")
    assert compaction_of([failed]) is None


@given(st.lists(st.sampled_from("ab"), max_size=8), st.lists(st.sampled_from("ab"), max_size=8))
def test_overlap_is_the_longest_end_that_is_a_beginning(old: list[str], kept: list[str]) -> None:
    longest = max(n for n in range(min(len(old), len(kept)) + 1) if old[len(old) - n :] == kept[:n])
    assert _overlap(old, kept) == longest


edits = st.sampled_from(["drop", "insert", "rewrite", "swap"])


@given(turns=st.integers(1, 5), edit=edits, at=st.integers(0, 9))
def test_any_edit_of_a_message_takes_all_later_thinking_and_nothing_earlier(turns: int, edit: str, at: int) -> None:
    """BIND-12: editing, reordering or deleting a message while keeping later thinking invalidates that thinking."""
    old = conversation(turns)
    new = copy.deepcopy(old)
    messages = new["messages"]
    at %= len(messages)
    if edit == "drop":
        del messages[at]
    elif edit == "insert":
        messages.insert(at, user("between"))
    elif edit == "rewrite":
        messages[at] = user("rewritten")
    elif at + 1 < len(messages):
        messages[at], messages[at + 1] = messages[at + 1], messages[at]
    report = prefix_report(new, old, BOUND)
    places = [int(state.path.split(".")[1]) for state in report]
    for place, state in zip(places, report, strict=True):
        same_before = messages[:place] == old["messages"][:place] and messages[place] == old["messages"][place]
        assert state.valid == same_before


# ---- the exchange with its reply


def response(number: int, **fields: Any) -> dict[str, Any]:
    return {"model": "claude-opus-5-5", "content": reply(number)["content"], "stop_reason": "end_turn", **fields}


def test_with_the_reply_its_blocks_are_known_one_by_one() -> None:
    old, new = conversation(2), conversation(3)
    pair = (old, response(2))
    assert [state.valid for state in prefix_report(new, pair, BOUND)] == [True, True, True]
    foreign = copy.deepcopy(new)
    foreign["messages"][5]["content"][0]["signature"] = "of another conversation"
    assert [state.state for state in prefix_report(foreign, old, BOUND)] == ["valid", "valid", "valid"]
    assert [state.state for state in prefix_report(foreign, pair, BOUND)] == ["valid", "valid", "unknown"]


def test_a_reply_left_out_is_a_missing_predecessor_of_the_next() -> None:
    old = conversation(2)
    kept = without_thinking(conversation(4), 2)
    states_now = prefix_report(kept, (old, response(2)), BOUND)
    assert [(state.state, state.kind, state.rule) for state in states_now] == [
        ("valid", None, None),
        ("valid", None, None),
        ("missing_predecessor", "predecessor_missing", "BIND-10"),
    ]


def test_an_edit_of_the_reply_is_seen_with_it_only() -> None:
    old, new = conversation(2), conversation(3)
    new["messages"][5]["content"].insert(0, {"type": "text", "text": "Thinking it over."})
    assert [state.state for state in prefix_report(new, (old, response(2)), BOUND)] == ["valid", "valid", "stale"]
    assert [state.state for state in prefix_report(new, old, BOUND)] == ["valid", "valid", "valid"]


def test_a_tail_kept_behind_the_block_that_the_reply_brought() -> None:
    """CMP-28: the reply to an on-demand compaction takes the place of the messages that it summarises."""
    old = conversation(3)
    asked = {**old, "messages": old["messages"][:4], "compaction": {"type": "summarize"}}
    answer = {"model": "claude-opus-5-5", "content": [block()], "stop_reason": "compaction"}
    for previous in ((asked, answer), asked):
        assert [state.state for state in prefix_report(adopted(old, 4), previous, BOUND)] == ["valid"]
        assert [state.rule for state in prefix_report(adopted(old, 0), previous, BOUND)] == ["CMP-30"] * 3


@pytest.mark.parametrize("cut", [2, 3])
def test_a_tail_that_overlaps_what_a_compaction_summarised_is_lost(cut: int) -> None:
    """CMP-30: all messages of a compaction request were summarised, so those kept follow the last of them."""
    old = conversation(3)
    asked = {**old, "messages": old["messages"][:4], "compaction": {"type": "summarize"}}
    answer = {"model": "claude-opus-5-5", "content": [block()], "stop_reason": "compaction"}
    report = prefix_report(adopted(old, cut), (asked, answer), BOUND)
    assert [state.rule for state in report] == ["CMP-30", "CMP-30"]
    # A block of another compaction, in the background perhaps: where that was cut is not known.
    for content in ([block("other")], []):
        other = {**answer, "content": content}
        report = prefix_report(adopted(old, 2), ({**asked, "messages": old["messages"]}, other), BOUND)
        assert [state.state for state in report] == ["valid", "valid"]


def test_a_tail_may_repeat_the_words_that_were_summarised() -> None:
    """Behind a known cut nothing is told from words: what is kept is new."""
    old = conversation(2)
    asked = {**old, "messages": old["messages"][:4], "compaction": {"type": "summarize"}}
    again = {"role": "assistant", "content": [thought("new"), {"type": "text", "text": "answer 1"}]}
    first = {"role": "assistant", "content": [block()]}
    new = {**old, "messages": [first, user("question 1"), again, user("on")]}
    assert valid(new, asked) == [True]


def test_what_the_model_cannot_read_is_dropped_and_not_stale() -> None:
    """BIND-02 and BIND-18: the model check comes before the prefix check."""
    old = {**conversation(1), "model": "claude-opus-5-5"}
    new = {**conversation(2), "model": "claude-sonnet-5-5", "system": "Another."}
    found = prefix_report(new, (old, response(1)), resolve("claude-sonnet-5-5"))
    assert [(state.state, state.rule, state.valid) for state in found] == [("unreadable", "BIND-02", False)] * 2
    assert found[0].reason == (
        "model_binding_mismatch [BIND-02]: claude-sonnet-5-5 does not read the thinking of claude-opus-5-5, the model of the "
        "request before."
    )
    assert found[1].reason == (
        "model_binding_mismatch [BIND-02]: claude-sonnet-5-5 does not read the thinking of claude-opus-5-5."
    )
    # Of Opus 4.8 nothing is stated, and a gap is no claim.
    assert [state.state for state in prefix_report(new, old, resolve("claude-opus-4-8"))] == ["valid", "valid"]


def test_a_maker_that_is_not_known_is_not_judged() -> None:
    new, sonnet = conversation(2), resolve("claude-sonnet-5-5")
    for model in (None, "my-own-model"):
        old = {**conversation(1), "model": model}
        assert [state.state for state in prefix_report(new, old, sonnet)] == ["valid", "valid"]
    other = {**conversation(1), "model": "claude-opus-5-5"}
    states_now = prefix_report(without_thinking(new, 0), (other, response(1, model="my-own-model")), sonnet)
    assert [state.state for state in states_now] == ["valid"]


def test_comparing_costs_the_messages_and_no_more() -> None:
    def cost(turns: int) -> float:
        """Function calls, C functions included, for each message."""
        old, new, count = conversation(turns), conversation(turns + 1), 0
        new["messages"][turns] = user("edited in the middle")

        def hook(_frame: Any, event: str, _argument: Any) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        before = sys.getprofile()
        sys.setprofile(hook)
        try:
            prefix_report(new, (old, response(turns)), BOUND)
        finally:
            sys.setprofile(before)
        return count / len(new["messages"])

    assert cost(1_000) < 1.2 * cost(100)
