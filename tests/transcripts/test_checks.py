from __future__ import annotations

import dataclasses
from typing import Any
from unittest import mock

import pytest

from ctxwindow import Conversation, Policy, Send
from ctxwindow.catalog import resolve
from ctxwindow.rules import Violation, find_violations
from ctxwindow.transcripts.checks import Checker, Checks
from ctxwindow.transcripts.replay import replay
from tests.driver import plan
from tests.transcripts.scenes import OPUS
from tests.transcripts.test_comparison import long_session

PROFILE = resolve(OPUS)


def sends(number: int = 4) -> list[Send]:
    """Requests of one epoch."""
    conversation = Conversation.start(model=OPUS, system="Be brief.", policy=Policy())
    found = []
    for turn in range(number):
        conversation.append({"role": "user", "content": f"Question {turn}: {'word ' * 2_000}"})
        found.append(plan(conversation))
        conversation.receive({"content": f"Answer {turn}.", "stop_reason": "end_turn"})
    return found


def changed(send: Send, *messages: dict[str, Any]) -> Send:
    """The same send with other messages at its end."""
    kept = send.request["messages"][: -len(messages)]
    return dataclasses.replace(send, request={**send.request, "messages": [*kept, *messages]})


@pytest.mark.parametrize("checks", ["full", "cheap"])
def test_valid_requests(checks: Checks) -> None:
    checker = Checker(checks)
    assert [checker.check(send, PROFILE) for send in sends()] == [[]] * 4
    assert checker.finish() == []


@pytest.mark.parametrize("checks", ["full", "cheap"])
def test_a_new_message_that_breaks_a_rule(checks: Checks) -> None:
    checker = Checker(checks)
    first, second, *_ = sends()
    orphan = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t9", "content": "x"}]}
    assert checker.check(first, PROFILE) == []
    found = checker.check(changed(second, orphan), PROFILE)
    assert {violation.rule for violation in found} == {"TOOL-02"}


@pytest.mark.parametrize("checks", ["full", "cheap"])
def test_an_end_that_breaks_a_rule(checks: Checks) -> None:
    checker = Checker(checks)
    first, second, *_ = sends()
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "read", "input": {}}]}
    checker.check(first, PROFILE)
    assert checker.check(changed(second, call), PROFILE) != []


def test_a_prefix_that_changed_is_found_without_looking_at_all_of_it() -> None:
    checker = Checker("cheap")
    first, second, third, _ = sends()
    checker.check(first, PROFILE)
    messages = second.request["messages"]
    rewritten = [{**messages[0], "content": "Another question."}, *messages[1:]]
    (found,) = checker.check(dataclasses.replace(second, request={**second.request, "messages": rewritten}), PROFILE)
    assert found.rule == "law 4"
    shorter = dataclasses.replace(third, request={**third.request, "messages": messages[:1]})
    assert "law 4" in {violation.rule for violation in checker.check(shorter, PROFILE)}


def test_cheap_checks_put_all_rules_to_the_first_the_last_and_the_edited_requests() -> None:
    whole: list[int] = []

    def noted(request: dict[str, Any], **options: Any) -> list[Violation]:
        whole.append(len(request["messages"]))
        return find_violations(request, **options)

    with mock.patch("ctxwindow.transcripts.checks.find_violations", noted):
        found = replay(long_session(), policy=Policy(budget=14_000), checks="cheap")
    epochs = [row.epoch for row in found.sends]
    starts = [number for number, epoch in enumerate(epochs) if number == 0 or epochs[number - 1] != epoch]
    ends = [*(start - 1 for start in starts[1:]), len(epochs) - 1]
    assert len(starts) >= 3
    assert len(whole) == len(starts) + len([end for end in ends if end not in starts])
    assert len(whole) < len(epochs)


def test_the_last_request_of_an_epoch_is_checked_when_the_next_begins_or_at_the_end() -> None:
    checker = Checker("cheap")
    first, second, *_ = sends()
    checker.check(first, PROFILE)
    broken = Violation(rule="MSG-99", path="messages.0", message="m", remedy="r", severity="error")
    with mock.patch("ctxwindow.transcripts.checks.find_violations", return_value=[broken]):
        assert checker.check(second, PROFILE) == [], "of this one only what is new is looked at"
        assert checker.finish() == [broken]
        assert checker.finish() == [], "once"


def test_both_ways_find_the_same_in_a_replay() -> None:
    full, cheap = (replay(long_session(), policy=Policy(budget=14_000), checks=checks) for checks in ("full", "cheap"))
    assert full == cheap
