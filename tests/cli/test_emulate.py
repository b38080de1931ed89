from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import pytest

from ctxwindow.cli.contracts import JSON
from tests.cli.scenes import command, run, session, surroundings, write
from tests.cli.test_contracts import held

HELLO: Any = [{"role": "user", "content": "Hello."}]


@contextmanager
def emulating(*arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command in a process of its own: the process, and everything that it prints before it answers."""
    started = command("emulate", "--port", "0", *arguments)
    with subprocess.Popen(  # noqa: S603
        started, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=surroundings()
    ) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            while said.startswith("{") and not said.rstrip().endswith("}"):
                said += process.stdout.readline()
            yield process, said
        finally:
            process.kill()


def reply(url: str) -> str:
    with anthropic.Anthropic(api_key="any", base_url=url, max_retries=0) as client:
        (block,) = client.messages.create(model="claude-opus-4-6", max_tokens=100, messages=HELLO).content
    return block.text if block.type == "text" else block.type


def test_it_listens_on_this_machine_and_stops_when_told(tmp_path: Path) -> None:
    script = write(tmp_path / "script.json", ["Scripted."])
    with emulating("--json", "--script", script) as (process, said):
        found = json.loads(said)
        held([found], JSON["emulate"])
        assert found["url"] == f"http://127.0.0.1:{found['port']}"
        assert reply(found["url"]) == "Scripted."
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) in (0, 130)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_people_are_told_where(tmp_path: Path) -> None:
    with emulating("--session", session(tmp_path / "s.jsonl", turns=1)) as (_, said):
        url = next(word for word in said.split() if word.startswith("http://127.0.0.1:")).rstrip(".")
        with anthropic.Anthropic(api_key="any", base_url=url, max_retries=0) as client:
            blocks = client.messages.create(model="claude-opus-4-6", max_tokens=100, messages=HELLO).content
        assert [block.type for block in blocks] == ["text", "tool_use"]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{", "not JSON"),
        ("5", "no script"),
        ('{"answers": []}', "no script"),
        ("[7]", "no form that is known"),
        ('{"replies": 5}', "no form that is known"),
        ('[{"fault": "none"}]', "no form that is known"),
    ],
)
def test_scripts_that_are_none(tmp_path: Path, written: str, words: str) -> None:
    script = tmp_path / "script.json"
    script.write_text(written)
    told = run("emulate", "--script", script)
    assert told.code == 2
    assert words in told.err
    assert str(script) in told.err
    assert len(told.err.splitlines()) == 1


def test_misuse(tmp_path: Path) -> None:
    assert "Check the path" in run("emulate", "--script", tmp_path / "none.json").err
    assert "Give one of them" in run("emulate", "--script", "a", "--session", "b").err
    assert run("emulate", "--session", tmp_path / "none.jsonl").code == 2
    assert "--port" in run("emulate", "--port", "70000").err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        told = run("emulate", "--port", str(taken.getsockname()[1]))
    assert (told.code, "it is taken" in told.err) == (2, True)
    assert run("emulate", "--host", "no.such.host.invalid", "--json").json["path"] == "--host"
