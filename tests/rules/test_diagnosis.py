from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.rules.diagnosis import of_head, of_messages

REMINDER = "<system-reminder>It is Monday.</system-reminder>"
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aa"}}
TOOLS: list[Any] = [{"name": "read", "input_schema": {}}, {"name": "write", "input_schema": {}}]


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": [text(part) if isinstance(part, str) else part for part in content]}


def reply(*content: Any) -> dict[str, Any]:
    return {**user(*content), "role": "assistant"}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def call(**given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": "t", "name": "read", "input": given}


def result(content: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t", "content": content}


def compaction(summary: str) -> dict[str, Any]:
    return {"type": "compaction", "content": summary, "signature": "c"}


OLD = [user("one"), reply("two"), user("three"), reply("four"), user("five")]


@pytest.mark.parametrize(
    ("now", "kind", "pattern"),
    [
        ({"system": "Be brief. It is Monday."}, "system_changed", "system_rerendered"),
        ({"system": None}, "system_changed", "system_blocks_stripped"),
        ({"system": [text("Be brief."), text("Tuesday.")]}, "system_changed", "system_rerendered"),
        ({"tools": TOOLS[:1]}, "tools_changed", "tool_set_changed"),
        ({"tools": [TOOLS[0], {**TOOLS[1], "description": "Writes."}]}, "tools_changed", "tool_schema_changed"),
        ({"system": "x", "tools": []}, "multiple", "system_and_tools_changed"),
    ],
)
def test_what_changed_before_all_messages(now: dict[str, Any], kind: str, pattern: str) -> None:
    old = {"system": "Be brief.", "tools": TOOLS}
    found = of_head({**old, **now}, old)
    assert found is not None
    assert (found.kind, found.pattern, found.rule) == (kind, pattern, "BIND-12")
    assert found.sentence.endswith(("this block was created with.",))


def test_one_of_several_system_blocks() -> None:
    old = {"system": [text("Be brief."), text("Monday.")]}
    for system, pattern in (
        ([text("Be brief."), text("Tuesday.")], "system_block_rerendered"),
        ([text("Be brief.")], "system_blocks_stripped"),
        ([text("Be long."), text("Tuesday.")], "system_rerendered"),
    ):
        found = of_head({"system": system}, old)
        assert found is not None
        assert found.pattern == pattern
    assert of_head(dict(old), old) is None


@pytest.mark.parametrize(
    ("now", "kind", "pattern"),
    [
        ([*OLD[2:]], "blocks_removed", "rolling_truncation"),
        ([user("before"), *OLD], "blocks_inserted", "block_inserted"),
        ([user("summary"), *OLD[3:]], "blocks_replaced", "tail_kept"),
        ([user("summary"), reply("I see."), *OLD[2:]], "blocks_modified", "first_message_rewritten"),
        ([user("summary"), reply("I see."), *OLD[4:]], "blocks_replaced", "tail_kept"),
        ([user("uno"), *OLD[1:]], "blocks_modified", "first_message_rewritten"),
        ([reply("elsewhere"), user("all new")], "unrelated", "foreign_prefix"),
        ([reply("elsewhere"), *OLD[3:]], "blocks_replaced", "tail_kept"),
        ([reply("elsewhere"), user("x"), user("y"), *OLD[3:]], "blocks_replaced", "unknown"),
    ],
)
def test_what_happened_to_the_messages(now: list[dict[str, Any]], kind: str, pattern: str) -> None:
    found = of_messages(now, OLD, start=True, where="messages.0")
    assert (found.kind, found.pattern) == (kind, pattern)
    assert found.sentence.endswith("starting at `messages.0`.")
    assert ("is missing from" in found.sentence) == (kind == "blocks_removed")


def test_a_reminder_that_was_a_message_of_its_own() -> None:
    system = {"role": "system", "content": "Be brief."}
    found = of_messages(OLD[1:], [system, *OLD[1:]], start=False, where="messages.1")
    assert (found.kind, found.pattern) == ("blocks_removed", "reminder_stripped")
    assert of_messages(OLD[2:], OLD, start=False, where="messages.1").pattern == "unknown"


@pytest.mark.parametrize(
    ("now", "old", "kind", "pattern"),
    [
        (user("a"), user("a", IMAGE), "blocks_removed", "media_stripped"),
        (user("a"), user("a", REMINDER), "blocks_removed", "reminder_stripped"),
        (user("a"), user("a", "b"), "blocks_removed", "history_block_stripped"),
        (user("a", "b"), user("a"), "blocks_inserted", "block_inserted"),
        (user("a", "[image]"), user("a", IMAGE), "blocks_modified", "media_stripped"),
        (user({**IMAGE, "source": {"data": "bb"}}), user(IMAGE), "media_content_changed", "unknown"),
        (user("a "), user("a", "b", "c"), "blocks_removed", "history_block_stripped"),
        (user("x", "y"), user("a"), "blocks_modified", "unknown"),
        (user("a"), user(f"a {REMINDER}"), "blocks_modified", "reminder_stripped"),
        (user("a b"), user("a\n b"), "blocks_modified", "reserialized"),
        (user("a b"), user("a c"), "blocks_modified", "unknown"),
        (user(result("gone")), user(result("all of it")), "blocks_modified", "tool_results_rewritten"),
        (user(result("gone")), user(result([IMAGE])), "blocks_modified", "media_stripped"),
        (reply(call(path="b")), reply(call(path="a")), "blocks_modified", "tool_use_rewritten"),
        (reply(compaction("b")), reply(compaction("a")), "blocks_modified", "compaction_summary"),
        (user("b", result("gone")), user("a", result("all")), "blocks_modified", "unknown"),
    ],
)
def test_what_happened_inside_one_message(now: Any, old: Any, kind: str, pattern: str) -> None:
    found = of_messages([now], [old], start=False, where="messages.4")
    assert (found.kind, found.pattern) == (kind, pattern)


def test_equal_messages_mean_that_a_tool_they_name_changed() -> None:
    """BIND-14: a deferred tool enters the prefix where it is named."""
    found = of_messages(OLD, OLD, start=True, where="messages.0")
    assert (found.kind, found.pattern) == ("tools_changed", "tool_schema_changed")
    assert found.reason.startswith("tools_changed [BIND-12]: The `tools` list differs")
