"""Generated pages are up to date."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
SCRIPTS = sorted(DOCS.glob("generate_*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: str(script.stem))
def test_the_committed_page_is_the_generated_one(script: Path) -> None:
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, str(script), "--check"],
        check=False,
        capture_output=True,
        env={"PYTHONPATH": ":".join([str(DOCS.parent), *sys.path])},
    )
    assert done.returncode == 0, f"run python docs/{script.name}"
