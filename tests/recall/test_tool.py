from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow import Conversation, Policy
from ctxwindow.errors import InvalidRequest
from ctxwindow.recall import RECALL_TOOL
from ctxwindow.rules import find_violations
from ctxwindow.testing import Step, conversations
from tests.driver import FAMILIES, TOOLS, drive, plan, small
from tests.recall.scenes import MODEL, talk

OWN = {"name": "read", "input_schema": {"type": "object"}}


def start(tools: Any, *, recall: bool = True) -> Conversation:
    return Conversation.start(model=MODEL, tools=tools, policy=Policy(recall=recall))


def sent(conversation: Conversation) -> Any:
    conversation.append({"role": "user", "content": "Hello."})
    return unmarked(plan(conversation).request.get("tools"))


def unmarked(tools: Any) -> Any:
    """Without the cache marker that the last of them may carry: it is no part of the prefix (BIND-13)."""
    return tools and [{key: value for key, value in tool.items() if key != "cache_control"} for tool in tools]


@pytest.mark.parametrize(("given", "expected"), [(None, []), ([], []), ([OWN], [OWN])])
def test_the_tool_stands_at_the_end_from_the_first_request_on(given: Any, expected: list[Any]) -> None:
    conversation = start(given)
    assert sent(conversation) == [*expected, RECALL_TOOL]
    folded = Conversation.fold(conversation.events)
    assert folded.wire == conversation.wire
    conversation.receive({"content": "Hi.", "stop_reason": "end_turn"})
    assert sent(conversation) == [*expected, RECALL_TOOL]


def test_without_the_policy_there_is_none() -> None:
    assert sent(start([OWN], recall=False)) == [OWN]
    assert sent(start(None, recall=False)) is None


def test_a_tool_of_that_name_is_refused_at_once() -> None:
    with pytest.raises(InvalidRequest, match="named 'recall'") as error:
        start([OWN, {"name": "recall", "input_schema": {"type": "object"}}])
    assert error.value.path == "tools.1.name"
    start([{"name": "recall", "input_schema": {"type": "object"}}], recall=False)


def test_tools_that_are_none_are_refused_by_the_rules() -> None:
    with pytest.raises(InvalidRequest):
        start("read")


def test_the_definition_is_valid_and_not_shared() -> None:
    request = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "x"}], "tools": [RECALL_TOOL]}
    assert find_violations(request) == []
    conversation = start(None)
    sent(conversation)[0]["name"] = "changed"
    assert RECALL_TOOL["name"] == "recall"


def test_a_spilled_result_says_how_to_open_it_where_there_is_the_tool() -> None:
    for recall in (True, False):
        conversation = Conversation.start(model=MODEL, policy=Policy(budget=20_000, recall=recall))
        talk(conversation, "Read it.")
        conversation.append({"role": "user", "content": "Go on."})
        plan(conversation)
        call = {"type": "tool_use", "id": "t", "name": "read", "input": {}}
        conversation.receive({"content": [call], "stop_reason": "tool_use"})
        result = {"type": "tool_result", "tool_use_id": "t", "content": "long line of text\n" * 4_000}
        conversation.append({"role": "user", "content": [result]})
        request = plan(conversation).request
        shown = request["messages"][-1]["content"][0]["content"][0]["text"]
        assert ("handle: m4.0; open it with the recall tool]" in shown) is recall
        assert Conversation.fold(conversation.events).wire == conversation.wire  # law 8


@given(conversations(max_turns=4, max_rounds=3), st.sampled_from(FAMILIES), st.sampled_from([4_000, 1_000_000]))
def test_the_tools_never_change_and_every_request_is_valid(steps: list[Step], model: str, budget: int) -> None:
    conversation = Conversation.start(model=model, tools=TOOLS, policy=small(budget, recall=True), now=0.0)
    for send in drive(conversation, steps):
        assert unmarked(send.request["tools"]) == [*TOOLS, RECALL_TOOL]
        assert [found for found in find_violations(send.request) if found.severity == "error"] == []
