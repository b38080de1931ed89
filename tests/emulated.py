"""Asking the emulator in-process: what it answers to a body, and histories with signatures of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ctxwindow.emulator import Emulator, Request
from ctxwindow.record import to_json
from ctxwindow.rules import API_VERSION


class Answer(NamedTuple):
    """Status, and the body of the response; of a stream nothing."""

    status: int
    body: Any

    @property
    def error(self) -> str:
        """What the API said."""
        return str(self.body["error"]["message"])


def ask(emulator: Emulator, body: Mapping[str, Any], *, version: str = API_VERSION) -> Answer:
    """Send a body. `betas` go into the header, as the SDK does it."""
    headers = {"x-api-key": "k", "anthropic-version": version, "anthropic-beta": ",".join(body.get("betas") or ())}
    sent = {key: value for key, value in body.items() if key != "betas"}
    request = Request(method="POST", path="/v1/messages", headers=headers, body=to_json(sent))
    response = emulator.handle(request, at=0.0)
    return Answer(response.status, None if response.events is not None else response.json)
