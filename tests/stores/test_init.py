from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ctxwindow import stores

ROOT = Path(stores.__file__).parents[2]
FACE = "import ctxwindow.stores as s, sys\n"


@pytest.mark.parametrize(
    ("code", "loaded"),
    [
        ("s.MemoryStore()", False),
        ("s.SqliteStore", True),
    ],
)
def test_sqlite_is_loaded_when_it_is_asked_for(code: str, loaded: bool) -> None:
    script = f"{FACE}{code}\nprint('sqlite3' in sys.modules)"
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert run.stdout == f"{loaded}\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="NoStore"):
        stores.NoStore  # noqa: B018 - reading it is the test


def test_every_name_is_there() -> None:
    assert all(getattr(stores, name) is not None for name in stores.__all__)
