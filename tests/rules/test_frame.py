from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.catalog import resolve
from ctxwindow.rules.frame import Frame


@pytest.mark.parametrize(
    ("model", "thinking", "off", "manual"),
    [
        ("claude-sonnet-4-5", None, True, False),
        ("claude-sonnet-4-5", {"type": "enabled", "budget_tokens": 1_024}, False, True),
        ("claude-opus-5-5", None, False, False),
        ("claude-opus-5", {"type": "disabled"}, True, False),
        ("claude-opus-5", {"type": "adaptive"}, False, False),
        ("claude-opus-5", "adaptive", False, False),
    ],
)
def test_how_a_request_thinks(model: str, thinking: Any, off: bool, manual: bool) -> None:
    frame = Frame(profile=resolve(model), settings={"thinking": thinking})
    assert (frame.thinking_off, frame.manual_thinking) == (off, manual)


def test_whether_an_unknown_model_thinks_is_not_known() -> None:
    assert not Frame().thinking_off


@pytest.mark.parametrize(
    ("version", "platform"),
    [("bedrock-2023-05-31", "bedrock"), ("vertex-2023-10-16", "vertex"), (None, None), (7, None)],
)
def test_the_platform_is_told_by_the_version_in_the_body(version: Any, platform: str | None) -> None:
    assert Frame(settings={"anthropic_version": version}).platform == platform


def test_what_a_request_asks_for() -> None:
    assert Frame(settings={"compaction": {"type": "summarize"}}).compacts
    assert Frame(settings={"thread": {"type": "continue"}}).continues
    assert not Frame(settings={"compaction": {}, "thread": "continue"}).compacts
    assert not Frame(settings={"compaction": {}, "thread": "continue"}).continues


def test_only_objects_are_tools() -> None:
    assert Frame(tools=["junk", {"name": "f"}]).tool_list == [(1, {"name": "f"})]
    assert Frame(tools="junk").tool_list == []
