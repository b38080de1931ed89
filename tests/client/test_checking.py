"""A mistake in what `open` is given is told there, in one line, and nothing is opened."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ctxwindow import AsyncSession, MisuseError, Session
from ctxwindow.client.checking import check_opening
from ctxwindow.stores import MemoryStore
from ctxwindow.testing import FakeClaude

MODEL = "claude-opus-5-5"
GOOD: dict[str, Any] = {"surface": "beta", "busy": "wait", "patience": 60.0, "checkpoint": 1, "limits": None}


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"surface": "alpha"}, "surface"),
        ({"busy": "perhaps"}, "busy"),
        ({"patience": -1}, "patience"),
        ({"patience": True}, "patience"),
        ({"checkpoint": float("nan")}, "checkpoint"),
        ({"checkpoint": "1"}, "checkpoint"),
        ({"limits": {"rounds": 3}}, "limits"),
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
