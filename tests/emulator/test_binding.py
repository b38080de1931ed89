from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.emulator import Emulator
from tests.emulator.scenes import BINDING, BOUND, COMPACT, KEEPS, Chat, body, post, refused, said

DROP = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}
TOOLS = [
    {"name": "read", "description": "Reads.", "input_schema": {"type": "object"}},
    {"name": "write", "input_schema": {"type": "object"}},
]
Body = dict[str, Any]


def thinking(number: int) -> list[dict[str, Any]]:
    return [{"type": "thinking", "thinking": f"Thought {number}."}, {"type": "text", "text": f"Reply {number}."}]


def chat(model: str = BOUND, *betas: str, turns: int = 6, emulator: Emulator | None = None, **fields: Any) -> Chat:
    """A conversation with a thinking block in each reply."""
    made = Chat(emulator or Emulator([thinking(number) for number in range(40)]), model, *betas, **fields)
    for number in range(turns):
        made.say(f"Question {number}?")
    made.body["messages"].append({"role": "user", "content": "And now?"})
    return made


def without(request: Body, *numbers: int) -> Body:
    """The request without the thinking of some replies."""
    for number in numbers:
        content = request["messages"][2 * number + 1]["content"]
        assert content[0]["type"] == "thinking"
        del content[0]
    return request


@pytest.mark.parametrize(
    ("dropped", "status"),
    [((0,), 200), ((1, 2, 3, 4, 5), 200), ((0, 1, 2, 3, 4, 5), 200), ((0, 5), 200), ((1,), 400)],
)
def test_v_bind_1(dropped: tuple[int, ...], status: int) -> None:
    """V-BIND-1, BIND-10: drop the first, the last five, all, both ends; the second only."""
    made = chat()
    response = post(made.emulator, without(made.copy(), *dropped))
    assert response.status == status
    if status == 400:
        text = refused(response)
        assert text.startswith(
            "messages.5.content.0: Invalid `signature` in `thinking` block. The block is bound to a "
        )
        assert text.endswith(
            "The `thinking` block that preceded this one when it was created is missing from this request."
        )


def marker(request: Body) -> None:
    request["messages"][0]["content"] += " [marker]"


def system(request: Body) -> None:
    request["system"] = "Be brief. It is Tuesday."


def description(request: Body) -> None:
    request["tools"][0]["description"] = "Reads a file."


def fewer(request: Body) -> None:
    del request["tools"][1]


def later(request: Body) -> None:
    request["messages"][4]["content"] = "Another question?"


def swapped(request: Body) -> None:
    request["messages"][0], request["messages"][2] = request["messages"][2], request["messages"][0]


@pytest.mark.parametrize(
    ("edit", "first", "diagnosis"),
    [
        (marker, 1, ""),
        (system, 1, "The `system` prompt differs from the one this block was created with."),
        (description, 1, "The `tools` list differs from the one this block was created with."),
        (fewer, 1, "The `tools` list differs from the one this block was created with."),
        (later, 5, ""),
        (swapped, 1, ""),
    ],
)
def test_v_bind_2(edit: Callable[[Body], None], first: int, diagnosis: str) -> None:
    """V-BIND-2, BIND-05, BIND-06, BIND-12: an edit before thinking draws a 400 at the first block behind it."""
    made = chat(system="Be brief.", tools=TOOLS)
    request = made.copy()
    edit(request)
    assert refused(post(made.emulator, request)) == (
        f"messages.{first}.content.0: Invalid `signature` in `thinking` block. The block is bound to a different "
        'conversation. Remove the block, or set `thinking.block_binding.prefix_mismatch_behavior` to "drop_block". That '
        f"setting requires the `{BINDING}` value in the `anthropic-beta` header. {diagnosis}".strip()
    )
    # With drop_block all of it goes, from the first that fails on (BIND-08, BIND-09), and is not counted (TOK-23).
    answer = said(post(made.emulator, {**request, "thinking": DROP}, BINDING))
    lost = [f"messages.{index}.content.0" for index in range(first, 12, 2)]
    assert answer["input_transformations"] == [
        {"type": "thinking_dropped", "path": path, "reason": "prefix_binding_mismatch"} for path in lost
    ]
    kept = without(made.copy(), *range((first - 1) // 2, 6))
    edit(kept)
    assert answer["usage"]["input_tokens"] == said(post(made.emulator, kept))["usage"]["input_tokens"]


def tools_reordered(request: Body) -> None:
    request["tools"].reverse()


def cache_marked(request: Body) -> None:
    request["messages"][2]["content"] = [
        {"type": "text", "text": request["messages"][2]["content"], "cache_control": {"type": "ephemeral"}}
    ]


def wrapped(request: Body) -> None:
    request["messages"][0]["content"] = [{"type": "text", "text": request["messages"][0]["content"]}]


def trailing(request: Body) -> None:
    request["messages"][0]["content"] += "  \n"


def deferred(request: Body) -> None:
    request["tools"].append({"name": "later", "input_schema": {"type": "object"}, "defer_loading": True})


def settings(request: Body) -> None:
    request.update(max_tokens=77, stop_sequences=["zzz"], output_config={"effort": "high"}, metadata={"user_id": "u"})


@pytest.mark.parametrize("edit", [tools_reordered, cache_marked, wrapped, trailing, deferred, settings])
def test_v_bind_3(edit: Callable[[Body], None]) -> None:
    """V-BIND-3, BIND-13, BIND-14: what the check ignores."""
    made = chat(system="Be brief.", tools=TOOLS)
    request = made.copy()
    edit(request)
    assert request != made.body
    assert post(made.emulator, request).status == 200


def test_bind_11_a_removed_block_is_never_put_back() -> None:
    made = chat(turns=2)
    whole = made.copy()
    made.body["messages"] = without(made.copy(), 0, 1)["messages"]
    answer = said(made.send())  # made while the others were gone
    whole["messages"] += [{"role": "assistant", "content": answer["content"]}, {"role": "user", "content": "More?"}]
    assert "preceded this one" in refused(post(made.emulator, whole))


def test_bind_16_a_branch_behind_the_last_thinking_is_no_edit() -> None:
    made = chat(turns=3)
    request = made.copy()
    request["messages"] = [*request["messages"][:4], {"role": "user", "content": "Something else?"}]
    assert post(made.emulator, request).status == 200
    request["messages"][-1]["content"] = "Something else again?"
    assert post(made.emulator, request).status == 200


def test_bind_04_old_accounts_are_checked_when_they_ask_for_it() -> None:
    """BIND-04, BIND-17, BIND-27"""
    made = chat(emulator=Emulator([thinking(number) for number in range(40)], new_account=False))
    request = made.copy()
    marker(request)
    answer = said(post(made.emulator, request))
    assert "input_transformations" not in answer
    listed = said(post(made.emulator, request, BINDING))["input_transformations"]
    assert listed == [
        {
            "type": "thinking_mismatch_allowed",
            "path": f"messages.{index}.content.0",
            "reason": "prefix_binding_mismatch",
        }
        for index in range(1, 12, 2)
    ]
    asks = {**request, "thinking": {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "error"}}}
    assert "bound to a different conversation" in refused(post(made.emulator, asks, BINDING))
    assert said(post(made.emulator, made.body, BINDING))["input_transformations"] == []


def test_bind_04_fable_5_2_is_checked_for_every_account() -> None:
    made = chat("claude-fable-5-2", emulator=Emulator([thinking(number) for number in range(40)], new_account=False))
    request = made.copy()
    marker(request)
    assert "bound to a different conversation" in refused(post(made.emulator, request))


def test_bind_03_other_models_are_not_checked() -> None:
    made = chat(KEEPS, thinking={"type": "adaptive"})
    request = made.copy()
    marker(request)
    assert post(made.emulator, without(request, 1)).status == 200


@pytest.mark.parametrize("model", [BOUND, KEEPS, "claude-haiku-4-5"])
@pytest.mark.parametrize("place", [5, -5])
def test_replay_04_corrupted_signatures_are_refused_on_every_model(model: str, place: int) -> None:
    """REPLAY-04, BIND-23: also with drop_block."""
    manual = "haiku" in model
    thinks = {"type": "enabled", "budget_tokens": 1_024} if manual else {"type": "adaptive"}
    made = chat(model, turns=2, thinking=thinks, max_tokens=2_000)
    request = made.copy()
    block = request["messages"][1]["content"][0]
    old = block["signature"][place]
    block["signature"] = (
        block["signature"][:place] + ("A" if old != "A" else "B") + block["signature"][place + 1 or None :]
    )
    assert refused(post(made.emulator, request)) == "messages.1.content.0: Invalid `signature` in `thinking` block"
    if model == BOUND:
        refused(post(made.emulator, {**request, "thinking": DROP}, BINDING))


@given(st.text(max_size=60))
def test_no_signature_can_be_made_up(signature: str) -> None:
    """REPLAY-04: a forged signature is rejected anywhere in the history."""
    forged = [
        {"role": "user", "content": "Hello."},
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "x", "signature": signature}, *thinking(1)[1:]],
        },
        {"role": "user", "content": "More."},
    ]
    assert "Invalid `signature` in `thinking` block" in refused(post(Emulator(), body(messages=forged)))
    marked = signature.startswith("EmU")
    assert post(Emulator(accept_foreign=True), body(messages=forged)).status == (
        400 if marked or not signature else 200
    )


def test_signatures_are_portable_between_emulators_with_one_secret() -> None:
    """THINK-15"""
    made = chat(turns=1)
    assert post(Emulator(), made.body).status == 200
    refused(post(Emulator(secret=b"another"), made.body))


def test_bind_02_unreadable_thinking_is_dropped_silently() -> None:
    """BIND-02, BIND-20, BIND-21, TOK-23"""
    made = chat("claude-fable-5-1", turns=2)
    switched = {**made.copy(), "model": BOUND}
    answer = said(post(made.emulator, switched))
    reported = said(post(made.emulator, switched, BINDING))["input_transformations"]
    assert [(entry["path"], entry["reason"]) for entry in reported] == [
        ("messages.1.content.0", "model_binding_mismatch"),
        ("messages.3.content.0", "model_binding_mismatch"),
    ]
    stripped = said(post(made.emulator, without(switched | made.copy() | {"model": BOUND}, 0, 1)))
    assert answer["usage"]["input_tokens"] == stripped["usage"]["input_tokens"]
    back = [
        *made.copy()["messages"],
        {"role": "assistant", "content": answer["content"]},
        {"role": "user", "content": "?"},
    ]
    assert post(made.emulator, {**made.body, "messages": back}).status == 200


def test_bind_19_thinking_of_some_models_stays_in_its_account() -> None:
    made = chat("claude-sonnet-5-5", turns=1)
    elsewhere = Emulator(account="another")
    answer = said(post(elsewhere, made.body, BINDING))
    assert [entry["reason"] for entry in answer["input_transformations"]] == ["organization_binding_mismatch"]
    opus = chat(BOUND, turns=1)
    assert said(post(elsewhere, opus.body, BINDING))["input_transformations"] == []


def test_bind_15_and_cmp_30_a_kept_tail_stays_valid_behind_a_signed_block() -> None:
    """BIND-15, CMP-28, CMP-30, V-CMP-3"""
    made = chat(turns=4)
    range_, tail = made.copy()["messages"][:4], made.copy()["messages"][4:]
    compacted = said(
        post(made.emulator, {**made.body, "messages": range_, "compaction": {"type": "summarize"}}, COMPACT)
    )
    adopted = [{"role": "assistant", "content": compacted["content"]}, *tail]
    answer = said(post(made.emulator, {**made.body, "messages": adopted}, COMPACT, BINDING))
    assert answer["input_transformations"] == []
    # It goes on from there, and from a second compaction.
    longer = [*adopted, {"role": "assistant", "content": answer["content"]}, {"role": "user", "content": "More?"}]
    assert said(post(made.emulator, {**made.body, "messages": longer}, COMPACT, BINDING))["input_transformations"] == []
    again = said(
        post(made.emulator, {**made.body, "messages": longer[:3], "compaction": {"type": "summarize"}}, COMPACT)
    )
    second = [{"role": "assistant", "content": again["content"]}, *longer[3:]]
    assert said(post(made.emulator, {**made.body, "messages": second}, COMPACT, BINDING))["input_transformations"] == []
    merged = [
        {"role": "user", "content": [*compacted["content"], {"type": "text", "text": tail[0]["content"]}]},
        *tail[1:],
    ]
    assert said(post(made.emulator, {**made.body, "messages": merged}, COMPACT, BINDING))["input_transformations"] == []


@pytest.mark.parametrize("how", ["gap", "edited", "system", "same role"])
def test_cmp_30_a_tail_that_does_not_follow_is_stale(how: str) -> None:
    made = chat(turns=4)
    messages = made.copy()["messages"]
    cut = 3 if how == "same role" else 4
    sent = {**made.body, "messages": messages[:cut], "compaction": {"type": "summarize"}}
    block = {"role": "assistant", "content": said(post(made.emulator, sent, COMPACT))["content"]}
    adopted = {
        "gap": [block, *messages[6:]],
        "edited": [block, {"role": "user", "content": "Edited?"}, *messages[5:]],
        "system": [block, *messages[4:]],
        "same role": [block, {"role": "user", "content": "Inserted."}, *messages[3:]],
    }[how]
    changed = {"system": "New."} if how == "system" else {}
    assert "bound to a different conversation" in refused(
        post(made.emulator, {**made.body, "messages": adopted, **changed}, COMPACT)
    )


def test_cmp_31_after_compacting_everything_system_may_change() -> None:
    made = chat(turns=2, system="Old.")
    sent = {**made.body, "compaction": {"type": "summarize"}}
    block = {"role": "assistant", "content": said(post(made.emulator, sent, COMPACT))["content"]}
    fresh = {**made.body, "system": "New.", "messages": [block, {"role": "user", "content": "Go on."}]}
    answer = said(post(made.emulator, fresh, COMPACT))
    fresh["messages"] += [{"role": "assistant", "content": answer["content"]}, {"role": "user", "content": "More?"}]
    assert said(post(made.emulator, fresh, COMPACT, BINDING))["input_transformations"] == []


def test_a_compaction_on_another_model_does_not_carry_thinking_over() -> None:
    """CMP-30: every compaction since that thinking ran on a preserved-thinking model."""
    made = chat(turns=3)
    messages = made.copy()["messages"]
    unbound = {**made.body, "model": "claude-opus-5", "messages": messages[:2], "compaction": {"type": "summarize"}}
    block = {"role": "assistant", "content": said(post(made.emulator, unbound, COMPACT))["content"]}
    assert "bound to" in refused(post(made.emulator, {**made.body, "messages": [block, *messages[2:]]}, COMPACT))


def test_redacted_thinking_is_bound_like_any_other() -> None:
    """THINK-10"""
    redacted = [{"type": "redacted_thinking", "data": "hidden"}, {"type": "text", "text": "Reply."}]
    made = Chat(Emulator([redacted, "a", "b"]))
    made.say("One?")
    assert made.last["content"][0]["data"] != "hidden"
    made.body["messages"].append({"role": "user", "content": "Two?"})
    assert made.send().status == 200
    made.body["system"] = "Changed."
    assert "bound to a different conversation" in refused(made.send())


@given(st.lists(st.booleans(), min_size=6, max_size=6))
def test_kept_thinking_is_one_unbroken_run(keep: list[bool]) -> None:
    """Kept thinking blocks are one unbroken run of the original sequence (BIND-10)."""
    made = chat()
    request = without(made.copy(), *(number for number, kept in enumerate(keep) if not kept))
    numbers = [number for number, kept in enumerate(keep) if kept]
    unbroken = not numbers or numbers == list(range(numbers[0], numbers[-1] + 1))
    # The last reply closes no turn: it may be left out (REPLAY-03).
    assert (post(made.emulator, request).status == 200) == unbroken
