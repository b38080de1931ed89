"""The work of a send follows what is new: told by calls of functions, which no other work of the machine disturbs."""

from __future__ import annotations

from ctxwindow import Conversation, Policy, Send
from tests.work import calls_of

MAX_TOKENS = 1_000


def a_round(conversation: Conversation, number: int) -> None:
    assert isinstance(conversation.plan(max_tokens=MAX_TOKENS), Send)
    call = {"type": "tool_use", "id": f"toolu_{number:06}", "name": "read", "input": {"path": "tests/test_it.py"}}
    conversation.receive({"content": [call], "stop_reason": "tool_use"})
    result = {"type": "tool_result", "tool_use_id": f"toolu_{number:06}", "content": "def test_it(): ..."}
    conversation.append({"role": "user", "content": [result]})


def built(rounds: int) -> Conversation:
    conversation = Conversation.start(model="claude-opus-4-6", system="Be brief.", policy=Policy())
    conversation.append({"role": "user", "content": "Fix every failing test."})
    for number in range(rounds):
        a_round(conversation, number)
    return conversation


def test_a_round_costs_the_same_after_any_history() -> None:
    """Nothing but the list of messages in the request grows with the history."""
    work = {}
    for rounds in (40, 1_000):
        conversation = built(rounds)
        a_round(conversation, rounds)  # what is looked up once is looked up
        work[rounds] = calls_of(lambda: a_round(conversation, 999_999))  # noqa: B023 - it is called at once
    assert work[1_000] <= work[40] * 1.02 + 20, work


def test_a_rewind_costs_the_path_once_and_then_nothing() -> None:
    conversation = built(200)
    whole = calls_of(lambda: built(200))
    assert calls_of(lambda: conversation.rewind(to=201)) < whole, "no more than it took to come there"
    a_round(conversation, 999_998)
    after = calls_of(lambda: a_round(conversation, 999_999))
    fresh = built(100)
    a_round(fresh, 999_998)
    assert after <= calls_of(lambda: a_round(fresh, 999_999)) * 1.02 + 20
