from __future__ import annotations

from typing import Any

from hypothesis import given, settings

from ctxwindow import check
from ctxwindow.record.blocks import blocks_of, texts_of
from ctxwindow.testing import conversations
from ctxwindow.testing.strategies import Step
from ctxwindow.tiers.repeats import pinned_blocks
from ctxwindow.tiers.wire import sendable

IMAGE = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
CALL = {
    "role": "assistant",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "s1"},
        {"type": "text", "text": "I change it.", "citations": None},
        {"type": "tool_use", "id": "t1", "name": "edit", "input": {"path": "a.py", "new_str": "é = 1\n"}},
    ],
}
RESULT = {
    "role": "user",
    "content": [
        {
            "type": "tool_result",
            "tool_use_id": "t1",
            "is_error": True,
            "cache_control": {"type": "ephemeral"},
            "content": [{"type": "text", "text": "no"}, IMAGE, {"type": "tool_reference", "tool_name": "write"}],
        },
        {"type": "text", "text": "and hurry", "cache_control": {"type": "ephemeral"}},
    ],
}


def _texts(blocks: list[Any]) -> list[Any]:
    return [block.get("text", block["type"]) for block in blocks]


def test_a_user_message_is_repeated_as_it_is() -> None:
    blocks = pinned_blocks(4, {4: {"role": "user", "content": "Do it."}})
    assert _texts(blocks) == ["[Pinned: message 4, word for word:]", "Do it."]


def test_results_become_text_that_names_the_tool_and_media_stay() -> None:
    blocks = pinned_blocks(8, {7: CALL, 8: RESULT})
    assert _texts(blocks) == [
        "[Pinned: message 8, word for word:]",
        "[Result of edit, call t1, an error:]",
        "no",
        "image",
        "[tool reference: write]",
        "and hurry",
    ]
    assert blocks[3] == IMAGE
    assert "cache_control" not in str(blocks), "a repeated marker would count against the four allowed (CACHE-02)"
    assert "[Result of a tool, call t1, an error:]" in _texts(pinned_blocks(8, {8: RESULT}))


def test_a_reply_is_repeated_as_text_without_its_thinking() -> None:
    """BIND-28: thinking is signed where it stands."""
    assert pinned_blocks(7, {7: CALL}) == [
        {"type": "text", "text": "[Pinned: message 7, yours, word for word:]"},
        {"type": "text", "text": "I change it."},
        {"type": "text", "text": '[Call of edit, call t1:]\n{"path": "a.py", "new_str": "é = 1\\n"}'},
    ]


def test_what_has_nothing_to_repeat_is_left_out() -> None:
    thinking = {"role": "assistant", "content": CALL["content"][:1]}
    assert pinned_blocks(1, {1: thinking}) == []
    assert pinned_blocks(2, {1: thinking}) == []


@settings(max_examples=60)
@given(conversations(max_turns=3, max_rounds=2, system=True, server_tools=True, interrupted=True))
def test_any_message_can_be_repeated_in_a_user_message(steps: list[Step]) -> None:
    """Law 2: what is repeated breaks no rule that content of a user message does not break by itself; and it is all there."""
    forms = {index: form for index, step in enumerate(steps) if (form := sendable(step.message)) is not None}
    for index, form in forms.items():
        content = pinned_blocks(index, forms)
        if not content:
            assert form["role"] != "user" or not list(texts_of(form))
            continue
        request = {"model": "claude-opus-5-5", "max_tokens": 100, "messages": [{"role": "user", "content": content}]}
        assert [str(found) for found in check(request).violations if found.severity == "error"] == []
        if form["role"] == "user":
            said = [text for block in content for text in texts_of(block)]
            assert all(text in said for block in blocks_of(form) for text in texts_of(block) if text.strip())
