from __future__ import annotations

from ctxwindow import Conversation, Policy
from tests.driver import plan
from tests.recall.scenes import MODEL, opened, use, working


def test_what_stands_on_the_wire_is_in_front_of_the_model() -> None:
    conversation = opened("One.", "Two.")
    assert {hit.message for hit in conversation.recall() if hit.on_wire} == {0, 1, 2, 3}


def test_a_spilled_result_is_not_in_front_of_it_whole() -> None:
    (hit,) = working(budget=40_000).recall(handle="m4.0")
    assert hit.on_wire is False


def test_what_the_server_clears_is_sent_and_not_in_front_of_it() -> None:
    """EDIT-02: by the planner's edits, which say what they clear in the window."""
    conversation = Conversation.start(model=MODEL, policy=Policy(budget=12_000, methods=("clear_tool_uses",)), now=0.0)
    conversation.append({"role": "user", "content": "Read them all."})
    for number in range(12):
        use(conversation, "read", {"path": f"{number}.py"}, f"a line of file {number}\n" * 150)
    plan(conversation)
    paths = {block.path for block in conversation.window.blocks if block.disposition == "cleared"}
    assert paths
    cleared = {hit.path for hit in conversation.recall(k=100, kinds={"tool_result"}) if not hit.on_wire}
    assert cleared == paths
    assert all(hit.on_wire for hit in conversation.recall(k=100, kinds={"tool_use", "text"}))


def test_what_the_callers_own_edits_clear_is_not_in_front_of_it_either() -> None:
    edit = {
        "type": "clear_tool_uses_20250919",
        "trigger": {"type": "tool_uses", "value": 2},
        "keep": {"type": "tool_uses", "value": 1},
    }
    settings = {"context_management": {"edits": [edit]}, "betas": ["context-management-2025-06-27"]}
    conversation = Conversation.start(model=MODEL, settings=settings, now=0.0)
    conversation.append({"role": "user", "content": "Read them all."})
    for number in range(6):
        use(conversation, "read", {"path": f"{number}.py"}, f"a line of file {number}\n" * 20)
    seen = {hit.message for hit in conversation.recall(k=100, kinds={"tool_result"}) if hit.on_wire}
    assert seen == {12}
