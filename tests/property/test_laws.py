"""The laws of the design, over generated conversations, on a model of each family.

Laws 5, 10, 11 and 12 have tests of their own elsewhere or come with what they are about.
"""

from __future__ import annotations

import copy
import itertools
import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow import Conversation, Policy, Send, check
from ctxwindow.catalog import resolve
from ctxwindow.errors import WindowOverflow
from ctxwindow.record import Prefix, decode_event, encode_event
from ctxwindow.record.blocks import blocks_of, is_thinking
from ctxwindow.testing import Step, conversations
from tests.driver import FAMILIES, MAX_TOKENS, drive, small

models = st.sampled_from(FAMILIES)
policies = st.one_of(
    st.integers(min_value=2_500, max_value=12_000).map(small),
    st.builds(
        lambda budget, methods: small(budget, methods=methods),
        st.integers(min_value=4_000, max_value=12_000),
        st.sampled_from(
            [("spill", "summarize_all"), ("summarize_keep_tail", "summarize_all"), ("spill", "summarize_keep_tail")]
        ),
    ),
)


def _run(steps: list[Step], model: str, policy: Policy) -> tuple[Conversation, list[Send], WindowOverflow | None]:
    conversation = Conversation.start(model=model, system="Be brief.", policy=policy)
    sends: list[Send] = []
    try:
        sends.extend(drive(conversation, steps))
    except WindowOverflow as overflow:
        return conversation, sends, overflow
    return conversation, sends, None


@given(conversations(), models, policies)
def test_law_1_nothing_is_lost(steps: list[Step], model: str, policy: Policy) -> None:
    """Every appended message can be read back from the record, JSON-equal to what was given."""
    given_steps = copy.deepcopy(steps)
    conversation, _, _ = _run(steps, model, policy)
    assert steps == given_steps, "what was given was mutated"
    fed = [step.message for step in steps][: len(conversation.messages)]
    assert json.dumps(list(conversation.messages)) == json.dumps(fed)
    again = Conversation.fold(decode_event(encode_event(event)) for event in conversation.events)
    assert json.dumps(list(again.messages)) == json.dumps(fed)


@given(conversations(), models, policies)
def test_law_2_every_wire_is_valid(steps: list[Step], model: str, policy: Policy) -> None:
    """A planned request breaks no rule of the rulebook that the API answers with an error, for its model."""
    _, sends, _ = _run(steps, model, policy)
    for send in sends:
        errors = [violation for violation in check(send.request) if violation.severity == "error"]
        assert not errors


@given(conversations(), models, policies)
def test_law_3_every_wire_fits(steps: list[Step], model: str, policy: Policy) -> None:
    """window + reserved output <= the budget, or a WindowOverflow says which blocks cannot shrink."""
    _, sends, overflow = _run(steps, model, policy)
    assert policy.budget is not None
    for send in sends:
        assert send.window.high + MAX_TOKENS <= policy.budget
    if overflow is not None:
        assert overflow.need > overflow.limit == policy.budget
        assert overflow.floor


@given(conversations(), models, policies)
def test_law_4_append_only_inside_an_epoch(steps: list[Step], model: str, policy: Policy) -> None:
    """Each request extends the one before it under the equality of BIND-14."""
    _, sends, _ = _run(steps, model, policy)
    for before, after in itertools.pairwise(sends):
        if before.epoch == after.epoch:
            assert _chain(after)[: len(_chain(before))] == _chain(before)
        assert _chain(after)[-1] == after.fingerprint


def _chain(send: Send) -> list[str]:
    prefix = Prefix(send.request.get("system"), send.request.get("tools"))
    for message in send.request["messages"]:
        prefix.add(message)
    return prefix.chain


@given(conversations(), models, policies)
def test_law_5_no_thinking_on_the_wire_is_stale(steps: list[Step], model: str, policy: Policy) -> None:
    """No block on the wire fails the prefix check, and no block is dropped that could have stayed."""
    _, sends, _ = _run(steps, model, policy)
    bound = resolve(model).bound
    made: dict[str, str] = {}
    for send in sends:
        chain = _chain(send)
        blocks = [
            (json.dumps(block, sort_keys=True), chain[index])
            for index, message in enumerate(send.request["messages"])
            if message["role"] == "assistant"
            for block in blocks_of(message)
            if is_thinking(block)
        ]
        for block, prefix in blocks:
            assert made.setdefault(block, prefix) == prefix or not bound
        if bound and send.epoch > 0:
            continue
        sent = {block for block, _ in blocks}
        recorded = [message for message in send.request["messages"] if message["role"] == "assistant"]
        assert len(sent) <= sum(len(blocks_of(message)) for message in recorded)


@given(conversations(), models, policies)
def test_law_6_rounds_are_atomic(steps: list[Step], model: str, policy: Policy) -> None:
    """No cut splits a round; an open round is never compacted."""
    conversation, _, _ = _run(steps, model, policy)
    messages = [step.message for step in steps]
    for edit in conversation.compactions:
        calls = {
            block["id"]
            for message in messages[: edit.end]
            for block in blocks_of(message)
            if block["type"] == "tool_use"
        }
        results = {
            block["tool_use_id"]
            for message in messages[: edit.end]
            for block in blocks_of(message)
            if block["type"] == "tool_result"
        }
        assert calls == results


@given(conversations(), models, policies)
def test_law_7_progress(steps: list[Step], model: str, policy: Policy) -> None:
    """After a compaction usage is at or under the target; no loop of compactions can occur without new content."""
    conversation, sends, _ = _run(steps, model, policy)
    ends = [edit.end for edit in conversation.compactions]
    assert ends == sorted(set(ends))
    for edit in conversation.compactions:
        assert edit.target < edit.before
    for send in sends:
        if any(edit.method.startswith("summarize") for edit in send.edits):
            assert send.window.tokens <= conversation.compactions[send.epoch - 1].target
            assert all(edit.freed > 0 for edit in send.edits)


@given(conversations(), models, policies)
def test_law_8_determinism(steps: list[Step], model: str, policy: Policy) -> None:
    """The same events, policy and clock give the same plan, byte for byte."""
    one, first, _ = _run(steps, model, policy)
    two, second, _ = _run(steps, model, policy)
    assert [json.dumps(send.request) for send in first] == [json.dumps(send.request) for send in second]
    assert one.events == two.events
    folded = Conversation.fold(one.events)
    assert json.dumps(folded.wire) == json.dumps(one.wire)
    assert folded.window == one.window


_SCRIPT = """
import json, sys
from ctxwindow.testing import Step
from tests.driver import drive, small
from ctxwindow import Conversation
steps = [Step(kind, message) for kind, message in json.load(sys.stdin)]
conversation = Conversation.start(model="claude-opus-4-6", policy=small(4_000))
for send in drive(conversation, steps):
    print(json.dumps(send.request), send.window.tokens)
"""


def test_law_8_in_any_process() -> None:
    """... in any process: other hash seeds change nothing."""
    steps: list[tuple[str, Any]] = []
    for number in range(40):
        call = {"type": "tool_use", "id": f"t{number}", "name": "read", "input": {"path": f"src/file_{number}.py"}}
        result = {
            "type": "tool_result",
            "tool_use_id": f"t{number}",
            "content": f"def function_{number}(): pass\n" * 20,
        }
        steps.append(("append", {"role": "user", "content": f"Look at file {number}."}))
        steps.append(("receive", {"role": "assistant", "content": [call]}))
        steps.append(("append", {"role": "user", "content": [result]}))
        steps.append(("receive", {"role": "assistant", "content": [{"type": "text", "text": f"Read {number}."}]}))
    outputs = [
        subprocess.run(  # noqa: S603 - our own script
            [sys.executable, "-c", _SCRIPT],
            input=json.dumps(steps),
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1]
    assert outputs[0].count("\n") == 80


@given(conversations(), models, policies)
def test_law_9_the_books_balance(steps: list[Step], model: str, policy: Policy) -> None:
    """window = the sum over counted blocks + named overheads; every block has exactly one disposition, with a rule."""
    _, sends, _ = _run(steps, model, policy)
    for send in sends:
        window = send.window
        assert window.tokens == sum(window.by.values())
        assert window.by["overhead"] == sum(window.overheads.values())
        counted = sum(block.tokens for block in window.blocks if block.disposition == "counted")
        assert window.tokens == counted + window.by["overhead"]
        paths = [block.path for block in window.blocks]
        assert len(paths) == len(set(paths))
        assert all(block.rule for block in window.blocks)
        wire = send.request["messages"]
        listed = [path for path in paths if path.startswith("messages.")]
        assert len(listed) == sum(len(blocks_of(message)) for message in wire)


@given(conversations(), models)
def test_usage_pins_the_size(steps: list[Step], model: str) -> None:
    """CTX-16, CTX-17: a response's usage is the exact size of its request; later sizes build on it."""
    conversation = Conversation.start(model=model, policy=Policy(methods=()))
    exact = 10_000
    for step in steps:
        if step.kind == "append":
            conversation.append(step.message)
            continue
        decision = conversation.plan(max_tokens=10)
        assert isinstance(decision, Send)
        window = decision.window
        assert window.tokens == sum(window.by.values())
        if window.source != "estimated":
            assert window.low <= window.tokens <= window.high
        usage = {"input_tokens": exact, "output_tokens": 5}
        conversation.receive({"content": step.message["content"], "usage": usage})
        exact += 500


@pytest.mark.slow
@given(conversations(max_turns=12, max_rounds=10), models, policies)
def test_all_laws_on_longer_conversations(steps: list[Step], model: str, policy: Policy) -> None:
    """Laws 2, 3, 7 and 9 on conversations that compact several times."""
    conversation, sends, _ = _run(steps, model, policy)
    for send in sends:
        assert not [violation for violation in check(send.request) if violation.severity == "error"]
        assert send.window.high + MAX_TOKENS <= (policy.budget or 0)
        assert send.window.tokens == sum(send.window.by.values())
    ends = [edit.end for edit in conversation.compactions]
    assert ends == sorted(set(ends))
