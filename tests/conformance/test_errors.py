"""Every recorded error of the API, word for word: what `recover` does about it, and what is found in the request behind it."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks.accuracy import pairs_of
from ctxwindow import Conversation
from ctxwindow.catalog import resolve
from ctxwindow.errors import CtxwindowError, InvalidRequest
from ctxwindow.rules import API_VERSION, Violation, find_violations
from ctxwindow.tiers.recovery import recover
from tests.conformance.refused import DOCUMENTED, HI, NOT_OURS, OLD, RECORDED, Refused, body
from tests.driver import plan

SHIPPED = Path(__file__).parents[1] / "data" / "usage_pairs.jsonl.gz"

ERRORS: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data" / "errors.jsonl").read_text(encoding="utf-8").splitlines()
]


class ApiError(Exception):
    """What the SDK raises, as far as `recover` looks at it."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.status_code = error["status"]
        self.body = {"type": "error", "error": {"type": error["type"], "message": error["message"]}}


@pytest.mark.parametrize(("stripped", "final"), [(False, 37), (True, 42)])
def test_every_recorded_error_is_known_for_what_it_is(stripped: bool, final: int) -> None:
    """Five refuse thinking: there is a way on as long as some can leave the wire."""
    found = Counter((recover(ApiError(error), stripped=stripped).action, error["status"]) for error in ERRORS)
    assert found == {
        ("give_up", 400): final,
        ("plan_again", 400): 45 - final,
        ("give_up", 404): 6,
        ("give_up", 401): 1,
        ("give_up", 413): 2,
        ("send_again", 500): 1,
        ("send_again", 529): 1,
    }


def test_a_prompt_that_is_too_long_tells_its_size() -> None:
    """CTX-08, CTX-10: both wordings give the exact size of the prompt and the window."""
    sizes = [(found.tokens, found.limit) for found in map(recover, map(ApiError, ERRORS)) if found.tokens]
    assert sizes == [(3_333_404, 200_000), (208_310, 200_000), (178_959, 200_000)]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{error['status']}-{ERRORS.index(error)}")
def test_a_conversation_survives_each_of_them(error: dict[str, Any]) -> None:
    """Whatever comes back, the engine says what to do or raises its own error; the same request can go out again."""
    conversation = Conversation.start(model="claude-opus-4-6")
    conversation.append({"role": "user", "content": "Fix it."})
    sent = plan(conversation)
    failed = ApiError(error)
    if recover(failed, stripped=True).action == "give_up":  # there is no thinking here
        with pytest.raises(CtxwindowError) as final:
            conversation.fail(failed)
        assert error["message"] not in str(final.value), "no content of the API's message in ours"
        assert final.value.remedy
        assert isinstance(final.value, InvalidRequest) == (error["status"] == 400)
    else:
        assert conversation.fail(failed).why
    if "too long" not in error["message"] and "context limit" not in error["message"]:
        assert plan(conversation).request == sent.request
    assert len(conversation.messages) == 1


# ---- the requests behind them


def fixed(said: str) -> str:
    """A text without what varies: the address of a page, backticks that quoting lost, an index that a poster left out."""
    said = re.sub(r" Please consult our documentation at \S+$", "", said)
    return said.replace("`", "").replace("messages.N.", "messages.7.")


def texts_of(refused: Refused) -> dict[str, list[str]]:
    """Rule -> what it says of a request, errors only."""
    told: dict[str, list[str]] = {}
    for violation in find_violations(refused.request, **refused.options):
        if violation.severity == "error":
            told.setdefault(violation.rule, []).append(fixed(violation.message))
    return told


def case_of(said: str, table: dict[str, Any]) -> list[str]:
    return [start for start in table if said.startswith(start)]


def test_every_recorded_error_has_a_request_or_a_reason() -> None:
    for said in {error["message"] for error in ERRORS}:
        assert len(case_of(said, RECORDED)) + len(case_of(said, NOT_OURS)) == 1, said
    for start in (*RECORDED, *NOT_OURS):
        assert any(error["message"].startswith(start) for error in ERRORS), start


CUT = "user messages must have non-empty content"
"""Quoted from counting tokens, perhaps in part: the rule is checked, not the words."""


@pytest.mark.parametrize("start", RECORDED, ids=lambda start: start[:40])
def test_the_request_behind_a_recorded_error_is_found_in_its_words(start: str) -> None:
    refused = RECORDED[start]
    said = next(error["message"] for error in ERRORS if error["message"].startswith(start))
    told = texts_of(refused)
    assert refused.rule in told
    assert fixed(said) in told[refused.rule] or said == CUT


@pytest.mark.parametrize("said", DOCUMENTED, ids=lambda said: said[-40:])
def test_the_request_behind_a_documented_error_is_found_in_its_words(said: str) -> None:
    refused = DOCUMENTED[said]
    assert fixed(said) in texts_of(refused).get(refused.rule, [])


def test_models_that_the_api_does_not_have_are_warned_of() -> None:
    for error in ERRORS:
        if error["message"].startswith("model: "):
            found = find_violations(body(HI, model=error["message"].removeprefix("model: ")))
            assert [(violation.rule, violation.severity) for violation in found] == [("SHAPE-10", "warning")]


# ---- recorded exchanges

ELSEWHERE = ("invalid x-api-key", "prompt is too long: ")
"""Refused for what the request does not show."""


def check(pair: dict[str, Any], version: str = OLD) -> list[Violation]:
    """What is found in a recorded request. Its headers are a lower bound, so none counts as missing."""
    try:
        profile = resolve(pair["model"])
    except CtxwindowError:
        profile = None
    return find_violations(pair["request"], profile=profile, api_version=version)


def assert_refused_as_recorded(pairs: list[dict[str, Any]]) -> None:
    for pair in pairs:
        said = pair["error"]["message"]
        if said.startswith(ELSEWHERE):
            continue
        found = {(violation.rule, violation.message) for violation in check(pair)}
        if said.startswith("model: "):
            assert "SHAPE-10" in {rule for rule, _ in found}
        else:
            (start,) = case_of(said, RECORDED)
            assert (RECORDED[start].rule, said) in found


def errors_in(pairs: list[dict[str, Any]], version: str) -> Counter[str]:
    return Counter(v.rule for pair in pairs for v in check(pair, version) if v.severity == "error")


def answered(pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [pair for pair in pairs if pair["http_status"] == 200]


def refused(pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [pair for pair in pairs if pair["http_status"] != 200]


SINCE = {"VER-04": "temperature, top_p and top_k were taken before the version of 2026-10-21, which no recording has"}
"""Rule -> why it finds recorded requests that were answered, when they are checked under the newest version."""


def test_shipped_exchanges_are_judged_as_the_api_did() -> None:
    pairs = list(pairs_of(SHIPPED))
    assert errors_in(answered(pairs), OLD) == {}
    assert set(errors_in(answered(pairs), API_VERSION)) <= set(SINCE)
    assert_refused_as_recorded(refused(pairs))


@pytest.mark.recorded
def test_recorded_exchanges_are_judged_as_the_api_did(recordings: Path) -> None:
    pairs = list(pairs_of(recordings / "usage_pairs.jsonl"))
    assert (len(answered(pairs)), len(refused(pairs))) == (850, 16)
    assert errors_in(answered(pairs), OLD) == {}
    assert errors_in(answered(pairs), API_VERSION).keys() == SINCE.keys()
    assert_refused_as_recorded(refused(pairs))
