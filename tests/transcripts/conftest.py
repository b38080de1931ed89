from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ctxwindow.transcripts import Session, read


class Script:
    """Writes a Claude Code session row by row; each row follows the one before, unless told otherwise."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[str] = []
        self.last: str | None = None

    def row(self, kind: str, *, uuid: str | None = None, **fields: Any) -> str:
        uuid = uuid or f"{kind}-{len(self.lines) + 1}"
        stamp = f"2026-02-18T11:{len(self.lines) // 60:02}:{len(self.lines) % 60:02}.000Z"
        row = {"parentUuid": self.last, "isSidechain": False, "sessionId": "s1", "type": kind, "uuid": uuid}
        self.lines.append(json.dumps({**row, "timestamp": stamp, **fields}))
        self.last = uuid
        return uuid

    def user(self, content: Any, **fields: Any) -> str:
        return self.row("user", message={"role": "user", "content": content}, **fields)

    def assistant(
        self,
        block: dict[str, Any] | str,
        *,
        id: str | None = "msg_1",  # noqa: A002 - the API's name
        **fields: Any,
    ) -> str:
        """One row of an assistant message: one block, as the client writes them."""
        message: dict[str, Any] = {"role": "assistant", "model": "claude-opus-4-6", "stop_reason": None, "id": id}
        message |= {key: fields.pop(key) for key in ("model", "stop_reason", "usage") if key in fields}
        content = block if isinstance(block, str) else [block]
        return self.row("assistant", message={**message, "content": content}, **fields)

    def call(self, call: str, **fields: Any) -> str:
        return self.assistant({"type": "tool_use", "id": call, "name": "Read", "input": {}}, **fields)

    def result(self, call: str, **fields: Any) -> str:
        return self.user([{"type": "tool_result", "tool_use_id": call, "content": f"of {call}"}], **fields)

    def boundary(self, **fields: Any) -> str:
        compact = {"parentUuid": None, "logicalParentUuid": self.last, "subtype": "compact_boundary"}
        return self.row("system", **{**compact, "compactMetadata": {"trigger": "auto", "preTokens": 167_081}, **fields})

    def write(self) -> Path:
        self.path.write_text("".join(f"{line}\n" for line in self.lines), encoding="utf-8")
        return self.path

    def read(self) -> Session:
        return read(self.write())


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(tmp_path / "session.jsonl")
