from __future__ import annotations

import pytest

from tests.cli.scenes import Result, run


@pytest.fixture(scope="session")
def demo() -> Result:
    """The demo for programs, run once: it is the slowest command."""
    return run("demo", "--json")


@pytest.fixture(scope="session")
def demo_text() -> Result:
    """The demo for people, in a pipe."""
    return run("demo")
