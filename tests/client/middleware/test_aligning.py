"""A part of a list, made whole by what is known under its name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow import Conversation
from ctxwindow.client.middleware.aligning import whole
from ctxwindow.client.middleware.lines import Line


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def known(questions: list[str], replies: list[str], *, ends: bool = True) -> Line:
    """What is known of a conversation: questions that were answered; the last one not, if it does not end."""
    chat = Conversation.start(model="claude-opus-5-5")
    for number, (question, reply) in enumerate(zip(questions, replies, strict=True)):
        chat.append(user(question))
        chat.plan(max_tokens=100)
        if ends or number < len(questions) - 1:
            chat.receive({"role": "assistant", "stop_reason": "end_turn", "content": [{"type": "text", "text": reply}]})
    return Line.of(chat)


def texts(messages: list[Any]) -> list[str]:
    return [
        message["content"] if isinstance(message["content"], str) else message["content"][0]["text"]
        for message in messages
    ]


ABC = ["a", "A", "b", "B", "c", "C"]


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ("x", "aAbBcCx"),
        ("a", "aAbBcCa"),
        ("c", "aAbBcCc"),
        ("ab", "aAbBcCab"),
        ("aAbBcCx", "aAbBcCx"),
        ("aAbBc", "aAbBc"),
        ("aAbBx", "aAbBx"),
        ("aA", "aA"),
        ("bBcCx", "aAbBcCx"),
        ("bBc", "aAbBc"),
        ("bBcDx", "aAbBcDx"),
        ("Cx", "aAbBcCx"),
        ("xAbBcCy", "xAbBcCy"),
        ("sBcCx", "sBcCx"),
        ("bBx", "bBx"),
    ],
)
def test_what_explains_a_list_best(sent: str, found: str) -> None:
    messages = [assistant(letter) if letter.isupper() else user(letter) for letter in sent]
    assert texts(whole(known(["a", "b", "c"], ["A", "B", "C"]), messages)) == list(found)


@pytest.mark.parametrize(("sent", "found"), [("c", "aAbBc"), ("cd", "aAbBcd"), ("d", "aAbBcd"), ("a", "aAbBca")])
def test_what_was_not_answered_is_no_second_message(sent: str, found: str) -> None:
    line = known(["a", "b", "c"], ["A", "B", "C"], ends=False)
    assert texts(whole(line, [user(letter) for letter in sent])) == list(found)


@given(st.lists(st.sampled_from(["hello", "go on"]), min_size=1, max_size=6), st.integers(0, 12), st.booleans())
def test_a_list_with_its_head_trimmed_is_made_whole_however_alike_its_messages(
    questions: list[str], start: int, alike: bool
) -> None:
    line = known(questions, ["Yes." if alike else f"Reply {number}." for number in range(len(questions))])
    start = min(start, len(line.sent) - 1)
    messages = [*line.sent[start:], user("new")]
    assert texts(whole(line, messages)) == texts([*line.sent, user("new")])


@given(st.integers(1, 6), st.integers(0, 12))
def test_a_whole_list_of_different_messages_stays_as_it_is(turns: int, edited: int) -> None:
    line = known([f"q{turn}" for turn in range(turns)], [f"r{turn}" for turn in range(turns)])
    messages = [*line.sent, user("new")]
    messages[min(edited, len(messages) - 1)] = {
        "role": messages[min(edited, len(messages) - 1)]["role"],
        "content": "e",
    }
    assert texts(whole(line, messages)) == texts(messages)
