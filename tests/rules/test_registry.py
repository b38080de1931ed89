"""The registry as a whole: laws over generated requests, the recordings, cost, and the table itself."""

from __future__ import annotations

import copy
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.catalog import resolve
from ctxwindow.errors import CtxwindowError, MisuseError
from ctxwindow.record import Outline
from ctxwindow.rules import View, Violation, check_end, check_message, cuts, find_violations, may_cut, rule, rules
from ctxwindow.rules.view import plain

MODEL = "claude-opus-5-5"
TOOLS: list[Any] = [
    {"name": "f", "input_schema": {"type": "object"}},
    {"type": "web_search_20250305", "name": "web_search"},
]
HI = {"role": "user", "content": "hi"}


# ---- generated conversations


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Valid messages of finished turns: prose, thinking, rounds, split results, server tools, system messages."""
    names = (f"id{number}" for number in range(1_000))
    messages: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(0, 4))):
        messages.append({"role": "user", "content": draw(st.sampled_from(["go", [{"type": "text", "text": "go"}]]))})
        if draw(st.booleans()):
            messages.append({"role": "system", "content": "Be brief."})
        for _ in range(draw(st.integers(0, 3))):
            messages += draw(st.sampled_from([_round, _server_round, _paused_round]))(draw, names)
        messages.append({"role": "assistant", "content": [*_thinking(draw, names), {"type": "text", "text": "done"}]})
    return messages


def _thinking(draw: st.DrawFn, names: Iterator[str]) -> list[dict[str, Any]]:
    count = draw(st.integers(0, 2))
    return [{"type": "thinking", "thinking": "", "signature": next(names)} for _ in range(count)]


def _round(draw: st.DrawFn, names: Iterator[str]) -> list[dict[str, Any]]:
    ids = [next(names) for _ in range(draw(st.integers(1, 3)))]
    calls = [{"type": "tool_use", "id": identity, "name": "f", "input": {}} for identity in ids]
    results = [{"type": "tool_result", "tool_use_id": identity, "content": "x"} for identity in ids]
    cut = draw(st.integers(0, len(ids) - 1))
    spoken = [{"role": "assistant", "content": [*_thinking(draw, names), *calls[:cut]]}] if cut else []
    asked = [*spoken, {"role": "assistant", "content": [*_thinking(draw, names), *calls[cut:]]}]
    answered = [{"role": "user", "content": part} for part in (results[:cut], results[cut:]) if part]
    return [*asked, *answered]


def _search(names: Iterator[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    identity = next(names)
    call = {"type": "server_tool_use", "id": identity, "name": "web_search", "input": {}}
    return call, {"type": "web_search_tool_result", "tool_use_id": identity, "content": []}


def _server_round(draw: st.DrawFn, names: Iterator[str]) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": [*_thinking(draw, names), *_search(names)]}]


def _paused_round(draw: st.DrawFn, names: Iterator[str]) -> list[dict[str, Any]]:
    call, result = _search(names)
    first, second = [*_thinking(draw, names), call], [result, {"type": "text", "text": "found"}]
    return [{"role": "assistant", "content": first}, {"role": "assistant", "content": second}]


MUTATIONS = ("drop", "repeat", "swap", "drop block", "repeat block", "reverse", "blank", "empty", "role", "junk", "id")


@st.composite
def mutated(draw: st.DrawFn) -> list[Any]:
    """A conversation with a few things done to it that often break it."""
    messages: list[Any] = copy.deepcopy(draw(conversations()))
    for _ in range(draw(st.integers(0, 3))):
        if messages:
            _mutate(draw, messages, draw(st.integers(0, len(messages) - 1)), draw(st.sampled_from(MUTATIONS)))
    return messages


def _mutate(draw: st.DrawFn, messages: list[Any], at: int, mutation: str) -> None:
    message = messages[at]
    content = message["content"] if isinstance(message, dict) and isinstance(message.get("content"), list) else []
    match mutation:
        case "drop":
            del messages[at]
        case "repeat":
            messages.insert(at, copy.deepcopy(message))
        case "swap":
            other = draw(st.integers(0, len(messages) - 1))
            messages[at], messages[other] = messages[other], messages[at]
        case "junk":
            messages[at] = draw(st.sampled_from([None, "hi", {}, {"role": "user"}, {"role": 7, "content": []}]))
        case "role":
            messages[at] = {"content": "x", **plain(message), "role": draw(st.sampled_from(["user", "system", "tool"]))}
        case "empty":
            messages[at] = {"role": "user", **plain(message), "content": draw(st.sampled_from(["", []]))}
        case _:
            _mutate_blocks(draw, content, mutation)


def _mutate_blocks(draw: st.DrawFn, content: list[Any], mutation: str) -> None:
    match mutation:
        case "drop block":
            place = draw(st.integers(0, len(content)))
            del content[place : place + 1]
        case "repeat block":
            content += copy.deepcopy(content[:1])
        case "reverse":
            content.reverse()
        case "blank":
            content.insert(0, {"type": "text", "text": draw(st.sampled_from(["", " ", "x"]))})
        case "id":
            for block in content:
                block.update({key: "id0" for key in ("id", "tool_use_id") if key in plain(block)})


def request(messages: Any, **settings: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 100, "tools": TOOLS, "messages": messages, **settings}


def one_by_one(messages: Sequence[Any]) -> list[Violation]:
    """What `check_message` finds as the messages arrive."""
    outline, found = Outline(), []
    for index, message in enumerate(messages):
        previous = messages[index - 1] if index else None
        previous = previous if isinstance(previous, dict) else None if index == 0 else {}
        found += check_message(
            message, index=index, previous=previous, outline=outline, profile=resolve(MODEL), tools=TOOLS
        )
        outline.add(message if isinstance(message, dict) else {})
    return found


def errors(violations: list[Violation]) -> set[tuple[str, str]]:
    return {(v.rule, v.path) for v in violations if v.severity == "error" and rule(v.rule).check_message is not None}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=15,
)
FIELDS = (
    "type", "role", "content", "text", "id", "name", "input", "tool_use_id", "signature", "data", "thinking", "messages",
    "system", "tools", "model", "source", "citations", "caller", "toolset_name", "output_config", "tool_choice", "edits",
    "compaction", "block_binding", "betas", "max_tokens", "tool_references", "tool_name", "encrypted_content",
)  # fmt: skip
WORDS = (
    "user", "assistant", "system", "text", "thinking", "redacted_thinking", "tool_use", "tool_result", "server_tool_use",
    "web_search_tool_result", "web_search_result", "tool_search_tool_result", "tool_reference", "compaction", "summarize",
    "enabled", "disabled", "any", MODEL, "claude-sonnet-4-5", "t", "",
)  # fmt: skip
near_requests = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=40,
)


# ---- laws


@given(conversations())
def test_a_valid_conversation_breaks_nothing(messages: list[Any]) -> None:
    assert errors(find_violations(request(messages), final=False)) == set()
    assert errors(find_violations(request([*messages, HI]))) == set()
    assert one_by_one(messages) == []


@given(mutated())
def test_one_by_one_finds_what_the_whole_shows(messages: list[Any]) -> None:
    """Checking is incremental: message by message the same rules are broken at the same places."""
    assert errors(one_by_one(messages)) == errors(find_violations(request(messages), final=False))


@given(mutated())
def test_every_end_rule_is_left_out_while_more_will_come(messages: list[Any]) -> None:
    only_end = {row.id for row in rules() if row.check_end and not row.check_message and not row.check}
    assert not only_end & {violation.rule for violation in find_violations(request(messages), final=False)}


@given(json_values | near_requests, st.none() | near_requests)
def test_check_never_raises(body: Any, previous: Any) -> None:
    for violation in find_violations(body, previous=previous):
        assert rule(violation.rule).id == violation.rule
        assert violation.message
        assert violation.remedy


@given(st.lists(near_requests, max_size=5), near_requests)
def test_check_never_raises_on_a_list_of_messages(messages: list[Any], previous: Any) -> None:
    body = request(messages)
    find_violations(body, previous=previous if isinstance(previous, dict) else body)
    view = View.of(body)
    assert set(cuts(view)) <= set(range(1, len(messages) + 1))


@given(mutated(), st.none() | mutated())
def test_check_changes_nothing(messages: list[Any], before: list[Any] | None) -> None:
    body, previous = request(messages), None if before is None else request(before)
    copies = copy.deepcopy((body, previous))
    find_violations(body, previous=previous)
    cuts(View.of(body, profile=resolve(MODEL)))
    assert (body, previous) == copies


@given(mutated())
def test_violations_come_once_and_in_the_order_of_their_paths(messages: list[Any]) -> None:
    found = find_violations(request(messages))
    assert len({(violation.rule, violation.path) for violation in found}) == len(found)
    places = [int(path.split(".")[1]) for path in (v.path for v in found) if path.startswith("messages.")]
    assert places == sorted(places)


@given(conversations(), st.sampled_from([MODEL, "claude-opus-4-8"]))
def test_what_is_kept_behind_a_cut_is_valid(messages: list[Any], model: str) -> None:
    """A cut may be made where `messages[:i]` can be replaced by one user message."""
    view = View(messages, profile=resolve(model))
    for index in cuts(view):
        wire = [{"role": "user", "content": "summary"}, *messages[index:]]
        assert errors(find_violations({**request(wire), "model": model}, final=False)) == set()


@given(conversations(), st.integers(-2, 40))
def test_may_cut_agrees_with_cuts(messages: list[Any], index: int) -> None:
    view = View(messages, profile=resolve(MODEL))
    assert may_cut(view, index) == (index in cuts(view))


def test_a_turn_starts_where_one_may_cut() -> None:
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    paused = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    found = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    messages = [
        HI,
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]},
        {"role": "assistant", "content": [paused]},
        {"role": "assistant", "content": [found]},
        {"role": "assistant", "content": "done"},
        HI,
    ]
    # 2: the round; 4: the server pair; 5: a paused turn may go on behind a server tool's result.
    assert cuts(View(messages)) == [1, 3, 6, 7]
    assert cuts(View(messages[:5])) == [1, 3]
    assert not may_cut(View(messages), 0)


# ---- cost


class Counted(Sequence[Any]):
    """Messages that count how often one is read."""

    def __init__(self, messages: list[Any]) -> None:
        self.messages, self.reads = messages, 0

    def __len__(self) -> int:
        return len(self.messages)

    def __getitem__(self, index: Any) -> Any:
        self.reads += 1
        return self.messages[index]


def loop(rounds: int) -> list[Any]:
    messages: list[Any] = []
    for number in range(rounds):
        call = {"type": "tool_use", "id": f"t{number}", "name": "f", "input": {"path": "a.py"}}
        thought = {"type": "thinking", "thinking": "", "signature": f"s{number}"}
        messages += [HI] if number % 10 == 0 else []
        messages.append({"role": "assistant", "content": [thought, {"type": "text", "text": "look"}, call]})
        messages.append(
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": f"t{number}", "content": "x"}]}
        )
    return messages


def outline_of(messages: list[Any]) -> Outline:
    outline = Outline()
    for message in messages:
        outline.add(message)
    return outline


def reads(rounds: int) -> tuple[int, int]:
    """Messages read by `check_end` and by probing one cut, behind so many rounds."""
    messages = loop(rounds)
    view = View(Counted(messages), outline=outline_of(messages), profile=resolve("claude-sonnet-4-5"), settings=MANUAL)
    counted = view.messages
    assert isinstance(counted, Counted)
    check_end(view)
    at_end, counted.reads = counted.reads, 0
    assert may_cut(view, len(messages) - 21)
    return at_end, counted.reads


MANUAL = {"thinking": {"type": "enabled", "budget_tokens": 2_000}}


def test_the_end_and_one_cut_cost_the_same_behind_any_history() -> None:
    assert reads(30) == reads(3_000)
    assert max(reads(3_000)) < 20


def calls_made(messages: list[Any], message: Any) -> int:
    """Function calls, C functions included, that checking one more message makes."""
    outline, count = outline_of(messages), 0
    before = copy.copy(vars(outline))

    def hook(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    profile, old = resolve(MODEL), sys.getprofile()
    sys.setprofile(hook)
    try:
        found = check_message(message, index=len(messages), previous=messages[-1], outline=outline, profile=profile)
    finally:
        sys.setprofile(old)
    assert found == []
    assert vars(outline) == before
    return count


def test_one_more_message_costs_the_same_behind_any_history() -> None:
    call = {"type": "tool_use", "id": "new", "name": "f", "input": {}}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "new", "content": "x"}]}
    asked = {"role": "assistant", "content": [call]}
    for before, message in (([], HI), ([], asked), ([asked], result)):
        assert calls_made([*loop(30), *before], message) == calls_made([*loop(3_000), *before], message)


def test_checking_a_request_costs_its_messages_and_no_more() -> None:
    """Broken ones too: calls left open long ago are not walked over again at every message."""

    def cost(messages: list[Any]) -> float:
        count = 0

        def hook(_frame: Any, event: str, _argument: Any) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        old = sys.getprofile()
        sys.setprofile(hook)
        try:
            find_violations(request(messages))
        finally:
            sys.setprofile(old)
        return count / len(messages)

    stray = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "stray", "content": "x"}]}
    broken = [stray if message["role"] == "user" and message is not HI else message for message in loop(500)]
    assert cost(loop(1_500)) < 1.2 * cost(loop(100))
    assert cost(broken) < 2 * cost(broken[:100])


# ---- recordings

OLD = "2023-06-01"
"""What all recordings were made with: the next version is younger than they are (VER-01). Betas are recorded for some."""


@pytest.mark.recorded
def test_what_the_api_answered_is_not_called_an_error(recordings: Path) -> None:
    answered = wrong = 0
    for exchange in exchanges(recordings):
        if exchange["http_status"] == 200:
            answered += 1
            found = find_violations(
                exchange["request"], profile=known(exchange["model"]), betas=exchange["betas"] or None, api_version=OLD
            )
            wrong += any(violation.severity == "error" for violation in found)
    assert (answered, wrong) == (850, 0)


@pytest.mark.recorded
def test_what_the_api_refused_by_a_rule_of_ours_is_found_in_its_words(recordings: Path) -> None:
    refused: dict[str, list[str]] = {}
    for exchange in exchanges(recordings):
        if exchange.get("error"):
            found = find_violations(
                exchange["request"], profile=known(exchange["model"]), betas=exchange["betas"] or None, api_version=OLD
            )
            said = exchange["error"]["message"]
            refused[said] = [violation.rule for violation in found if violation.message == said]
    assert {said: by for said, by in refused.items() if by} == {
        "messages.0: Input does not match the expected shape.": ["SHAPE-02"],
        "messages.0: all messages must have non-empty content except for the optional final assistant message": [
            "MSG-07"
        ],
        "This model does not support assistant message prefill. The conversation must end with a user message.": [
            "MSG-04"
        ],
        "This model does not support effort level 'xhigh'. Supported levels: high, low, max, medium.": ["THINK-13"],
    }
    elsewhere = ("model: ", "invalid x-api-key", "prompt is too long: ")
    assert all(by or said.startswith(elsewhere) for said, by in refused.items())


def exchanges(recordings: Path) -> Iterator[dict[str, Any]]:
    with (recordings / "usage_pairs.jsonl").open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def known(model: str) -> Any:
    try:
        return resolve(model)
    except CtxwindowError:
        return None


# ---- the table


def test_every_rule_says_where_it_comes_from() -> None:
    for row in rules():
        assert re.fullmatch(r"[A-Z]+-\d\d", row.id)
        assert row.sentence.endswith(".")
        assert row.source
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", row.date)
        assert row.on is None or row.check_message is not None
        assert not row.holding or row.check_message is not None


def test_ids_are_unique_over_the_families() -> None:
    from ctxwindow.rules import registry  # noqa: PLC0415

    ids = [row.id for family in registry._FAMILIES for row in family.RULES]
    assert len(ids) == len(set(ids)) == len(rules())


def test_every_checked_rule_has_a_test_that_quotes_it() -> None:
    named = {
        name.upper().replace("_", "-")
        for file in Path(__file__).parent.glob("test_*.py")
        for name in re.findall(r"^def test_([a-z]+_\d\d)\(", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {row.id for row in rules() if row.check or row.check_message or row.check_end} <= named


def test_an_unknown_rule_is_said_to_be_unknown() -> None:
    assert rule("TOOL-01").id == "TOOL-01"
    with pytest.raises(MisuseError, match="no rule 'TOOL-99'"):
        rule("TOOL-99")
