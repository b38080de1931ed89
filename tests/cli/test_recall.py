from __future__ import annotations

from ctxwindow import Conversation
from ctxwindow.cli.recall import Missed, missed, recall
from ctxwindow.stores import MemoryStore, keep
from tests.cli.scenes import OPUS, call, result, text, thinking
from tests.driver import plan

_NAME = "/srv/config/payments_retry.toml"


def _conversation() -> Conversation:
    """A file is named first, then something else; the last reply names the file again."""
    conversation = Conversation.start(model=OPUS)
    lines = f"[files]\n  where = {_NAME}\nother = 1\nmore = 2"
    steps = [
        ("Look.", [text("Yes."), call()]),
        ([result(lines)], [text("I see.")]),
        ("Go on.", [thinking("/srv/secret/thought.toml"), text(f"In {_NAME}, not in /srv/new/never_seen.toml.")]),
    ]
    for content, reply in steps:
        conversation.append({"role": "user", "content": content})
        plan(conversation)
        conversation.receive({"content": reply, "stop_reason": "end_turn"})
    return conversation


def _miss(conversation: Conversation) -> Missed:
    return Missed(request=3, wire=[{"role": "user", "content": "Go on."}], at=len(conversation.messages) - 1)


def test_what_the_reply_used_and_the_wire_lacked_is_named() -> None:
    conversation = _conversation()
    found = missed(_miss(conversation), conversation)
    assert found is not None
    assert found.name == _NAME


def test_nothing_was_missed_where_the_wire_holds_it() -> None:
    conversation = _conversation()
    miss = Missed(request=3, wire=conversation.messages[:5], at=5)
    assert missed(miss, conversation) is None


def test_a_search_finds_it_with_the_lines_around() -> None:
    conversation, store = _conversation(), MemoryStore()
    keep(store, "c", conversation)
    named = missed(_miss(conversation), conversation)
    assert named is not None
    found = recall(store, "c", named, conversation)
    assert found is not None
    assert (found.query, found.message, found.kind) == (_NAME, 2, "tool_result")
    assert found.path == "messages.2.content.0"
    assert found.lines == ("[files]", f"where = {_NAME}", "other = 1")


def test_what_is_only_in_the_reply_itself_is_not_found() -> None:
    conversation, store = _conversation(), MemoryStore()
    keep(store, "c", conversation)
    named = Missed(request=3, wire=[], at=5, name="/srv/new/never_seen.toml")
    assert recall(store, "c", named, conversation) is None
