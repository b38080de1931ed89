from __future__ import annotations

import gc
import warnings
from pathlib import Path

from ctxwindow.stores import SqliteStore


def test_a_store_that_nobody_closes_is_closed_without_a_warning(tmp_path: Path) -> None:
    """Python 3.13 warns of connections that are collected while they are open."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        store = SqliteStore(tmp_path / "a.db")
        store.version("a")
        del store
        gc.collect()
    assert [str(warning.message) for warning in told] == []
    assert not (tmp_path / "a.db-wal").exists(), "the last connection is closed"
