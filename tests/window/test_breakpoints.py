from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from ctxwindow.rules.markers import markers
from ctxwindow.rules.view import View
from ctxwindow.testing import requests
from ctxwindow.window import breakpoints
from ctxwindow.window.breakpoints import may_be_marked, positions
from ctxwindow.window.rendered import pieces
from tests.window.scenes import assistant, body, call, result, text, thinking, user

CONTROL = {"type": "ephemeral"}
HOURLY = {"type": "ephemeral", "ttl": "1h"}


def _marked(block: dict[str, Any], control: dict[str, Any] = CONTROL) -> dict[str, Any]:
    return {**block, "cache_control": control}


def _where(request: dict[str, Any]) -> list[tuple[str, str, bool]]:
    return [(found.path, found.ttl, found.automatic) for found in breakpoints(request)]


def test_breakpoints_come_in_render_order() -> None:
    """CACHE-01, CACHE-04: render order tools, system, messages; TTLs are 5m, the default, and 1h."""
    tool = _marked({"name": "a", "input_schema": {}}, HOURLY)
    request = body(
        [user([_marked(text("Hello."))]), assistant(text("Yes?")), user("Go on.")],
        tools=[{"name": "b", "input_schema": {}}, tool],
        system=[_marked(text("Be brief."), HOURLY)],
    )
    assert _where(request) == [
        ("tools.1", "1h", False), ("system.0", "1h", False), ("messages.0.content.0", "5m", False),
    ]  # fmt: skip
    assert [found.position for found in breakpoints(request)] == [1, 2, 3]


def test_the_automatic_breakpoint_falls_on_the_last_block_that_may_carry_one() -> None:
    """CACHE-03: an automatic breakpoint on the last cacheable block; it walks back if the block is ineligible."""
    request = body([user("Hello.")], cache_control=HOURLY)
    assert _where(request) == [("messages.0.content.0", "1h", True)]
    reminder = {"role": "system", "content": "Be brief.", "clear_at": "next_user_message"}
    assert _where({**request, "messages": [user("Hello."), reminder]}) == [("messages.0.content.0", "1h", True)]
    thought = [user("Hello."), assistant(thinking("a"))]
    assert _where({**request, "messages": thought}) == [("messages.0.content.0", "1h", True)]
    own = body([user([_marked(text("Hello."))])], cache_control=CONTROL)
    assert _where(own) == [("messages.0.content.0", "5m", False)], "a no-op where the same is set"


def test_results_of_server_tools_are_breakpoints_where_a_request_caches() -> None:
    """CACHE-14: a 5-minute breakpoint on each server result when the request already uses caching."""
    searched = assistant(
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
        text("Found."),
    )
    plain = body([user("Search."), searched, user("And?")])
    assert _where(plain) == []
    assert _where({**plain, "system": [_marked(text("Be brief."))]}) == [
        ("system.0", "5m", False), ("messages.1.content.1", "5m", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (thinking("a"), assistant()),
        ({"type": "redacted_thinking", "data": "x"}, assistant()),
        (text(""), user([])),
        (text("Be brief."), {"role": "system", "clear_at": "next_user_message"}),
        ({"name": "a", "defer_loading": True}, None),
    ],
)
def test_what_carries_no_marker(block: dict[str, Any], message: dict[str, Any] | None) -> None:
    """CACHE-09: thinking, empty text, turn-scoped system messages and deferred tools are not cacheable directly."""
    assert not may_be_marked(block, message)
    assert may_be_marked(text("Hello."), user([]))


def test_a_marker_where_none_may_stand_is_no_breakpoint() -> None:
    """CACHE-09, TOOL-19: such a request is refused; a breakpoint is not made of it."""
    tool = _marked({"name": "a", "input_schema": {}, "defer_loading": True})
    assert _where(body([user([_marked(text(" "))])], tools=[tool])) == []
    assert _where(body([user([text("")])], cache_control=CONTROL)) == []


def test_runs_of_calls_and_of_results_are_one_position() -> None:
    """CACHE-06: each run of consecutive tool_use blocks, and of tool_result blocks, counts as one position."""
    calls = [call(f"t{index}") for index in range(3)]
    request = body(
        [
            user("Read."),
            assistant(thinking("a"), text("I will."), *calls),
            user([*(result(f"t{index}", "done") for index in range(3)), text("And?")]),
        ]
    )
    assert positions(list(pieces(request))) == [0, 1, 2, 3, 3, 3, 4, 4, 4, 5]


def test_a_marker_inside_a_result_counts_for_the_result() -> None:
    inner = result("t0", [_marked(text("row"), HOURLY), text("row")])
    request = body([user("Read."), assistant(call("t0")), user([inner])])
    assert _where(request) == [("messages.2.content.0", "1h", False)]


@given(requests())
def test_every_marker_of_a_valid_request_is_a_breakpoint(request: dict[str, Any]) -> None:
    """CACHE-02: each block with cache_control is a breakpoint, and no other block but by the server's own rules."""
    own = [found.path for found in breakpoints(request) if not found.automatic]
    heads = {".".join(marker.path.split(".")[:4]) for marker in markers(View.of(request))}
    assert set(own) == heads
    order = [found.piece for found in breakpoints(request)]
    assert order == sorted(set(order))
    rendered = list(pieces(request))
    places = positions(rendered)
    assert len(places) == len(rendered)
    assert [found.position for found in breakpoints(request)] == [places[index] for index in order]
