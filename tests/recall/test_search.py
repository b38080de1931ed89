from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ctxwindow import Conversation
from ctxwindow.errors import MisuseError, ProtocolError
from ctxwindow.recall.ranking import SNIPPET_CHARS
from ctxwindow.recall.search import MOST_AROUND
from ctxwindow.stores import MemoryStore, SqliteStore, keep, load
from ctxwindow.testing import Step, conversations
from tests.driver import drive, small
from tests.recall.scenes import opened, talk, use, working

SPILLED: dict[str, Any] = {"budget": 40_000}
ANY_SCRIPT = ["-- ** && ||", "\ud800", "\x00", "где ошибка", "配置文件在哪里", "ملف", "🙂🙂", "'\" OR 1=1 NEAR(a b)"]


def handles(found: Any) -> list[str]:
    return [hit.handle for hit in found]


def test_words_are_found_wherever_they_were_said() -> None:
    found = working(**SPILLED).recall("parse_config", k=3)
    assert sorted(handles(found)) == ["m0.0", "m1.1", "m2.0"]
    by = {hit.handle: hit for hit in found}
    assert (by["m1.1"].tool, by["m1.1"].kind, by["m1.1"].role) == ("grep", "tool_use", "assistant")
    assert (by["m2.0"].tool, by["m2.0"].kind, by["m2.0"].at) == ("grep", "tool_result", 1.0)
    assert (by["m2.0"].path, by["m2.0"].turn) == ("messages.2.content.0", 1)
    assert "def parse_config(path)" in by["m2.0"].text
    assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)


def test_a_message_said_in_a_later_turn_says_so() -> None:
    (hit,) = working(**SPILLED).recall("read_settings", k=1, kinds={"text"})
    assert (hit.turn, hit.message) == (2, 6)


def test_of_equals_the_newest_comes_first() -> None:
    conversation = opened("zebra")
    for number in range(3):
        conversation.append({"role": "user", "content": f"Read {number}."})
        use(conversation, "read", {"path": f"{number}"}, "the same heron in a file")
        talk(conversation, "Go on.")
    places = [hit.message for hit in conversation.recall("heron")]
    assert len(places) == 3
    assert places == sorted(places, reverse=True)  # type: ignore[type-var]


def test_filters_combine() -> None:
    conversation = working(**SPILLED)
    assert handles(conversation.recall("config", tool="read", kinds={"tool_use"})) == ["m3.1"]
    assert set(handles(conversation.recall("config", first=3, end=5))) == {"m3.1", "m4.0"}
    assert handles(conversation.recall(since=100.0)) == ["m7.0", "m6.0"]
    assert handles(conversation.recall(until=1.0, tool="grep")) == ["m2.0", "m1.1"]
    assert handles(conversation.recall("parse_config", handle="m0")) == ["m0.0"]
    assert handles(conversation.recall(tool="nothing")) == handles(conversation.recall(kinds={"hologram"})) == []
    assert conversation.recall(kinds=()) == conversation.recall(first=5, end=5) == []


def test_without_words_the_newest_come_first() -> None:
    conversation = working(**SPILLED)
    assert handles(conversation.recall(k=3)) == handles(conversation.recall(" \n", k=3)) == ["m7.0", "m6.0", "m5.0"]
    assert all(hit.score == 0 for hit in conversation.recall())


def test_a_handle_stands_for_what_it_names() -> None:
    conversation = working(**SPILLED)
    assert handles(conversation.recall("m4.0")) == handles(conversation.recall(handle="m4")) == ["m4.0"]
    with pytest.raises(ProtocolError, match="nothing in this conversation has the handle"):
        conversation.recall(handle="m99.0")
    with pytest.raises(ProtocolError):
        conversation.recall(handle="m1.0")  # thinking
    assert isinstance(conversation.recall("m99.0"), list)  # words, then


def test_what_stands_on_the_wire_says_so() -> None:
    conversation = working(**SPILLED)
    assert list(conversation.spilled) == ["m4.0"]
    by = {hit.handle: hit.on_wire for hit in conversation.recall(k=100)}
    assert by.pop("m4.0") is False
    assert all(by.values())


def test_after_a_compaction_the_summary_stands_for_what_is_gone() -> None:
    conversation = opened(
        *(f"Look at src/part_{number}.py. {'And some more. ' * 40}" for number in range(12)), budget=3_000
    )
    edit = conversation.compactions[-1]
    by = {hit.handle: hit for hit in conversation.recall(k=1_000)}
    summaries = [hit for hit in by.values() if hit.kind == "summary"]
    assert [hit.handle for hit in summaries if hit.on_wire] == [f"s{edit.first}-{edit.end}"]
    assert all(hit.message is None and hit.turn is None for hit in summaries)
    assert by["m0.0"].on_wire is False
    assert {hit.message for hit in by.values() if hit.on_wire and hit.message is not None} == set(conversation.hot())
    (hit,) = conversation.recall("src/part_0.py", k=1, kinds={"text"}, end=1)
    assert hit.handle == "m0.0"


def test_neighbours_are_shown_when_asked_for() -> None:
    conversation = working(**SPILLED)
    (hit,) = conversation.recall("lib/config.py line 12", k=1, kinds={"text"}, around=2)
    assert hit.message == 5
    assert [near.handle for near in hit.around] == ["m3", "m4", "m6", "m7"]
    assert hit.around[0].text == "read\nlib/config.py"
    assert hit.around[1].text.startswith("line 1 of lib/config.py")
    assert all(len(near.text) <= SNIPPET_CHARS + 2 for near in hit.around)
    assert conversation.recall("line 12", k=1, around=0)[0].around == ()
    assert len(conversation.recall("line 12", k=1, around=10**9)[0].around) <= 2 * MOST_AROUND


def test_what_no_word_tells_is_found_by_its_letters() -> None:
    """An identifier inside a long run without a break, and signs that are no words."""
    conversation = opened(
        "zebra", f"data:{'x' * 200}needle_77{'y' * 200}", "a ->> b", *(f"zebra {n}" for n in range(9))
    )
    (hit, *_) = conversation.recall("needle_77")
    assert "needle_77" in hit.text
    assert "->>" in conversation.recall("->>", k=1)[0].text
    assert conversation.recall("needle_78") == []


def test_what_holds_the_query_letter_for_letter_shows_it() -> None:
    """Even where another part of the text has more of its words."""
    conversation = opened(f"{'src app config py ' * 200} {'filler ' * 400} src/app/config.py {'filler ' * 400}")
    (hit, *_) = conversation.recall("src/app/config.py")
    assert "src/app/config.py" in hit.text


def test_thinking_is_never_found() -> None:
    conversation = working(**SPILLED)
    assert conversation.recall("hidden_thought") == []
    assert all("hidden_thought" not in hit.text for hit in conversation.recall(k=1_000))


@given(st.text(max_size=300) | st.sampled_from(ANY_SCRIPT), st.integers(-2, 1_500), st.integers(-1, 30))
@example("m0", 10, 0)
def test_any_query_has_a_bounded_answer(query: str, k: int, around: int) -> None:
    conversation = _SHARED
    found = conversation.recall(query, k=k, around=around)
    assert len(found) <= max(0, k)
    assert all(len(hit.text) <= SNIPPET_CHARS + 3 for hit in found)
    assert len({hit.handle for hit in found}) == len(found)
    assert found == conversation.recall(query, k=k, around=around)


_SHARED = working(**SPILLED)


@pytest.mark.parametrize(
    "query", ["parse_config " * 8_000, "(" * 100_000, "配置" * 50_000, "\n".join(map(str, range(20_000)))]
)
def test_a_query_of_a_hundred_thousand_characters(query: str) -> None:
    assert len(_SHARED.recall(query, k=5)) <= 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"query": None}, {"query": b"x"}, {"k": "3"}, {"k": True}, {"around": 1.5}, {"kinds": "text"}, {"kinds": [1]},
        {"tool": 3}, {"handle": 3}, {"first": "0"}, {"end": 2.0}, {"since": "today"}, {"until": float("nan")},
        {"kinds": 5}, {"kinds": iter([1])}, {"kinds": [[]]}, {"handle": 0}, {"tool": []}, {"first": ""}, {"end": ""},
        {"since": []},
    ],
)  # fmt: skip
def test_an_argument_of_the_wrong_type_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(MisuseError) as error:
        _SHARED.recall(**wrong)
    assert error.value.path in wrong


def test_kinds_may_come_from_an_iterator() -> None:
    asked = {"tool_use", "tool_result"}
    for query in ("", "lib/config.py"):
        found = _SHARED.recall(query, kinds=iter(asked))
        assert found == _SHARED.recall(query, kinds=asked)
        assert {hit.kind for hit in found} == asked


def test_law_11_two_conversations_do_not_find_each_other() -> None:
    with SqliteStore(":memory:") as store:
        one, other = opened("The zebra is mine."), opened("The heron is mine.")
        for kept in (True, False):
            if kept:
                keep(store, "one", one)
                keep(store, "other", other)
            assert one.recall("heron") == other.recall("zebra") == []
            assert set(handles(one.recall("zebra"))) == {"m1.0", "m0.0"}
            talk(one, "Go on.")
            talk(other, "Go on.")


@given(conversations(max_turns=4, max_rounds=3), st.sampled_from([2_500, 4_000, 1_000_000]), st.data())
def test_memory_and_stores_give_the_same_hits_with_the_same_scores(
    steps: list[Step], budget: int, data: st.DataObject
) -> None:
    conversation = Conversation.start(model="claude-opus-4-6", policy=small(budget), now=0.0)
    for _ in drive(conversation, steps):
        pass
    words = sorted({word for hit in conversation.recall(k=200) for word in hit.text.split()}) or ["nothing"]
    queries = data.draw(st.lists(st.lists(st.sampled_from(words), min_size=1, max_size=3).map(" ".join), max_size=3))
    kinds = data.draw(st.none() | st.just({"text"}) | st.just({"tool_result", "summary"}))
    alone = Conversation.fold(conversation.events)
    with MemoryStore() as memory, SqliteStore(":memory:") as sqlite:
        keep(memory, "it", conversation)
        copy = Conversation.fold(conversation.events)
        copy.mark_kept(0)
        keep(sqlite, "it", copy)
        for query in queries:
            expected = alone.recall(query, k=7, kinds=kinds)
            assert conversation.recall(query, k=7, kinds=kinds) == expected
            assert copy.recall(query, k=7, kinds=kinds) == expected
            assert load(sqlite, "it").recall(query, k=7, kinds=kinds) == expected
        assert len(copy._recallable()[0]._index) == 0  # the store was asked
        assert len(alone._recallable()[0]._index) > 0 or not queries


def test_what_is_not_kept_yet_is_found_too() -> None:
    with SqliteStore(":memory:") as store:
        conversation = opened("zebra one")
        keep(store, "it", conversation)
        talk(conversation, "zebra two")
        assert {hit.message for hit in conversation.recall("zebra")} == {0, 1, 2, 3}


def test_a_store_that_cannot_tell_is_no_loss() -> None:
    """Closed, purged, or continued by another writer: the conversation has everything itself."""
    expected = handles(opened("zebra one").recall("zebra"))
    with SqliteStore(":memory:") as closed:
        conversation = opened("zebra one")
        keep(closed, "it", conversation)
    assert handles(conversation.recall("zebra")) == expected
    with MemoryStore() as store:
        conversation = opened("zebra one")
        keep(store, "it", conversation)
        keep(store, "it", talk(load(store, "it"), "zebra two"))
        assert handles(conversation.recall("zebra")) == expected
        store.purge("it")
        assert handles(conversation.recall("zebra")) == expected
