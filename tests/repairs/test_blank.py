from __future__ import annotations

from typing import Any

from ctxwindow.repairs import repair
from tests.repairs.broken import request

GO = {"role": "user", "content": "Go."}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def mended(*messages: Any) -> tuple[list[Any], list[tuple[str, str]]]:
    """The messages afterwards, and what was left out: rule, path."""
    repaired, done = repair(request(list(messages)))
    return repaired["messages"], [(one.rule, one.path) for one in done]


def test_blank_texts_are_left_out() -> None:
    """MSG-06."""
    image = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    assert mended({"role": "user", "content": [image, text(" ")]}) == (
        [{"role": "user", "content": [image]}],
        [("MSG-06", "messages.0.content.1")],
    )
    beside = {"role": "user", "content": [text("Go."), text(" ")]}
    assert mended(beside) == ([beside], [])  # recorded: the API takes it


def test_empty_messages_are_left_out() -> None:
    """MSG-07."""
    for content in ("", [], None, [text("")]):
        messages, done = mended(GO, {"role": "assistant", "content": content}, GO)
        assert messages == [GO, GO]
        assert done[-1][1] == "messages.1"
    blank, done = mended({"role": "user", "content": "  "}, GO)
    assert (blank, done) == ([GO], [("MSG-06", "messages.0.content"), ("MSG-07", "messages.0")])


def test_a_history_of_nothing_cannot_be_repaired() -> None:
    """What remains is named by check: SHAPE-01."""
    assert mended({"role": "user", "content": ""})[0] == []
    assert mended() == ([], [])
