from __future__ import annotations

from types import MappingProxyType
from typing import Any

from ctxwindow.record import Outline
from ctxwindow.rules import View
from ctxwindow.rules.nested import notable, notable_in
from ctxwindow.rules.view import Frame, Step

IMAGE = {"type": "image", "source": {"type": "url", "url": "u"}}
MARKED = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}


def result(*blocks: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t", "content": list(blocks)}


def paths(*messages: Any) -> list[str]:
    return [path for path, _ in notable(View(messages))]


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def test_blocks_come_in_the_order_of_rendering_wherever_they_stand() -> None:
    document = {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a"}, IMAGE]}}
    assert paths(user(MARKED), user(result(document, "junk", MARKED), IMAGE)) == [
        "messages.0.content.0",
        "messages.1.content.0.content.0",
        "messages.1.content.0.content.0.source.content.1",
        "messages.1.content.0.content.2",
        "messages.1.content.1",
    ]


def test_most_blocks_are_passed_over() -> None:
    plain = {"type": "text", "text": "a", "cache_control": None}
    assert paths("junk", {"role": "user", "content": "hi"}, user(7, plain, result(plain)), {"content": {}}) == []
    data = {"type": "tool_use", "id": "t", "name": "f", "input": {"content": [IMAGE]}}
    assert paths(user(data, {"type": ["image"]})) == []
    assert paths(user({"type": "document", "source": 5})) == ["messages.0.content.0"]


def test_any_mapping_is_a_block() -> None:
    assert paths(user(MappingProxyType(IMAGE))) == ["messages.0.content.0"]


def test_a_request_is_looked_through_once() -> None:
    view = View([user(IMAGE)])
    assert notable(view) is notable(view)


def test_one_message_is_looked_through_as_all_are() -> None:
    message = user(IMAGE, result(MARKED))
    step = Step.of(message, 3, None, Outline(), Frame())
    whole = notable(View([user(), user(), user(), message]))
    assert notable_in(step) == list(whole)
    assert notable_in(Step.of({"role": "user", "content": "hi"}, 0, None, Outline(), Frame())) == []


def test_deep_nesting_is_walked() -> None:
    deep: Any = IMAGE
    for _ in range(5_000):
        deep = result(deep)
    assert len(paths(user(deep))) == 1
