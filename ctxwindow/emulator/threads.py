"""Message threads: what the server keeps of a conversation for a while, so that only new messages are sent (THR).

A body that continues a thread is made whole before anything else looks at it, so that it is judged, counted, cached and
answered as if all of it had been sent (THR-07).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec

from ctxwindow.emulator.http import ApiError, refusal
from ctxwindow.emulator.schema import check_types
from ctxwindow.rules import View, rule
from ctxwindow.rules.threads import UNSUPPORTED, may_continue, unthreaded
from ctxwindow.rules.view import plain

__all__ = ["Threads", "tell_unsupported"]

_SECONDS = 300.0
"""After which a response cannot be continued any more (THR-03)."""
_KEPT = 4_096
"""Responses; the oldest are forgotten, as the server is free to do (THR-03)."""
_SENT_RULES = ("THR-01", "THR-02")
"""What is asked of the body as it was sent; everything else is asked of the whole."""


class _Stored(msgspec.Struct, frozen=True):
    """One response that a thread may go on from."""

    at: float
    request: dict[str, Any] | None
    """The whole request that it answered; None: a thread went on from it already (THR-04)."""
    reply: dict[str, Any]


class Threads:
    """The responses that can be continued."""

    def __init__(self) -> None:
        self._stored: OrderedDict[str, _Stored] = OrderedDict()

    def whole(self, body: dict[str, Any], *, betas: tuple[str, ...], at: float) -> dict[str, Any]:
        """The whole conversation of a body; the body itself where it continues no thread.

        Args:
            body: as it was sent.
            betas: of its request.
            at: when that came, seconds since the epoch.

        Raises:
            ApiError: it does not go on from a response that is kept (THR-03), or not as it should (THR-01, THR-02), or
                something else went on from there (THR-04).
        """
        identity = _continued(body)
        if identity is None:
            return body
        check_types(body, required=("model", "max_tokens", "messages"))
        stored = self._stored.get(identity)
        request = None if stored is None else stored.request
        view = View.of(body, previous=request, betas=betas)
        for name in _SENT_RULES:
            check = rule(name).check
            for finding in check(view) if check is not None else ():
                raise refusal(finding.message, path=finding.path)
        if stored is None or at - stored.at > _SECONDS:
            raise refusal("thread_not_found: No usable thread state was found for this previous_message_id.")
        if request is None:
            raise refusal("thread_already_continued: a response can be continued only once.")
        return unthreaded(request, stored.reply, body)

    def keep(self, body: Mapping[str, Any], whole: dict[str, Any], message: dict[str, Any], *, at: float) -> None:
        """Keep a response of a thread, and let nothing else go on from the one before.

        Args:
            body: as it was sent.
            whole: what `whole` made of it.
            message: the response.
            at: when the request came.
        """
        if not plain(body.get("thread")):
            return
        before = self._stored.get(_continued(body) or "")
        if before is not None:
            self._stored[before.reply["id"]] = _Stored(before.at, None, {"id": before.reply["id"]})
        if may_continue(message):  # THR-08: behind a refusal a new thread begins
            reply = {"id": message["id"], "content": message["content"]}
            self._stored[message["id"]] = _Stored(at, whole, reply)
        while len(self._stored) > _KEPT or self._oldest_is_lost(at):
            self._stored.popitem(last=False)

    def _oldest_is_lost(self, at: float) -> bool:
        return bool(self._stored) and at - next(iter(self._stored.values())).at > _SECONDS


def _continued(body: Mapping[str, Any]) -> str | None:
    """The id of the response that a body continues; an empty one where it names none; None where it continues none."""
    thread = plain(body.get("thread"))
    if thread.get("type") != "continue":
        return None
    return str(thread.get("previous_message_id") or "")


def tell_unsupported(error: ApiError, body: Mapping[str, Any]) -> None:
    """Put into the details of an error what of a body a thread does not take, if it is about that (THR-05)."""
    if error.code == "thread_unsupported_request":
        error.details["unsupported"] = [field for field in UNSUPPORTED if body.get(field) is not None]
