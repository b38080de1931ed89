from __future__ import annotations

from types import MappingProxyType
from typing import Any

from ctxwindow.rules.nested import notable

IMAGE = {"type": "image", "source": {"type": "url", "url": "u"}}
MARKED = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}


def result(*blocks: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t", "content": list(blocks)}


def paths(*content: Any) -> list[str]:
    return [path for path, _ in notable("p", list(content))]


def test_blocks_come_in_the_order_of_rendering_wherever_they_stand() -> None:
    document = {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a"}, IMAGE]}}
    assert paths(MARKED, result(document, "junk", MARKED), IMAGE) == [
        "p.0",
        "p.1.content.0",
        "p.1.content.0.source.content.1",
        "p.1.content.2",
        "p.2",
    ]


def test_most_blocks_are_passed_over() -> None:
    plain = {"type": "text", "text": "a", "cache_control": None}
    data = {"type": "tool_use", "id": "t", "name": "f", "input": {"content": [IMAGE]}}
    assert paths(7, plain, result(plain), data, {"type": ["image"]}) == []
    assert notable("p", "hi") == notable("p", None) == []
    assert paths({"type": "document", "source": 5}) == ["p.0"]


def test_any_mapping_is_a_block() -> None:
    assert paths(MappingProxyType(IMAGE)) == ["p.0"]


def test_deep_nesting_is_walked() -> None:
    deep: Any = IMAGE
    for _ in range(5_000):
        deep = result(deep)
    assert len(paths(deep)) == 1
