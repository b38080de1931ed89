"""Whether the requests of a replay are valid, all of each or only what is new in it.

`full` puts every rule to every request and to the one before it, which costs the length of the request. `cheap` does
so for the first and the last request of each epoch, and for each that an edit was made for; of those between it checks
that they extend the one before (law 4), and puts the rules to the messages that are new and to the end. Rules about a
request as a whole (its cache markers, say) are then judged at these requests only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ctxwindow.catalog import ModelProfile
from ctxwindow.record import Outline
from ctxwindow.record.blocks import blocks_of
from ctxwindow.rules import View, Violation, check_end, check_message, find_violations
from ctxwindow.rules.exchange import Previous
from ctxwindow.tiers import Send

__all__ = ["Checker", "Checks"]

Checks = Literal["full", "cheap"]

_OUTSIDE = ("model", "messages", "max_tokens", "system", "tools")
"""Fields of a request that are no settings."""


class Checker:
    """Checks the requests of one replayed conversation, in order."""

    def __init__(self, checks: Checks = "full") -> None:
        """`checks`: how much of each request is looked at."""
        self._checks = checks
        self._before: Send | None = None
        self._profile: ModelProfile | None = None
        self._whole = True
        """Whether the request before was checked as a whole."""
        self._outline = Outline()
        self._reply: Mapping[str, Any] | None = None
        """To the request before."""

    def check(self, send: Send, profile: ModelProfile, reply: Mapping[str, Any] | None = None) -> list[Violation]:
        """The rules that one request breaks, those that the API answers with an error.

        In a cheap check this may include what the last request of the epoch before broke.

        Args:
            send: the request.
            profile: the model it goes to.
            reply: the message that will answer it.
        """
        before, profile_before, self._before, self._profile = self._before, self._profile, send, profile
        grew = before is not None and before.epoch == send.epoch and not send.edits and profile is profile_before
        if self._checks == "full" or not grew or before is None:
            late = self._late(before, profile_before)
            self._restart(send)
            found = late + _all(send, _exchange(before, self._reply), profile)
            self._reply = reply
            return found
        self._reply = reply
        self._whole = False
        return self._new(send, before, profile)

    def finish(self) -> list[Violation]:
        """What the last request breaks, if it was not checked as a whole before."""
        return self._late(self._before, self._profile)

    def _late(self, send: Send | None, profile: ModelProfile | None) -> list[Violation]:
        """The whole check of a request of which only the new messages were looked at."""
        if self._whole or send is None or profile is None:
            return []
        self._whole = True
        return _all(send, None, profile)

    def _restart(self, send: Send) -> None:
        self._whole = True
        if self._checks == "cheap":
            self._outline = Outline()
            for message in send.request["messages"]:
                self._outline.add(message)

    def _new(self, send: Send, before: Send, profile: ModelProfile) -> list[Violation]:
        request, old = send.request, before.request
        messages: list[Mapping[str, Any]] = request["messages"]
        length = len(old["messages"])
        settings = {key: value for key, value in request.items() if key not in _OUTSIDE}
        fixed: dict[str, Any] = {
            "profile": profile,
            "system": request.get("system"),
            "tools": request.get("tools", []),
            "betas": request.get("betas"),
        }
        found = [] if _extends(request, old) else [_broken_prefix()]
        for index in range(length, len(messages)):
            previous = messages[index - 1] if index else None
            found += check_message(
                messages[index], index=index, previous=previous, outline=self._outline, settings=settings, **fixed
            )
            self._outline.add(messages[index])
        settings["max_tokens"] = request["max_tokens"]
        found += check_end(View(messages, outline=self._outline, settings=settings, **fixed))
        return _errors(found)


def _exchange(before: Send | None, reply: Mapping[str, Any] | None) -> Previous | None:
    """The request before, with the reply to it where that is known."""
    if before is None or reply is None:
        return before.request if before is not None else None
    return before.request, {"role": "assistant", "content": reply["content"]}


def _all(send: Send, previous: Previous | None, profile: ModelProfile) -> list[Violation]:
    return _errors(find_violations(send.request, previous=previous, profile=profile))


def _errors(found: list[Violation]) -> list[Violation]:
    return [violation for violation in found if violation.severity == "error"]


def _extends(request: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    """Law 4: whether the messages of a request begin with those of the one before; cache markers aside (BIND-13)."""
    pairs = zip(request["messages"], old["messages"], strict=False)
    longer = len(request["messages"]) >= len(old["messages"])
    return longer and all(new is other or _unmarked(new) == _unmarked(other) for new, other in pairs)


def _unmarked(message: Mapping[str, Any]) -> dict[str, Any]:
    blocks = [
        {key: value for key, value in block.items() if key != "cache_control"} if isinstance(block, Mapping) else block
        for block in blocks_of(message)
    ]
    return {**message, "content": blocks}


def _broken_prefix() -> Violation:
    return Violation(
        rule="law 4",
        path="messages",
        message="the request does not extend the one before it.",
        remedy="Report it: nothing may change inside an epoch.",
        severity="error",
    )
