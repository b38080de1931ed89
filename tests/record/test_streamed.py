from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.emulator.stream import events_of
from ctxwindow.record import from_json, to_json
from ctxwindow.record.streamed import RAW_EVENTS, Streamed, is_whole
from ctxwindow.testing.content import json_values
from tests.work import calls_of

JSON = dict[str, Any]

USAGE: JSON = {
    "input_tokens": 5, "cache_creation_input_tokens": 1, "cache_read_input_tokens": 2, "output_tokens": 9,
    "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 0}, "service_tier": "standard",
    "output_tokens_details": {"thinking_tokens": 4}, "iterations": None, "server_tool_use": None,
}  # fmt: skip

CITATION = {"type": "char_location", "cited_text": "grass", "document_index": 0, "start_char_index": 0}

INPUTS = st.dictionaries(st.text(max_size=5), json_values(), max_size=3)

BLOCKS = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, st.text(max_size=90)),
    st.builds(lambda text, times: {"type": "text", "text": text, "citations": [CITATION] * times},
              st.text(max_size=30), st.integers(1, 3)),
    st.builds(lambda text: {"type": "thinking", "thinking": text, "signature": "s" * 60}, st.text(max_size=90)),
    st.just({"type": "redacted_thinking", "data": "d"}),
    st.builds(lambda kind, given: {"type": kind, "id": "toolu_1", "name": "n", "input": given},
              st.sampled_from(["tool_use", "server_tool_use", "mcp_tool_use"]), INPUTS),
    st.builds(lambda text: {"type": "compaction", "content": text, "encrypted_content": "e"}, st.text(min_size=1)),
    st.just({"type": "compaction", "content": None}),
    st.just({"type": "compaction", "content": "Whole.", "signature": "s"}),
    st.builds(lambda value: {"type": "web_search_tool_result", "tool_use_id": "s", "content": value}, json_values()),
    st.builds(lambda value: {"type": "of_tomorrow", "value": value}, json_values()),
)  # fmt: skip

REPLIES = st.builds(
    lambda content, fields: {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content,
        "stop_reason": "end_turn", "stop_sequence": None, "stop_details": None, "usage": USAGE, **fields,
    },
    st.lists(BLOCKS, max_size=4),
    st.fixed_dictionaries(
        {},
        optional={
            "stop_reason": st.sampled_from(["tool_use", "max_tokens", "refusal"]),
            "stop_details": st.just({"type": "refusal", "category": "cyber"}),
            "context_management": st.just({"applied_edits": [{"type": "clear_tool_uses_20250919"}]}),
            "input_transformations": st.just([{"type": "thinking_dropped", "path": "messages.1.content.0"}]),
            "container": st.just({"id": "container_1", "expires_at": "2026-11-20T00:00:00Z"}),
        },
    ),
)  # fmt: skip


def streamed(reply: JSON) -> list[JSON]:
    """The raw events of a reply, as data alone."""
    return [dict(event.data) for event in events_of(reply)]


def again(events: list[JSON]) -> list[JSON]:
    """What a store gives back."""
    found: list[JSON] = from_json(to_json(events))
    return found


def fed(*events: Any) -> Streamed:
    found = Streamed()
    for event in events:
        found.feed(event)
    return found


def growing(*deltas: JSON, block: JSON) -> JSON:
    """The block that the deltas make of one."""
    start = {"type": "message_start", "message": {}}
    begin = {"type": "content_block_start", "index": 0, "content_block": block}
    end = {"type": "content_block_stop", "index": 0}
    grow = [{"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas]
    found = fed(start, begin, *grow, end).message
    assert found is not None
    return dict(found["content"][0])


@given(REPLIES)
def test_the_events_add_up_to_the_reply(reply: JSON) -> None:
    """MSG-16, TOK-06: what was streamed is what would have been returned unstreamed, letter for letter."""
    found = fed(*streamed(reply))
    assert json.dumps(found.message, sort_keys=True) == json.dumps(reply, sort_keys=True)
    assert found.complete
    assert found.finished == len(reply["content"])
    assert found.text == "".join(block["text"] for block in reply["content"] if block["type"] == "text")


@given(REPLIES, st.data())
def test_what_is_stored_at_any_moment_is_what_had_arrived(reply: JSON, data: st.DataObject) -> None:
    """Checkpoints anywhere, a process that dies anywhere: the other one has the same reply, and can take more of it."""
    events = streamed(reply)
    stops = set(data.draw(st.lists(st.integers(0, len(events)), max_size=4), label="checkpoints"))
    dies = data.draw(st.integers(0, len(events)), label="dies")
    one, stored = Streamed(), list[JSON]()
    for place, event in enumerate(events[:dies]):
        one.feed(event)
        if place in stops:
            stored += again(one.taken())
    stored += again(one.taken())
    other = Streamed(stored)
    assert (other.message, other.complete, other.finished) == (one.message, one.complete, one.finished)
    assert other.complete == (dies == len(events))
    assert other.finished == sum(event["type"] == "content_block_stop" for event in events[:dies])
    assert other.taken() == []
    for event in events[dies:]:
        other.feed(event)
    assert json.dumps(other.message, sort_keys=True) == json.dumps(reply, sort_keys=True)
    assert json.dumps(Streamed(stored + again(other.taken())).message) == json.dumps(other.message)


def test_deltas_of_one_kind_to_one_block_are_stored_as_one() -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "n", "input": {"path": "x" * 500}}
    content = [{"type": "thinking", "thinking": "t" * 500, "signature": "s"}, {"type": "text", "text": "a" * 500}, call]
    events = streamed({"id": "msg_1", "content": content, "stop_reason": "tool_use", "usage": USAGE})
    assert len(events) > 60
    stored = fed(*events).taken()
    assert "ping" not in {event["type"] for event in stored}
    deltas = [event["delta"]["type"] for event in stored if event["type"] == "content_block_delta"]
    assert deltas == ["thinking_delta", "signature_delta", "text_delta", "input_json_delta"]


def test_a_delta_that_says_more_is_not_joined() -> None:
    pieces = [
        *({"type": "text_delta", "text": "a"}, {"type": "text_delta", "text": "b", "tone": "calm"}),
        *(
            {"type": "text_delta", "text": "c"},
            {"type": "murmur_delta", "text": "d"},
            {"type": "text_delta", "text": 1},
        ),
        *({"type": "text_delta", "text": "e"}, {"type": "text_delta", "text": "f"}),
    ]
    start = {"type": "message_start", "message": {}}
    found = fed(start, *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in pieces))
    assert [event["delta"] for event in found.taken()[1:]] == [*pieces[:-2], {"type": "text_delta", "text": "ef"}]
    apart = ({"type": "content_block_delta", "index": index, "delta": pieces[0]} for index in (0, 1, 0))
    assert len(fed(start, *apart).taken()) == 4


def test_what_the_next_version_streams_is_kept() -> None:
    """A block, a delta and fields that nobody knows today."""
    new = {"type": "of_tomorrow", "tune": "la", "notes": [1], "key": None}
    deltas: list[JSON] = [
        {"type": "tune_delta", "tune": "la", "notes": [2, 3], "key": {"is": "C"}},
        {"type": "tune_delta", "more": 1},
    ]
    found = growing(*deltas, block=new)
    assert found == {"type": "of_tomorrow", "tune": "lala", "notes": [1, 2, 3], "key": {"is": "C"}, "more": 1}


def test_a_hint_for_progress_bars_is_no_part_of_thinking() -> None:
    """A signed block goes back as it was signed; so the hint does not keep deltas apart either."""
    deltas: list[JSON] = [{"type": "thinking_delta", "thinking": piece, "estimated_tokens": 50} for piece in ("a", "b")]
    block = {"type": "thinking", "thinking": "", "signature": ""}
    signed = {"type": "signature_delta", "signature": "s"}
    assert growing(*deltas, signed, block=block) == {"type": "thinking", "thinking": "ab", "signature": "s"}
    parts = [{"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas]
    assert len(fed(*parts).taken()) == 1


def test_fb_04_a_fallback_names_the_model_that_goes_on() -> None:
    block = {"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}}
    begin = {"type": "content_block_start", "index": 0, "content_block": block}
    found = fed({"type": "message_start", "message": {"model": "a"}}, begin).message
    assert found == {"model": "b", "content": [block]}


def test_tok_06_what_the_end_leaves_out_stays_as_it_was_told() -> None:
    usage = {"input_tokens": 7, "cache_read_input_tokens": 3, "output_tokens": 1}
    start = {
        "type": "message_start",
        "message": {"usage": usage, "container": {"id": "c"}, "input_transformations": [1]},
    }
    end = {
        "type": "message_delta", "delta": {"stop_reason": "end_turn", "container": None}, "input_transformations": None,
        "usage": {"output_tokens": 9, "input_tokens": None, "iterations": None},
    }  # fmt: skip
    found = fed(start, end).message
    assert found is not None
    assert found["usage"] == {**usage, "output_tokens": 9, "iterations": None}
    assert (found["container"], found["input_transformations"]) == ({"id": "c"}, [1])
    assert "type" not in found


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["", '{"a": 1', "2}"], {"input": {"a": 12}}),
        (["", ""], {"input": {}}),
        ([], {"input": {}}),
        (['{"a": 1'], {"input": {}, "partial_json": '{"a": 1'}),
        (['{"a": 1}', "{}"], {"input": {}, "partial_json": '{"a": 1}{}'}),
        (["[" * 100_000], {"input": {}, "partial_json": "[" * 100_000}),
        (['{"a": "\ud800"}'], {"input": {"a": "\ud800"}}),
        (['{"a": 123456789012345678901234567890}'], {"input": {"a": 123456789012345678901234567890}}),
    ],
)
def test_the_input_of_a_call_is_read_when_it_is_whole(pieces: list[str], expected: JSON) -> None:
    """What is no JSON stays as it came, as evidence."""
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    assert growing(*deltas, block={"type": "tool_use", "input": {}}) == {"type": "tool_use", **expected}


def test_a_reply_is_whole_once_its_end_is_told() -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "n", "input": {"a": 1}}
    events = streamed({"content": [call], "stop_reason": "tool_use", "usage": USAGE})
    told = [is_whole(Streamed(events[:number]).message or {}) for number in range(len(events) + 1)]
    assert told == [False] * (len(events) - 1) + [True, True]
    assert not is_whole({"content": [{**call, "partial_json": '{"a": 1'}], "stop_reason": "tool_use"})


def test_what_is_mutated_later_changes_nothing() -> None:
    reply = {
        "content": [{"type": "text", "text": "Yes.", "citations": [CITATION]}, {"type": "new", "list": [[1]]}],
        "stop_reason": "refusal", "stop_details": {"category": "cyber"}, "usage": USAGE,
        "context_management": {"applied_edits": []},
    }  # fmt: skip
    events = copy.deepcopy(streamed(reply))
    found = fed(*events)
    before, stored = copy.deepcopy(found.message), found.taken()
    kept = copy.deepcopy(stored)
    for event in events:
        _spoil(event)
    assert found.message == before
    assert stored == kept
    other = Streamed(stored)
    for event in stored:
        _spoil(event)
    assert other.message == before


def _spoil(value: Any) -> None:
    for inner in list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ():
        _spoil(inner)
    if isinstance(value, dict):
        value["spoilt"] = True
    elif isinstance(value, list):
        value.append("spoilt")


def test_a_second_beginning_is_another_reply() -> None:
    one = streamed({"content": [{"type": "text", "text": "One."}], "usage": USAGE})
    two = streamed({"content": [{"type": "text", "text": "Two."}, {"type": "text", "text": "Three."}], "usage": USAGE})
    found = fed(*one, *two[:-1])
    assert (found.text, found.finished, found.complete) == ("Two.Three.", 2, False)


_PIECES = st.one_of(json_values(), st.integers(-1, 2), st.sampled_from(["text", "", "citation", "fallback"]))
_KEYS = ("index", "delta", "content_block", "message", "usage", "text", "partial_json", "citation", "signature", "to")
_NONSENSE = st.recursive(
    _PIECES,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from((*_KEYS, "type", "content", "citations", "thinking", "model")), inner, max_size=4
        )
    ),
    max_leaves=8,
)
_EVENTS = st.builds(
    lambda kind, fields: {**fields, "type": kind},
    st.sampled_from([*sorted(RAW_EVENTS), "ping", "error", None, 3]),
    st.dictionaries(st.sampled_from(_KEYS), _NONSENSE, max_size=4),
)
_SOUND = st.sampled_from(
    [
        {"type": "message_start", "message": {"id": "msg_1", "content": [], "usage": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "tool_use", "input": {}, "partial_json": 4},
        },
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": 1}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_stop", "index": 1},
    ]
)


@given(st.lists(st.one_of(_SOUND, _EVENTS, _NONSENSE), max_size=14))
def test_nothing_that_comes_raises(events: list[Any]) -> None:
    """And what it makes of it is the same after a store has had it."""
    found = fed(*events)
    assert isinstance(found.text, str)
    stored = again(found.taken())
    other = Streamed(stored)
    assert json.dumps(other.message) == json.dumps(again([found.message])[0] if found.message else None)
    assert (other.complete, other.finished) == (found.complete, found.finished)


def test_a_checkpoint_costs_what_is_new() -> None:
    piece = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "some words "}}
    begin = [
        {"type": "message_start", "message": {"id": "msg_1"}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ]
    work = {}
    for before in (10, 5_000):
        found = fed(*begin, *[piece] * before)
        found.taken()

        def step(found: Streamed = found) -> None:
            for _ in range(20):
                found.feed(piece)
            assert found.taken() == [{**piece, "delta": {"type": "text_delta", "text": "some words " * 20}}]

        work[before] = calls_of(step)
    assert work[5_000] == work[10]
