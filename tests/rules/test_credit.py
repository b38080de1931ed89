from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.rules import find_violations

HI: dict[str, Any] = {"role": "user", "content": "hi"}
BETA = "fallback-credit-2026-07-01"
REFUSED = {"model": "claude-opus-5-5", "max_tokens": 100, "messages": [HI], "system": "s"}
TOKEN = "credit"  # noqa: S105 - the token of a refusal, no secret


def found(request: dict[str, Any], *, previous: Any = REFUSED, betas: Any = (BETA,)) -> list[tuple[str, str, str]]:
    violations = find_violations({"fallback_credit_token": TOKEN, **request}, betas=betas, previous=previous)
    return [(violation.rule, violation.path, violation.severity) for violation in violations]


def test_fb_10() -> None:
    """A fallback_credit_token goes with the refused request as it was, or with one assistant message more, and not with
    fallbacks."""
    retry = {**REFUSED, "model": "claude-opus-5", "max_tokens": 200}
    going_on = [HI, {"role": "assistant", "content": "So"}]
    assert found(retry) == found({**retry, "messages": going_on}) == []
    assert found({**retry, "messages": [{"role": "user", "content": "hello"}]}) == [("FB-10", "messages", "error")]
    assert found({**retry, "messages": [HI, HI]}) == [("FB-10", "messages", "error")]
    for field, value in (
        ("system", "t"),
        ("tools", [{"name": "f", "input_schema": {}}]),
        ("thinking", {"type": "adaptive"}),
    ):
        assert found({**retry, field: value}) == [("FB-10", field, "error")]
        token = {"token": TOKEN, "mode": "best_effort"}
        assert found({**retry, field: value, "fallback_credit_token": token}) == [("FB-10", field, "warning")]
    betas = (BETA, "server-side-fallback-2026-07-01")
    assert found({**retry, "fallbacks": "default"}, betas=betas) == [("FB-10", "fallbacks", "error")]


@pytest.mark.parametrize("content", ["So ", [{"type": "text", "text": "So\n"}]])
def test_fb_11(content: Any) -> None:
    """With the token a request may end with the assistant on every model; its text does not end in white space."""
    retry = {**REFUSED, "messages": [HI, {"role": "assistant", "content": content}]}
    assert found(retry) == [("FB-11", "messages.1", "error")]
    assert found({**retry, "messages": [HI, {"role": "assistant", "content": "So"}]}) == []
    # Without the token nothing may be prefilled; where it may, white space is MSG-05.
    assert [rule for rule, _, _ in found({**retry, "fallback_credit_token": None}, previous=None)] == ["MSG-04"]
    assert [rule for rule, _, _ in found({**retry, "model": "claude-opus-4-5"})] == ["MSG-05"]


def test_fb_12() -> None:
    """The token is a string, or with a beta an object of token and mode, strict or best_effort."""
    path = "fallback_credit_token"
    for token in (TOKEN, {"token": TOKEN}, {"token": TOKEN, "mode": "strict"}):
        assert found({**REFUSED, path: token}) == []
    assert found({**REFUSED, path: TOKEN}, betas=[]) == []
    assert found({**REFUSED, path: {"token": TOKEN}}, betas=[]) == [("FB-12", path, "error")]
    assert found({**REFUSED, path: {"token": 7}}) == [("FB-12", f"{path}.token", "error")]
    assert found({**REFUSED, path: {"token": TOKEN, "mode": "kind"}}) == [("FB-12", f"{path}.mode", "error")]
