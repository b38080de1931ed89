from __future__ import annotations

from ctxwindow.window import count
from tests.window.scenes import OPUS, body, clear_uses, keep, rounds, text, user


def test_blank_text_never_counts() -> None:
    """MSG-06: the API refuses whitespace-only text; nothing is lost without it."""
    request = body([user([text("Hello."), text(" \n")])])
    assert [(block.disposition, block.rule) for block in count(request).blocks] == [
        ("counted", "CTX-01"), ("dropped", "MSG-06"),
    ]  # fmt: skip


def test_a_listing_is_of_the_moment_it_was_asked_for() -> None:
    messages = rounds(4)
    request = body(messages, clear_uses(keep=keep(3)), system="Be brief.")
    listed = count(request, OPUS).blocks
    assert [block.path for block in listed] == [
        "system.0", *(f"messages.{index}.content.0" for index in range(len(messages))),
    ]  # fmt: skip
    assert [block.path for block in listed if block.disposition == "cleared"] == ["messages.2.content.0"]
    assert next(block for block in listed if block.path == "messages.2.content.0").rule == "EDIT-02"
