"""The laws of the design, over generated conversations, on a model of each family.

Laws 10, 11 and 12 have tests of their own elsewhere or come with what they are about.
"""

from __future__ import annotations

import copy
import functools
import itertools
import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxwindow import Conversation, Send
from ctxwindow.catalog import resolve
from ctxwindow.record import Prefix, decode_event, encode_event
from ctxwindow.record.blocks import blocks_of, is_thinking
from ctxwindow.record.surrogates import without_surrogates
from ctxwindow.record.turns import is_turn_start
from ctxwindow.rules import View, cuts, find_violations, prefix_report
from ctxwindow.testing import Step
from ctxwindow.tiers.wire import sendable
from ctxwindow.window import Billed, entry_for, size_message
from ctxwindow.window.before import START, Before
from tests.driver import FAMILIES, OUTPUT, Case, Run, Sent, cases, fixed_tokens, is_dead, run

MORE = settings(max_examples=50)
"""For laws that only a few conversations put to the test."""

BOUND = cases(models=((FAMILIES[-1], False),))


def _bound(case: Case) -> bool:
    return resolve(case.model).bound


def _thinking(message: Mapping[str, Any]) -> list[Any]:
    return [block for block in blocks_of(message) if is_thinking(block)]


def _on_wire(sent: Sent) -> dict[int, dict[str, Any]]:
    """The messages as sent, by record index. Only a head, at the front, has none."""
    messages = sent.send.request["messages"]
    heads = len(messages) - len(sent.hot)
    assert heads in (0, 1)
    return dict(zip(sent.hot, messages[heads:], strict=True))


def _chain(request: Mapping[str, Any]) -> list[str]:
    """Fingerprints of system, tools and the first 0, 1, 2 ... messages (BIND-14)."""
    prefix = Prefix(request.get("system"), request.get("tools"))
    for message in request["messages"]:
        prefix.add(message)
    return prefix.chain


def _compacted_at(result: Run, sent: Sent) -> int:
    """Record length when the epoch of a send began; 0 in the first."""
    return result.shrunk[sent.send.epoch - 1].record if sent.send.epoch else 0


def _open_turn(result: Run, sent: Sent) -> int:
    """Record index where the turn that waits for its next reply starts."""
    return max(
        index for index in result.live if index < sent.record and is_turn_start(result.case.steps[index].message)
    )


@given(cases())
def test_law_1_nothing_is_lost(case: Case) -> None:
    """Every appended message can be read back from the record, JSON-equal to what was given."""
    given_steps = copy.deepcopy(case.steps)
    conversation = run(case).conversation
    assert case.steps == given_steps, "what was given was mutated"
    fed = [step.message for step in case.steps][: len(conversation.messages)]
    assert json.dumps(list(conversation.messages)) == json.dumps(fed)
    again = Conversation.fold(decode_event(encode_event(event)) for event in conversation.events)
    assert json.dumps(list(again.messages)) == json.dumps(fed)


@given(cases())
def test_law_2_every_wire_is_valid(case: Case) -> None:
    """A planned request breaks no rule of the rulebook that the API answers with an error, for its model."""
    before: Send | None = None
    for sent in run(case).sends:
        previous = before.request if before is not None and before.epoch == sent.send.epoch else None
        found = find_violations(sent.send.request, previous=previous)
        assert not [violation for violation in found if violation.severity == "error"]
        before = sent.send


@given(cases())
def test_law_3_every_wire_fits(case: Case) -> None:
    """window + reserved output <= the budget, or a WindowOverflow says which blocks cannot shrink."""
    result = run(case)
    assert case.policy.budget is not None
    unsent = 0
    for sent in result.sends:
        window, reserved = sent.send.window, sent.send.request["max_tokens"]
        assert window.tokens + reserved <= case.policy.budget
        assert sent.send.sure == (window.high + reserved <= case.policy.budget)
        if not sent.send.sure:
            _assert_nothing_left(result, sent, unsent)
        unsent = sent.record
    if result.overflow is not None:
        assert result.overflow.need > result.overflow.limit == case.policy.budget
        assert sum(result.overflow.floor.values()) == result.overflow.need
        assert result.overflow.floor["max_tokens"] > 0


def _assert_nothing_left(result: Run, sent: Sent, unsent: int) -> None:
    """Spilling all that is unsent would not do, and one message with a summary would not surely fit either."""
    policy, profile = result.case.policy, resolve(result.case.model)
    wire = _on_wire(sent)
    first = 1 + max((index for index, message in wire.items() if message["role"] == "assistant"), default=-1)
    newest = {index: message for index, message in wire.items() if index >= first}
    limit = (policy.budget or 0) - sent.send.request["max_tokens"]
    if "spill" in policy.methods:
        whole = [
            size_message({"role": "user", "content": [block]}, profile).count.tokens
            for index, message in newest.items()
            for block in blocks_of(result.case.steps[index].message)
            if index >= unsent and block["type"] == "tool_result" and block in blocks_of(message)
        ]
        # A preview has a note, and up to a quarter of the result.
        spare = sum(tokens * 3 // 4 - 80 for tokens in whole if tokens > 250)
        assert sent.send.window.high - spare > limit
    # A paused reply goes back as it is, in its place (MSG-13): no message can carry it.
    if newest and first and "summarize_all" in policy.methods:
        asked = result.case.steps[_open_turn(result, sent)].message
        repeated = [*newest.values(), asked]
        floor = sum(size_message(message, profile).count.high for message in repeated)
        assert floor + result.fixed + 600 > limit


@MORE
@given(cases(again=(0, 400, 900)))
def test_law_4_append_only_inside_an_epoch(case: Case) -> None:
    """Each request extends the one before it under the equality of BIND-14, and its thinking is all still there."""
    sends = run(case).sends
    assert all(list(sent.hot) == sorted(set(sent.hot)) for sent in sends), "a message stands twice"
    for before, after in itertools.pairwise(sent.send for sent in sends):
        assert _chain(after.request)[-1] == after.fingerprint
        if before.epoch != after.epoch:
            continue
        assert _chain(after.request)[: len(before.request["messages"]) + 1] == _chain(before.request)
        old, new = _unmarked(before), _unmarked(after)
        assert new[: len(old)] == old


def _unmarked(send: Send) -> list[str]:
    """Each message as JSON without cache markers, which may move (BIND-13)."""
    return [
        json.dumps(
            {
                **message,
                "content": [
                    {key: value for key, value in block.items() if key != "cache_control"}
                    for block in blocks_of(message)
                ],
            }
        )
        for message in send.request["messages"]
    ]


@MORE
@given(st.one_of(BOUND, cases()))
def test_law_5_all_that_can_be_sent_is_sent(case: Case) -> None:
    """What is not behind a summary stands on the wire, thinking included, but for what a bound model would refuse."""
    result = run(case)
    for sent in result.sends:
        edit = result.shrunk[sent.send.epoch - 1].edit if sent.send.epoch else None
        stays = [index for index in result.live if index < sent.record]
        if edit is not None:
            carried = range(*edit.carried) if edit.carried is not None else range(0)
            roles = [step.message["role"] for step in case.steps]
            stays = [index for index in stays if index >= edit.tail or (index in carried and roles[index] == "system")]
        assert list(sent.hot) == stays
        in_loop = not is_turn_start(sent.send.request["messages"][-1])
        for index, message in _on_wire(sent).items():
            old = _bound(case) and index < _compacted_at(result, sent)
            # In an open loop nothing of its thinking may be missing, whatever the model (REPLAY-01).
            if message["role"] == "assistant" and (not old or (in_loop and index > _open_turn(result, sent))):
                assert _thinking(message) == _thinking(case.steps[index].message)


@MORE
@given(BOUND)
def test_law_5_no_thinking_is_stale(case: Case) -> None:
    """On a bound model each thinking block has the prefix before it that it was made with (BIND-05 to BIND-14)."""
    result = run(case)
    made: dict[str, str] = {}
    for step, fingerprint in zip(case.steps, _record_chain(case), strict=False):
        if step.kind == "append":
            made.update((_seal(block), fingerprint) for block in _thinking(step.message))
    previous = None
    for sent in result.sends:
        chain = _chain(sent.send.request)
        for place, message in enumerate(sent.send.request["messages"]):
            for block in _thinking(message):
                assert made[_seal(block)] == chain[place]
        if previous is not None:
            assert all(state.valid for state in prefix_report(sent.send.request, previous))
        previous = sent.send.request
        if sent.record < len(case.steps):
            reply = case.steps[sent.record].message
            made.update((_seal(block), chain[-1]) for block in _thinking(reply))


def _seal(block: Mapping[str, Any]) -> str:
    return str(block.get("signature") or block.get("data"))


def _record_chain(case: Case) -> list[str]:
    """For each step, the fingerprint of everything before it: what imported thinking was made with."""
    # Imported turns come first and hold nothing dead.
    live = [step.message for step in case.steps]
    return _chain({"system": "Be brief.", "tools": case.tools, "messages": live})


@given(cases())
def test_law_6_rounds_are_atomic(case: Case) -> None:
    """No cut splits a round, a server pair or a paused turn; an open round is never compacted."""
    result = run(case)
    live = set(result.live)
    for shrunk in result.shrunk:
        edit = shrunk.edit
        gone = [step for index, step in enumerate(case.steps[: edit.end]) if index in live]
        blocks = [block for step in gone for block in blocks_of(step.message)]
        calls = {block["id"] for block in blocks if block["type"] in ("tool_use", "server_tool_use")}
        results = {block["tool_use_id"] for block in blocks if block["type"].endswith("tool_result")}
        assert calls == results
        assert gone[-1].stop_reason != "pause_turn"
        assert edit.end <= edit.tail <= shrunk.record
        kept = [case.steps[index].message for index in range(edit.tail, shrunk.record) if index in live]
        assert not kept or kept[0]["role"] != "system", "SYS-04: what is kept does not begin with a system message"


@given(cases())
def test_law_6_whatever_may_be_cut_can_be_sent(case: Case) -> None:
    """Wherever the rules allow a cut, one user message and the rest make a valid request, and no turn is torn."""
    live = [step for step in case.steps if not is_dead(step)]
    profile = resolve(case.model)
    view = View([step.message for step in live], profile=profile, tools=case.tools, settings=case.settings)
    for index in cuts(view):
        kept = [step.message for step in live[index:]]
        assert not kept or kept[0]["role"] != "system", "SYS-04"
        assert live[index - 1].stop_reason != "pause_turn" or not kept, "MSG-13"
        head = {"role": "user", "content": "A summary."}
        request = {"model": case.model, "max_tokens": case.max_tokens, **case.settings, "messages": [head, *kept]}
        if case.tools is not None:
            request["tools"] = case.tools
        if kept and kept[-1]["role"] == "assistant":
            request["messages"].append({"role": "user", "content": "Go on."})
        assert not [violation for violation in find_violations(request) if violation.severity == "error"]


@given(cases())
def test_law_7_progress(case: Case) -> None:
    """An edit frees at least what the policy asks for or is not made; after a compaction usage is at or under the
    target; no loop of compactions can occur without new content."""
    result = run(case)
    ends = [shrunk.edit.end for shrunk in result.shrunk]
    assert ends == sorted(set(ends))
    for shrunk in result.shrunk:
        assert shrunk.edit.before == shrunk.before.tokens
        assert shrunk.after.tokens <= shrunk.edit.target
        assert shrunk.after.tokens < shrunk.before.tokens
        limit = (case.policy.budget or 0) - case.max_tokens - case.again
        room = limit - fixed_tokens(shrunk.before)
        if shrunk.before.high <= limit:
            assert shrunk.before.tokens - shrunk.after.tokens >= int(room * case.policy.min_gain)
            assert shrunk.before.tokens > int(room * case.policy.high)
    for sent in result.sends:
        assert all(edit.freed > 0 for edit in sent.send.edits if edit.method.startswith("summarize"))


@given(cases())
def test_law_7_the_request_in_progress_stands_word_for_word(case: Case) -> None:
    """Whatever is summarised, what the user asked last is on the wire in full, where the policy's share allows."""
    result = run(case)
    profile = resolve(case.model)
    for sent in result.sends:
        start = _open_turn(result, sent)
        if start in sent.hot:
            continue
        asked = without_surrogates(case.steps[start].message)  # which no request can carry
        limit = (case.policy.budget or 0) - case.max_tokens - case.again
        share = case.policy.instruction * (limit - result.fixed)
        if size_message(asked, profile).count.tokens > share:
            continue
        head = sent.send.request["messages"][0]
        shown = [block.get("text") for block in blocks_of(head)]
        assert all(block["text"] in shown for block in blocks_of(asked) if block["type"] == "text")


@given(cases())
def test_law_8_determinism(case: Case) -> None:
    """The same events, policy and clock give the same plan, byte for byte."""
    first, second = run(case), run(case)
    assert [json.dumps(sent.send.request) for sent in first.sends] == [
        json.dumps(sent.send.request) for sent in second.sends
    ]
    assert first.conversation.events == second.conversation.events
    folded = Conversation.fold(decode_event(encode_event(event)) for event in first.conversation.events)
    assert json.dumps(folded.wire) == json.dumps(first.conversation.wire)
    assert folded.window == first.conversation.window
    assert folded.hot() == first.conversation.hot()


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


@given(cases())
def test_law_9_the_books_balance(case: Case) -> None:
    """window = the sum over counted blocks + named overheads; every block has exactly one disposition, with a rule."""
    for sent in run(case).sends:
        window = sent.send.window
        assert window.tokens == sum(window.by.values())
        assert window.by["overhead"] == sum(window.overheads.values())
        counted = sum(block.tokens for block in window.blocks if block.disposition == "counted")
        assert window.tokens == counted + window.by["overhead"]
        assert window.low <= window.tokens <= window.high
        paths = [block.path for block in window.blocks]
        assert len(paths) == len(set(paths))
        assert all(block.rule for block in window.blocks)
        wire = sent.send.request["messages"]
        listed = [path for path in paths if path.startswith("messages.")]
        assert len(listed) == sum(len(blocks_of(message)) for message in wire)


@given(cases())
def test_law_9_a_reply_pins_the_size(case: Case) -> None:
    """CTX-16: the exact size that a reply tells is the size of its request; only what came since is estimated."""
    result = run(case)
    profile = resolve(case.model)
    for sent in result.sends:
        if sent.exact is None or sent.after is None:
            continue
        step, after = case.steps[sent.record], sent.after
        if after.doubt is not None:
            # What is not believed is a bound all the same, where the window can have it.
            assert after.low <= after.tokens <= after.high
            assert after.source != "exact"
            continue
        if is_dead(step):
            assert (after.tokens, after.source) == (sent.exact, "exact")
            continue
        before = functools.reduce(Before.then, sent.send.request["messages"], START)
        came = entry_for(step.message, profile, before=before, billed=_billed(case, step)).size.count
        assert sent.exact + came.low <= after.tokens <= sent.exact + came.high
        assert after.source == "anchored"


def _billed(case: Case, step: Step) -> Billed | None:
    """What the driver's usage says of a reply that goes out as it came; of a forced call it is not the whole."""
    choice = case.settings.get("tool_choice", {}).get("type")
    if choice in ("any", "tool") or sendable(step.message) != step.message:
        return None
    return Billed(output=OUTPUT, cut=step.stop_reason == "max_tokens")


@pytest.mark.slow
@given(cases(max_turns=14, max_rounds=8))
def test_all_laws_on_longer_conversations(case: Case) -> None:
    """Laws 2, 3, 7 and 9 on conversations that compact several times."""
    result = run(case)
    for sent in result.sends:
        assert not [violation for violation in find_violations(sent.send.request) if violation.severity == "error"]
        assert sent.send.window.tokens + sent.send.request["max_tokens"] <= (case.policy.budget or 0)
        assert sent.send.window.tokens == sum(sent.send.window.by.values())
    ends = [shrunk.edit.end for shrunk in result.shrunk]
    assert ends == sorted(set(ends))
