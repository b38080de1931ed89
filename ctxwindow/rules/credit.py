"""FB: the credit for a retry of one's own after a refusal."""

from __future__ import annotations

from collections.abc import Iterator

from ctxwindow.record.blocks import blocks_of
from ctxwindow.rules.fields import needs, one_of
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import View, ends_in, plain

__all__ = ["RULES"]

_BETA = "fallback-credit-2026-07-01"
_SHAPES_THE_PROMPT = ("system", "tools", "tool_choice", "thinking", "output_config")


def same_request(view: View) -> Iterator[Finding]:
    """FB-10, against the request before, which was refused. With best_effort a retry that differs costs its full price."""
    token = view.frame.settings.get("fallback_credit_token")
    if token is None:
        return
    if view.frame.settings.get("fallbacks") is not None:
        yield Finding(
            path="fallbacks",
            message="fallback_credit_token cannot be combined with fallbacks.",
            remedy="Leave one of the two out.",
        )
    if view.exchange is None or not view.messages:
        return
    old, new = view.exchange.messages, [plain(message) for message in view.messages]
    goes_on = new[:-1] == old and new[-1].get("role") == "assistant"
    sent = {**view.frame.settings, "system": view.frame.system, "tools": view.frame.tools or None}
    changed = [
        field for field in _SHAPES_THE_PROMPT if (view.exchange.request.get(field) or None) != (sent.get(field) or None)
    ]
    for field in [*changed, *([] if new == old or goes_on else ["messages"])]:
        yield Finding(
            path=field,
            message=f"{field} is not that of the refused request, for which the fallback_credit_token was given.",
            remedy="Retry with the refused request as it was, with another model, and at most one assistant message more.",
            severity="warning" if plain(token).get("mode") == "best_effort" else None,
        )


def stripped(view: View) -> Iterator[Finding]:
    """FB-11. On models with prefill MSG-05 says it."""
    profile, last = view.frame.profile, view.message(len(view.messages) - 1) if view.messages else {}
    if view.frame.settings.get("fallback_credit_token") is None or (profile and profile.features.prefill):
        return
    text = blocks_of(last)[-1].get("text") if ends_in(last, "text") else last.get("content")
    if last.get("role") == "assistant" and isinstance(text, str) and text != text.rstrip():
        yield Finding(
            path=f"messages.{len(view.messages) - 1}",
            message="messages: final assistant content cannot end with trailing whitespace",
            remedy="Strip the end of the text that the retry goes on from.",
        )


def shape(view: View) -> Iterator[Finding]:
    """FB-12."""
    token, path = view.frame.settings.get("fallback_credit_token"), "fallback_credit_token"
    if token is None or isinstance(token, str):
        return
    form = plain(token)
    if not isinstance(form.get("token"), str):
        yield Finding(
            path=f"{path}.token",
            message=f"{path}.token: Input should be a valid string",
            remedy="Send the token of the refusal's `stop_details`, alone or as `token` with a `mode`.",
        )
        return
    yield from needs(view.frame, path, _BETA)
    if form.get("mode") not in (None, "strict", "best_effort"):
        yield one_of(f"{path}.mode", ("strict", "best_effort"))


_PAGE = "platform.claude.com/docs/en/build-with-claude/fallback-credit"
_SDK = "anthropic 2.12.0 types/beta"
_SDK_DATE = "2026-11-20"

RULES = (
    Rule(
        id="FB-10",
        sentence=(
            "A fallback_credit_token goes with the refused request as it was, or with one assistant message more, and not "
            "with fallbacks."
        ),
        source=f"{_PAGE}; {_SDK}/beta_fallback_credit_token_param.py",
        date=_SDK_DATE,
        check=same_request,
    ),
    Rule(
        id="FB-11",
        sentence="With the token a request may end with the assistant on every model; its text does not end in white space.",
        source=f"{_SDK}/beta_refusal_stop_details.py",
        date=_SDK_DATE,
        check_end=stripped,
    ),
    Rule(
        id="FB-12",
        sentence="The token is a string, or with a beta an object of token and mode, strict or best_effort.",
        source=f"{_SDK}/beta_fallback_credit_token_param.py",
        date=_SDK_DATE,
        check=shape,
    ),
)
