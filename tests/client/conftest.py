"""What the tests of the client share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.client.breaking import quick_retries
from tests.client.child import Forks


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
