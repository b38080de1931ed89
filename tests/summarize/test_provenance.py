from __future__ import annotations

import pytest

from ctxwindow.summarize import provenance
from ctxwindow.tiers.segment import Segment
from tests.summarize.scenes import segment, user, works


@pytest.mark.parametrize(
    ("line", "of"),
    [
        ("- The user wants a pony.", segment(user("The user wants a horse."))),
        ("- wants a", segment(user("The user wants"), user("a horse"))),
        ("- ", segment(user("- "))),
        ("a horse", segment(user("a horse"))),
        ("[Made up heading]", segment(user("x"))),
        ("- Bash: rm -rf", segment(*works("ls", "rm -rf"))),
        ("- Read: ls", segment(*works("ls", "ok"))),
        ("- no\u2028way", segment(user("no\u2028way"))),
        ("- hidden", segment({"role": "assistant", "content": [{"type": "thinking", "thinking": "hidden"}]})),
    ],
)
def test_what_does_not_stand_in_the_source_is_found_out(line: str, of: Segment) -> None:
    unproven = provenance(f"[User instructions]\n{line}", of)
    assert unproven == [part for part in line.splitlines() if part != "- no"]


def test_what_stands_in_the_source_is_proven() -> None:
    of = segment(*works("ls -l /tmp", "total 0"), user("Why?"), previous="- earlier words")
    good = "[Tool calls]\n- Bash: ls -l\n- Bash\n- total 0\n- Why?\n- earlier words"
    assert provenance(good, of) == []


def test_a_list_of_names_is_proven_part_by_part() -> None:
    of = segment(*works("ls", "src/a.py\nsrc/b.py"))
    assert provenance("[Files and identifiers]\n- src/b.py, src/a.py", of) == []
    assert provenance("[Files and identifiers]\n- src/b.py, src/c.py", of) == ["- src/b.py, src/c.py"]
    assert provenance("[Files and identifiers]\n- src/b.py, ", of) == ["- src/b.py, "]
    assert provenance("[Errors seen]\n- src/b.py, src/a.py", of) == ["- src/b.py, src/a.py"]
