from __future__ import annotations

import contextlib
import copy
import datetime as dt
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ctxwindow import InvalidRequest, UnknownModel, compare
from ctxwindow.catalog import resolve
from ctxwindow.testing import exchanges
from ctxwindow.window import count
from ctxwindow.window.framing import frame_of
from tests.odd import nested, odd_requests
from tests.sdk import sdk_message, with_objects
from tests.window.scenes import HAIKU, OPUS, Message, assistant, body, clear_uses, keep, rounds, text, thinking, user

CONTROL = {"type": "ephemeral"}
SYSTEM = [{**text("You answer questions about parts of machines. " * 100), "cache_control": CONTROL}]
TOOLS = [{"name": "read_file", "description": "Reads a file.", "input_schema": {"type": "object"}}]
OCTOBER, NOVEMBER = (dt.datetime(2026, month, 1, tzinfo=dt.UTC).timestamp() for month in (10, 11))


def _said(turns: int) -> list[Message]:
    """So many turns with thinking, and the next question."""
    messages: list[Message] = []
    for number in range(turns):
        messages += [user(f"Question {number}. " * 9), assistant(thinking(str(number)), text(f"Answer {number}."))]
    return [*messages, user("And now?")]


def _body(messages: list[Message], *edits: Message, **settings: Any) -> dict[str, Any]:
    return body(messages, *edits, **{"system": SYSTEM, "tools": TOOLS, "cache_control": CONTROL, **settings})


BEFORE = _body(_said(3))


def test_appending_loses_nothing() -> None:
    after = _body([*_said(3), assistant(thinking("x"), text("Now.")), user("Thanks.")])
    effect = compare(BEFORE, after, at=NOVEMBER)
    assert effect.change is None
    assert not effect.rejected
    assert effect.thinking_lost == ()
    assert effect.removed == effect.cache_lost == 0
    assert effect.tokens_before == count(BEFORE).tokens
    frame = frame_of(resolve(BEFORE["model"]))
    # Behind the last breakpoint stand the frame of the request and the opening of the reply.
    assert effect.warm.read == effect.cached == effect.tokens_before - frame.request - frame.user // 2
    assert effect.tokens == count(after).tokens
    assert effect.not_counted == {}


def test_the_age_of_the_cache() -> None:
    """CACHE-05: past its lifetime nothing is read, and warm costs what cold does."""
    assert compare(BEFORE, BEFORE, at=NOVEMBER, age=300).warm.read > 0
    late = compare(BEFORE, BEFORE, at=NOVEMBER, age=301)
    assert late.warm == late.cold
    assert late.cost_warm == late.cost_cold
    assert late.cache_lost == late.cached


def test_prices_are_those_of_a_day() -> None:
    """PRICE-02: cache reads of Sonnet 5.5 became cheaper; without a day the price published last is taken."""
    request = _body(_said(3), model="claude-sonnet-5-5")
    october, november, latest = (compare(request, request, at=at).cost_warm for at in (OCTOBER, NOVEMBER, None))
    assert october is not None
    assert november is not None
    read = compare(request, request).warm.read
    assert october - november == pytest.approx(read * 0.1 / 1_000_000)
    assert november == latest
    assert compare(request, request, at=0.0).cost_warm is None, "no price was known then"


@pytest.mark.parametrize(("enforcement", "rejected"), [("auto", True), ("error", True), ("drop_block", False)])
def test_an_edit_before_thinking(enforcement: Any, *, rejected: bool) -> None:
    """BIND-05, BIND-08, BIND-12: thinking behind an edit fails; with drop_block the request goes through without."""
    messages = _said(3)
    messages[2] = user("Another question.")
    after = _body(messages)
    effect = compare(BEFORE, after, enforcement=enforcement)
    assert effect.rejected == rejected
    assert effect.thinking_lost == ("messages.3.content.0", "messages.5.content.0")
    assert effect.not_counted == {"BIND-08": sum(_tokens(after, path) for path in effect.thinking_lost)}
    assert effect.change is not None
    assert effect.change.path == "messages.2.content.0"
    assert effect.change.reason.startswith("modified")
    assert effect.removed == _tokens(BEFORE, "messages.2.content.0")
    assert 0 < effect.warm.read < effect.cached


def test_enforcement_off() -> None:
    """BIND-04: on an older account nothing fails, and only the cache is lost."""
    messages = _said(3)
    messages[2] = user("Another question.")
    effect = compare(BEFORE, _body(messages), enforcement="off")
    assert not effect.rejected
    assert effect.thinking_lost == ()
    assert effect.not_counted == {}
    assert effect.cache_lost > 0


def _tokens(request: dict[str, Any], path: str) -> int:
    return next(block.tokens for block in count(request).blocks if block.path == path)


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        ({"system": "Be brief."}, "system.0", "modified"),
        ({"system": None}, "system.0", "removed"),
        ({"system": [*SYSTEM, text("More.")]}, "system.1", "inserted"),
        ({"tools": [{**TOOLS[0], "description": "Other."}]}, "tools.0", "modified"),
        ({"tools": [*TOOLS, {"name": "b", "input_schema": {}}]}, "tools.1", "inserted"),
        ({"tool_choice": {"type": "none"}}, "tool_choice", "setting_changed [CACHE-11]"),
        ({"model": "claude-opus-5"}, "model", "setting_changed [CACHE-15]"),
        ({"messages": _said(3)[2:]}, "messages.0.content.0", "removed"),
        ({"messages": _said(3)[:5]}, "messages.5", "removed"),
        ({"messages": [user("First."), *_said(3)]}, "messages.0.content.0", "inserted"),
    ],
)
def test_the_first_change(change: dict[str, Any], path: str, reason: str) -> None:
    effect = compare(BEFORE, {**BEFORE, **change})
    assert effect.change is not None
    assert effect.change.path == path
    assert effect.change.reason.startswith(reason)
    assert effect.cache_lost > 0 or change == {"messages": _said(3)[:5]}


def test_what_the_server_takes_out_is_named() -> None:
    """EDIT-04, RET-03: the first change is what the server clears or strips, by its rule."""
    edit = clear_uses(trigger=keep(5), keep=keep(4))
    effect = compare(_body(rounds(5), edit), _body(rounds(6), edit))
    assert effect.change is not None
    assert effect.change.path == "messages.2.content.0"
    assert effect.change.reason.startswith("cleared [EDIT-02]")
    assert effect.not_counted.keys() == {"EDIT-02"}
    assert not effect.rejected, "EDIT-08: server edits never count as prefix edits"
    turns = [_body(_said(number), model=HAIKU) for number in (1, 2)]
    stripped = compare({**turns[0], "messages": _said(2)[:2]}, turns[1])
    assert stripped.change is not None
    assert stripped.change.reason.startswith("stripped [RET-02]")


def test_another_model_may_not_read_the_thinking() -> None:
    """BIND-02, BIND-20: blocks that a model cannot read are left out, unbilled, without an error."""
    effect = compare({**BEFORE, "model": "claude-fable-5-1"}, {**BEFORE, "model": OPUS})
    assert not effect.rejected
    assert effect.thinking_lost == tuple(f"messages.{index}.content.0" for index in (1, 3, 5))
    assert effect.not_counted.keys() == {"BIND-02"}
    assert effect.warm.read == 0, "CACHE-15"


def test_the_reply_may_come_along() -> None:
    """BIND-16: with the reply its blocks are known one by one."""
    reply = {"role": "assistant", "model": OPUS, "content": [thinking("x"), text("Now.")]}
    after = _body([*_said(3), {"role": "assistant", "content": reply["content"]}, user("Thanks.")])
    assert compare((BEFORE, reply), after).thinking_lost == ()
    forged = copy.deepcopy(after)
    forged["messages"][7]["content"].insert(0, thinking("y"))
    assert compare((BEFORE, reply), forged).rejected


def test_thinking_that_is_left_out_is_counted() -> None:
    messages = [message if index != 1 else assistant(text("Answer 0.")) for index, message in enumerate(_said(3))]
    effect = compare(BEFORE, _body(messages))
    assert effect.thinking_left_out == 1
    assert effect.removed == _tokens(BEFORE, "messages.1.content.0")
    assert effect.thinking_lost == (), "BIND-10: an edge run may go"


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(UnknownModel):
        compare(BEFORE, {**BEFORE, "model": "claude-opus-55"})
    assert compare(BEFORE, {**BEFORE, "model": "claude-opus-55"}, model=OPUS).model == OPUS


@given(exchanges(), st.floats(0, 4_000))
def test_an_exchange_costs_no_more_warm_than_cold(pair: tuple[dict[str, Any], dict[str, Any]], age: float) -> None:
    """Appending loses no thinking; nothing is changed; a warm prompt costs no more than a cold one."""
    kept = copy.deepcopy(pair)
    effect = compare(*pair, age=age)
    assert pair == kept
    assert not effect.rejected
    assert effect.thinking_lost == ()
    assert effect.warm.prompt == effect.cold.prompt == effect.tokens
    assert effect.warm.read <= effect.cached
    assert effect.cold.read == 0
    if effect.cost_warm is not None and effect.cost_cold is not None:
        assert effect.cost_warm <= effect.cost_cold + 1e-12


@given(exchanges())
def test_removing_the_last_turn_never_loses_earlier_thinking(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Going back to an earlier point of the conversation is no edit of what stands before it (BIND-16)."""
    before, after = pair
    assume(before["messages"])
    effect = compare(after, before)
    assert not effect.rejected
    assert effect.thinking_lost == ()
    assert effect.change is None or effect.warm.read <= effect.cached


def test_objects_of_the_sdk_compare_like_what_they_stand_for() -> None:
    reply = assistant(thinking("x"), text("Now."))
    after = _body([*_said(3), reply, user("Thanks.")])
    pair = with_objects(BEFORE), sdk_message(reply["content"], BEFORE["model"])
    kept = copy.deepcopy(pair)
    found = compare(pair, with_objects(after), at=NOVEMBER)
    assert found == compare((BEFORE, {**reply, "model": BEFORE["model"]}), after, at=NOVEMBER)
    assert found.change is None
    assert pair == kept, "changed"


@pytest.mark.parametrize("odd", [{"tools": [None]}, {"system": 5}, {"messages": 7}, {"metadata": nested(2_000)}])
def test_what_cannot_be_counted_is_named(odd: dict[str, Any]) -> None:
    for pair, side in (((BEFORE, {**BEFORE, **odd}), "after"), (({**BEFORE, **odd}, BEFORE), "before")):
        with pytest.raises(InvalidRequest, match=f"^({side})"):
            compare(*pair)


@given(odd_requests(), odd_requests())
def test_odd_json_is_compared_or_refused(before: dict[str, Any], after: dict[str, Any]) -> None:
    with contextlib.suppress(InvalidRequest, UnknownModel):
        compare(before, after)
