from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.summarize.lines import lines_of
from ctxwindow.summarize.progress import Progress, progress
from tests.summarize.scenes import calls, says, segment, todos, user, works


def shown(*messages: dict[str, Any], previous: str | None = None) -> Progress:
    of = segment(*messages, previous=previous)
    return progress(of, lines_of(of))


def states(found: Progress) -> dict[str, str]:
    return {item.text: item.state for item in found.items}


def test_the_newest_state_of_each_list_counts() -> None:
    found = shown(
        *todos(("a", "completed"), ("b", "in_progress"), ("c", "pending")),
        *todos(("a", "completed"), ("b", "completed"), ("d", "cancelled")),
        *calls("plan", {"steps": [{"step": "x", "status": "done"}]}),
    )
    assert states(found) == {"a": "done", "b": "done", "x": "done"}
    assert (found.state_of("b"), found.state_of("c")) == ("done", None)


def test_tasks_one_by_one() -> None:
    found = shown(
        *calls("TaskCreate", {"subject": "one"}, "Task #1 created successfully: one"),
        *calls("TaskCreate", {"subject": "two"}, "Created #2"),
        *calls("TaskCreate", {"subject": "three"}, "Task #3 created successfully: three"),
        *calls("TaskUpdate", {"taskId": "2", "status": "completed"}),
        *calls("TaskUpdate", {"taskId": "3", "status": "deleted"}),
        *calls("TaskUpdate", {"taskId": "9", "status": "completed"}),
    )
    assert states(found) == {"Task #1 created successfully: one": "open", "two": "done"}


@pytest.mark.parametrize(
    "round_",
    [
        calls("TodoWrite", {"todos": [{"content": "a", "status": "pending"}]}, is_error=True),
        calls("TodoWrite", {"todos": [{"content": "a", "status": "pending"}]})[:1],
        calls("Write", {"items": [{"content": "a"}, {"status": "done"}]}),
        calls("Deploy", {"id": "7", "status": "open", "title": "a"}),
        calls("TodoWrite", {"todos": "a"}),
        [{"role": "assistant", "content": [{"type": "tool_use", "id": "x", "name": "TodoWrite", "input": None}]}],
        [{}, {"role": "user", "content": 3}, {"role": "assistant", "content": [None, "x", {"type": 5}]}],
    ],
)
def test_what_is_no_list_or_was_not_answered_counts_for_nothing(round_: list[dict[str, Any]]) -> None:
    assert shown(*round_).items == ()


@pytest.mark.parametrize(
    ("answer", "lines", "failing"),
    [
        ("....\n===== 4 passed in 0.10s =====", ["===== 4 passed in 0.10s ====="], False),
        ("F\n=== 1 failed, 3 passed in 0.1s ===", ["=== 1 failed, 3 passed in 0.1s ==="], True),
        ("Tests:       1 failed, 3 passed, 4 total", ["Tests:       1 failed, 3 passed, 4 total"], True),
        ("ok  \tgithub.com/a/b\t0.01s\n--- FAIL: TestX (0.00s)", ["--- FAIL: TestX (0.00s)"], True),
        ("ok  \tgithub.com/a/b\t(cached)", ["ok  \tgithub.com/a/b\t(cached)"], False),
        (" 1309 pass\n 0 fail", [" 1309 pass", " 0 fail"], False),
        ("Ran 3 tests in 0.1s\n\nOK", ["OK"], False),
        ("test result: FAILED. 1 passed; 2 failed", ["test result: FAILED. 1 passed; 2 failed"], True),
        ("ok then", [], False),
        ("3 passed the gate", [], False),
    ],
)
def test_the_newest_test_run(answer: str, lines: list[str], *, failing: bool) -> None:
    found = shown(*works("old", "9 passed in 1s"), *works("test", answer)) if lines else shown(*works("test", answer))
    assert [line.text for line in found.tests] == lines
    assert found.failing is failing


def test_a_claim_is_contradicted_by_what_came_later() -> None:
    found = shown(says("x"), *works("test", "1 failed in 1s"), *todos(("Write docs", "pending")))
    assert found.contradicts("All tests pass.", 0)
    assert not found.contradicts("All tests pass.", 3)
    assert found.contradicts("Done: write docs.", 0)
    assert found.contradicts("Write docs: done.", 9)
    assert not found.contradicts("Now: write docs.", 0)
    assert not Progress().contradicts("All tests pass, docs are done.", 0)


@pytest.mark.parametrize(
    ("sentence", "claims"),
    [
        ("I have implemented the parser.", False),  # what is open is to fix it
        ("The parser was fixed.", True),
        ("The parser is not yet fixed.", False),
        ("The parser isn't fixed.", False),
        ("The parser must be fixed.", False),
        ("Work goes on until the parser is fixed.", False),
        ("Once the parser was fixed, all tests passed.", True),
        ("Repair it so that its tests pass.", False),
        ("All tests pass, nothing failed.", True),
        ("Of all tests 2 passed and 1 failed.", False),
    ],
)
def test_what_is_a_claim(sentence: str, *, claims: bool) -> None:
    found = shown(*works("test", "1 failed in 1s"), *todos(("Fix the parser", "pending")))
    assert found.contradicts(sentence, -1) is claims


def test_a_summary_before_of_several_comes_apart_at_its_blank_lines() -> None:
    update = calls("TaskUpdate", {"taskId": "1", "status": "completed"})
    before = "[Open]\n- Task #1: parse\n\nWe saw issue #1 of the tracker."
    assert states(shown(*update, previous=before)) == {"Task #1: parse": "done"}


def test_questions() -> None:
    assert [line.text for line in shown(user("Go."), says("I did it. Is that right?")).questions] == ["Is that right?"]
    assert [line.text for line in shown(user("Why does it fail?")).questions] == ["Why does it fail?"]
    assert shown(says("Is that right?"), user("Yes.")).questions == ()
    assert shown(says("Why? " + "Because it was so. " * 4)).questions == ()
