"""examples/agent.py runs its tools, asks, and goes on where it was stopped, against the emulated API."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ctxwindow.emulator import Fault
from ctxwindow.testing import FakeClaude

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "agent.py"
Talk = Callable[..., str]


def _call(number: int, name: str, **given: Any) -> list[dict[str, Any]]:
    return [{"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": given}]


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    pytest.importorskip("anthropic")
    spec = importlib.util.spec_from_file_location("agent", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "notes.txt").write_text("Buy milk.", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["agent.py", "talk.db"])
    return module


@pytest.fixture
def talk(agent: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Talk:
    """Run the program with a user who types these lines; what it prints."""

    def run(fake: FakeClaude, *lines: str | type[BaseException]) -> str:
        typed: Iterator[str | type[BaseException]] = iter([*lines, EOFError])

        def read(prompt: str = "") -> str:
            sys.stdout.write(prompt)
            line = next(typed)
            if isinstance(line, str):
                return line
            raise line

        client = fake.client(max_retries=0)
        with monkeypatch.context() as patch:
            patch.setattr("builtins.input", read)
            patch.setattr(agent.anthropic, "Anthropic", lambda: client)
            agent.main()
        return capsys.readouterr().out

    return run


def test_it_reads_and_runs_what_is_allowed(talk: Talk) -> None:
    fake = FakeClaude(
        [_call(1, "read_file", path="notes.txt"), "Milk.", _call(2, "run_command", command="echo hi"), "Hi."]
    )
    out = talk(fake, "What do I need?", "Say hi.", "y")
    assert "[read_file]\nMilk." in out
    assert "Run `echo hi`? [y/N] Hi." in out
    assert "8 messages, 4 requests" in out
    results = [request.json["messages"][-1]["content"][0]["content"] for request in fake.requests[1::2]]
    assert results == ["Buy milk.", "exit code 0\nhi\n"]


def test_what_is_not_allowed_is_told(talk: Talk) -> None:
    fake = FakeClaude([_call(1, "run_command", command="rm -rf ."), "As you like."])
    assert "As you like." in talk(fake, "Tidy up.", "n")
    assert Path("notes.txt").exists()
    assert fake.requests[1].json["messages"][-1]["content"][0]["content"] == "The user does not want that."


def test_it_is_stopped_in_the_middle_of_a_round_and_started_again(talk: Talk) -> None:
    """Ctrl-C while it asks: the call was not answered. The next run tells the model so, and goes on."""
    fake = FakeClaude([_call(1, "run_command", command="make"), "I could not tell whether it was made."])
    out = talk(fake, "Build it.", KeyboardInterrupt)
    assert "Stopped." in out
    assert "open: calls wait" in out
    out = talk(fake)
    assert "Going on where it stopped.\nI could not tell whether it was made." in out
    assert "open:" not in out


def test_a_fault_of_the_api_is_told_in_one_line_and_gone_on_from(talk: Talk) -> None:
    fake = FakeClaude([Fault(status=401), "Here I am."])
    assert "open: the last turn has no reply" in talk(fake, "Hello?")
    assert "Going on where it stopped.\nHere I am." in talk(fake)
