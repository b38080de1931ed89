"""Which rows make up which conversation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ctxwindow.transcripts import Incoming, Reply, Session
from ctxwindow.transcripts.claude_code import session_of_rows

if TYPE_CHECKING:
    from tests.transcripts.conftest import Script

QUICK = settings(max_examples=50, deadline=None)  # no deadline: the machine may be busy


def contents(session: Session) -> list[list[Any]]:
    return [[step.message["content"] for step in thread.steps] for thread in session.threads]


def notes(session: Session) -> list[str]:
    return [str(note).rpartition("/")[2] for note in session.all_notes]


def test_rows_that_are_no_messages_only_link(script: Script) -> None:
    script.row("progress", data={"type": "hook_progress"})
    script.user("one")
    script.row("system", subtype="stop_hook_summary")
    script.user("two")
    script.row("progress", parentUuid=None)
    script.lines.insert(0, json.dumps({"type": "file-history-snapshot", "snapshot": {}}))
    script.lines.append(json.dumps({"type": "summary", "summary": "a title", "leafUuid": "x"}))
    session = script.read()
    assert contents(session) == [["one", "two"]]
    assert session.main.id == "s1"
    assert notes(session) == []


def test_an_abandoned_branch_is_left_out_and_counted(script: Script) -> None:
    first = script.user("one")
    script.assistant("gone", id="msg_a")
    script.assistant("gone, second block", id="msg_a")
    script.user("gone, too")
    script.user("again", parentUuid=first)
    script.assistant("stays", id="msg_b")
    session = script.read()
    assert contents(session) == [["one", "again", [{"type": "text", "text": "stays"}]]]
    assert notes(session) == [
        "session.jsonl:2: 3 rows from here on, 1 replies among them, lie on abandoned branches; left out."
    ]


def test_lines_of_one_message_and_results_of_its_calls_belong_wherever_they_hang(script: Script) -> None:
    script.user("go")
    first = script.call("t1")
    second = script.call("t2")
    script.result("t2", parentUuid=second)
    skill = script.result("t1", parentUuid=first)
    script.user("how to do it", parentUuid=skill, isMeta=True, sourceToolUseID="t1")
    script.row("progress", parentUuid=second)
    script.assistant("done", id="msg_2", parentUuid="user-4")
    session = script.read()
    assert [type(step) for step in session.main.steps] == [Incoming, Reply, Incoming, Incoming, Reply]
    assert [block["tool_use_id"] for block in session.main.messages[2]["content"]] == ["t1", "t2"]
    assert session.main.messages[3]["content"] == "how to do it"
    assert notes(session) == []


def test_a_result_on_the_chain_goes_before_one_beside_it(script: Script) -> None:
    script.user("go")
    call = script.call("t1")
    script.result("t1")
    script.user([{"type": "tool_result", "tool_use_id": "t1", "content": "again"}], parentUuid=call)
    script.user("on")
    session = script.read()
    assert session.main.messages[2]["content"][0]["content"] == "again"
    assert notes(session) == [
        "session.jsonl:3: 1 rows from here on, 0 replies among them, lie on abandoned branches; left out."
    ]


def test_a_missing_parent_is_taken_to_be_the_row_before(script: Script) -> None:
    script.user("one")
    script.assistant("two")
    script.user("three", parentUuid="never written")
    session = script.read()
    assert len(session.main.steps) == 3
    assert session.main.complete
    assert notes(session) == [
        "session.jsonl:3: its parent is not among the rows of this conversation; taken to follow line 2."
    ]


def test_a_missing_logical_parent_is_taken_to_be_the_row_before(script: Script) -> None:
    script.user("one")
    script.boundary(logicalParentUuid="never written")
    script.user("summary", isCompactSummary=True)
    session = script.read()
    assert contents(session) == [["one", "summary"]]
    assert len(session.all_notes) == 1


def test_a_session_that_begins_in_the_middle_says_so(script: Script) -> None:
    script.assistant("answer", parentUuid="in another file")
    script.user("on")
    session = script.read()
    assert not session.main.complete
    assert [type(step) for step in session.main.steps] == [Reply, Incoming]
    assert notes(session) == [
        "session.jsonl:1: the conversation begins outside this file; what came before this row is unknown."
    ]


def test_a_compact_boundary_at_the_start_stands_for_what_is_not_there(script: Script) -> None:
    script.boundary()
    script.user("summary", isCompactSummary=True)
    assert not script.read().main.complete


def test_subagents_are_threads_by_agent_or_by_chain(script: Script) -> None:
    task = script.user("go")
    agent: dict[str, Any] = {"isSidechain": True}
    script.user("search A", parentUuid=None, **agent)
    script.user("search B", parentUuid=None, **agent)
    script.assistant("found A", id="msg_a", parentUuid="user-2", **agent)
    script.assistant("found B", id="msg_b", parentUuid="user-3", **agent)
    script.user("forked", parentUuid=task, agentId="x7", **agent)
    script.assistant("lost", id="msg_l", parentUuid="nowhere", **agent)
    script.assistant("done", id="msg_m", parentUuid=task)
    session = script.read()
    assert {thread.id: (thread.sidechain, thread.complete, len(thread.steps)) for thread in session.threads} == {
        "s1": (False, True, 2),
        "user-2": (True, True, 2),
        "user-3": (True, True, 2),
        "x7": (True, False, 1),
        "assistant-7": (True, False, 1),
    }
    assert session.main.id == "s1"
    assert len(session.notes) == 0
    assert [note.rpartition("begins ")[2][:10] for note in notes(session)] == ["in another", "outside th"]


def test_rows_without_links_are_taken_in_file_order(script: Script) -> None:
    for content in ("one", "two", "three"):
        script.user(content)
    bare = [{key: json.loads(line)[key] for key in ("type", "message")} for line in script.lines]
    script.lines = [json.dumps(row) for row in bare]
    session = script.read()
    assert contents(session) == [["one", "two", "three"]]
    assert session.main.complete
    assert notes(session) == ["session.jsonl:2: from here on there are rows that name no parent; taken in file order."]


names = st.sampled_from("abcdefgh")
row = st.fixed_dictionaries(
    {"uuid": names, "parentUuid": st.none() | names, "isSidechain": st.booleans()},
    optional={"agentId": st.sampled_from(["x", "y"]), "logicalParentUuid": names},
)


@QUICK
@given(st.lists(row, min_size=1, max_size=8, unique_by=lambda fields: fields["uuid"]))
def test_every_row_is_in_one_thread_or_counted_as_abandoned(fields: list[dict[str, Any]]) -> None:
    """However the rows are linked (in circles, forwards, to nowhere), each is read once or said to be left out."""
    lines = [
        json.dumps({"type": "user", **row, "message": {"role": "user", "content": row["uuid"]}}).encode() + b"\n"
        for row in fields
    ]
    session = session_of_rows(iter(enumerate(lines, 1)), "s")
    seen = [line for thread in session.threads for step in thread.steps for line in step.lines]
    left = sum(int(note.text.split()[0]) for note in session.all_notes if "abandoned" in note.text)
    assert len(seen) == len(set(seen))
    assert len(seen) + left == len(lines)
    assert all(list(step.lines) == sorted(step.lines) for thread in session.threads for step in thread.steps)
    assert len({thread.id for thread in session.threads}) == len(session.threads)


def test_a_long_session_is_read_in_linear_time(script: Script) -> None:
    for _ in range(5_000):
        script.row("progress")
    script.user("hi")
    assert len(script.read().main.steps) == 1
