"""What to do after an error of the API, by the rulebook. Pure: it reads the error, it sends nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from ctxwindow.errors import InvalidRequest, MisuseError
from ctxwindow.tiers.faults import Fault, fault_of

__all__ = ["Recovery", "is_transport", "recover", "with_binding"]

Action = Literal["plan_again", "send_again", "give_up"]

_BINDING_BETA = "thinking-binding-controls-2026-08-01"
_BINDABLE = ("adaptive", "enabled")
"""Values of `thinking.type` that take `block_binding` (THINK-01, THINK-12)."""
_PASSING, _SERVERS = frozenset({408, 409, 429}), 500
"""Statuses that the SDK sends again after: these, and all from that one on, a proxy's too (SDK-01)."""


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
    """The thinking of earlier turns leaves the wire, once and for good (BIND-26)."""
    unblock: bool = False
    """The server's compaction block leaves the wire, and its text stands for it."""
    remedy: str = ""

    def merged(self, current: Mapping[str, Any]) -> dict[str, Any]:
        """The current settings with this recovery's on top; `thinking` and `betas` are joined, not replaced."""
        merged = {**current, **(self.settings or {})}
        if self.settings and "thinking" in self.settings:
            merged["thinking"] = {**(current.get("thinking") or {"type": "adaptive"}), **self.settings["thinking"]}
            if merged["thinking"].get("block_binding") is None:
                merged["thinking"].pop("block_binding", None)
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


def with_binding(given: Mapping[str, Any], current: Mapping[str, Any], *, same_model: bool = True) -> dict[str, Any]:
    """Settings that take the place of others, with what a recovery has set among those: the API goes on dropping thinking that
    is bound elsewhere (BIND-26). Not where thinking is switched off, which takes no `block_binding` (THINK-01).

    Args:
        given: the settings that are to be. A `block_binding` of their own is kept.
        current: those that are.
        same_model: whether the model stays. For another one no thinking is asked for that was not asked for.
    """
    thinking, known = given.get("thinking"), current.get("thinking")
    binding = known.get("block_binding") if isinstance(known, Mapping) else None
    if thinking is None and same_model:
        thinking = {"type": "adaptive"}
    if binding is None or not isinstance(thinking, Mapping) or thinking.get("type") not in _BINDABLE:
        return dict(given)
    betas = sorted({*(given.get("betas") or ()), _BINDING_BETA})
    return {**given, "thinking": {"block_binding": binding, **thinking}, "betas": betas}


def recover(
    error: Any,
    *,
    dropping: bool = False,
    stripped: bool = False,
    shrunk: bool = False,
    blocked: bool = False,
    thinking: Any = None,
) -> Recovery:
    """The documented recovery from an error.

    Args:
        error: an SDK exception (`status_code`, `body`), or an error body as a dict.
        dropping: whether the API was asked already to drop thinking that is bound elsewhere.
        stripped: whether there is no thinking that could leave the wire: it has once, or all is of the open turn.
        shrunk: whether the request was shrunk already, after the API had found it too long.
        blocked: whether a compaction block of the server stands on the wire, and can be replaced by its text.
        thinking: the request's `thinking` setting.
    """
    fault = fault_of(error)
    return (
        _too_long(fault, shrunk=shrunk)
        or _bound(fault, thinking, dropping=dropping, stripped=stripped)
        or _thinking(fault, dropping=dropping, stripped=stripped)
        or _block(fault, blocked=blocked)
        or _final(fault)
        or _passing(fault, error)
        or _unknown(fault)
    )


def _too_long(fault: Fault, *, shrunk: bool) -> Recovery | None:
    """CTX-08, and CTX-10 of models before Claude 4.5, which count max_tokens in. Shrunk once, from the exact size."""
    if fault.size is None:
        return None
    tokens, limit = fault.size
    if shrunk:
        return _recovery(
            fault,
            action="give_up",
            rule="CTX-08",
            why=f"the prompt has {tokens:,} tokens and the window {limit:,}, after it was shrunk.",
            tokens=tokens,
            limit=limit,
            remedy="Raise the budget's reserve, or shorten what must be sent.",
        )
    return _recovery(
        fault,
        action="plan_again",
        rule="CTX-08",
        why=f"the prompt has {tokens:,} tokens and the window {limit:,}: it is shrunk before the next send",
        tokens=tokens,
        limit=limit,
    )


def _bound(fault: Fault, thinking: Any, *, dropping: bool, stripped: bool) -> Recovery | None:
    """BIND-26: once more with drop_block, for good; or without all old thinking, for good. Never the same body again."""
    if not fault.bound:
        return None
    bindable = not isinstance(thinking, Mapping) or thinking.get("type") in _BINDABLE
    if dropping or (stripped and not bindable):
        return _recovery(
            fault,
            action="give_up",
            rule="BIND-26",
            why="the API refuses bound thinking although it was asked to drop it, or all old thinking is gone; the same "
            "body is never sent twice.",
            remedy="Check that the beta header reaches the API, and the history with `ctxwindow check --previous`.",
        )
    if not bindable:
        return _recovery(
            fault,
            action="plan_again",
            rule="BIND-26",
            why="the API found thinking bound to another prefix; from here on that of all turns so far is left out",
            strip_thinking=True,
        )
    return _recovery(
        fault,
        action="plan_again",
        rule="BIND-26",
        why="the API found thinking bound to another prefix; from here on it drops such blocks instead",
        settings={
            "thinking": {"block_binding": {"prefix_mismatch_behavior": "drop_block"}},
            "betas": [_BINDING_BETA],
        },
    )


def _thinking(fault: Fault, *, dropping: bool, stripped: bool) -> Recovery | None:
    """Thinking that the API does not take as it went: that of earlier turns leaves the wire, once and for good (REPLAY-03).

    That of an open turn stays (REPLAY-01, REPLAY-02): where it is the one that is refused, only going back helps.

    Where `block_binding` is refused that we have set, the header that it needs does not reach the API (BIND-08).
    """
    rule = fault.thinking
    if rule is None or (rule == "BIND-08" and not dropping):
        return None
    if stripped:
        return _recovery(
            fault,
            action="give_up",
            rule=rule,
            why="the API refuses the thinking of the history, although all of it that could be left out is.",
            remedy="Something between may change it: check the client's middleware and proxy, or go back with `rewind`.",
        )
    return _recovery(
        fault,
        action="plan_again",
        rule=rule,
        why=f"the API refuses thinking of the history ({_REFUSED[rule]}); from here on that of all turns so far is left out",
        strip_thinking=True,
        settings={"thinking": {"block_binding": None}} if rule == "BIND-08" else None,
    )


_REFUSED = {
    "BIND-08": "the header that lets it drop some does not reach it",
    "REPLAY-02": "it is not as it was written",
    "REPLAY-04": "its signature does not verify",
    "MSG-09": "it ends a message",
    "MSG-10": "it does not begin its message",
    "THINK-08": "thinking is off",
}


def _block(fault: Fault, *, blocked: bool) -> Recovery | None:
    """CMP-20 to CMP-25: a compaction block that the API does not take back. Its text takes its place."""
    if fault.block is None:
        return None
    if not blocked:
        return _recovery(
            fault,
            action="give_up",
            rule=fault.block,
            why=f"the API refuses a compaction block of the history ({fault.code}).",
            remedy="Something between may change it: check the client's middleware and proxy, or go back with `rewind`.",
        )
    return _recovery(
        fault,
        action="plan_again",
        rule=fault.block,
        why=f"the API refuses the compaction block of the history ({fault.code}); its text takes its place",
        unblock=True,
    )


def _final(fault: Fault) -> Recovery | None:
    """What nobody but the caller can do something about."""
    if fault.way is None:
        return None
    return _recovery(fault, action="give_up", rule=fault.way.rule, why=fault.way.why, remedy=fault.way.remedy)


def _passing(fault: Fault, error: Any) -> Recovery | None:
    """What may be gone when the same is sent again. The SDK does that, with the waits that the API asks for (SDK-01)."""
    status = fault.status
    passes = (status in _PASSING or status >= _SERVERS) if status is not None else is_transport(error)
    if not passes:
        return None
    return _recovery(
        fault, action="send_again", rule="SDK-01", why="a passing fault: the same request may be sent again"
    )


def _unknown(fault: Fault) -> Recovery:
    """What no rule tells a way out of."""
    if fault.status is None:
        return _recovery(
            fault,
            action="give_up",
            why=f"the request was not answered: {fault.kind}.",
            remedy="See the exception itself.",
        )
    return _recovery(
        fault,
        action="give_up",
        rule="ERR-02",
        why=f"the request failed with {fault.status}, {fault.kind}.",
        remedy="Check the request with `ctxwindow check`; the API's message is in the SDK's exception.",
    )


def is_transport(error: Any) -> bool:
    """Whether an exception without a status comes from the way to the API: a cut connection, a timeout."""
    roots = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return isinstance(error, OSError) or bool(roots & {"anthropic", "httpx2", "httpcore2"})


def _recovery(fault: Fault, **fields: Any) -> Recovery:
    return msgspec.convert({"status": fault.status, "kind": fault.kind, **fields}, Recovery)
