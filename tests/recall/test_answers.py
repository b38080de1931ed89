from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ctxwindow import Conversation, Policy
from ctxwindow.catalog import resolve
from ctxwindow.errors import ProtocolError
from ctxwindow.recall.answers import LEAST_TOKENS, MOST_TOKENS, ROOM_SHARE
from ctxwindow.testing import json_values
from ctxwindow.window import count_text
from tests.driver import plan
from tests.recall.scenes import MODEL, said, talk, use, working

BUDGET = 40_000


def call(**given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": "toolu_r", "name": "recall", "input": given}


def answered(conversation: Conversation, **given: Any) -> str:
    result = conversation.answer_recall(call(**given))
    assert result["type"] == "tool_result"
    assert result["tool_use_id"] == "toolu_r"
    assert "is_error" not in result, result
    return str(result["content"])


def refused(conversation: Conversation, **given: Any) -> str:
    result = conversation.answer_recall(call(**given))
    assert result["is_error"] is True
    return str(result["content"])


def forgetful() -> Conversation:
    """A conversation of twenty turns in a small window: the first ones are summarised, one result is spilled."""
    conversation = Conversation.start(model=MODEL, policy=Policy(budget=9_000, recall=True), now=0.0)
    conversation.append({"role": "user", "content": "Where is parse_config defined?"}, now=60.0)
    use(
        conversation,
        "read",
        {"path": "lib/config.py"},
        "\n".join(f"value_{n} = {n}" for n in range(1, 2_001)),
        now=60.0,
    )
    plan(conversation, now=60.0)
    conversation.receive(said("In lib/config.py."), now=60.0)
    return talk(conversation, *(f"Look at src/part_{n}.py. {'And some more. ' * 40}" for n in range(20)), start=3_600.0)


def test_a_search_says_where_its_hits_come_from_and_that_they_are_old() -> None:
    text = answered(forgetful(), action="search", query="parse_config")
    assert (
        "[From message 0, turn 1, the user, 1970-01-01 00:01 UTC. Said earlier, may be outdated. Handle: m0.0]" in text
    )
    assert "Where is parse_config defined?" in text
    assert text.startswith("Hits 1 to ")
    result = answered(forgetful(), action="search", query="value_17", k=1)
    assert "[From message 2, turn 1, result of read, 1970-01-01 00:01 UTC." in result


def test_what_stands_in_the_window_is_named_and_not_repeated() -> None:
    conversation = forgetful()
    text = answered(conversation, action="search", query="src/part_19.py And some more", k=10)
    last = conversation.recorded - 2
    assert f"In your window already: m{last}.0" in text
    assert "Look at src/part_19.py" not in text
    fresh = talk(Conversation.start(model=MODEL, policy=Policy(recall=True)), "A zebra.")
    assert answered(fresh, action="search", query="zebra").startswith("Nothing out of your window")


def test_the_hits_are_paged() -> None:
    conversation = forgetful()
    seen: list[str] = []
    page, pages = 1, 1
    while page <= pages:
        text = answered(conversation, action="search", query="And some more", k=3, page=page)
        pages = int(re.findall(r"page \d+ of (\d+)", text)[0])
        seen += re.findall(r"Handle: (\S+)\]", text)
        page += 1
    assert pages > 2
    assert len(seen) == len(set(seen)) > 6
    assert "There is no page" in refused(conversation, action="search", query="And some more", page=99)


def test_a_result_is_opened_page_by_page_until_nothing_is_missing() -> None:
    conversation = working(recall=True)
    lines: list[str] = []
    page, pages = 1, 1
    while page <= pages:
        text = answered(conversation, action="open", handle="m4.0", page=page)
        pages = int(re.findall(r"\[Page \d+ of (\d+)[.,]", text)[0])
        lines += re.findall(r"^\d+\t(.*)$", text, re.MULTILINE)
        assert "little room" not in text
        page += 1
    assert "\n".join(lines) == conversation.open("m4.0")["content"]
    assert pages > 1


def test_a_page_that_does_not_fit_says_where_to_go_on() -> None:
    conversation = Conversation.start(model=MODEL, policy=Policy(budget=9_000, recall=True))
    conversation.append({"role": "user", "content": "Read."})
    use(conversation, "read", {}, "\n".join(f"{n} {'{}[]();:' * 30}" for n in range(1, 300)))
    plan(conversation)
    lines: list[int] = []
    onward = 1
    while onward:
        text = answered(conversation, action="open", handle="m2.0", lines=f"{onward}-")
        lines += [int(number) for number in re.findall(r"^(\d+)\t", text, re.MULTILINE)]
        cut = re.search(r"little room left: go on with lines '(\d+)-'", text)
        more = "[Page 1 of" in text
        onward = int(cut[1]) if cut else (lines[-1] + 1 if more else 0)
    assert lines == list(range(1, 300))


def test_lines_and_patterns() -> None:
    conversation = forgetful()
    text = answered(conversation, action="open", handle="m2.0", lines="120-122")
    assert re.findall(r"^(\d+)\t", text, re.MULTILINE) == ["120", "121", "122"]
    assert "2,000 lines." in text
    assert re.findall(r"^(\d+)\t", answered(conversation, action="open", handle="m2.0", lines="7"), re.MULTILINE) == [
        "7"
    ]
    text = answered(conversation, action="open", handle="m2.0", grep=r"= 17\d$")
    assert "10 of 2,000 lines match." in text
    assert len(re.findall(r"^\d+:\t", text, re.MULTILINE)) == 10
    assert "168\tvalue_168 = 168" in text
    assert "letter for letter" in answered(conversation, action="open", handle="m2.0", grep="value_17 = (")
    assert "0 of 2,000 lines match" in answered(conversation, action="open", handle="m2.0", grep="nothing")
    only = answered(conversation, action="open", handle="m2.0", grep="value", lines="5-6")
    assert re.findall(r"^(\d+):", only, re.MULTILINE) == ["5", "6"]


def test_a_list_says_what_was_put_away() -> None:
    conversation = forgetful()
    edit = conversation.compactions[-1]
    text = answered(conversation, action="list")
    assert f"This conversation has {conversation.recorded} messages in 21 turns" in text
    assert f"- s{edit.first}-{edit.end}: the summary of messages 0 to {edit.end - 1}, " in text
    assert "in your window" in text
    assert "- m2.0: message 2, turn 1, result of read, about " in text
    assert 'turn 1, m0 to m3: "Where is parse_config defined?" (tools: read 1)' in text
    fresh = talk(Conversation.start(model=MODEL, policy=Policy(recall=True)), "A zebra.")
    assert (
        answered(fresh, action="list")
        == "This conversation has 2 messages in 1 turns; 0 of them are out of your window."
    )


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "action must be"), ({"action": "delete"}, "action must be"), ({"action": "search"}, "needs a query"),
        ({"action": "search", "query": " "}, "needs a query"), ({"action": "search", "query": 3}, "query must be a string"),
        ({"action": "open"}, "needs a handle"), ({"action": "open", "handle": "m99.0"}, "has the handle 'm99.0'"),
        ({"action": "open", "handle": "m1.0"}, "has the handle"), ({"action": "search", "query": "x", "handle": "m99"}, "has the handle"),
        ({"action": "open", "handle": "m0.0", "lines": "from here"}, "must be a range"),
        ({"action": "open", "handle": "m0.0", "lines": "5-9"}, "no such lines"), ({"action": "open", "handle": "m0.0", "page": 2}, "no page 2"),
        ({"action": "list", "page": 0}, "from 1 on"), ({"action": "list", "page": "1"}, "from 1 on"), ({"action": "list", "page": True}, "from 1 on"),
        ({"action": "list", "path": "x"}, "no argument 'path'"), ({"action": "search", "query": "x", "k": 1.5}, "from 1 on"),
    ],
)  # fmt: skip
def test_a_mistake_of_the_model_is_answered(given: dict[str, Any], says: str) -> None:
    assert says in refused(_SHARED, **given)


_SHARED = working(budget=BUDGET, recall=True)
_FIELDS = st.fixed_dictionaries(
    {"action": st.sampled_from(["search", "open", "list"]) | json_values()},
    optional={
        "query": st.text(max_size=40) | json_values(),
        "handle": st.sampled_from(["m4.0", "m2", "m1.0", "s0-3"]) | st.text(max_size=9),
        "lines": st.sampled_from(["1-10", "2900-", "5", "0-0", "9-1"]) | st.text(max_size=9),
        "grep": st.sampled_from(["value_1.*", "(a+)+$", "(", "^", ""]) | st.text(max_size=20),
        "page": st.integers(-1, 50) | json_values(),
        "k": st.integers(-1, 50) | json_values(),
    },
)


@given(_FIELDS | json_values())
@example({"action": "open", "handle": "m4.0", "grep": ""})
@example({"action": "open", "handle": "\ud800"})
@example({"action": "search", "query": "value " * 20_000})
def test_whatever_is_asked_gets_a_bounded_answer(given: Any) -> None:
    result = _SHARED.answer_recall({"type": "tool_use", "id": "t", "name": "recall", "input": given})
    text = result["content"]
    text.encode()
    assert text.strip()
    room = BUDGET - _SHARED.window.tokens
    bound = max(LEAST_TOKENS, min(MOST_TOKENS, int(room * ROOM_SHARE)))
    # One row may be larger than what is left; it has a thousand characters at most.
    assert count_text(text, resolve(MODEL).tokenizer).tokens <= bound + 1_500
    assert "hidden_thought" not in text


def one_line(*lines: str) -> Conversation:
    conversation = Conversation.start(model=MODEL, policy=Policy(recall=True))
    conversation.append({"role": "user", "content": "Read."})
    use(conversation, "read", {}, "\n".join(lines))
    return conversation


def test_of_a_line_that_is_too_long_nothing_is_said_to_match_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctxwindow.recall.opening.MOST_MATCHED", 1_000)
    text = answered(one_line("value_7 " * 1_000), action="open", handle="m2.0", grep="value_[0-9]")
    assert "None of 1 line was looked at" in text
    assert "match" not in text.replace("match a pattern", "")
    text = answered(
        one_line("value_7", "x", "value_8 " * 1_000, "value_9"), action="open", handle="m2.0", grep="value_[0-9]"
    )
    assert "1 of the first 2 lines matches; the rest of the 4 was not looked at" in text
    text = answered(one_line("(value_7 " * 1_000), action="open", handle="m2.0", grep="(value_7")
    assert "1 of 1 line matches; looked for letter for letter" in text


@pytest.mark.parametrize(("spill", "most"), [({"tokens": 700}, 700), ({"share": 0.02}, 800), ({"tokens": 10**6}, None)])
def test_an_answer_takes_no_more_than_a_result_that_is_not_spilled(spill: dict[str, Any], most: int | None) -> None:
    conversation = working(budget=BUDGET, recall=True, spill=spill)
    text = answered(conversation, action="open", handle="m4.0")
    tokens = count_text(text, resolve(MODEL).tokenizer).high
    assert tokens <= most if most is not None else tokens > 1_500
    assert most is None or "little room" in text


def test_an_answer_is_sent_as_it_is() -> None:
    conversation = working(budget=BUDGET, recall=True, spill={"tokens": 700})
    conversation.append({"role": "user", "content": "Once more."})
    plan(conversation)
    asked = call(action="open", handle="m4.0")
    conversation.receive({"content": [asked], "stop_reason": "tool_use"})
    result = conversation.answer_recall(asked)
    conversation.append({"role": "user", "content": [result]})
    send = plan(conversation)
    assert send.edits == ()
    assert result["content"] in str(send.request["messages"][-1]["content"][0]["content"])


@pytest.mark.parametrize(
    "block",
    [
        None, "recall", {}, {"type": "tool_use", "id": "t", "name": "read", "input": {}}, {"type": "text", "text": "recall"},
        {"type": "tool_use", "name": "recall", "input": {}}, {"type": "tool_use", "id": 3, "name": "recall", "input": {}},
    ],
)  # fmt: skip
def test_what_is_no_call_of_the_tool_is_the_callers_mistake(block: Any) -> None:
    with pytest.raises(ProtocolError):
        _SHARED.answer_recall(block)


def test_an_answer_goes_back_as_any_result_and_is_no_source_of_its_own() -> None:
    conversation = forgetful()
    conversation.append({"role": "user", "content": "What did I ask first?"})
    plan(conversation)
    asked = call(action="search", query="parse_config")
    conversation.receive({"content": [asked], "stop_reason": "tool_use"})
    result = conversation.answer_recall(asked)
    conversation.append({"role": "user", "content": [result]})
    (block,) = plan(conversation).request["messages"][-1]["content"]
    assert {key: value for key, value in block.items() if key != "cache_control"} == result
    place = conversation.recorded - 1
    assert place not in {hit.message for hit in conversation.recall("parse_config", k=100)}
    assert f"m{place}.0" in {hit.handle for hit in conversation.recall("parse_config", tool="recall")}


def test_law_11_an_answer_knows_only_its_own_conversation() -> None:
    one, other = forgetful(), working(budget=BUDGET, recall=True)
    assert "value_17" in answered(one, action="search", query="value_17")
    assert "result of grep" not in answered(one, action="search", query="grep")
    assert "no handle" not in answered(other, action="open", handle="m4.0", lines="1-2")
