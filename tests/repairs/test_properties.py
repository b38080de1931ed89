"""The laws of repair, over generated and recorded histories that something was done to."""

from __future__ import annotations

import copy
import gzip
import json
from functools import cache
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from ctxwindow.record.blocks import block_type
from ctxwindow.repairs import Repair, repair
from ctxwindow.repairs.mending import MENDED
from ctxwindow.rules import check
from ctxwindow.testing import broken_requests
from ctxwindow.testing.broken import Broken
from tests.conftest import SMALL
from tests.repairs.broken import broken, whole

STOP_REASONS = ("end_turn", "max_tokens", "tool_use", "refusal", "model_context_window_exceeded", "stop_sequence")


@cache
def recorded() -> list[dict[str, Any]]:
    """Recorded requests that were answered, in the form that today's API takes."""
    with gzip.open(SMALL / "usage_pairs.jsonl.gz", "rt", encoding="utf-8") as lines:
        bodies = [json.loads(line)["request"] for line in lines]
    return [body for body in bodies if isinstance(body.get("messages"), list) and check(body).ok]


either = st.one_of(broken(), broken(), broken(st.sampled_from(recorded())))


def of_messages(body: dict[str, Any]) -> list[tuple[str, str]]:
    """Rules broken by the messages: what the settings break is not the history's."""
    return [
        (violation.rule, violation.path)
        for violation in check(body).violations
        if violation.path.startswith("messages.")
    ]


@given(either)
def test_the_result_checks_clean(body: dict[str, Any]) -> None:
    """A history that nothing is left of cannot be repaired; any other breaks no rule afterwards."""
    repaired, done = repair(body)
    assert of_messages(repaired) == [], done


@given(either, st.sampled_from(STOP_REASONS))
def test_the_result_checks_clean_however_the_reply_ended(body: dict[str, Any], stop_reason: str) -> None:
    repaired, done = repair(body, stop_reason=stop_reason)
    assert of_messages(repaired) == [], done


# Of rules whose violations are mended: what no repair is known for. Calls of the user's, contents of a wrong type, and
# pictures in system messages.
_LEFT = {"SHAPE-04", "SHAPE-07", "SYS-05"}


@given(broken_requests())
def test_every_rule_that_is_mended_holds_afterwards(broken: Broken) -> None:
    repaired, done = repair(broken.request)
    assert not {rule for rule, _ in of_messages(repaired)} & (MENDED - _LEFT), (broken.mutation, done)
    assert repair(repaired) == (repaired, [])


@given(either)
def test_repairing_twice_changes_nothing(body: dict[str, Any]) -> None:
    once, _ = repair(body)
    again, done = repair(once)
    assert (again, done) == (once, [])


@given(st.one_of(whole(), broken(), st.sampled_from(recorded())))
def test_a_clean_request_is_returned_as_it_is(body: dict[str, Any]) -> None:
    """Equal, with nothing done, its very messages."""
    assume(check(body).ok)
    repaired, done = repair(body)
    assert (repaired, done) == (body, [])
    assert repaired["messages"] is body["messages"]


@given(either, st.sampled_from([None, *STOP_REASONS]))
def test_the_input_is_never_changed(body: dict[str, Any], stop_reason: str | None) -> None:
    before = copy.deepcopy(body)
    repair(body, stop_reason=stop_reason)
    assert body == before


def is_named(path: str, done: list[Repair]) -> bool:
    """Whether a repair names a block, its message or something in it."""
    message = ".".join(path.split(".")[:2])
    return any(
        one.path == path
        or one.path.startswith(f"{path}.")
        or (one.path == message and one.what in ("message left out", "reply left out"))
        or (one.path == message and one.what.startswith("system message"))
        for one in done
    )


@given(either)
def test_what_no_repair_names_goes_out_as_it_came(body: dict[str, Any]) -> None:
    """Every block is the same object as before, in the same order; only results and system messages ever move."""
    repaired, done = repair(body)
    came = [
        (f"messages.{index}.content.{place}", block)
        for index, message in enumerate(body["messages"])
        if isinstance(message.get("content"), list)
        for place, block in enumerate(message["content"])
    ]
    still = [id(block) for message in repaired["messages"] for block in _blocks(message)]
    kept = [id(block) for path, block in came if not is_named(path, done)]
    assert set(kept) <= set(still)
    settled = [
        id(block)
        for path, block in came
        if not is_named(path, done) and body["messages"][int(path.split(".")[1])]["role"] != "system"
    ]
    rest = iter(still)
    assert all(identity in rest for identity in settled)


def _blocks(message: dict[str, Any]) -> list[Any]:
    return message["content"] if isinstance(message.get("content"), list) else []


@given(either)
def test_texts_stay(body: dict[str, Any]) -> None:
    """Of what user and model said, nothing is left out but blank texts."""
    repaired, _ = repair(body)
    after = json.dumps(repaired["messages"])
    for message in body["messages"]:
        content = message.get("content")
        texts = [content] if isinstance(content, str) else [block.get("text") for block in _blocks(message)]
        for text in texts:
            if isinstance(text, str) and text.strip() and message["role"] != "system":
                assert json.dumps(text.strip())[1:-1] in after


@given(either)
def test_calls_are_never_erased(body: dict[str, Any]) -> None:
    """A dangling call is answered: whether it ran is not known."""
    repaired, done = repair(body)
    assert calls(repaired) == calls(body), done


def calls(body: dict[str, Any]) -> int:
    return sum(block_type(block).family == "call" for message in body["messages"] for block in _blocks(message))


@given(either)
def test_every_change_is_named_by_a_rule_that_exists(body: dict[str, Any]) -> None:
    from ctxwindow.rules import rule  # noqa: PLC0415

    repaired, done = repair(body)
    assert (repaired == body) == (done == [])
    for one in done:
        assert one.what
        assert one.why.endswith(".")
        assert one.path == "thinking" or one.path.startswith("messages.")
        assert one.rule == "FB-02" or rule(one.rule).id == one.rule
