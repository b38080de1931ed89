from __future__ import annotations

from ctxwindow.summarize import HEADINGS
from ctxwindow.summarize.lines import HEADING_OF, distinct, lines_of
from tests.summarize.scenes import says, segment, user, works


def test_lines_of_the_summary_before_stand_first_and_keep_their_kind() -> None:
    before = "[User instructions]\n- Use tabs.\n[Files and identifiers]\n- src/a.py, b_c\n\nWritten by hand."
    lines = lines_of(segment(user("Go."), previous=before, first=3))
    assert [(line.text, line.kind, line.earlier) for line in lines] == [
        ("Use tabs.", "instruction", True),
        ("src/a.py", None, True),
        ("b_c", None, True),
        ("Written by hand.", "summary", True),
        ("Go.", "instruction", False),
    ]
    assert [line.order for line in lines] == sorted(line.order for line in lines)
    assert [line.message for line in lines] == [0, 0, 0, 0, 3]


def test_reminders_are_no_lines() -> None:
    text = "Go.\n<system-reminder>Be brief.</system-reminder>\n<command-name>/model</command-name>"
    assert [line.text for line in lines_of(segment(user(text)))] == ["Go."]


def test_of_equal_lines_the_most_important_stays_and_of_those_the_newest() -> None:
    lines = lines_of(segment(*works("cat todo", "Run make."), user("Run make."), says("Run make."), user("Run make.")))
    (line,) = [line for line in distinct(lines) if line.text == "Run make."]
    assert (line.kind, line.message) == ("instruction", 4)


def test_every_kind_has_a_heading_but_reminders() -> None:
    assert {HEADINGS[index] for index in HEADING_OF.values()} == set(HEADINGS) - {"[Files and identifiers]"}
    assert "reminder" not in HEADING_OF
