"""The world outside the engine: an emulated API in the same process, a clock, and whatever goes wrong next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ctxwindow.catalog import ModelProfile
from ctxwindow.emulator import Emulator
from ctxwindow.emulator.faults import Fault
from ctxwindow.emulator.replies import ReplyLike
from tests.emulated import ask

BINDING = "thinking-binding-controls-2026-08-01"
"""With this header the API lists the thinking that it drops (BIND-17)."""

START = 1_795_132_800.0
"""2026-11-20, seconds since the epoch: every model that is used has a price by then."""


class Refused(Exception):
    """An answer with an error, as the SDK raises it.

    Attributes:
        status_code: of the response.
        body: of the response; None where it is no JSON.
    """

    def __init__(self, status: int, body: Any) -> None:
        self.status_code = status
        self.body = body
        super().__init__(f"the API answered with {status}")

    @property
    def said(self) -> str:
        """What the API said."""
        return str(self.body["error"]["message"]) if isinstance(self.body, Mapping) else ""


class World:
    """The API and the clock. It answers with what `says` and `sums_up` hold, in every respect by its own rules.

    Attributes:
        now: seconds since the epoch.
        says: the next reply, or the fault in its place.
        sums_up: the next summary of a compaction; empty: it fails (CMP-27).
        asked: requests that came, by endpoint or what was asked of it.
        share: usage is told as this multiple of what was counted, as when estimates are off.
    """

    def __init__(
        self, profiles: tuple[ModelProfile, ...] = (), *, new_account: bool = True, share: float = 1.0
    ) -> None:
        self.emulator = Emulator(
            lambda _: self.says, summaries=lambda _: self.sums_up, profiles=profiles, new_account=new_account
        )
        self.now = START
        self.says: ReplyLike = "Good."
        self.sums_up: ReplyLike = "A summary."
        self.share = share
        self.asked: Counter[str] = Counter()

    def create(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The reply to a request. It lists the thinking that was dropped, asked or not.

        Raises:
            Refused: the API answered with an error.
            ConnectionError: the connection broke, before the answer or in it.
        """
        fault = self.sums_up if request.get("compaction") is not None else self.says
        answer = ask(self.emulator, request, betas=[BINDING], at=self.now)
        self.asked["compaction" if request.get("compaction") is not None else "messages"] += 1
        if isinstance(fault, Fault) and fault.kind in ("timeout", "cut-stream"):
            raise ConnectionError
        if answer.status != 200:
            raise Refused(answer.status, answer.body)
        reply: dict[str, Any] = answer.body
        return {**reply, "usage": self._told(reply["usage"])}

    def count(self, request: Mapping[str, Any]) -> int:
        """The tokens of a request, as count_tokens tells them.

        Raises:
            Refused: the API answered with an error.
        """
        answer = ask(self.emulator, request, path="/v1/messages/count_tokens", betas=[BINDING], at=self.now)
        self.asked["count_tokens"] += 1
        if answer.status != 200:
            raise Refused(answer.status, answer.body)
        return int(answer.body["input_tokens"] * self.share)

    def _told(self, usage: Any) -> Any:
        """Usage with every number of the prompt multiplied."""
        if self.share == 1.0:
            return usage
        if isinstance(usage, list):
            return [self._told(one) for one in usage]
        found = dict(usage)
        for key, value in usage.items():
            if key in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"):
                found[key] = int(value * self.share)
            elif key in ("iterations", "cache_creation") and value is not None:
                found[key] = self._told(value)
            elif key.startswith("ephemeral_"):
                found[key] = int(value * self.share)
        return found
