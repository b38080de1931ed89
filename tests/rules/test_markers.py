from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.rules import View
from ctxwindow.rules.markers import automatic, last_cacheable, markers

FIVE: dict[str, Any] = {"type": "ephemeral"}
HOUR: dict[str, Any] = {"type": "ephemeral", "ttl": "1h"}


def text(value: str = "a", **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **more}


def user(*blocks: Any, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks), **more}


def test_markers_come_in_the_order_of_rendering() -> None:
    """CACHE-01: tools, system, messages; inner blocks after the block that they are in."""
    result = {"type": "tool_result", "tool_use_id": "t", "content": [text(cache_control=FIVE)], "cache_control": HOUR}
    defined = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": {"cache_control": FIVE}}}
    request = {
        "tools": [{"name": "f"}, {"name": "g", "cache_control": HOUR}],
        "system": [text(cache_control=HOUR)],
        "messages": [user(text(), text(cache_control=None), result), {"role": "system", "content": [defined]}],
    }
    found = markers(View.of(request))
    assert [(marker.field, marker.ttl) for marker in found] == [
        ("tools.1.cache_control", "1h"),
        ("system.0.cache_control", "1h"),
        ("messages.0.content.2.cache_control", "1h"),
        ("messages.0.content.2.content.0.cache_control", "5m"),
        ("messages.1.content.0.tool.definition.cache_control", "5m"),
    ]


def test_cmp_13() -> None:
    """A compaction block may carry a breakpoint; one at the end of system outlives compactions."""
    block = {"type": "compaction", "content": "So far.", "cache_control": FIVE}
    request = {"system": [text(cache_control=FIVE)], "messages": [{"role": "assistant", "content": [block]}]}
    assert [marker.path for marker in markers(View.of(request))] == ["system.0", "messages.0.content.0"]


def test_an_input_is_data_and_holds_no_markers() -> None:
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {"content": [text(cache_control=FIVE)]}}
    assert markers(View([{"role": "assistant", "content": [call]}])) == []


def test_the_automatic_marker() -> None:
    assert automatic(View.of({})) is None
    top = automatic(View.of({"cache_control": HOUR}))
    assert top is not None
    assert (top.field, top.ttl) == ("cache_control", "1h")


@pytest.mark.parametrize(
    ("messages", "last"),
    [
        ([], {}),
        ([user(text("a"), text("b"))], text("b")),
        ([user(text("a"), text(""))], text("a")),
        ([user(text("a")), {"role": "assistant", "content": [{"type": "thinking", "thinking": ""}]}], text("a")),
        ([user(text("a")), {"role": "system", "content": "b", "clear_at": "next_user_message"}], text("a")),
        (["junk", user("junk")], {}),
    ],
)
def test_cache_03_walks_back_over_what_may_carry_no_marker(messages: list[Any], last: dict[str, Any]) -> None:
    assert last_cacheable(View(messages)) == last
