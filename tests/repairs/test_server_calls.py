from __future__ import annotations

from typing import Any

from ctxwindow.repairs import repair
from ctxwindow.rules import check
from ctxwindow.testing import SERVER_TOOLS
from tests.repairs.broken import request

GO = {"role": "user", "content": "Go."}
TEXT = {"type": "text", "text": "Found."}


def call(identity: str = "srvtoolu_1") -> dict[str, Any]:
    return {"type": "server_tool_use", "id": identity, "name": "web_search", "input": {}}


def found(identity: str = "srvtoolu_1", **fields: Any) -> dict[str, Any]:
    result = {"type": "web_search_result", "url": "u", "title": "t", "encrypted_content": "e", **fields}
    return {"type": "web_search_tool_result", "tool_use_id": identity, "content": [result]}


def reply(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def mended(*messages: Any, **settings: Any) -> tuple[list[Any], list[tuple[str, str]]]:
    """The messages afterwards, and what was left out: rule, path."""
    repaired, done = repair({**request(list(messages)), **settings})
    assert check(repaired).ok
    return repaired["messages"], [(one.rule, one.path) for one in done]


def test_a_whole_pair_stays() -> None:
    whole = [GO, reply(call()), reply(found(), TEXT), GO]
    assert mended(*whole) == (whole, [])


def test_a_result_without_its_call_is_left_out() -> None:
    """TOOL-08."""
    assert mended(GO, reply(found(), TEXT), GO) == ([GO, reply(TEXT), GO], [("TOOL-08", "messages.1.content.0")])


def test_a_pair_in_the_wrong_order_goes_whole() -> None:
    messages, done = mended(GO, reply(found(), call(), TEXT), GO)
    assert messages == [GO, reply(TEXT), GO]
    assert [path for _, path in done] == ["messages.1.content.0", "messages.1.content.1"]


def test_a_call_that_the_turn_went_past_is_left_out() -> None:
    """TOOL-09: the other pair stays."""
    messages, done = mended(GO, reply(call("srvtoolu_1"), found("srvtoolu_1"), TEXT, call("srvtoolu_2")), GO)
    assert messages == [GO, reply(call("srvtoolu_1"), found("srvtoolu_1"), TEXT), GO]
    assert done == [("TOOL-09", "messages.1.content.3")]


def test_a_result_that_is_not_whole_goes_with_its_call() -> None:
    """MSG-20: byte for byte, or both halves left out."""
    messages, done = mended(GO, reply(call(), found(encrypted_content=""), TEXT), GO)
    assert messages == [GO, reply(TEXT), GO]
    assert done == [("MSG-20", "messages.1.content.0"), ("MSG-20", "messages.1.content.1")]


def test_a_call_whose_tool_is_gone_is_left_out() -> None:
    """TOOL-10."""
    assert mended(GO, reply(TEXT, call()), tools=[])[1][0] == ("TOOL-10", "messages.1.content.1")
    waiting = [GO, reply(TEXT, call())]
    assert mended(*waiting, tools=SERVER_TOOLS) == (waiting, [])
