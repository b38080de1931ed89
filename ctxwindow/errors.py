"""Every exception that ctxwindow raises on purpose; anything else that escapes is a bug of ours.

    CtxwindowError
    +-- MisuseError             the caller broke a documented rule, or asked for what cannot be
    |   +-- InvalidRequest      a message or request that the API would answer with an error
    |   +-- UnknownModel        a model id that is not in the catalog
    |   +-- PolicyError         a policy that cannot work
    |   +-- ProtocolError       engine calls in an order that makes no sense
    +-- HistoryError            stored or imported data is broken (file, line and reason)
    +-- WindowOverflow          what must be sent cannot fit the window (with the numbers)
    +-- EndpointError           what answered is not the Messages API
    +-- StreamCut               a streamed reply broke off, and going on from it did too
    +-- StoreError              the store could not do what was asked
        +-- StoreConflict       another writer appended first
        +-- StoreUnavailable    locked, read-only, full, or not one of our databases

Each error carries, next to its one line for people, `rule` (id in the rulebook), `path`
(`messages.3.content.1`, a file and line, or a policy key) and `remedy`. No error text carries
message content.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CtxwindowError",
    "EndpointError",
    "HistoryError",
    "InvalidRequest",
    "MisuseError",
    "PolicyError",
    "ProtocolError",
    "StoreConflict",
    "StoreError",
    "StoreUnavailable",
    "StreamCut",
    "UnknownModel",
    "WindowOverflow",
]


class CtxwindowError(Exception):
    """Base of all errors raised by ctxwindow.

    Attributes:
        reason: what is wrong, one sentence, no message content.
        rule: id of the documented rule behind it, or None.
        path: where (`messages.3.content.1`, `session.jsonl:17`, `budget.tokens`), or None.
        remedy: what to do now, or None.
    """

    def __init__(
        self, reason: str, *, rule: str | None = None, path: str | None = None, remedy: str | None = None
    ) -> None:
        self.reason = reason
        self.rule = rule
        self.path = path
        self.remedy = remedy
        super().__init__(reason)

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        rule = f" [{self.rule}]" if self.rule else ""
        remedy = f" {self.remedy}" if self.remedy else ""
        return f"{where}{self.reason}{rule}{remedy}"

    def as_dict(self) -> dict[str, object]:
        """The error for programs: `{"error", "message", "rule", "path", "remedy"}`."""
        return {
            "error": type(self).__name__,
            "message": self.reason,
            "rule": self.rule,
            "path": self.path,
            "remedy": self.remedy,
        }


class MisuseError(CtxwindowError):
    """The caller broke a documented rule, or asked for something that cannot be done."""


class InvalidRequest(MisuseError):
    """A message or request that the API would answer with an error; nothing was stored or sent."""


class UnknownModel(MisuseError):
    """A model id that is not in the catalog; `near` lists the closest known ids."""

    def __init__(self, model: str, near: tuple[str, ...] = ()) -> None:
        self.model = model
        self.near = near
        hint = f"Did you mean {', '.join(near)}?" if near else "See `ctxwindow.catalog.models()` for the known ids."
        super().__init__(
            f"unknown model {model!r}.", path="model", remedy=f"{hint} Or pass a ModelProfile of your own."
        )


class PolicyError(MisuseError):
    """A policy that cannot work; `path` is the key."""


class ProtocolError(MisuseError):
    """The engine was called in an order that makes no sense, such as a reply to no request."""


class HistoryError(CtxwindowError):
    """Stored or imported data is broken; `path` names file and line."""


class EndpointError(CtxwindowError):
    """What answered is not the Messages API: a page of a proxy, an empty body."""


class StreamCut(CtxwindowError):
    """A streamed reply broke off. What arrived of it is in the record, as evidence."""


class WindowOverflow(CtxwindowError):
    """What must be sent cannot fit the window, whatever is shrunk.

    Attributes:
        need: tokens of the smallest request that could be sent, reserved output included.
        limit: tokens of the budget.
        floor: tokens per part that cannot shrink, largest first: `max_tokens`, `reserve`, paths of messages, names of
            overheads. They sum up to `need`; `unexplained` may be negative, where exact sizes were below the estimates.
    """

    def __init__(self, *, need: int, limit: int, floor: Mapping[str, int]) -> None:
        self.need = need
        self.limit = limit
        self.floor = dict(sorted(floor.items(), key=lambda part: -part[1]))
        parts = ", ".join(f"{name} {tokens:,}" for name, tokens in list(self.floor.items())[:4])
        super().__init__(
            f"the smallest request needs {need:,} tokens and the budget is {limit:,}; what cannot shrink: {parts}.",
            rule="CTX-08",
            remedy="Raise the budget, lower max_tokens, or shorten these parts.",
        )

    def as_dict(self) -> dict[str, object]:
        """As for every error, with `need`, `limit` and `floor`."""
        return {**super().as_dict(), "need": self.need, "limit": self.limit, "floor": self.floor}


class StoreError(CtxwindowError):
    """The store could not do what was asked; nothing was half-written."""


class StoreConflict(StoreError):
    """Another writer appended to the conversation first; reload it and try again."""


class StoreUnavailable(StoreError):
    """The database is locked, read-only, full, newer than this version, or not a database of ours."""
