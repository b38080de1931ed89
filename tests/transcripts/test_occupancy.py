from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from ctxwindow import count
from ctxwindow.catalog import resolve
from ctxwindow.errors import HistoryError, UnknownModel
from ctxwindow.transcripts import Session, read
from ctxwindow.transcripts.bodies import session_of_body
from ctxwindow.transcripts.occupancy import request_of, window_of
from tests.transcripts.scenes import OPUS, SONNET, lines, reply, session, user

MESSAGES: list[dict[str, Any]] = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": lines(20)},
]

FOUND = session(
    user("Fix the failing test.", at=0),
    reply(text="Done.", prompt=20_000, at=5),
    user("Go on.", at=6),
    reply(text="Done too.", prompt=20_100, at=9),
    user(lines(20), at=10),
)


def occupied(found: Session, **settings: Any) -> Any:
    return window_of(found, found.main, **settings)


def test_a_request_body_is_its_own_request() -> None:
    body = {"model": "claude-opus-4-6", "max_tokens": 100, "system": "Be brief.", "messages": MESSAGES, "stream": True}
    found = session_of_body(body, "body.json")
    assert request_of(found, found.main) == body
    assert occupied(found) == count(body)
    assert request_of(found, found.main, "claude-opus-5-5")["model"] == "claude-opus-5-5"
    assert occupied(found, model="claude-opus-5-5") == count(body, "claude-opus-5-5")


def test_a_list_of_messages_needs_a_model() -> None:
    found = session_of_body(MESSAGES, "messages.json")
    with pytest.raises(HistoryError, match="no model is named"):
        request_of(found, found.main)
    assert request_of(found, found.main, OPUS) == {"model": OPUS, "messages": MESSAGES}
    assert occupied(found, model=OPUS) == count({"messages": MESSAGES}, OPUS)
    own = msgspec.structs.replace(resolve(OPUS), id="our-model")
    assert occupied(found, model=own).model == "our-model"


def test_a_sessions_window_builds_on_its_usage() -> None:
    window = occupied(FOUND)
    assert window.source == "anchored"
    assert 20_100 < window.tokens < 21_500, "the last request, its reply and what came after"
    assert window.size == 1_000_000, "the model's own, though the session is followed without an end"
    assert window.tokens == sum(window.by.values())
    assert request_of(FOUND, FOUND.main) == {"model": OPUS, "messages": list(FOUND.main.messages)}


def test_on_another_model_it_is_estimated() -> None:
    window = occupied(FOUND, model="claude-opus-5-5")
    assert (window.model, window.source) == ("claude-opus-5-5", "estimated")
    assert window.tokens > 20_000, "system prompt and tools as far as they are known"


def test_only_what_came_after_the_clients_compaction_counts() -> None:
    summary = user("Summary: a test was fixed.", at=20, kind="compact_summary")
    found = session(*FOUND.main.steps, summary, reply(text="I see.", prompt=20_500, at=25), user("Go on.", at=30))
    assert request_of(found, found.main)["messages"] == [step.message for step in found.main.steps[5:]]
    window = occupied(found)
    assert window.source == "anchored"
    assert 20_500 < window.tokens < 20_600


def test_after_a_switch_the_request_is_the_new_models() -> None:
    found = session(*FOUND.main.steps, reply(text="ok", prompt=21_000, model=SONNET), user("Bye."))
    assert request_of(found, found.main)["model"] == resolve(SONNET).id
    window = occupied(found)
    assert (window.model, window.size) == (resolve(SONNET).id, 200_000)
    assert 21_000 < window.tokens < 21_100
    unheard = session(*found.main.steps, reply(text="ok", model="claude-of-2031"))
    assert request_of(unheard, unheard.main)["model"] == resolve(SONNET).id, "the last that is known"


def test_what_cannot_be_told_is_refused() -> None:
    nameless = session(user("Hi"), reply(text="Hello.", model=None))
    with pytest.raises(HistoryError, match="no model is named"):
        occupied(nameless)
    unheard = session(user("Hi"), reply(text="Hello.", model="claude-of-2031"))
    with pytest.raises(UnknownModel):
        occupied(unheard)
    with pytest.raises(HistoryError, match="there is no message"):
        occupied(session())


@pytest.mark.parametrize("name", ["image", "sidechains-sonnet-4"])
def test_a_real_session(name: str) -> None:
    """What is in the window after the last request is at least what that request weighed."""
    found = read(Path(__file__).parents[1] / "data" / "sessions" / f"{name}.jsonl.gz")
    window = occupied(found)
    usage = found.main.replies[-1].usage or {}
    keys = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    assert window.source == "anchored"
    assert window.tokens > sum(usage.get(key) or 0 for key in keys) > 10_000
    assert window.tokens == sum(window.by.values())


def test_a_real_session_that_ends_with_a_compaction() -> None:
    found = read(Path(__file__).parents[1] / "data" / "sessions" / "compact-manual.jsonl.gz")
    assert len(request_of(found, found.main)["messages"]) < len(found.main.steps)
    window = occupied(found)
    assert window.source == "estimated", "no request was made since"
    assert window.overheads["unseen"] > 10_000
