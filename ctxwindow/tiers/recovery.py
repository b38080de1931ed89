"""What to do after an error of the API, by the rulebook. Pure: it reads the error, it sends nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from ctxwindow.errors import InvalidRequest, MisuseError

__all__ = ["Recovery", "recover"]

Action = Literal["plan_again", "send_again", "give_up"]

_TOO_LONG = re.compile(r"prompt is too long: (\d+) tokens > (\d+) maximum")
_OVER = re.compile(r"exceed context limit: (\d+) \+ (\d+) > (\d+)")
_BOUND = "bound to a different conversation"
_BINDING_BETA = "thinking-binding-controls-2026-08-01"
_BINDABLE = ("adaptive", "enabled")
"""Values of `thinking.type` that take `block_binding` (THINK-01, THINK-12)."""
_LIMITED, _SPENT = 429, "enforced_spend_limit_reached"
_PASSING, _SERVERS = frozenset({408, 409, 429}), 500
"""Statuses that the SDK sends again after: these, and all from that one on, a proxy's too (SDK-01)."""
_FIRST_ERROR = 400

_CODES = {
    "file_expired": ("MEDIA-09", "a file of the request has expired.", "Upload it again, and name its new id."),
    "thread_not_found": (
        "THR-03",
        "the server does not keep this thread any more.",
        "Send the whole conversation as a new thread.",
    ),
    "thread_already_continued": (
        "THR-04",
        "the thread went on from this response already.",
        "Go on from the newest response, or send the whole conversation as a new thread.",
    ),
}
"""What to do about errors that only their code tells from others (ERR-01, SDK-03)."""


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """The way on after one error."""

    action: Action
    status: int | None
    kind: str
    """The error's type, such as `invalid_request_error`."""
    why: str
    rule: str | None = None
    tokens: int | None = None
    """The exact prompt size, where the error tells it."""
    limit: int | None = None
    """The window, where the error tells it."""
    settings: dict[str, Any] | None = None
    """Request fields that the rest of the conversation must carry."""
    strip_thinking: bool = False
    """All thinking so far leaves the wire, once and for good (BIND-26)."""
    remedy: str = ""

    def merged(self, current: Mapping[str, Any]) -> dict[str, Any]:
        """The current settings with this recovery's on top; `thinking` and `betas` are joined, not replaced."""
        merged = {**current, **(self.settings or {})}
        if self.settings and "thinking" in self.settings:
            merged["thinking"] = {**(current.get("thinking") or {"type": "adaptive"}), **self.settings["thinking"]}
        if self.settings and "betas" in self.settings:
            merged["betas"] = sorted({*(current.get("betas") or ()), *self.settings["betas"]})
        return merged

    def raise_if_final(self) -> None:
        """Raise when nothing can be done here.

        Raises:
            MisuseError: with the rule and the remedy.
        """
        if self.action != "give_up":
            return
        error = InvalidRequest if self.status == 400 else MisuseError  # noqa: PLR2004 - the HTTP status
        raise error(self.why, rule=self.rule, remedy=self.remedy or "See the API's own message.")


def recover(error: Any, *, dropping: bool = False, thinking: Any = None) -> Recovery:
    """The documented recovery from an error.

    Args:
        error: an SDK exception (`status_code`, `body`), or an error body as a dict.
        dropping: whether the API was asked already to drop thinking that is bound elsewhere, or all was stripped.
        thinking: the request's `thinking` setting.
    """
    status, kind, message = _read(error)
    common = {"status": status, "kind": kind}
    if match := _TOO_LONG.search(message):
        return _too_long(common, int(match[1]), int(match[2]))
    if match := _OVER.search(message):
        # CTX-10: models before 4.5 count max_tokens in.
        return _too_long(common, int(match[1]), int(match[3]))
    if _BOUND in message and dropping:
        return _recovery(
            common,
            action="give_up",
            rule="BIND-26",
            why="the API refuses bound thinking although it was asked to drop it, or all old thinking is gone; the same "
            "body is never sent twice.",
            remedy="Check that the beta header reaches the API, and the history with `ctxwindow check --previous`.",
        )
    if _BOUND in message and isinstance(thinking, Mapping) and thinking.get("type") not in _BINDABLE:
        return _recovery(
            common,
            action="plan_again",
            rule="BIND-26",
            why="the API found thinking bound to another prefix; from here on all thinking so far is left out",
            strip_thinking=True,
        )
    if _BOUND in message:
        return _recovery(
            common,
            action="plan_again",
            rule="BIND-26",
            why="the API found thinking bound to another prefix; from here on it drops such blocks instead",
            settings={
                "thinking": {"block_binding": {"prefix_mismatch_behavior": "drop_block"}},
                "betas": [_BINDING_BETA],
            },
        )
    if status == _LIMITED and _code(error) == _SPENT:
        return _recovery(
            common,
            action="give_up",
            rule="RATE-06",
            why="the spend limit of the account is reached, and no waiting helps.",
            remedy="Raise the limit, or wait until it starts anew.",
        )
    if (coded := _CODES.get(str(_code(error)))) is not None:
        rule, why, remedy = coded
        return _recovery(common, action="give_up", rule=rule, why=why, remedy=remedy)
    if (status in _PASSING or status >= _SERVERS) if status is not None else _is_transport(error):
        return _recovery(
            common, action="send_again", rule="SDK-01", why="a passing fault: the same request may be sent again"
        )
    return _recovery(
        common,
        action="give_up",
        rule="ERR-02",
        why=f"the request failed with {status or 'no status'}, {kind}.",
        remedy="Check the request with `ctxwindow check`; the API's message is in the SDK's exception.",
    )


def _is_transport(error: Any) -> bool:
    """Whether an exception without a status comes from the way to the API: a cut connection, a timeout."""
    roots = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return isinstance(error, OSError) or bool(roots & {"anthropic", "httpx2", "httpcore2"})


def _recovery(common: Mapping[str, Any], **fields: Any) -> Recovery:
    return msgspec.convert({**common, **fields}, Recovery)


def _too_long(common: Mapping[str, Any], tokens: int, limit: int) -> Recovery:
    return _recovery(
        common,
        action="plan_again",
        rule="CTX-08",
        why=f"the prompt has {tokens:,} tokens and the window {limit:,}: it is shrunk before the next send",
        tokens=tokens,
        limit=limit,
    )


def _code(error: Any) -> object:
    """The machine-readable code of an error, on which to branch rather than on its text (ERR-01)."""
    body = error if isinstance(error, Mapping) else getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, Mapping) else None
    details = inner.get("details") if isinstance(inner, Mapping) else None
    return details.get("error_code") if isinstance(details, Mapping) else None


def _read(error: Any) -> tuple[int | None, str, str]:
    """Status, type and message of an error, whatever form it came in. No content is kept but the API's text."""
    status = getattr(error, "status_code", None)
    body = error if isinstance(error, Mapping) else getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, Mapping) else None
    kind = str(inner.get("type")) if isinstance(inner, Mapping) else type(error).__name__
    message = str(inner.get("message", "")) if isinstance(inner, Mapping) else str(error)
    status = status if isinstance(status, int) else None
    if status is None or status < _FIRST_ERROR:  # ERR-03: the SDK raises an error event with the status of its stream
        status = _STATUS.get(kind, status) if isinstance(inner, Mapping) else status
    return status, kind, message


_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""ERR-02."""
