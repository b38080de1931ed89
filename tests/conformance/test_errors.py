"""Every recorded error of the API, word for word, through `recover`: what is done about it, and what is told."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ctxwindow import Conversation
from ctxwindow.errors import CtxwindowError, InvalidRequest
from ctxwindow.tiers.recovery import recover
from tests.driver import plan

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


def test_every_recorded_error_is_known_for_what_it_is() -> None:
    found = Counter((recover(ApiError(error)).action, error["status"]) for error in ERRORS)
    assert found == {
        ("give_up", 400): 42,
        ("plan_again", 400): 3,
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
    if recover(failed).action == "give_up":
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
