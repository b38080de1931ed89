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


def test_the_client_is_there_when_it_is_asked_for_and_brings_the_sdk_with_a_session_only() -> None:
    """Names of what is written into a store, or given to `run`, need no SDK; nor does saying which conversation it is."""
    light = "import ctxwindow; ctxwindow.Limits(rounds=1); ctxwindow.Reply; ctxwindow.conversation('a')"
    assert not {"anthropic", "httpx2", "sqlite3"} & _modules_after(light)
    assert not {"anthropic", "httpx2"} & _modules_after("from ctxwindow import Session, AsyncSession")
    assert "anthropic" in _modules_after("from ctxwindow import Middleware")  # it is one of the SDK's


def test_the_function_and_the_package_of_one_name() -> None:
    """`ctxwindow.conversation` is the function, whoever imports the package and when; `from` and pickle find the package."""
    statement = (
        "import ctxwindow, importlib, pickle; from ctxwindow.conversation import Conversation;"
        " import ctxwindow.conversation; importlib.import_module('ctxwindow.conversation.core');"
        " assert callable(ctxwindow.conversation); assert Conversation is ctxwindow.Conversation;"
        " assert importlib.import_module('ctxwindow.conversation').Conversation is Conversation;"
        " chat = Conversation.start(model='claude-opus-5-5'); chat.append({'role': 'user', 'content': 'hi'});"
        " assert pickle.loads(pickle.dumps(chat)).messages == chat.messages;"
        " assert pickle.loads(pickle.dumps(ctxwindow.conversation)) is ctxwindow.conversation"
    )
    assert "ctxwindow.conversation" in _modules_after(statement)


def test_importing_the_stores_does_not_import_sqlite3() -> None:
    assert "sqlite3" not in _modules_after("import ctxwindow.stores")


def test_the_face_for_tests_is_light() -> None:
    heavy = {"anthropic", "httpx2", "hypothesis", "starlette", "uvicorn"}
    assert not heavy & _modules_after("import ctxwindow.testing, ctxwindow.emulator")


def test_a_fake_claude_needs_no_strategies_and_no_server() -> None:
    heavy = {"anthropic", "hypothesis", "starlette", "uvicorn"}
    assert not heavy & _modules_after("from ctxwindow.testing import FakeClaude; FakeClaude()")
