from __future__ import annotations

from typing import Any

from ctxwindow.record.events import Compacted
from ctxwindow.tiers.heads import epoch_messages, head_message, stands_for

USER = {"role": "user", "content": [{"type": "text", "text": "Do it.", "cache_control": {"type": "ephemeral"}}]}
CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "read", "input": {}}]}
IMAGE = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
RESULT = {
    "role": "user",
    "content": [
        {
            "type": "tool_result",
            "tool_use_id": "t1",
            "is_error": True,
            "content": [
                {"type": "text", "text": "no such file"},
                IMAGE,
                {"type": "tool_reference", "tool_name": "write"},
            ],
        },
        {"type": "text", "text": "and hurry"},
    ],
}
SYSTEM = {"role": "system", "content": "Stay in the folder."}


def _edit(**fields: Any) -> Compacted:
    base: dict[str, Any] = {
        "method": "m", "first": 0, "end": 3, "tail": 3, "instruction": None, "carried": None, "strip_thinking": False,
        "summary": "They spoke.", "by": "extractive", "tokens": 9, "before": 100, "target": 50,
    }  # fmt: skip
    return Compacted(**{**base, **fields})


def test_summary_then_the_request_in_progress() -> None:
    head = head_message((_edit(instruction=0),), {0: USER})
    texts = [block["text"] for block in head["content"]]
    assert texts[0].endswith("The originals are kept and can be recalled.]\nThey spoke.")
    assert texts[1:] == ["[The request in progress, word for word:]", "Do it."]
    assert "cache_control" not in str(head), "a repeated marker would count against the four allowed (CACHE-02)"
    assert "cache_control" in str(USER)


def test_results_are_carried_as_text_and_media() -> None:
    head = head_message((_edit(tail=4, carried=(2, 4)),), {1: CALL, 2: RESULT, 3: SYSTEM})
    rest = head["content"][1:]
    assert rest[0]["text"] == "[Result of read, call t1, an error:]"
    assert rest[1] == {"type": "text", "text": "no such file"}
    assert rest[2] == IMAGE
    assert rest[3]["text"] == "[tool reference: write]"
    assert [block.get("text") for block in rest[4:]] == ["and hurry", "[Continue from here.]"]


def test_system_messages_among_the_newest_stay_messages() -> None:
    """SYS-04: a system message must follow a user message and be last or be followed by an assistant message."""
    edit = _edit(tail=4, carried=(2, 4))
    forms: dict[int, dict[str, Any]] = {1: CALL, 2: RESULT, 3: SYSTEM}
    wire = epoch_messages((edit,), forms, 4)
    assert [message["role"] for message, _ in wire] == ["user", "system"]


def test_a_kept_user_message_is_joined_to_the_head() -> None:
    forms: dict[int, dict[str, Any]] = {3: USER, 4: {"role": "assistant", "content": "Done."}}
    edit = _edit()
    wire = epoch_messages((edit,), forms, 5)
    assert [(message["role"], source) for message, source in wire] == [("user", 3), ("assistant", 4)]
    assert wire[0][0]["content"][-1] == {"type": "text", "text": "Do it."}


def test_stripped_tails_lose_thinking_and_messages_of_thinking_alone() -> None:
    thinking = {"type": "thinking", "thinking": "hm", "signature": "s"}
    forms: dict[int, dict[str, Any]] = {
        3: {"role": "assistant", "content": [thinking, {"type": "text", "text": "A."}]},
        4: {"role": "assistant", "content": [thinking]},
        5: {"role": "user", "content": "And?"},
    }
    edit = _edit(strip_thinking=True)
    wire = epoch_messages((edit,), forms, 6)
    assert [source for _, source in wire] == [None, 3, 5]
    assert wire[1][0]["content"] == [{"type": "text", "text": "A."}]
    assert forms[3]["content"][0] == thinking


def test_what_stands_on_the_wire_after_one_more() -> None:
    first, second = _edit(end=4), _edit(first=4, end=9)
    assert stands_for((), first) == (first,)
    assert stands_for((first,), second) == (first, second)
    assert stands_for((first, second), _edit(end=12)) == (_edit(end=12),)


def test_gaps_that_meet_are_one() -> None:
    def gap(first: int, end: int, summary: str = "") -> Compacted:
        return _edit(method="drop", first=first, end=end, tail=end, summary=summary, by="")

    summary = _edit(end=4)
    assert stands_for((gap(0, 4),), gap(4, 9)) == (gap(0, 9),)
    assert stands_for((summary, gap(4, 9)), gap(9, 12)) == (summary, gap(4, 12))
    assert stands_for((summary,), gap(4, 9)) == (summary, gap(4, 9))
    told = gap(0, 4, summary="of the server's block")
    assert stands_for((told,), gap(4, 9)) == (told, gap(4, 9)), "its text stays"
    (text,) = head_message(stands_for((gap(0, 4),), gap(4, 9)), {})["content"]
    assert "[Messages 0 to 8 of" in text["text"]
