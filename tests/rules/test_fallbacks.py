from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.catalog import resolve
from ctxwindow.rules import find_violations
from ctxwindow.rules.fallbacks import echo
from ctxwindow.tiers.state import usable
from ctxwindow.window import read_usage
from ctxwindow.window.served import serve

MODEL = "claude-opus-5-5"
NEW, OLD = "server-side-fallback-2026-07-01", "server-side-fallback-2026-06-01"
HI: dict[str, Any] = {"role": "user", "content": "hi"}
TEXT: dict[str, Any] = {"type": "text", "text": "a"}
SEAM: dict[str, Any] = {"type": "fallback", "from": {"model": MODEL}, "to": {"model": "claude-opus-5"}}
CALL: dict[str, Any] = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
SEARCH: dict[str, Any] = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
FOUND: dict[str, Any] = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
CONNECTOR: dict[str, Any] = {"type": "connector_text", "text": "c"}


def thought(signature: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": "", "signature": signature}


def found(*messages: Any, betas: Any = (NEW,), previous: Any = None, **more: Any) -> list[tuple[str, str, str]]:
    request = {"model": MODEL, "messages": list(messages) or [HI], **more}
    violations = find_violations(request, betas=betas, previous=previous)
    return [(violation.rule, violation.path, violation.severity) for violation in violations]


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def test_a_refusal_is_an_answer_that_is_not_sent_back() -> None:
    """FB-01, FB-02."""
    assert not usable(assistant(TEXT), "refusal")
    assert not usable(assistant(), "refusal")
    assert usable(assistant(TEXT), "end_turn")


def test_fb_03() -> None:
    """fallbacks is default, or a list of one to three different models; it takes a beta."""
    first, second = {"model": "claude-opus-5"}, {"model": "claude-sonnet-5"}
    assert found(fallbacks="default") == found(fallbacks=[first, second]) == []
    assert found(fallbacks=[first], betas=[OLD]) == []
    assert found(fallbacks="default", betas=[OLD]) == [("FB-03", "fallbacks", "error")]
    assert found(fallbacks="default", betas=None) == [("FB-03", "fallbacks", "warning")]
    for wrong in ("none", [], 7, [{"model": f"m{n}"} for n in range(4)]):
        assert found(fallbacks=wrong) == [("FB-03", "fallbacks", "error")]
    assert found(fallbacks=[first, first]) == [("FB-03", "fallbacks.1.model", "error")]
    assert found(fallbacks=[first, {}]) == [("FB-03", "fallbacks.1.model", "error")]
    assert found(fallbacks=[{**first, "system": "s"}]) == [("FB-03", "fallbacks.0.system", "error")]


def test_the_usage_of_a_fallback_is_its_own_iteration() -> None:
    """FB-04."""
    tried = {"type": "message", "model": MODEL, "input_tokens": 90, "output_tokens": 3}
    served = {"type": "fallback_message", "model": "claude-opus-5", "input_tokens": 100, "output_tokens": 40}
    usage = read_usage({"input_tokens": 100, "output_tokens": 40, "iterations": [tried, served]})
    assert usage is not None
    assert (usage.prompt, usage.output) == (100, 40)


def test_fb_05() -> None:
    """Before the final fallback block thinking, client calls, unpaired server calls and connector text are left out;
    everything else goes back."""
    kept = [TEXT, SEARCH, FOUND, SEAM, thought("b"), TEXT]
    assert found(HI, assistant(*kept), HI) == []
    for dropped, severity in ((thought("a"), "warning"), (CONNECTOR, "error"), ({**SEARCH, "id": "u"}, "error")):
        assert ("FB-05", "messages.1.content.0", severity) in found(HI, assistant(dropped, *kept), HI)
        assert echo([dropped, *kept]) == kept
    assert ("FB-05", "messages.1.content.0", "error") in found(HI, assistant(CALL, *kept), HI)
    assert echo([CALL, *kept]) == kept


def test_what_goes_back_of_two_fallbacks() -> None:
    """FB-05: it is the final fallback block that counts, and the seams stay."""
    content = [thought("a"), TEXT, SEAM, thought("b"), CALL, SEAM, thought("c"), CALL]
    assert echo(content) == [TEXT, SEAM, SEAM, thought("c"), CALL]


blocks = st.lists(
    st.sampled_from([TEXT, SEAM, CALL, SEARCH, FOUND, CONNECTOR, thought("a"), thought("b")]), max_size=10
)


@given(blocks)
def test_an_echo_keeps_blocks_as_they_came_and_breaks_nothing(content: list[dict[str, Any]]) -> None:
    """FB-05: blocks are carried in order, everything behind the final fallback block stays, and an echo is its own."""
    echoed = echo(content)
    rest = iter(content)
    assert all(any(block is kept for block in rest) for kept in echoed)
    seams = [place for place, block in enumerate(content) if block is SEAM]
    if seams:
        assert echoed[-len(content) + seams[-1] :] == content[seams[-1] :]
    else:
        assert echoed == content
    assert echo(echoed) == echoed
    assert "FB-05" not in {rule for rule, _, _ in found(HI, assistant(*echoed), HI)}


def test_fb_06() -> None:
    """A fallback block with thinking on both sides stays where it stood."""
    reply, without = assistant(thought("a"), SEAM, thought("b"), TEXT), assistant(thought("a"), thought("b"), TEXT)
    before = {"model": MODEL, "messages": [HI, reply, HI]}
    assert ("FB-06", "messages.1", "error") in found(HI, without, HI, previous=before)
    assert "FB-06" not in {rule for rule, _, _ in found(HI, reply, HI, previous=before)}
    apart = {**before, "messages": [HI, assistant(thought("a"), thought("b"), TEXT), HI]}
    assert "FB-06" not in {rule for rule, _, _ in found(HI, without, HI, previous=apart)}


def test_a_call_that_was_left_out_gets_no_result() -> None:
    """FB-07."""
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]}
    content = echo([CALL, SEAM, TEXT])
    assert found(HI, assistant(*content), HI) == []
    assert [rule for rule, _, _ in found(HI, assistant(*content), result)] == ["TOOL-02"]


@pytest.mark.parametrize("model", ["claude-opus-5", "claude-opus-4-8"])
def test_thinking_that_a_fallback_cannot_read_is_not_billed(model: str) -> None:
    """FB-13."""
    reply = assistant({"type": "thinking", "thinking": "Why? " * 200, "signature": "s"}, TEXT)
    request = {"model": model, "messages": [HI, reply, HI]}
    read = serve(request, resolve(model))
    unread = serve(request, resolve(model), unreadable=["messages.1.content.0"])
    assert unread.window.tokens < read.window.tokens - 100
