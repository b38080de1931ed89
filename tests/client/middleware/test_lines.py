"""A caller's list held against the record."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow import Conversation
from ctxwindow.client.middleware.lines import Line, echoes

TEXT = {"type": "text", "text": "One."}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": 1.0}}
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
THINKING = {"type": "thinking", "thinking": "So.", "signature": "s"}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def chat(*replies: dict[str, Any], ends: bool = True) -> Conversation:
    """A conversation of so many turns, each answered by a reply; without the last one if it does not end."""
    conversation = Conversation.start(model="claude-opus-5-5")
    for number, reply in enumerate(replies):
        conversation.append(user(f"question {number}"))
        conversation.plan(max_tokens=100)
        if ends or number < len(replies) - 1:
            conversation.receive({"id": f"msg_{number}", "stop_reason": "end_turn", **reply})
    return conversation


@pytest.mark.parametrize(
    ("message", "is_echo"),
    [
        (assistant(THINKING, TEXT, CALL), True),
        (assistant(TEXT, CALL), True),
        (assistant(CALL), True),
        (assistant({**CALL, "input": {"at": 1}}), True),
        (assistant({**CALL, "input": {"at": 2}}), False),
        (assistant(TEXT), False),
        (assistant(CALL, TEXT), False),
        (assistant(TEXT, CALL, {**CALL, "id": "toolu_2"}), False),
        ({"role": "user", "content": [TEXT, CALL]}, False),
        (assistant(), False),
    ],
)
def test_what_counts_as_a_reply_that_was_sent_back(message: dict[str, Any], is_echo: bool) -> None:
    assert echoes(message, assistant(THINKING, TEXT, CALL)) is is_echo


@pytest.mark.parametrize("content", ["One.Two.", "One.\n\nTwo.", "One. Two.", [{"type": "text", "text": "One.\nTwo."}]])
def test_text_alone_counts_however_it_is_joined(content: Any) -> None:
    reply = assistant(THINKING, TEXT, SEARCH, {"type": "text", "text": "Two."})
    assert echoes({"role": "assistant", "content": content}, reply)
    assert not echoes({"role": "assistant", "content": f"{content}!"}, reply)


def test_the_list_of_a_record_is_what_its_caller_has() -> None:
    conversation = chat(assistant(TEXT), assistant(TEXT))
    line = Line.of(conversation)
    assert line.sent == list(conversation.messages)
    assert line.places == [0, 1, 2, 3]
    assert line.replies == {1: "msg_0", 3: "msg_1"}
    assert line.following("msg_0") == 2
    assert line.following("msg_9") is None


def test_a_reply_that_is_evidence_is_not_on_the_list() -> None:
    conversation = chat(assistant(TEXT), {**assistant(TEXT), "stop_reason": "refusal"})
    line = Line.of(conversation)
    assert len(line.sent) == 3
    assert line.evidence == 3
    conversation.append(user("again"))
    assert Line.of(conversation).places == [0, 1, 2, 4]
    assert Line.of(conversation).evidence is None


@given(st.integers(0, 6), st.integers(0, 6), st.booleans())
def test_what_is_common_ends_where_the_first_difference_is(length: int, edited: int, reworded: bool) -> None:
    line = Line.of(chat(*[assistant(THINKING, TEXT)] * 3))
    messages = [dict(message) for message in line.sent[:length]]
    if reworded and length > 1:
        messages[1] = {"role": "assistant", "content": "One."}
    if edited < length:
        messages[edited] = {**messages[edited], "content": "something else"}
    match = line.against(messages)
    assert match.common == min(length, edited)
    assert line.cut(match).sent == messages[: match.common]
    assert line.cut(match).places == list(range(match.common))


@pytest.mark.parametrize(
    ("messages", "fits"),
    [
        ([0, 1, 2, 3, "new"], True),
        ([0, 1, 2, 3], True),
        ([0, 1, 2], True),
        ([0, 1, "other"], True),
        ([0, 1], True),
        ([0], False),
        ([0, "other"], False),
        (["other", 1], False),
    ],
)
def test_which_lists_are_of_the_same_conversation(messages: list[Any], fits: bool) -> None:
    line = Line.of(chat(assistant(TEXT), assistant(TEXT)))
    found = [line.sent[one] if isinstance(one, int) else user(one) for one in messages]
    assert line.fits(found, line.common(found)) is fits


def test_the_first_question_again_fits_as_long_as_nothing_followed() -> None:
    line = Line.of(chat(assistant(TEXT)))
    assert line.fits(line.sent[:1], 1)
    line = Line.of(chat(assistant(TEXT), ends=False))
    assert line.fits(line.sent[:1], 1)


@pytest.mark.parametrize("start", range(1, 6))
def test_a_trimmed_list_begins_where_its_head_is(start: int) -> None:
    line = Line.of(chat(*[assistant({**TEXT, "text": f"{number}"}) for number in range(3)]))
    assert line.overlap([*line.sent[start:], user("new")]) == start
    assert line.overlap([user("nothing of it")]) is None
