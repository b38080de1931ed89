"""Keeping a conversation in a store, and having the same one again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow import Conversation, Policy
from ctxwindow.emulator.stream import events_of
from ctxwindow.errors import HistoryError, MisuseError, StoreConflict, StoreUnavailable
from ctxwindow.record import encode_event
from ctxwindow.record.events import Received
from ctxwindow.stores import MemoryStore, Row, SqliteStore, Store, follow, keep, load
from ctxwindow.testing import Step, conversations
from ctxwindow.window import tokens
from ctxwindow.window.memo import TextCount
from ctxwindow.window.tokens import Count, Tokenizer
from tests.driver import FAMILIES, drive, plan, small

MODEL = "claude-opus-4-6"
USAGE = {"input_tokens": 20, "output_tokens": 9}
needs_ctok = pytest.mark.skipif(not tokens.have_exact(), reason="ctok is not installed")


def said(text: str, *before: dict[str, Any]) -> dict[str, Any]:
    return {"content": [*before, {"type": "text", "text": text}], "stop_reason": "end_turn"}


def talk(conversation: Conversation, *turns: str) -> Conversation:
    """Ask, and be answered."""
    for number, turn in enumerate(turns):
        conversation.append({"role": "user", "content": turn}, now=float(number))
        plan(conversation, now=float(number))
        conversation.receive(said(f"Answer to {turn}"), now=float(number))
    return conversation


def opened(*turns: str) -> Conversation:
    return talk(Conversation.start(model=MODEL, system="Be brief.", now=0.0), *turns)


def assert_same(one: Conversation, other: Conversation) -> None:
    """The same conversation: record, wire, window, and what comes next."""
    assert json.dumps(other.messages) == json.dumps(one.messages)
    assert json.dumps(other.wire) == json.dumps(one.wire)
    assert other.window == one.window
    assert other.events == one.events
    assert (other.epoch, other.spilled, other.model, other.policy) == (one.epoch, one.spilled, one.model, one.policy)


@given(
    conversations(max_turns=3, max_rounds=2), st.sampled_from(FAMILIES), st.integers(1_500, 8_000), st.integers(2, 5)
)
def test_law_10_reopening_gives_the_state_at_the_last_kept_event(
    steps: list[Step], model: str, budget: int, every: int
) -> None:
    """After the end of the process at any point, reopening gives the state at the last acknowledged append."""
    store = MemoryStore()
    conversation = Conversation.start(model=model, policy=small(budget + 500), now=0.0)
    for number, _send in enumerate(drive(conversation, steps), start=1):
        if number % every == 0:
            assert keep(store, "it", conversation) == conversation.kept == len(conversation.events)
            assert_same(conversation, load(store, "it"))
    keep(store, "it", conversation)
    again = load(store, "it")
    assert_same(conversation, again)
    assert again.kept == len(again.events)


def test_two_branches_have_the_same_places_and_are_told_apart_by_their_events(store: Store) -> None:
    conversation = opened("Of apples.", "Of pears.")
    keep(store, "it", conversation)
    conversation.rewind(to=2)
    talk(conversation, "Of plums.")
    keep(store, "it", conversation)
    again = load(store, "it")
    assert_same(conversation, again)
    assert [len(list(one.everything())) for one in (conversation, again)] == [6, 6]
    found = {}
    for fruit in ("apples", "pears", "plums"):
        hit = next(hit for hit in store.search("it", f"of {fruit}") if not hit.snippet.startswith("Answer"))
        place = again.branch_of(hit.seq)
        found[fruit] = hit.path, place.message, place.branch.current
    assert found == {
        "apples": ("messages.0.content.0", 0, True),
        "pears": ("messages.2.content.0", 2, False),
        "plums": ("messages.2.content.0", 2, True),
    }


def test_a_conversation_goes_on_where_it_was_kept(store: Store) -> None:
    conversation = opened("Fix it.")
    keep(store, "it", conversation)
    again = load(store, "it")
    assert_same(conversation, again)
    talk(again, "Go on.")
    talk(conversation, "Go on.")
    assert_same(conversation, again)
    assert keep(store, "it", again) == len(again.events)
    assert_same(again, load(store, "it"))


class Spy(MemoryStore):
    """Remembers what was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[int, list[int]]] = []

    def append(self, conversation: str, rows: Sequence[Row], *, expect: int, counts: Sequence[TextCount] = ()) -> int:
        self.asked.append((expect, [row.seq for row in rows]))
        return super().append(conversation, rows, expect=expect, counts=counts)


def test_only_new_events_are_written() -> None:
    store = Spy()
    conversation = opened("Fix it.")
    first = len(conversation.events)
    keep(store, "it", conversation)
    keep(store, "it", conversation)
    talk(conversation, "Go on.")
    keep(store, "it", conversation)
    last = len(conversation.events)
    assert store.asked == [(0, list(range(1, first + 1))), (first, []), (first, list(range(first + 1, last + 1)))]
    assert [row.kind for row in store.read("it")][:5] == ["started", "appended", "sent", "received", "appended"]
    assert [row.at for row in store.read("it")][:5] == [0.0, 0.0, 0.0, 0.0, 0.0]


def test_two_writers_cannot_both_go_on(store: Store) -> None:
    keep(store, "it", opened("Fix it."))
    one, other = load(store, "it"), load(store, "it")
    talk(one, "This.")
    talk(other, "That.")
    keep(store, "it", one)
    before = (other.kept, len(other.events))
    with pytest.raises(StoreConflict):
        keep(store, "it", other)
    assert (other.kept, len(other.events)) == before
    assert_same(one, load(store, "it"))
    # What was not kept is still there, to be kept by another name.
    other.mark_kept(0)
    keep(store, "the other", other)
    assert_same(other, load(store, "the other"))
    assert_same(one, load(store, "it"))


class Unwell(MemoryStore):
    """Fails once."""

    well = False

    def append(self, conversation: str, rows: Sequence[Row], *, expect: int, counts: Sequence[TextCount] = ()) -> int:
        if not self.well:
            self.well = True
            raise StoreUnavailable("the disk is full.")
        return super().append(conversation, rows, expect=expect, counts=counts)


def test_what_could_not_be_written_is_offered_again() -> None:
    store, conversation = Unwell(), opened("Fix it.")
    with pytest.raises(StoreUnavailable):
        keep(store, "it", conversation)
    assert conversation.kept == 0
    assert keep(store, "it", conversation) == len(conversation.events)
    assert_same(conversation, load(store, "it"))


# -- recall ---------------------------------------------------------------------------------------------------


def rich() -> Conversation:
    conversation = Conversation.start(model=MODEL, system="The operator's secret_system_word.")
    conversation.append({"role": "user", "content": "Where is parse_config defined?"})
    plan(conversation)
    thinking = {"type": "thinking", "thinking": "hidden_thought about it", "signature": "sig-hidden"}
    call = {
        "type": "tool_use",
        "id": "t1",
        "name": "grep_files",
        "input": {"pattern": "def parse_config", "path": "lib/"},
    }
    conversation.receive({"content": [thinking, call], "stop_reason": "tool_use"})
    found = [{"type": "text", "text": "lib/config.py:12: def parse_config(path):"}]
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGlkZGVuX2RhdGE="}}
    conversation.append(
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [*found, image]}]}
    )
    plan(conversation)
    conversation.receive(said("It is in lib/config.py, line 12."))
    return conversation


def test_texts_are_found_by_their_words_and_by_their_letters(store: Store) -> None:
    keep(store, "it", rich())
    found = {(hit.path, hit.kind) for hit in store.search("it", "parse_config", k=3)}
    assert found == {
        ("messages.0.content.0", "text"),
        ("messages.1.content.1", "tool_use"),
        ("messages.2.content.0", "tool_result"),
    }
    (hit,) = store.search("it", "line 12", k=1, kinds={"text"})
    assert (hit.path, hit.conversation) == ("messages.3.content.0", "it")
    for needle in ("def parse_config(path):", "grep_files", "def parse_config", "line 12."):
        assert store.contains("it", needle), needle


def test_thinking_data_and_the_system_prompt_are_not_found(store: Store) -> None:
    keep(store, "it", rich())
    for needle in ("hidden_thought", "sig-hidden", "aGlkZGVuX2RhdGE=", "secret_system_word"):
        assert not store.contains("it", needle), needle
        assert store.search("it", needle) == []


def test_a_path_is_the_place_in_the_record_however_often_was_kept(store: Store) -> None:
    conversation = Conversation.start(model=MODEL)
    words = ["zebra", "heron", "otter", "lynx", "magpie", "newt"]
    for number, word in enumerate(words):
        talk(conversation, f"A {word}, please.")
        if number % 2:
            keep(store, "it", conversation)
    for number, word in enumerate(words):
        paths = {hit.path for hit in store.search("it", word)}
        assert paths == {f"messages.{2 * number}.content.0", f"messages.{2 * number + 1}.content.0"}
        assert word in json.dumps(conversation.messages[2 * number])


def test_a_summary_is_found_as_one(store: Store) -> None:
    conversation = Conversation.start(model=MODEL, policy=Policy(budget=3_000))
    talk(conversation, *(f"Look at src/part_{number}.py. {'And then some more. ' * 40}" for number in range(12)))
    assert conversation.compactions
    keep(store, "it", conversation)
    first = conversation.compactions[0]
    found = {hit.path for hit in store.search("it", "src/part_0.py", kinds={"summary"})}
    assert f"summaries.{first.first}-{first.end}" in found
    assert store.contains("it", first.summary)
    assert_same(conversation, load(store, "it"))


ODD: list[dict[str, Any]] = [
    {"type": "hologram_2031", "body": "light_beam_7"},
    {"type": "\ud800", "body": "light_beam_7"},
    {"type": "", "body": "light_beam_7"},
    {"type": "text", "text": "light_beam_7 \ud83d and \x00"},
]


@pytest.mark.parametrize("block", ODD, ids=["unknown", "surrogate", "nameless", "surrogate in text"])
def test_blocks_of_any_type_are_kept_and_found(store: Store, block: dict[str, Any]) -> None:
    """Law 1: whatever a reply holds goes into the record, and back out equal."""
    conversation = Conversation.start(model=MODEL)
    conversation.append({"role": "user", "content": "Show me."})
    plan(conversation)
    conversation.receive(said("Here.", block))
    keep(store, "it", conversation)
    assert load(store, "it").messages == conversation.messages
    assert store.contains("it", "light_beam_7")
    (hit,) = store.search("it", "light_beam_7")
    assert hit.path == "messages.1.content.0"
    assert hit.kind == {"\ud800": "?", "": "other"}.get(block["type"], block["type"])


# -- the end of a process, and of a conversation ------------------------------------------------------------

_WRITER = """
import os, signal, sys
from ctxwindow import Conversation
from ctxwindow.stores import SqliteStore, keep
from tests.stores.test_recorder import talk
store = SqliteStore(sys.argv[1])
conversation = Conversation.start(model="claude-opus-4-6", now=0.0)
talk(conversation, "Kept.")
print(keep(store, "it", conversation), flush=True)
talk(conversation, "Not kept.")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_a_kill_loses_only_what_was_not_kept(tmp_path: Path) -> None:
    """Law 10: after kill -9, reopening gives the state at the last acknowledged append."""
    path = tmp_path / "log.db"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(  # noqa: S603 - this Python, our own script
        [sys.executable, "-c", _WRITER, str(path)], capture_output=True, text=True, check=False, env=environment
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    with SqliteStore(path) as store:
        again = load(store, "it")
        assert len(again.events) == again.kept == int(ended.stdout)
        assert [message["content"] for message in again.messages if message["role"] == "user"] == ["Kept."]
        assert_same(again, talk(Conversation.start(model=MODEL, now=0.0), "Kept."))
        talk(again, "On we go.")
        keep(store, "it", again)
        assert_same(again, load(store, "it"))


def test_a_kill_between_send_and_reply_leaves_the_request_to_be_sent_again(store: Store) -> None:
    """Law 10: the same request goes out again, and its reply is recorded once."""
    conversation = Conversation.start(model=MODEL)
    conversation.append({"role": "user", "content": "Fix it."})
    sent = plan(conversation)
    keep(store, "it", conversation)
    again = load(store, "it")
    resent = plan(again)
    assert (resent.request, resent.fingerprint) == (sent.request, sent.fingerprint)
    again.receive(said("Done."))
    keep(store, "it", again)
    assert sum(isinstance(event, Received) for event in load(store, "it").events) == 1


def test_what_stopped_halfway_is_kept(store: Store) -> None:
    """A reply while it streams, the evidence of one that was cut, results one by one; what was cut is found once."""
    conversation = Conversation.start(model=MODEL)
    conversation.append({"role": "user", "content": "Fix it."})
    plan(conversation)
    reply = {"id": "msg_1", "content": [{"type": "text", "text": "It was the zebra in the config."}], "usage": USAGE}
    events = [dict(event.data) for event in events_of(reply)]
    for event in events[:4]:
        conversation.arrived([event])
        keep(store, "it", conversation)
    assert store.search("it", "zebra") == []
    dead, conversation = conversation, load(store, "it")
    assert_same(conversation, dead)
    assert conversation.awaiting
    conversation.append(conversation.cut())
    plan(conversation)
    keep(store, "it", conversation)
    assert [hit.path for hit in store.search("it", "zebra")] == ["messages.1.content.0"]
    assert store.contains("it", "zebra")
    calls = [{"type": "tool_use", "id": f"toolu_{number}", "name": "read", "input": {}} for number in (1, 2)]
    conversation.receive({"content": calls, "stop_reason": "tool_use"})
    answer = {"type": "tool_result", "tool_use_id": "toolu_2", "content": "a walrus"}
    conversation.answered(answer)
    keep(store, "it", conversation)
    conversation = load(store, "it")
    assert conversation.open_calls == tuple(calls)
    assert dict(conversation.answers) == {"toolu_2": answer}
    assert store.search("it", "walrus") == []
    conversation.append({"role": "user", "content": [{**answer, "tool_use_id": "toolu_1"}, answer]})
    keep(store, "it", conversation)
    assert_same(load(store, "it"), conversation)
    found = {hit.path for hit in store.search("it", "walrus")}
    assert found == {"messages.4.content.0", "messages.4.content.1"}
    assert [hit.path for hit in conversation.recall("zebra")] == ["messages.1.content.0"]


def test_a_purged_conversation_is_gone_and_its_name_free(store: Store) -> None:
    keep(store, "it", rich())
    keep(store, "other", opened("Fix it."))
    store.purge("it")
    assert not store.contains("it", "parse_config")
    with pytest.raises(HistoryError, match="no conversation 'it'"):
        load(store, "it")
    fresh = opened("Begin anew.")
    assert keep(store, "it", fresh) == len(fresh.events)
    assert_same(fresh, load(store, "it"))
    assert len(load(store, "other").messages) == 2


def test_a_conversation_can_be_copied_to_another_store() -> None:
    one, other, conversation = MemoryStore(), MemoryStore(), rich()
    keep(one, "it", conversation)
    with pytest.raises(StoreConflict):
        keep(other, "it", conversation)
    copy = Conversation.fold(conversation.events)
    copy.mark_kept(0)
    keep(other, "it", copy)
    assert list(other.read("it")) == list(one.read("it"))
    assert set(other.counts("it")) == set(one.counts("it"))
    assert conversation.kept == copy.kept == len(conversation.events)


@needs_ctok
def test_reopening_counts_nothing_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tool definitions, calls, results, summaries: every text has been counted."""
    conversation = rich()
    keep(store, "it", conversation)
    talk(conversation, "Go on.")
    keep(store, "it", conversation)
    assert conversation.unkept_counts == ()
    monkeypatch.setattr(tokens, "_counts", type(tokens._counts)())  # as in a new process
    counted: list[str] = []
    count = tokens._count

    def counting(text: str, tokenizer: Tokenizer) -> Count:
        counted.append(text)
        return count(text, tokenizer)

    monkeypatch.setattr(tokens, "_count", counting)
    again = load(store, "it")
    assert_same(conversation, again)
    assert counted == []
    assert again.unkept_counts == ()
    again.append({"role": "user", "content": "Something new."})
    plan(again)
    assert counted == ["Something new."]


@needs_ctok
def test_counts_that_a_store_does_not_have_are_kept_without_new_events(store: Store) -> None:
    """The texts of a log that another vocabulary counted are counted anew once, not in every process."""
    conversation = rich()
    rows = [
        Row(seq=seq, kind="k", payload=encode_event(event), at=0.0)
        for seq, event in enumerate(conversation.events, start=1)
    ]
    store.append("it", rows, expect=0)  # as an older version wrote it
    again = load(store, "it")
    missing = set(again.unkept_counts)
    assert missing == set(conversation.unkept_counts)
    assert keep(store, "it", again) == len(rows)
    assert (set(store.counts("it")), again.unkept_counts) == (missing, ())
    assert load(store, "it").unkept_counts == ()
    talk(again, "Go on.")
    keep(store, "it", again)
    assert missing < set(store.counts("it"))
    assert again.unkept_counts == ()


def test_what_is_not_there_or_cannot_be_read(store: Store) -> None:
    with pytest.raises(HistoryError, match="no conversation 'nothing'"):
        load(store, "nothing")
    store.append("foreign", [Row(seq=1, kind="note", payload=b'{"event":"note"}', at=0.0)], expect=0)
    with pytest.raises(HistoryError, match="cannot be read"):
        load(store, "foreign")
    with pytest.raises(MisuseError):
        keep(store, "", opened("Fix it."))


@given(steps=conversations(), data=st.data())
def test_following_what_another_has_stored_is_loading_it(steps: list[Step], data: st.DataObject) -> None:
    store, one = MemoryStore(), Conversation.start(model=MODEL, policy=small(), now=0.0)
    keep(store, "a", one)
    other = load(store, "a")
    for _ in drive(one, steps):
        keep(store, "a", one)
        if data.draw(st.booleans()):
            assert follow(store, "a", other) is other
            assert_same(load(store, "a"), other)
    keep(store, "a", one)
    followed = follow(store, "a", other)
    assert followed is other
    assert_same(one, other)
    assert (other.unkept, other.unkept_counts) == ((), ())
    talk(other, "And now?")
    keep(store, "a", other)
    assert_same(other, follow(store, "a", one))


def test_following_takes_back_what_is_not_kept() -> None:
    store, one = MemoryStore(), opened("Hello.")
    keep(store, "a", one)
    other = load(store, "a")
    talk(one, "Mine.")
    talk(other, "His.")
    keep(store, "a", other)
    assert follow(store, "a", one) is one
    assert_same(other, one)


def test_following_another_conversation_of_the_same_name_is_loading_it() -> None:
    store, one = MemoryStore(), opened("Hello.")
    keep(store, "a", one)
    again = MemoryStore()
    other = opened("Something else.", "And more.")
    keep(again, "a", other)
    assert_same(other, follow(again, "a", one))
    with pytest.raises(HistoryError):
        follow(MemoryStore(), "a", one)


@needs_ctok
def test_counts_of_another_are_not_stored_again(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "a.db") as store:
        one = opened("Hello there.")
        keep(store, "a", one)
        other = load(store, "a")
        talk(one, "How many tokens has this line?")
        keep(store, "a", one)
        follow(store, "a", other)
        talk(other, "And this one?")
        keep(store, "a", other)
        counts = store.counts("a")
    assert len(counts) == len(set(counts)) > 0
