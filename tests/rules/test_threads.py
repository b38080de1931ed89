from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.rules import find_violations
from ctxwindow.rules.threads import may_continue, next_in_thread, unthreaded
from ctxwindow.window import count

MODEL, BETA = "claude-opus-5-5", "message-threads-2026-08-12"
HI: dict[str, Any] = {"role": "user", "content": "hi"}
CALL: dict[str, Any] = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
ANSWER = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]}
F: dict[str, Any] = {"name": "f", "input_schema": {"type": "object"}}
CREATE, CONTINUE = {"type": "create"}, {"type": "continue", "previous_message_id": "msg_1"}


def found(
    *messages: Any, thread: Any, betas: Any = (BETA,), previous: Any = None, **more: Any
) -> list[tuple[str, str, str]]:
    request = {"model": MODEL, "messages": list(messages), "thread": thread, **more}
    violations = find_violations(request, betas=betas, previous=previous)
    return [(violation.rule, violation.path, violation.severity) for violation in violations]


def test_thr_01() -> None:
    """thread is create, or continue with the id of a response; then only new messages are sent. It takes a beta."""
    assert found(HI, thread=CREATE) == found(HI, thread=CONTINUE) == []
    assert found(HI, thread=CREATE, betas=None) == [("THR-01", "thread", "warning")]
    assert found(HI, thread=CREATE, betas=[]) == [("THR-01", "thread", "error")]
    assert found(HI, thread={"type": "fork"}) == [("THR-01", "thread.type", "error")]
    identity = "previous_message_id"
    assert found(HI, thread={"type": "continue"}) == [("THR-01", f"thread.continue.{identity}", "error")]
    assert found(HI, thread={**CREATE, identity: "msg_1"}) == [("THR-01", f"thread.create.{identity}", "error")]


def test_new_messages_are_judged_without_what_the_server_has() -> None:
    """THR-01, THR-08: results whose calls are stored, a reminder behind stored messages, and no message at all."""
    assert found(ANSWER, thread=CONTINUE) == []
    assert [rule for rule, _, _ in found(ANSWER, thread=CREATE)] == ["TOOL-02"]
    reminder = {"role": "system", "content": "Be brief."}
    assert found(reminder, thread=CONTINUE) == []
    assert [rule for rule, _, _ in found(reminder, thread=CREATE)] == ["SYS-04"]
    assert found(thread=CONTINUE) == []
    assert [rule for rule, _, _ in found(thread=CREATE)] == ["SHAPE-01"]
    found_by_server = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    assert "TOOL-08" not in {
        rule for rule, _, _ in found({"role": "assistant", "content": [found_by_server]}, thread=CONTINUE)
    }


def test_thr_02() -> None:
    """A continued thread takes no system and no tools, and the other fields that it stores stay as they were."""
    assert found(HI, thread=CREATE, system="s", tools=[F]) == []
    assert found(HI, thread=CONTINUE, system="s", tools=[F]) == [
        ("THR-02", "system", "error"),
        ("THR-02", "tools", "error"),
    ]
    before = {"model": MODEL, "messages": [HI], "thread": CREATE, "output_config": {"effort": "low"}}
    assert found(HI, thread=CONTINUE, previous=before, output_config={"effort": "low"}) == []
    assert found(HI, thread=CONTINUE, previous=before) == [("THR-02", "output_config", "error")]


def test_thr_04() -> None:
    """A thread goes on from each response once."""
    before = {"model": MODEL, "messages": [HI], "thread": CONTINUE}
    assert found(HI, thread=CONTINUE, previous=before) == [("THR-04", "thread.continue.previous_message_id", "error")]
    assert found(HI, thread={**CONTINUE, "previous_message_id": "msg_2"}, previous=before) == []


def test_thr_05() -> None:
    """context_management and fallbacks are not supported in a thread; of some others it is not said which values."""
    betas = (BETA, "server-side-fallback-2026-07-01", "context-management-2025-06-27")
    edits: dict[str, Any] = {"edits": []}
    assert found(HI, thread=CREATE, fallbacks="default", betas=betas) == [("THR-05", "fallbacks", "error")]
    assert ("THR-05", "context_management", "error") in found(HI, thread=CREATE, context_management=edits, betas=betas)
    assert "THR-05" not in {rule for rule, _, _ in found(HI, thread=None, fallbacks="default", betas=betas)}


def test_thr_06() -> None:
    """A request in a thread holds at most three explicit cache markers."""
    marked = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    messages = [{"role": "user", "content": [marked]} for _ in range(4)]
    assert found(*messages[:3], thread=CREATE) == []
    assert found(*messages, thread=CREATE) == [("THR-06", "messages.3.content.0.cache_control", "error")]
    assert found(*messages, thread=None) == []


texts = st.text(min_size=1, max_size=5)
settings_of = st.fixed_dictionaries(
    {}, optional={"system": texts, "tools": st.just([F]), "output_config": st.just({"effort": "low"})}
)


@st.composite
def turns(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """A whole request, its reply, and the whole next request, which may be another conversation."""
    settings = draw(settings_of)
    messages = [{"role": "user", "content": draw(texts)} for _ in range(draw(st.integers(1, 3)))]
    reply = {
        "id": "msg_1",
        "content": [{"type": "text", "text": draw(texts)}],
        "stop_reason": draw(st.sampled_from(["end_turn", "pause_turn", "refusal", None])),
    }
    more = [{"role": "user", "content": draw(texts)} for _ in range(draw(st.integers(0, 2)))]
    answered = [*messages, {"role": "assistant", "content": reply["content"]}]
    kept: list[dict[str, Any]] = draw(st.sampled_from([answered, answered[1:], messages]))
    later = settings if draw(st.booleans()) else draw(settings_of)
    return (
        {"model": MODEL, "messages": messages, **settings},
        reply,
        {"model": MODEL, "messages": [*kept, *more], **later},
    )


@given(turns())
def test_what_the_server_reads_is_the_whole_conversation(
    turn: tuple[dict[str, Any], dict[str, Any], dict[str, Any]],
) -> None:
    """THR-03, THR-07, THR-09: a request in a thread, with what the server keeps, is the request without a thread; and it
    occupies the same window."""
    before, reply, whole = turn
    sent = next_in_thread(before, reply, whole)
    read = unthreaded(before, reply, sent) if sent["thread"]["type"] == "continue" else sent
    assert read == {**whole, "thread": CREATE}
    assert count(read).tokens == count(whole).tokens


def test_only_an_appended_history_goes_on_with_the_thread() -> None:
    """THR-09."""
    reply = {"id": "msg_1", "content": [{"type": "text", "text": "a"}], "stop_reason": "end_turn"}
    answered = [HI, {"role": "assistant", "content": reply["content"]}]
    before = {"model": MODEL, "messages": [HI], "system": "s"}
    appended = {**before, "messages": [*answered, HI]}
    assert next_in_thread(before, reply, appended) == {"model": MODEL, "messages": [HI], "thread": CONTINUE}
    for other in (
        {**appended, "messages": [HI, HI]},
        {**appended, "system": "t"},
        {**appended, "output_config": {"effort": "low"}},
    ):
        assert next_in_thread(before, reply, other) == {**other, "thread": CREATE}


@pytest.mark.parametrize(
    ("reply", "goes_on"),
    [
        ({"id": "msg_1", "stop_reason": "end_turn"}, True),
        ({"id": "msg_1", "stop_reason": "pause_turn"}, True),
        ({"id": "msg_1", "stop_reason": "refusal"}, False),
        ({"id": "msg_1", "stop_reason": None}, False),
        ({"stop_reason": "end_turn"}, False),
        ({"id": "msg_1", "stop_reason": "end_turn", "usage": {"iterations": [{"type": "fallback_message"}]}}, False),
        ({"id": "msg_1", "stop_reason": "end_turn", "usage": {"iterations": [{"type": "message"}]}}, True),
    ],
)
def test_a_new_thread_starts_behind_a_refusal_a_fallback_or_a_cut_stream(reply: dict[str, Any], goes_on: bool) -> None:
    """THR-08."""
    assert may_continue(reply) == goes_on
