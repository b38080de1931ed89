"""What the tests of the client share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ctxwindow.testing import FakeClaude
from tests.client.breaking import quick_retries
from tests.client.child import Forks
from tests.client.driven import Driven, Open


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Child processes; one warm process for the whole run."""
    with Forks() as found:
        yield found


@pytest.fixture
def quickly() -> Iterator[None]:
    """The SDK waits a millisecond before it tries again."""
    with quick_retries():
        yield


@pytest.fixture(params=["sync", "async"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens sessions of either kind on one file; they are closed at the end."""
    found: list[Driven] = []

    def open_(fake: FakeClaude, **given: Any) -> Driven:
        driven = Driven(request.param, tmp_path / "agent.db", fake, **given)
        found.append(driven)
        return driven

    yield open_
    for driven in found:
        driven.shut()
