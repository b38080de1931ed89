"""The exchange before: the request that was sent, and its reply where it is known.

Rules that compare a request with what came before it need to know which blocks existed. The request before tells of
all but the last reply; with the reply they know that one too, and which model made it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from typing import Any, TypeAlias

from ctxwindow.record import plain_json

__all__ = ["Exchange", "Previous", "plain"]

_NOTHING: Mapping[str, Any] = {}

Previous: TypeAlias = Mapping[str, Any] | tuple[Mapping[str, Any], Any]
"""The body of the request before; or a pair of it and its response. Both may be, or hold, the SDK's objects."""


def plain(message: object) -> Mapping[str, Any]:
    """The message, or an empty one in place of something that is no object (SHAPE-02 says so)."""
    # The exact type first: asking the abstract class costs ten times as much, and this runs on every message.
    return message if type(message) is dict or isinstance(message, Mapping) else _NOTHING


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request and, where it is known, its response."""

    request: Mapping[str, Any]
    """The body as it was sent."""
    response: Mapping[str, Any] | None = None
    """The API's message; None: not known."""

    @classmethod
    def of(cls, previous: object, path: str = "previous") -> Exchange | None:
        """The exchange that `check` was given as `previous`, as plain JSON; None when it was given none.

        `path`: what the caller calls it, for the error.

        Raises:
            InvalidRequest: for what JSON cannot carry. What has another shape than it should is left out.
        """
        if previous is None or isinstance(previous, Exchange):
            return previous
        if not isinstance(previous, (list, tuple)):
            return cls(request=plain(plain_json(previous, path)))
        request, response = (*previous, None, None)[:2]
        response = plain_json(response, f"{path}.1")
        return cls(
            request=plain(plain_json(request, f"{path}.0")),
            response=response if isinstance(response, Mapping) else None,
        )

    @cached_property
    def messages(self) -> list[Mapping[str, Any]]:
        """The messages of the request."""
        messages = self.request.get("messages")
        return [plain(message) for message in messages] if isinstance(messages, (list, tuple)) else []

    @property
    def reply(self) -> Mapping[str, Any] | None:
        """The response as the message that is appended for it; None when there is none, or an empty one (FB-02)."""
        content = plain(self.response).get("content")
        return {"role": "assistant", "content": content} if isinstance(content, (list, str)) and content else None

    @cached_property
    def history(self) -> list[Mapping[str, Any]]:
        """The conversation as it stood after the exchange.

        The block that an on-demand compaction returned is no part of it: it takes the place of messages when it is
        adopted (CMP-28).
        """
        compacts = plain(self.request.get("compaction")).get("type") == "summarize"
        return [*self.messages, self.reply] if self.reply is not None and not compacts else self.messages

    @property
    def asked(self) -> str | None:
        """The model that the request named."""
        model = self.request.get("model")
        return model if isinstance(model, str) else None

    @property
    def answered(self) -> str | None:
        """The model that made the reply: the response names it, after a fallback (FB-13) another than was asked."""
        model = plain(self.response).get("model")
        return model if isinstance(model, str) else self.asked
