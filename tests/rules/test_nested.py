from __future__ import annotations

from typing import Any

from ctxwindow.rules import View
from ctxwindow.rules.nested import all_blocks, with_inner


def paths(path: str, block: Any) -> list[tuple[str, Any]]:
    return [(place, part.get("type")) for place, part in with_inner(path, block)]


def test_inner_blocks_come_in_the_order_of_rendering() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "u"}}
    document = {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a"}, image]}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [document, "junk", image]}
    assert paths("p", result) == [
        ("p", "tool_result"),
        ("p.content.0", "document"),
        ("p.content.0.source.content.0", "text"),
        ("p.content.0.source.content.1", "image"),
        ("p.content.2", "image"),
    ]


def test_what_is_no_block_is_passed_over() -> None:
    messages = ["junk", {"role": "user", "content": "hi"}, {"role": "user", "content": [7, {"type": "text"}]}]
    assert [path for path, _ in all_blocks(View(messages))] == ["messages.1.content.0", "messages.2.content.1"]
    assert paths("p", {"content": {"content": []}, "source": 5}) == [("p", None)]


def test_deep_nesting_is_walked() -> None:
    deep: Any = {"type": "text", "text": "a"}
    for _ in range(5_000):
        deep = {"type": "tool_result", "content": [deep]}
    assert len(paths("p", deep)) == 5_001
