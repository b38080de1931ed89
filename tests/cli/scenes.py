"""Small inputs for the command line, and two ways to run it: in this process, and in one of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from ctxwindow.cli import main
from tests.conftest import ROOT

OPUS = "claude-opus-4-6"
BOUND = "claude-opus-5-5"
CONTENT = "swordfish"
"""Content: it may never stand in an error."""


class Result(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run(*arguments: str | Path) -> Result:
    """Run the command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    code: object = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as done:
            code = done.code
    assert isinstance(code, int)
    return Result(code, out.getvalue(), err.getvalue())


def spawn(*arguments: str | Path, stdin: bytes | None = None, **environment: str) -> Result:
    """Run it in a process of its own, as from a shell."""
    done = subprocess.run(  # noqa: S603
        command(*arguments),
        input=stdin or b"",
        capture_output=True,
        env=surroundings(**environment),
        timeout=60,
        check=False,
    )
    return Result(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "ctxwindow", *(str(argument) for argument in arguments)]


def surroundings(**environment: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "FORCE_COLOR", "NO_COLOR")}
    return {**kept, "PYTHONPATH": str(ROOT), **environment}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def call(name: str = "read", identity: str = "toolu_1", **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": identity, "name": name, "input": given}


def result(content: Any, identity: str = "toolu_1") -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": identity, "content": content}


def thinking(words: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": words, "signature": f"sig-{words}"}


def body(**fields: Any) -> dict[str, Any]:
    """A valid request body with a round of a tool."""
    return {
        "model": OPUS,
        "max_tokens": 1_000,
        "system": "Be brief.",
        "tools": [{"name": "read", "description": "Read a file.", "input_schema": {"type": "object"}}],
        "messages": [
            {"role": "user", "content": f"Read it, {CONTENT}."},
            {"role": "assistant", "content": [text("I will."), call(path="src/app.py")]},
            {"role": "user", "content": [result(f"def {CONTENT}(): pass")]},
            {"role": "assistant", "content": [text("Done: src/app.py.")]},
            {"role": "user", "content": "Thanks."},
        ],
        **fields,
    }


def write(path: Path, value: Any) -> Path:
    """A JSON file; a lone surrogate is escaped."""
    path.write_text(json.dumps(value), encoding="ascii")
    return path


def rows(messages: list[dict[str, Any]], *, model: str = OPUS, usage: dict[str, Any] | None = None) -> str:
    """The lines of a Claude Code session."""
    lines, parent = [], None
    for number, message in enumerate(messages):
        told = dict(message)
        if message["role"] == "assistant":
            told |= {"id": f"msg_{number}", "model": model, "stop_reason": "end_turn"}
            told |= {"usage": usage} if usage is not None else {}
        row = {
            "type": message["role"],
            "uuid": f"row-{number}",
            "parentUuid": parent,
            "sessionId": "s1",
            "timestamp": f"2026-03-01T10:{number // 60:02}:{number % 60:02}.000Z",
            "message": told,
        }
        lines.append(json.dumps(row))
        parent = f"row-{number}"
    return "".join(f"{line}\n" for line in lines)


def long_messages(turns: int, *, chars: int = 2_000) -> list[dict[str, Any]]:
    """Turns with a round each, whose results are long enough to fill a small window."""
    messages: list[dict[str, Any]] = []
    for turn in range(turns):
        identity, path = f"toolu_{turn}", f"src/part_{turn}/module_{turn}.py"
        lines = "".join(f"value_{turn}_{line} = {turn * 1000 + line}\n" for line in range(chars // 22))
        messages += [
            {"role": "user", "content": f"Look at {path}, please."},
            {"role": "assistant", "content": [text("I look."), call(identity=identity, path=path)]},
            {"role": "user", "content": [result(lines, identity)]},
            {"role": "assistant", "content": [text(f"It is in {path}; before that came src/part_0/module_0.py.")]},
        ]
    return messages


def session(path: Path, turns: int = 12, **options: Any) -> Path:
    """A Claude Code session that grows to some thousand tokens."""
    path.write_text(rows(long_messages(turns), **options), encoding="utf-8")
    return path


def two_policies(folder: Path) -> tuple[str | Path, ...]:
    """Options that name two policies: one that keeps a tail, and one that does not."""
    keep, whole = folder / "keep.toml", folder / "all.json"
    keep.write_text('methods = ["summarize_keep_tail", "summarize_all"]\n', encoding="utf-8")
    write(whole, {"methods": ["summarize_all"]})
    return "--policy", keep, "--policy", whole
