"""Asking the emulator in-process: what it answers to a body, and histories with signatures of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ctxwindow.emulator import Emulator, Request
from ctxwindow.record import to_json
from ctxwindow.rules import API_VERSION


class Answer(NamedTuple):
    """Status, and the body of the response; nothing where that is no JSON."""

    status: int
    body: Any

    @property
    def error(self) -> str:
        """What the API said."""
        return str(self.body["error"]["message"])


def ask(
    emulator: Emulator,
    body: Mapping[str, Any],
    *,
    version: str = API_VERSION,
    path: str = "/v1/messages",
    betas: Iterable[str] = (),
    at: float = 0.0,
) -> Answer:
    """Send a body. Its `betas` go into the header, as the SDK does it, with those given here."""
    named = ",".join(dict.fromkeys([*(body.get("betas") or ()), *betas]))
    headers = {"x-api-key": "k", "anthropic-version": version, "anthropic-beta": named}
    sent = {key: value for key, value in body.items() if key != "betas"}
    request = Request(method="POST", path=path, headers=headers, body=to_json(sent))
    response = emulator.handle(request, at=at)
    told = response.events is None and response.silent is None and "json" in response.headers.get("content-type", "")
    return Answer(response.status, response.json if told else None)
