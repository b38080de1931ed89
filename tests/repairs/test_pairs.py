from __future__ import annotations

from typing import Any

from ctxwindow.repairs import repair
from ctxwindow.repairs.pairs import UNKNOWN_RESULT
from ctxwindow.rules import check
from tests.repairs.broken import request

GO = {"role": "user", "content": "Go."}
DONE = {"role": "assistant", "content": "Done."}
NEXT = {"role": "user", "content": "Next."}


def asked(*ids: str) -> dict[str, Any]:
    calls = [{"type": "tool_use", "id": identity, "name": "search", "input": {}} for identity in ids]
    return {"role": "assistant", "content": calls}


def result(identity: str, text: str = "found") -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": identity, "content": text}


def answered(*blocks: Any) -> dict[str, Any]:
    return {
        "role": "user",
        "content": [{"type": "text", "text": block} if isinstance(block, str) else block for block in blocks],
    }


def unknown(identity: str) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": identity, "content": UNKNOWN_RESULT, "is_error": True}


def mended(*messages: Any) -> tuple[list[Any], list[tuple[str, str, str]]]:
    """The messages afterwards, and what was done: words, rule, path."""
    repaired, done = repair(request(list(messages)))
    assert check(repaired).ok
    return repaired["messages"], [(one.what, one.rule, one.path) for one in done]


def test_a_call_without_a_result_is_answered_and_never_erased() -> None:
    """TOOL-01: side effects must be verified, because nobody knows whether it ran."""
    assert mended(GO, asked("a"), NEXT) == (
        [GO, asked("a"), answered(unknown("a"), "Next.")],
        [("result added", "TOOL-01", "messages.1.content.0")],
    )
    assert "Verify" in UNKNOWN_RESULT
    assert mended(GO, asked("a", "b"), answered(result("b")), DONE, NEXT)[0][2] == answered(result("b"), unknown("a"))
    assert mended(GO, asked("a"))[0] == [GO, asked("a"), answered(unknown("a"))]
    assert mended(GO, asked("a"), asked("b"), answered(result("b")))[0][3] == answered(result("b"), unknown("a"))
    assert mended(GO, asked("a"), NEXT, DONE, NEXT)[0][2] == answered(unknown("a"), "Next.")


def test_a_result_stands_before_what_was_said_after_it() -> None:
    """Assistant messages in a row are one turn (MSG-02), but the words after the calls came after their results."""
    assert mended(GO, asked("a"), DONE, NEXT)[0] == [GO, asked("a"), answered(unknown("a")), DONE, NEXT]
    assert mended(GO, asked("a"), DONE)[0][:4] == [GO, asked("a"), answered(unknown("a")), DONE]
    begun = [GO, asked("a"), asked("b"), DONE, answered(result("b"))]
    assert mended(*begun)[0] == [*begun[:4], answered(result("b"), unknown("a"))]
    behind = mended(GO, asked("a"), DONE, answered("Here:", result("a")))[0]
    assert behind == [GO, asked("a"), DONE, answered(result("a"), "Here:")]


def test_an_answer_to_a_toolset_call_names_the_toolset() -> None:
    """TOOL-13."""
    call = {"type": "tool_use", "id": "a", "name": "click", "input": {}, "toolset_name": "browser"}
    messages, _ = mended(GO, {"role": "assistant", "content": [call]}, NEXT)
    assert messages[2]["content"][0]["toolset_name"] == "browser"


def test_a_result_that_stands_elsewhere_is_moved_to_its_call() -> None:
    late = mended(GO, asked("a"), NEXT, DONE, answered(result("a"), "Thanks."))
    assert late == (
        [GO, asked("a"), answered(result("a"), "Next."), DONE, answered("Thanks.")],
        [("result moved", "TOOL-01", "messages.4.content.0")],
    )
    early = mended(GO, answered(result("a")), asked("a"), NEXT)
    assert early[0] == [GO, asked("a"), answered(result("a"), "Next.")]
    assert [rule for _, rule, _ in early[1]] == ["TOOL-01", "MSG-07"]
    in_reply = {"role": "assistant", "content": [*asked("a")["content"], result("a")]}
    assert mended(GO, in_reply, NEXT)[0] == [GO, asked("a"), answered(result("a"), "Next.")]


def test_a_result_behind_text_is_moved_before_it() -> None:
    """TOOL-05."""
    assert mended(GO, asked("a"), answered("Here:", result("a"))) == (
        [GO, asked("a"), answered(result("a"), "Here:")],
        [("result moved", "TOOL-05", "messages.2.content.1")],
    )


def test_a_result_without_a_call_is_left_out() -> None:
    """TOOL-02."""
    assert mended(GO, DONE, answered(result("a"), "Next.")) == (
        [GO, DONE, answered("Next.")],
        [("result left out", "TOOL-02", "messages.2.content.0")],
    )


def test_a_second_result_is_left_out() -> None:
    """TOOL-03: the first stays."""
    assert mended(GO, asked("a"), answered(result("a", "one"), result("a", "two"))) == (
        [GO, asked("a"), answered(result("a", "one"))],
        [("result left out", "TOOL-03", "messages.2.content.1")],
    )


def test_a_result_for_a_call_of_the_server_is_left_out() -> None:
    """TOOL-11."""
    assert mended(GO, DONE, answered(result("srvtoolu_1"), "Next."))[1] == [
        ("result left out", "TOOL-11", "messages.2.content.0")
    ]


def test_calls_of_one_id_are_renamed_with_their_results() -> None:
    """TOOL-04: the second result answers the second call."""
    assert mended(GO, asked("a", "a"), answered(result("a", "one"), result("a", "two"))) == (
        [GO, asked("a", "a_2"), answered(result("a", "one"), result("a_2", "two"))],
        [
            ("call renamed to a_2", "TOOL-04", "messages.1.content.1"),
            ("result renamed to a_2", "TOOL-04", "messages.2.content.1"),
        ],
    )
    assert mended(GO, asked("a", "a", "a_2"), answered(result("a"), result("a_2")))[0] == [
        GO,
        asked("a", "a_3", "a_2"),
        answered(result("a"), result("a_2"), unknown("a_3")),
    ]
    three = mended(GO, asked("a", "a", "a"), answered(result("a", "1"), result("a", "2"), result("a", "3")))[0]
    assert three[2] == answered(result("a", "1"), result("a_2", "2"), result("a_3", "3"))
    apart = mended(GO, asked("a"), asked("a"), answered(result("a", "1"), result("a", "2")))[0]
    assert apart[3] == answered(result("a", "1"), result("a_2", "2"))


def test_an_id_that_comes_back_in_a_later_round_stays() -> None:
    """Recorded: the API took it. It is a warning, and no repair is made for a warning."""
    again = [GO, asked("a"), answered(result("a")), asked("a"), answered(result("a"))]
    assert mended(*again) == (again, [])


def test_broken_blocks_are_left_alone_and_named_by_check() -> None:
    call = {"type": "tool_use", "id": "a", "name": "search", "input": "no object"}
    body = request([GO, {"role": "assistant", "content": [call]}, answered(result("a"))])
    repaired, done = repair(body)
    assert (repaired, done) == (body, [])
    assert {violation.rule for violation in check(repaired).violations} == {"SHAPE-06"}
    by_user = request([GO, {"role": "user", "content": asked("a")["content"]}])
    assert repair(by_user) == (by_user, [])
