from __future__ import annotations

import subprocess
import sys

import pytest


def _modules_after(statement: str) -> set[str]:
    done = subprocess.run(  # noqa: S603 - our own statement
        [sys.executable, "-c", f"import sys; {statement}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("heavy", ["anthropic", "sqlite3", "rich", "click", "ctok", "pypdf", "httpx2", "hypothesis"])
def test_import_stays_light(heavy: str) -> None:
    assert heavy not in _modules_after("import ctxwindow")


def test_counting_and_planning_need_no_sdk() -> None:
    statement = (
        "import ctxwindow; c = ctxwindow.Conversation.start(model='claude-opus-5-5');"
        " c.append({'role': 'user', 'content': 'hi'}); c.plan(max_tokens=10)"
    )
    assert not {"anthropic", "sqlite3", "rich"} & _modules_after(statement)


def test_importing_the_stores_does_not_import_sqlite3() -> None:
    assert "sqlite3" not in _modules_after("import ctxwindow.stores")


def test_the_face_for_tests_is_light() -> None:
    heavy = {"anthropic", "httpx2", "hypothesis", "starlette", "uvicorn"}
    assert not heavy & _modules_after("import ctxwindow.testing, ctxwindow.emulator")


def test_a_fake_claude_needs_no_strategies_and_no_server() -> None:
    heavy = {"anthropic", "hypothesis", "starlette", "uvicorn"}
    assert not heavy & _modules_after("from ctxwindow.testing import FakeClaude; FakeClaude()")
