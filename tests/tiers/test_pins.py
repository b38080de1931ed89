from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow import Pins
from ctxwindow.record import Outline
from ctxwindow.testing import conversations
from ctxwindow.testing.strategies import Step
from ctxwindow.tiers.pins import MOST_FOUND, RECENT_ROUNDS, PinTracker
from ctxwindow.tiers.repeats import pinned_blocks

Message = dict[str, Any]
MOST = 10**9


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def call(name: str, **arguments: Any) -> Message:
    return {"role": "assistant", "content": [{"type": "tool_use", "id": "", "name": name, "input": arguments}]}


def result(text: str, *, error: bool = False) -> Message:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "", "content": text, "is_error": error}]}


def rounds(*pairs: tuple[Message, Message | None]) -> list[Message]:
    """Calls and results with ids of their own, after a first message; None leaves a round open."""
    out = [user("Fix it.")]
    for number, (asked, answered) in enumerate(pairs):
        out.append({**asked, "content": [{**asked["content"][0], "id": f"t{number}"}]})
        if answered is not None:
            out.append({**answered, "content": [{**answered["content"][0], "tool_use_id": f"t{number}"}]})
    return out


def weigh(message: Mapping[str, Any]) -> int:
    """Characters, which are as good as tokens here."""
    return len(str(message["content"]))


def pinned(
    messages: Sequence[Message],
    pins: Pins,
    *,
    extra: Collection[int] = (),
    most: int = MOST,
    spare: int = MOST,
    chop: int | None = None,
) -> tuple[int, ...]:
    """The pins of a record; with `chop`, followed in pieces of that size."""
    tracker, outline = PinTracker(pins), Outline()
    for message in messages:
        outline.add(message)
    for end in range(0, len(messages), chop or len(messages) or 1):
        tracker.follow(messages[:end])
    tracker.follow(messages)
    return tracker.pinned(dict(enumerate(messages)), outline, extra, most=most, spare=spare, size=weigh)


def test_without_pins_nothing_is_pinned() -> None:
    assert pinned([user("a"), user("b")], Pins()) == ()


def test_the_first_message_of_the_user() -> None:
    messages = [
        {"role": "system", "content": "s"},
        user("Do it."),
        {"role": "assistant", "content": "Yes."},
        user("And?"),
    ]
    assert pinned(messages, Pins(first_user_message=True)) == (1,)


def test_messages_by_index_from_policy_and_caller() -> None:
    messages = [user(str(number)) for number in range(5)]
    assert pinned(messages, Pins(messages=(3, 99)), extra={1, 3}) == (1, 3)


def test_expressions_search_the_user_and_results_alone() -> None:
    messages = rounds((call("run", what="TODO"), result("all done")), (call("run"), result("line\nTODO: this")))
    messages += [{"role": "assistant", "content": "TODO"}, user("my TODO")]
    assert pinned(messages, Pins(matching=("^TODO", "^my"))) == (4, 6)


READ, EDIT = call("Read", file_path="a.py"), call("Edit", file_path="a.py", old_string="1", new_string="2")
WRITE = call("Write", file_path="a.py", content="x = 1")
OTHER = call("Read", file_path="b.py")
SEARCH = call("Grep", path="a.py", pattern="x")
DONE, FAILED = result("done"), result("no such file", error=True)


@pytest.mark.parametrize(
    ("did", "kept"),
    [
        pytest.param([(READ, DONE)], (), id="read only"),
        pytest.param([(READ, DONE), (EDIT, DONE)], (2, 3), id="the result that showed it, and the edit"),
        pytest.param([(READ, DONE), (READ, DONE), (EDIT, DONE), (EDIT, DONE)], (4, 5, 7), id="the newest result"),
        pytest.param([(READ, DONE), (EDIT, DONE), (READ, DONE)], (6,), id="seen again after the edit"),
        pytest.param([(READ, DONE), (EDIT, FAILED)], (), id="an edit that failed"),
        pytest.param([(READ, DONE), (EDIT, DONE), (READ, FAILED)], (2, 3), id="a read that failed"),
        pytest.param([(READ, DONE), (WRITE, DONE)], (3,), id="written as a whole"),
        pytest.param([(WRITE, DONE), (EDIT, DONE), (SEARCH, DONE)], (1, 3), id="a search shows nothing"),
        pytest.param([(OTHER, DONE), (EDIT, DONE)], (3,), id="another file"),
        pytest.param([(READ, DONE), (EDIT, DONE), (EDIT, None)], (2, 3), id="an open round"),
    ],
)
def test_files_that_are_being_edited(did: list[tuple[Message, Message | None]], kept: tuple[int, ...]) -> None:
    assert pinned(rounds(*did), Pins(editing_files=True)) == kept


@pytest.mark.parametrize(
    ("path", "part"), [("path", "new_str"), ("notebook_path", "new_source"), ("filename", "patch")]
)
def test_the_names_that_tools_give_to_paths_and_contents(path: str, part: str) -> None:
    did = rounds((call("look", **{path: "a"}), DONE), (call("change", **{path: "a", part: "2"}), DONE))
    assert pinned(did, Pins(editing_files=True)) == (2, 3)


def test_a_file_left_alone_for_long_is_not_being_edited() -> None:
    after = [(OTHER, DONE)] * RECENT_ROUNDS
    assert pinned(rounds((READ, DONE), (EDIT, DONE), *after), Pins(editing_files=True)) == (2, 3)
    assert pinned(rounds((READ, DONE), (EDIT, DONE), *after, (OTHER, DONE)), Pins(editing_files=True)) == ()


def test_of_an_open_round_nothing_is_pinned() -> None:
    """Law 6: an open round is never compacted, so that nothing of it needs a pin."""
    messages = rounds((READ, DONE), (READ, None))
    assert pinned(messages, Pins(messages=(0, 1, 2, 3))) == (0, 1, 2)


def test_the_newest_first_up_to_the_share_and_named_before_found() -> None:
    messages = [user(f"x{number}") for number in range(6)]
    one = weigh({"content": pinned_blocks(0, {0: messages[0]})})
    assert pinned(messages, Pins(messages=tuple(range(6))), most=2 * one) == (4, 5)
    pins = Pins(first_user_message=True, matching=("x",))
    assert pinned(messages, pins, most=3 * one) == (0, 4, 5)
    assert pinned(messages, pins, most=one - 1) == ()


def test_a_named_message_that_is_too_large_leaves_the_others() -> None:
    messages = [user("a"), user("b" * 5_000), user("c")]
    assert pinned(messages, Pins(messages=(0, 1, 2)), most=1_000) == (0, 2)


@given(
    conversations(max_turns=4, max_rounds=3, interrupted=True, several=True),
    st.integers(min_value=1, max_value=4),
    st.integers(min_value=0, max_value=3_000),
)
def test_it_is_followed_piece_by_piece_and_stays_in_its_share(steps: list[Step], chop: int, most: int) -> None:
    messages = [step.message for step in steps]
    pins = Pins(first_user_message=True, messages=(2,), matching=("e",), editing_files=True)
    found = pinned(messages, pins, most=most)
    assert found == pinned(messages, pins, most=most, chop=chop)
    assert list(found) == sorted(set(found))
    forms = dict(enumerate(messages))
    assert sum(weigh({"content": pinned_blocks(index, forms)}) for index in found) <= most
    outline = Outline()
    for message in messages:
        outline.add(message)
    assert all(index < opened for index in found for opened in outline.open_calls.values())


def test_what_was_found_ends_where_the_share_does() -> None:
    """However many messages match, no more of them are looked at than are repeated, and one."""
    messages = [user("x"), user("x" * 5_000), user("x")]
    assert pinned(messages, Pins(matching=("x",)), most=1_000) == (2,)


def test_what_was_found_gives_way_where_there_is_little_to_spare() -> None:
    messages = [user(f"x{number}") for number in range(6)]
    one = weigh({"content": pinned_blocks(0, {0: messages[0]})})
    pins = Pins(messages=(1,), matching=("x",))
    assert pinned(messages, pins, spare=3 * one) == (1, 4, 5)
    assert pinned(messages, pins, spare=-1) == (1,)


def test_no_more_than_so_many_are_found() -> None:
    messages = [user("x") for _ in range(MOST_FOUND + 5)]
    assert pinned(messages, Pins(first_user_message=True, matching=("x",))) == (0, *range(5, MOST_FOUND + 5))


def test_an_expression_takes_time_as_the_text_is_long() -> None:
    """With `re` the first of them takes longer than the tests may."""
    messages = [user("a" * 5_000 + "!"), user("a" * 5_000)]
    assert pinned(messages, Pins(matching=("(a+)+$", "^(b|b)*$"))) == (1,)


def test_an_expression_that_gives_up_on_a_message_looks_at_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctxwindow.recall.pattern.MOST_WORK", 200)
    messages = [user("".join(map(chr, range(500, 1_000))) + "x"), user("x"), user("y")]
    pins = Pins(matching=("x",))
    assert pinned(messages, pins) == (1,)
    assert pinned(messages, pins, chop=1) == (1,), "the same, whatever was matched with it before (law 8)"
