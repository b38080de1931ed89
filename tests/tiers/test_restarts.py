"""Where the block of a compaction cannot go: its text stands for it, and the API takes every request."""

from __future__ import annotations

from typing import Any

import pytest

from ctxwindow import Compact, Conversation, Count, InvalidRequest, Policy, PolicyError, Send, Summarize
from ctxwindow.emulator import Emulator
from ctxwindow.record import decode_event, encode_event
from ctxwindow.record.blocks import blocks_of, is_thinking
from tests.emulated import ask

OPUS, OLDER, KEEPS = "claude-opus-5-5", "claude-opus-4-5", "claude-opus-4-6"
THOUGHT = {"type": "thinking", "thinking": "It must be in the parser. " * 30}
CALL = {"type": "tool_use", "name": "read", "input": {}}
TOOLS = [{"name": "read", "input_schema": {"type": "object"}}]


class Talk:
    """A conversation, and the API that answers it; every request must be taken."""

    def __init__(self, model: str = OPUS, **policy: Any) -> None:
        settings = {"budget": 30_000, "methods": ("compact",)} | policy
        self.calls = 0
        self.calling = False
        self.emulator = Emulator(self._reply)
        self.chat = Conversation.start(model=model, tools=TOOLS, policy=Policy(**settings))
        self.said: list[type] = []

    def _reply(self, _request: Any) -> list[dict[str, Any]]:
        self.calls += 1
        last = {**CALL, "id": f"toolu_{self.calls}"} if self.calling else {"type": "text", "text": "word " * 400}
        return [THOUGHT, last]

    def say(self, content: Any = "And what of the lexer? " * 60) -> Send:
        self.chat.append({"role": "user", "content": content})
        return self.answer()

    def answer(self) -> Send:
        """Plan, and carry out what is decided, until there is a reply."""
        while True:
            decision = self.chat.plan(max_tokens=4_000)
            self.said.append(type(decision))
            match decision:
                case Send():
                    answer = ask(self.emulator, decision.request)
                    assert answer.status == 200, answer.body
                    self.chat.receive(answer.body)
                    return decision
                case Compact():
                    answer = ask(self.emulator, decision.request)
                    assert answer.status == 200, answer.body
                    assert self.chat.compacted(answer.body)
                case Summarize():
                    self.chat.summarized("They looked at the parser.", by="test")
                case Count():
                    self.chat.counted(None)

    def compact(self) -> Conversation:
        """Talk until the server has compacted."""
        while Compact not in self.said:
            self.say()
        return self.chat


def has_block(chat: Conversation) -> bool:
    return any(block.get("type") == "compaction" for message in chat.wire for block in blocks_of(message))


def thinking(send: Send) -> int:
    return sum(is_thinking(block) for message in send.request["messages"] for block in blocks_of(message))


def test_a_block_that_cannot_go_to_bedrock_is_replaced_by_its_text() -> None:
    """CMP-16; thinking that was bound to the block goes with it (BIND-28)."""
    talk = Talk()
    chat = talk.compact()
    talk.say()
    assert has_block(chat)
    block, hot, epoch = chat.wire[0]["content"][0], chat.hot(), chat.epoch
    chat.configure(platform="bedrock")
    assert not has_block(chat)
    assert (chat.policy.platform, chat.epoch, chat.hot()) == ("bedrock", epoch + 1, hot)
    assert block["content"] in chat.wire[0]["content"][0]["text"]
    assert [edit.method for edit in chat.compactions] == ["compact", "restart"]
    send = talk.say()
    assert [edit.method for edit in send.edits] == ["switch", "restart"]
    assert (
        send.edits[0].why
        == "claude_api to bedrock; thinking goes with it (THINK-15); the cache starts empty (CACHE-15)"
    )
    assert send.edits[1].why.endswith("whose block claude-opus-5-5 on bedrock does not take (CMP-01, CMP-16)")
    assert thinking(send) == 0
    assert thinking(talk.say()) == 1, "what is thought from here on stays"
    again = Conversation.fold(decode_event(encode_event(event)) for event in chat.events)
    assert (again.wire, again.window, again.policy) == (chat.wire, chat.window, chat.policy)


def test_a_model_without_compaction_takes_the_text_too() -> None:
    talk = Talk()
    chat = talk.compact()
    chat.configure(model=OLDER)
    assert not has_block(chat)
    talk.say()
    chat.configure(model=OPUS)
    for _ in range(3):  # and the way back is open: nothing of before is bound to what is gone (BIND-05)
        talk.say()
    assert not has_block(chat) or chat.compactions[-1].method == "compact"


def test_a_block_inside_a_reply_is_replaced_too() -> None:
    """CMP-01, CMP-02: a reply that compacted at a threshold opens with its block."""
    talk = Talk(methods=("compact_threshold",), budget=120_000, high=0.7)
    chat = talk.chat
    while not chat.compactions:
        talk.say("And what of the lexer? " * 700)
    assert [edit.method for edit in chat.compactions] == ["compact_threshold"]
    assert has_block(chat)
    chat.configure(model=OLDER)
    assert not has_block(chat)
    assert [message["role"] for message in chat.wire] == ["user", "assistant"]
    assert chat.compactions[0].summary in chat.wire[0]["content"][0]["text"]
    assert "compaction" in str(chat.messages[-1]), "the record keeps it"
    talk.say()
    chat.configure(model=OPUS)
    talk.say()
    assert not has_block(chat)


def test_a_model_that_takes_the_block_keeps_it() -> None:
    talk = Talk()
    chat = talk.compact()
    chat.configure(model="claude-sonnet-5-5")
    chat.configure(platform="google_cloud")
    assert has_block(chat)
    talk.say()


def test_inside_an_open_tool_loop_nothing_is_switched_that_would_break_it() -> None:
    """REPLAY-01: its thinking must go back as it came, and it is bound to the block."""
    talk = Talk()
    chat = talk.compact()
    talk.calling = True
    talk.say()
    before = chat.events
    for switch in ({"platform": "bedrock"}, {"model": OLDER}):
        with pytest.raises(InvalidRequest, match=r"open tool loop is bound to the block .*\[REPLAY-01\]"):
            chat.configure(**switch)  # type: ignore[arg-type]
    assert chat.events == before
    talk.calling = False
    talk.say([{"type": "tool_result", "tool_use_id": f"toolu_{talk.calls}", "content": "found"}])
    chat.configure(platform="bedrock")
    talk.say()


def test_thinking_of_a_model_that_binds_stays_bound_while_another_has_the_word() -> None:
    """BIND-03: the first model comes back, and checks what a summary on the other has moved."""
    talk = Talk(OPUS, methods=("summarize_keep_tail",))
    for _ in range(4):
        talk.say()
    talk.chat.configure(model=KEEPS)
    while not talk.chat.compactions:
        talk.say()
    talk.chat.configure(model=OPUS)
    for _ in range(3):
        talk.say()


def test_what_no_switch_can_be() -> None:
    chat = Conversation.start(model=OPUS, policy=Policy(reserve=250_000))
    with pytest.raises(PolicyError, match="platform"):
        chat.configure(platform="my own")
    with pytest.raises(PolicyError, match="reserve"):
        chat.configure(model="claude-haiku-4-5")
    assert len(chat.events) == 1


def test_another_platform_is_another_cache() -> None:
    """CACHE-15"""
    talk = Talk()
    talk.say()
    talk.chat.configure(platform="bedrock")
    send = talk.say()
    assert send.forecast.cached == 0
    assert send.window.tokens > 0
    talk.chat.configure(platform="bedrock")
    assert talk.say().edits == ()


def test_thinking_that_is_bound_to_an_account() -> None:
    """BIND-19"""
    talk = Talk("claude-sonnet-5-5")
    talk.say()
    talk.chat.configure(platform="google_cloud")
    assert "1 thinking blocks are read there only if the accounts are linked (BIND-19)" in talk.say().edits[0].why
