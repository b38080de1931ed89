"""From rows to steps: replies gathered, results behind their calls."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxwindow.transcripts import Incoming, Reply
from ctxwindow.transcripts.assemble import UNKNOWN_RESULT
from ctxwindow.transcripts.claude_code import session_of_rows

if TYPE_CHECKING:
    from tests.transcripts.conftest import Script

QUICK = settings(max_examples=50, deadline=None)  # no deadline: the machine may be busy

START = dt.datetime(2026, 2, 18, 11, tzinfo=dt.UTC).timestamp()


def test_the_lines_of_one_message_around_its_results_are_one_reply(script: Script) -> None:
    """As recorded: a tool runs as soon as its block is complete, while the next block is still streaming."""
    script.user("go")
    script.assistant({"type": "thinking", "thinking": "t", "signature": "s"})
    script.call("t1", usage={"input_tokens": 3, "output_tokens": 1})
    script.row("progress")
    script.result("t1")
    script.call("t2", usage={"input_tokens": 3, "output_tokens": 190}, stop_reason="tool_use")
    script.result("t2")
    script.assistant("done", id="msg_2", usage={"input_tokens": 9, "output_tokens": 1})
    thread = script.read().main
    assert thread.steps == (
        Incoming(message={"role": "user", "content": "go"}, at=START, lines=(1,)),
        Reply(
            message={
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "t", "signature": "s"},
                    {"type": "tool_use", "id": "t1", "name": "Read", "input": {}},
                    {"type": "tool_use", "id": "t2", "name": "Read", "input": {}},
                ],
            },
            id="msg_1",
            model="claude-opus-4-6",
            usage={"input_tokens": 3, "output_tokens": 190},
            usage_final=True,
            stop_reason="tool_use",
            at=START + 1,
            lines=(2, 3, 6),
        ),
        Incoming(
            message={
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": "of t1"},
                    {"type": "tool_result", "tool_use_id": "t2", "content": "of t2"},
                ],
            },
            at=START + 6,
            lines=(5, 7),
        ),
        Reply(
            message={"role": "assistant", "content": [{"type": "text", "text": "done"}]},
            id="msg_2",
            model="claude-opus-4-6",
            usage={"input_tokens": 9, "output_tokens": 1},
            usage_final=False,
            at=START + 7,
            lines=(8,),
        ),
    )
    assert thread.notes == ()


def test_results_come_in_the_order_of_the_calls_then_what_stood_with_them(script: Script) -> None:
    """TOOL-05: in the results message all `tool_result` blocks come first. TOOL-06: all results in one message."""
    script.user("go")
    script.call("t1")
    script.call("t2")
    script.user("typed while the tools ran")
    beside = {"type": "text", "text": "typed into the prompt"}
    script.user([beside, {"type": "tool_result", "tool_use_id": "t2", "content": []}])
    script.result("t1")
    messages = script.read().main.messages
    assert messages[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "t1", "content": "of t1"},
        {"type": "tool_result", "tool_use_id": "t2", "content": []},
        beside,
    ]
    assert messages[3]["content"] == "typed while the tools ran"
    assert len(messages) == 4


def test_a_call_without_a_result_is_answered_aloud_when_something_follows(script: Script) -> None:
    script.user("go")
    script.call("t1")
    script.call("t2")
    script.result("t2")
    script.user("[Request interrupted by user]")
    thread = script.read().main
    assert thread.messages[2]["content"][0] == {
        "type": "tool_result",
        "tool_use_id": "t1",
        "is_error": True,
        "content": UNKNOWN_RESULT,
    }
    assert thread.messages[2]["content"][1]["tool_use_id"] == "t2"
    assert [str(note).rpartition("/")[2] for note in thread.notes] == [
        "session.jsonl:2: a tool call without a result; answered with one that says it is unknown."
    ]


def test_an_answer_made_up_as_a_whole_has_no_time_and_no_lines(script: Script) -> None:
    script.call("t1")
    script.user("on")
    made_up = script.read().main.steps[1]
    assert isinstance(made_up, Incoming)
    assert (made_up.at, made_up.lines) == (None, ())


@pytest.mark.parametrize("answered", [False, True])
def test_a_session_that_ends_in_an_open_call_stays_open(script: Script, answered: bool) -> None:
    script.user("go")
    script.call("t1")
    script.call("t2")
    if answered:
        script.result("t2")
    thread = script.read().main
    assert len(thread.steps) == 2 + answered
    assert UNKNOWN_RESULT not in json.dumps(thread.messages)
    assert thread.notes == ()


def test_results_that_answer_nothing_are_left_out_aloud(script: Script) -> None:
    script.user("go")
    script.result("t1")  # before its call
    script.call("t1")
    script.result("t1")
    script.result("t1")
    script.user([{"type": "tool_result", "tool_use_id": "t9"}, {"type": "text", "text": "kept"}])
    script.user([{"type": "tool_result", "tool_use_id": 7}])
    thread = script.read().main
    assert [str(note).rpartition("/")[2] for note in thread.notes] == [
        "session.jsonl:2: a tool result without its call; left out.",
        "session.jsonl:5: a second result for the same tool call; left out.",
        "session.jsonl:6: a tool result without its call; left out.",
        "session.jsonl:7: a tool result without its call; left out.",
    ]
    assert len(thread.messages) == 4
    assert thread.messages[3]["content"] == [{"type": "text", "text": "kept"}]


def test_a_result_written_late_is_moved_aloud(script: Script) -> None:
    script.call("t1")
    script.call("t2", id="msg_2")
    script.result("t1")
    script.result("t2")
    thread = script.read().main
    assert [type(step) for step in thread.steps] == [Reply, Incoming, Reply, Incoming]
    assert [note.text for note in thread.notes] == [
        "a tool result written after the next reply; moved behind its call."
    ]


def test_what_the_client_wrote_in_the_models_place_is_no_reply(script: Script) -> None:
    script.user("go")
    script.assistant("API Error: 529", id="x", isApiErrorMessage=True)
    script.user("again")
    script.assistant("No response requested.", id="y", model="<synthetic>")
    script.user("and again")
    thread = script.read().main
    assert thread.messages == tuple({"role": "user", "content": text} for text in ("go", "again", "and again"))
    assert len(thread.notes) == 2
    assert all("left out" in note.text for note in thread.notes)


def test_a_compaction_keeps_its_numbers(script: Script) -> None:
    script.user("go")
    script.assistant("done")
    script.boundary()
    script.user("This session is being continued ...", isCompactSummary=True)
    script.user("caveat", isMeta=True)
    script.assistant("on", id="msg_2")
    script.boundary(compactMetadata=None)
    script.user("Summary without numbers", isCompactSummary=True)
    thread = script.read().main
    assert len(thread.replies) == 2
    incoming = [step for step in thread.steps if isinstance(step, Incoming)]
    assert [(step.kind, step.compacted_from, step.compact_trigger) for step in incoming] == [
        ("message", None, None),
        ("compact_summary", 167_081, "auto"),
        ("meta", None, None),
        ("compact_summary", None, None),
    ]
    assert thread.notes == ()


@pytest.mark.parametrize(
    ("metadata", "kept"),
    [
        ({"preservedMessages": {"anchorUuid": "s", "uuids": ["user-1", "assistant-2"]}}, "2"),
        ({"preservedSegment": {"headUuid": "user-1", "anchorUuid": "s", "tailUuid": "assistant-2"}}, "1"),
    ],
)
def test_rows_that_a_compaction_kept_are_told(script: Script, metadata: dict[str, Any], kept: str) -> None:
    script.user("go")
    script.assistant("done")
    script.boundary(compactMetadata={"trigger": "manual", "preTokens": 9, **metadata})
    script.user("summary", isCompactSummary=True)
    (note,) = script.read().main.notes
    assert note.text.startswith(f"the compaction kept {kept} rows verbatim")


def test_rows_without_a_message_id_are_replies_of_their_own(script: Script) -> None:
    script.assistant("one", id=None)
    script.assistant("two", id=None)
    assert [reply.id for reply in script.read().main.replies] == [None, None]


@pytest.mark.parametrize(
    ("stamp", "at"),
    [("2026-02-18T11:00:00Z", START), ("2026-02-18T12:00:00.5+01:00", START + 0.5)]
    + [(stamp, None) for stamp in ("2026-02-18T11:00:00", "yesterday", 1_771_412_400, None)],
)
def test_a_time_without_a_zone_is_unknown(script: Script, stamp: Any, at: float | None) -> None:
    script.user("go", timestamp=stamp)
    assert script.read().main.steps[0].at == at


@st.composite
def tool_turns(draw: st.DrawFn) -> tuple[list[list[str]], list[str]]:
    """Replies with parallel calls, and an order of rows in which each result stands behind its call's row."""
    turns = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    replies = [[f"t{turn}.{call}" for call in range(count)] for turn, count in enumerate(turns)]
    rows: list[str] = []
    for calls in replies:
        waiting, open_calls = list(calls), list[str]()
        while waiting or open_calls:
            if waiting and (not open_calls or draw(st.booleans())):
                open_calls.append(waiting.pop(0))
                rows.append(f"call {open_calls[-1]}")
            else:
                rows.append(f"result {open_calls.pop(draw(st.integers(0, len(open_calls) - 1)))}")
    return replies, rows


@QUICK
@given(tool_turns())
def test_every_call_is_answered_in_the_next_message(turns: tuple[list[list[str]], list[str]]) -> None:
    """TOOL-01: every client tool_use is answered by a tool_result in the very next user message.
    TOOL-03: exactly one result per call. TOOL-06: all results in one user message."""
    replies, order = turns
    parent, lines = None, []
    for number, row in enumerate(order, 1):
        kind, call = row.split()
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": call}
        message: dict[str, Any] = {"role": "user", "content": [block]}
        if kind == "call":
            message = {"role": "assistant", "id": call.split(".")[0], "content": [{"type": "tool_use", "id": call}]}
        fields = {"type": message["role"], "uuid": row, "parentUuid": parent, "message": message}
        lines.append((number, json.dumps(fields).encode() + b"\n"))
        parent = row
    thread = session_of_rows(iter(lines), "s").main
    assert [[block["id"] for block in reply.message["content"]] for reply in thread.replies] == replies
    answers = [message["content"] for message in thread.messages[1::2]]
    assert [[block["tool_use_id"] for block in content] for content in answers] == replies
    assert thread.notes == ()
