from __future__ import annotations

from ctxwindow.summarize.sections import DONE, GOAL, HEADINGS, INSTRUCTIONS, NAMES, OPEN, lines_under, sections_of


def test_lines_with_their_headings_and_without_bullets() -> None:
    text = f"before\n{GOAL}\n\n- one\ntwo\n{NAMES}\n- a, b\n-  \n"
    assert list(sections_of(text)) == [("", "before"), (GOAL, "one"), (GOAL, "two"), (NAMES, "a, b")]
    assert lines_under(text, GOAL) == ["one", "two"]
    assert lines_under(text, OPEN) == []


def test_a_heading_may_stand_twice() -> None:
    assert lines_under(f"{DONE}\n- a\n{OPEN}\n- b\n{DONE}\n- c", DONE) == ["a", "c"]


def test_prose_of_another_summary_is_not_the_users() -> None:
    """Two summaries in a row: what the second says without a heading is nobody's instruction."""
    text = f"{INSTRUCTIONS}\n- Use tabs.\n\nThe parser was rewritten.\n- It works."
    assert list(sections_of(text, several=True)) == [
        (INSTRUCTIONS, "Use tabs."),
        ("", "The parser was rewritten."),
        ("", "It works."),
    ]
    assert lines_under(text, INSTRUCTIONS) == ["Use tabs.", "The parser was rewritten.", "It works."]


def test_headings_are_told_apart() -> None:
    assert len(set(HEADINGS)) == len(HEADINGS)
