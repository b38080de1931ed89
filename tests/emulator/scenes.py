"""Requests to an emulator, without a client in between."""

from __future__ import annotations

from typing import Any

import msgspec

from ctxwindow.emulator import Emulator, Request, Response
from ctxwindow.record import to_json

BOUND = "claude-opus-5-5"
KEEPS = "claude-opus-4-6"
LAST_TURN = "claude-haiku-4-5"
BINDING = "thinking-binding-controls-2026-08-01"
COMPACT = "compact-2026-09-04"
THRESHOLD = "compact-2026-01-12"
EDITING = "context-management-2025-06-27"

HEADERS = {"x-api-key": "k", "anthropic-version": "2026-10-21"}
MESSAGES = [{"role": "user", "content": "Hello."}]


def body(model: str = BOUND, **fields: Any) -> dict[str, Any]:
    """A small valid body."""
    return {"model": model, "max_tokens": 1_000, "messages": MESSAGES, **fields}


def post(
    emulator: Emulator, sent: object, *betas: str, path: str = "/v1/messages", at: float = 0.0, **headers: str
) -> Response:
    """Send a body; bytes go as they are."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    beta = {"anthropic-beta": ",".join(betas)} if betas else {}
    raw = sent if isinstance(sent, bytes) else to_json(sent)
    return emulator.handle(Request(method="POST", path=path, headers={**HEADERS, **beta, **named}, body=raw), at=at)


def get(emulator: Emulator, path: str) -> Response:
    """Look something up."""
    return emulator.handle(Request(method="GET", path=path, headers=HEADERS), at=0.0)


def said(response: Response) -> dict[str, Any]:
    """The message of a response that succeeded."""
    assert response.status == 200, response.body
    found: dict[str, Any] = response.json
    return found


def refused(response: Response, status: int = 400) -> str:
    """The text of an error of that status."""
    assert response.status == status, response.body
    assert response.json["type"] == "error"
    text: str = response.json["error"]["message"]
    return text


class Chat:
    """One conversation with an emulator, which keeps what was sent and said."""

    def __init__(self, emulator: Emulator, model: str = BOUND, *betas: str, **fields: Any) -> None:
        self.emulator, self.betas = emulator, betas
        self.body = body(model, messages=[], **fields)
        self.last: dict[str, Any] = {}

    def say(self, content: Any, **fields: Any) -> dict[str, Any]:
        """A user message, and the message that answers it."""
        self.body["messages"].append({"role": "user", "content": content})
        self.last = said(self.send(**fields))
        if self.last["content"]:
            self.body["messages"].append({"role": "assistant", "content": self.last["content"]})
        return self.last

    def send(self, **fields: Any) -> Response:
        """The request as it stands."""
        return post(self.emulator, {**self.body, **fields}, *self.betas)

    def copy(self) -> dict[str, Any]:
        """A copy of the body that may be edited."""
        found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self.body))
        return found
