from __future__ import annotations

import re

from ctxwindow.summarize import HEADINGS
from ctxwindow.summarize.instruction import instruction, transcript
from ctxwindow.summarize.restating import RESTATED
from tests.summarize.scenes import says, segment, user, works


def test_it_asks_for_sections_that_a_later_summary_can_read() -> None:
    asked = [line for line in instruction(2_000).splitlines() if re.fullmatch(r"\[.+\]", line)]
    assert asked == [heading for heading in HEADINGS if heading in asked]
    assert len(asked) == 4
    assert not set(asked) & set(RESTATED)


def test_it_tells_the_length_and_what_was_wrong() -> None:
    assert "At most 1,000 words" in instruction(2_000)
    assert "At most 1 words" in instruction(1)
    assert "refused" not in instruction(2_000)
    assert instruction(2_000, ["It was empty."]).endswith("\n- It was empty.")
    assert "summarise only what comes after them" in instruction(2_000, beside=True)


def test_a_segment_as_text() -> None:
    thinking = {"type": "thinking", "thinking": "secret", "signature": "x"}
    said = says("I look.")
    said["content"].insert(0, thinking)
    text = transcript(segment(user("Fix it."), said, *works("ls", "a.py"), previous="[Goal]\n- Old", first=7))
    assert text.splitlines() == [
        "<conversation>",
        "[summary of what came before]",
        "[Goal]",
        "- Old",
        "[message 7, user]",
        "Fix it.",
        "[message 8, assistant]",
        "I look.",
        "[message 9, assistant]",
        "call Bash: ls",
        "[message 10, user]",
        "result: a.py",
        "</conversation>",
    ]
