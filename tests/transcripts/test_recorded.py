from __future__ import annotations

import pytest

from ctxwindow.catalog import resolve
from ctxwindow.errors import HistoryError, UnknownModel
from ctxwindow.transcripts.recorded import known_model, recorded_model, session_model, unseen_tokens
from ctxwindow.window import count
from tests.transcripts.scenes import OPUS, SONNET, lines, reply, session, user


def test_a_session_runs_on_the_model_of_its_first_reply() -> None:
    found = session(user("Hi"), reply(text="a", model=None), reply(text="b", model=OPUS), reply(text="c", model=SONNET))
    assert session_model(found, found.main).id == OPUS
    assert recorded_model(found, found.main) == resolve(OPUS)


def test_a_body_names_its_model() -> None:
    found = session(user("Hi"), request={"model": "claude-haiku-4-5", "messages": []})
    assert session_model(found, found.main).id == "claude-haiku-4-5-20251001"


def test_the_given_model_comes_first() -> None:
    found = session(user("Hi"), reply(text="a", model="claude-of-2031"))
    assert session_model(found, found.main, OPUS).id == OPUS
    own = resolve(OPUS)
    assert session_model(found, found.main, own) is own


def test_a_session_without_a_model_says_how_to_name_one() -> None:
    found = session(user("Hi"), reply(text="a", model=None))
    with pytest.raises(HistoryError, match=r"no model is named\..*--model"):
        session_model(found, found.main)
    assert recorded_model(found, found.main) is None


@pytest.mark.parametrize("model", [7, ["claude-opus-4-6"], "", None])
def test_a_model_that_is_no_name_is_none(model: object) -> None:
    found = session(user("Hi"), request={"model": model, "messages": []})
    with pytest.raises(HistoryError):
        session_model(found, found.main)


def test_a_model_the_catalog_does_not_know() -> None:
    found = session(user("Hi"), reply(text="a", model="claude-of-2031"))
    with pytest.raises(UnknownModel):
        session_model(found, found.main)
    assert recorded_model(found, found.main) is None
    assert known_model("claude-of-2031") is None
    assert known_model(7) is None


def unseen(*steps: object, complete: bool = True, as_if: str = OPUS) -> int:
    thread = session(*steps, complete=complete).main  # type: ignore[arg-type]
    return unseen_tokens(thread, resolve(OPUS), resolve(as_if))


def test_what_the_first_request_weighed_beyond_its_messages() -> None:
    first = {"role": "user", "content": "Fix the failing test."}
    weighed = count({"messages": [first]}, OPUS).tokens
    assert unseen(user(first["content"]), reply(text="Done.", prompt=20_000)) == 20_000 - weighed
    # Only the first request tells it, and a prompt smaller than its messages tells nothing.
    assert unseen(user(first["content"]), reply(text="a", prompt=9_000), reply(text="b", prompt=50_000)) < 9_000
    assert unseen(user(lines(200)), reply(text="Done.", prompt=10)) == 0


def test_it_cannot_always_be_told() -> None:
    assert unseen(user("Hi"), reply(text="Done.", prompt=20_000), complete=False) == 0
    assert unseen(user("Hi"), reply(text="Done."), reply(text="more", prompt=20_000)) == 0
    assert unseen(user("Hi")) == 0
    assert unseen(user("Hi"), reply(text="Done.", prompt=10**400)) == 0, "no prompt is as large as that"


def test_on_a_model_of_another_tokenizer_it_is_scaled() -> None:
    steps = (user(lines(100)), reply(text="Done.", prompt=20_000))
    here, there = (count({"messages": [steps[0].message]}, model).tokens for model in (OPUS, "claude-opus-5-5"))
    assert here < there
    assert unseen(*steps, as_if="claude-opus-5-5") == pytest.approx(unseen(*steps) * there / here, abs=1)
    assert unseen(*steps, as_if=SONNET) == unseen(*steps), "the same tokenizer"
