from __future__ import annotations

from typing import Any, get_args

from hypothesis import given

from ctxwindow.record.blocks import blocks_of
from ctxwindow.testing import requests
from ctxwindow.window import Disposition, count
from tests.window.scenes import OPUS, body, clear_uses, keep, rounds


def test_a_listing_is_of_the_moment_it_was_asked_for() -> None:
    messages = rounds(4)
    request = body(messages, clear_uses(keep=keep(3)), system="Be brief.")
    listed = count(request, OPUS).blocks
    assert [block.path for block in listed] == [
        "system.0", *(f"messages.{index}.content.0" for index in range(len(messages))),
    ]  # fmt: skip
    assert [block.path for block in listed if block.disposition == "cleared"] == ["messages.2.content.0"]
    assert next(block for block in listed if block.path == "messages.2.content.0").rule == "EDIT-02"


@given(requests())
def test_every_block_is_listed_once(request: dict[str, Any]) -> None:
    """Every block has exactly one disposition, with the id of the rule behind it (law 9)."""
    blocks = count(request).blocks
    expected = [f"system.{place}" for place in range(len(blocks_of({"content": request.get("system")})))]
    expected += [f"tools.{place}" for place in range(len(request.get("tools", ())))]
    expected += [
        f"messages.{index}.content.{place}"
        for index, message in enumerate(request["messages"])
        for place in range(len(blocks_of(message)))
    ]
    assert [block.path for block in blocks] == expected
    assert {block.disposition for block in blocks} <= set(get_args(Disposition))
