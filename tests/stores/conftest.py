from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ctxwindow.stores import MemoryStore, SqliteStore, Store


@pytest.fixture(params=["memory", "sqlite", "sqlite in memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Every kind of store, empty: what is promised by the protocol holds for each."""
    opened: Store
    match request.param:
        case "memory":
            opened = MemoryStore()
        case "sqlite":
            opened = SqliteStore(tmp_path / "log.db")
        case _:
            opened = SqliteStore(":memory:")
    with opened:
        yield opened
