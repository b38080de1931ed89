"""A mistake in what `open` is given is told there, in one line, and nothing is opened."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ctxwindow import AsyncSession, InvalidRequest, Limits, Middleware, MisuseError, Policy, PolicyError, Session
from ctxwindow.client.checking import as_limits, as_policy, check_opening
from ctxwindow.stores import MemoryStore
from ctxwindow.testing import FakeClaude
from tests.client.driven import Open, call

MODEL = "claude-opus-5-5"
GOOD: dict[str, Any] = {
    "store": "agent.db",
    "settings": None,
    "max_tokens": 8_000,
    "surface": "beta",
    "streaming": None,
    "approve": None,
    "busy": "wait",
    "patience": 60.0,
    "checkpoint": 1,
    "clock": lambda: 0.0,
}


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"surface": "alpha"}, "surface"),
        ({"busy": "perhaps"}, "busy"),
        ({"patience": -1}, "patience"),
        ({"patience": True}, "patience"),
        ({"checkpoint": float("nan")}, "checkpoint"),
        ({"checkpoint": "1"}, "checkpoint"),
        ({"surface": ["beta"]}, "surface"),
        ({"store": 5}, "store"),
        ({"store": None}, "store"),
        ({"store": b"agent.db"}, "store"),
        ({"settings": 5}, "settings"),
        ({"settings": {"stream": True}}, "settings.stream"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": "8"}, "max_tokens"),
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"streaming": "yes"}, "streaming"),
        ({"approve": True}, "approve"),
        ({"clock": 5}, "clock"),
        ({"clock": None}, "clock"),
        ({"client": None}, "client"),
        ({"client": "sk-ant"}, "client"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_what_is_none_is_named(wrong: dict[str, Any], path: str, is_async: bool) -> None:
    fake = FakeClaude()
    options = {**GOOD, "client": fake.async_client() if is_async else fake.client(), **wrong}
    with pytest.raises(MisuseError) as caught:
        check_opening(options.pop("client"), is_async=is_async, **options)
    assert caught.value.path == path
    assert "\n" not in str(caught.value)
    assert "sk-ant" not in str(caught.value)


def test_a_client_of_the_other_kind_is_told_at_once(tmp_path: Path) -> None:
    """Before a file is made; and not as an answer that is no message, at the first request."""
    with pytest.raises(MisuseError, match="Use AsyncSession"):
        Session.open(tmp_path / "agent.db", client=FakeClaude().async_client(), model=MODEL)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_client_that_blocks_is_not_for_a_session_that_awaits() -> None:
    async def open_it() -> None:
        await AsyncSession.open(MemoryStore(), client=FakeClaude().client(), model=MODEL)  # type: ignore[arg-type]

    with pytest.raises(MisuseError, match="Use Session"):
        asyncio.run(open_it())


def test_what_open_is_given_is_looked_at(opened: Open) -> None:
    """Whatever of it is wrong, before anything is made."""
    wrong: list[dict[str, Any]] = [
        {"policy": 5},
        {"policy": "chatty"},
        {"policy": {"budget": -5}},
        {"limits": 5},
        {"limits": {"round": 3}},
        {"settings": 5},
        {"settings": {"stream": True}},
        {"max_tokens": 0},
        {"streaming": 0},
        {"approve": "yes"},
        {"clock": 5},
    ]
    fake = FakeClaude()
    for given in wrong:
        with pytest.raises((MisuseError, PolicyError)) as caught:
            opened(fake, **given)
        assert "\n" not in str(caught.value)
    driven = opened(fake)
    driven.goes_on()
    assert driven.stored().recorded == 2


def test_keys_of_a_policy_and_of_limits_will_do() -> None:
    assert as_policy({"budget": 40_000}) == Policy(budget=40_000)
    assert as_policy("chat") == Policy.preset("chat")
    assert as_policy(None) is None
    assert as_limits({"rounds": 3}) == Limits(rounds=3)
    assert as_limits({}) == Limits()
    assert as_limits(None) is None


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"limits": 5}, "limits"),
        ({"limits": {"rounds": 0}}, "limits.rounds"),
        ({"approve": True}, "approve"),
        ({"approve": False}, "approve"),
    ],
)
def test_an_operation_is_looked_at_before_it_costs_something(opened: Open, given: dict[str, Any], path: str) -> None:
    def look() -> str:
        """Look."""
        return "seen"

    fake = FakeClaude([[call()], "Done."])
    driven = opened(fake, tools=[look])
    with pytest.raises(MisuseError) as caught:
        driven.run("Look.", **given)
    assert caught.value.path == path
    with pytest.raises(MisuseError):
        driven.resume(**given)
    with pytest.raises(MisuseError):
        driven.read("Look.", run=True, **given)
    assert fake.requests == []
    assert driven.stored().recorded == 0
    assert driven.run("Look.", limits={"rounds": 1, "seconds": 60}).text == "Done."


def test_other_settings_are_looked_at_too(opened: Open) -> None:
    driven = opened(FakeClaude())
    for settings in (5, {"stream": True}):
        with pytest.raises(MisuseError):
            driven.configure(settings=settings)
    driven.goes_on()


def test_how_to_treat_interrupted_calls_is_one_of_two_words(opened: Open) -> None:
    """Anything else would run them again."""
    ran = []

    def look() -> str:
        """Look."""
        ran.append(1)
        return "seen"

    fake = FakeClaude([[call()], "I see."])
    driven = opened(fake, tools=[look])
    assert driven.send("Look.").stopped == "calls"
    for word in ("ask", "Tell", None, ["tell"]):
        with pytest.raises(MisuseError) as caught:
            driven.resume(interrupted=word)
        assert caught.value.path == "interrupted"
    assert ran == []
    assert len(fake.requests) == 1
    assert driven.resume(interrupted="run").text == "I see."
    assert ran == [1]


@pytest.mark.parametrize(
    "results",
    [
        [{"type": "tool_result", "tool_use_id": [1]}],
        [{"type": "tool_result", "tool_use_id": "toolu_1"}, {"type": "tool_result", "tool_use_id": {"a": 1}}],
        [{"type": "tool_result", "tool_use_id": "toolu_1", "content": text} for text in ("first", "second")],
        [{"type": "tool_result"}],
    ],
)
def test_results_that_cannot_be_are_refused(opened: Open, results: list[dict[str, Any]]) -> None:
    """None of them is left out without a word."""
    definition = {"name": "look", "input_schema": {"type": "object"}}
    driven = opened(FakeClaude([[call()], "I see."]), tools=[definition])
    driven.send("Look.")
    with pytest.raises(InvalidRequest) as caught:
        driven.send(results)
    assert "\n" not in str(caught.value)
    assert driven.stored().recorded == 2
    assert driven.send([{"type": "tool_result", "tool_use_id": "toolu_1", "content": "a lamp"}]).text == "I see."


def test_the_middleware_looks_at_what_it_is_given() -> None:
    for store, policy in ((5, None), (None, None), (MemoryStore(), 5), (MemoryStore(), "chatty")):
        with pytest.raises((MisuseError, PolicyError)):
            Middleware(store, policy=policy)  # type: ignore[arg-type]
    Middleware(MemoryStore(), policy={"budget": 40_000})
