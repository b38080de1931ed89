from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.summarize import HEADINGS, provenance
from ctxwindow.summarize.extractive import facts
from ctxwindow.summarize.restating import RESTATED, restated
from ctxwindow.summarize.sections import sections_of
from tests.summarize.scenes import says, segment, todos, tokens, user, works

FACTS = "[User instructions]\n- Never push.\n[Open]\n- Tests"


def test_sections_of_the_record_replace_the_models() -> None:
    text = "Prose.\n[Open questions]\n- Why?\n[Done]\n- Tests\n[User instructions]\n- Push.\n[Goal]\n- Ship"
    assert restated(text, FACTS) == (
        "[Goal]\n- Ship\n[User instructions]\n- Never push.\n[Open]\n- Tests\n"
        "[Decisions and state of work]\n- Prose.\n[Open questions]\n- Why?"
    )


def test_nothing_of_its_own_is_no_summary() -> None:
    assert restated("[Done]\n- Tests\n[Newest test run]\n- ok", FACTS) == ""
    assert restated("", FACTS) == ""
    assert restated("Prose.", "") == "[Decisions and state of work]\n- Prose."


LINES = st.lists(st.sampled_from([*HEADINGS, "- a", "b", "", "- c"]), max_size=12).map("\n".join)


@given(text=LINES)
def test_property_the_record_alone_fills_its_sections(text: str) -> None:
    found = list(sections_of(restated(text, FACTS)))
    mine = [(heading, line) for heading, line in found if heading in RESTATED]
    assert mine == (list(sections_of(FACTS)) if found else [])
    own = [line for heading, line in sections_of(text) if heading not in RESTATED]
    assert sorted(line for heading, line in found if heading not in RESTATED) == sorted(own)


def test_facts_put_constraints_first_and_keep_to_half_of_the_budget() -> None:
    said = user("Begin. " + "Then do one more ordinary thing of many. " * 5 + "Never push to main.")
    chatter = [
        part for at in range(30) for part in (user(f"Now look at part {at} of the long list here."), says("Ok."))
    ]
    of = segment(said, *todos(("Write docs", "pending")), *works("pytest", "1 failed in 1s"), *chatter, budget=300)
    found = facts(of, tokens)
    assert tokens(found) <= 150
    assert "- Never push to main." in found
    assert "[Open]\n- Write docs\n[Newest test run]\n- 1 failed in 1s" in found
    assert provenance(found, of) == []
    assert {heading for heading, _ in sections_of(found)} <= set(RESTATED)
    assert facts(segment(said, budget=1), tokens) == ""
