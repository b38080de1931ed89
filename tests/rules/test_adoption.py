from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.catalog import resolve
from ctxwindow.rules import View, find_violations, may_cut, prefix_report
from ctxwindow.rules.prefix import compaction_of

HI: dict[str, Any] = {"role": "user", "content": "hi"}
AGAIN: dict[str, Any] = {"role": "user", "content": "and now?"}
REPLY: dict[str, Any] = {"role": "assistant", "content": "a"}
MODEL = "claude-opus-5-5"
BETAS = ["compact-2026-01-12", "compact-2026-09-04"]
SUMMARIZE = {"type": "summarize"}
TEXT = {"type": "text", "text": "a"}


def block(signature: str = "s", content: Any = "So far.") -> dict[str, Any]:
    return {"type": "compaction", "content": content, "signature": signature}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def thought(signature: str) -> dict[str, Any]:
    return assistant({"type": "thinking", "thinking": "", "signature": signature}, TEXT)


def found(*messages: Any, previous: list[Any] | None = None, **settings: Any) -> list[tuple[str, str, str]]:
    before = None if previous is None else {"model": MODEL, "messages": previous}
    body = {"model": MODEL, "messages": list(messages), **settings}
    violations = find_violations(body, previous=before, betas=BETAS)
    return [(violation.rule, violation.path, violation.severity) for violation in violations]


def valid(request: dict[str, Any], previous: dict[str, Any]) -> list[bool]:
    return [state.valid for state in prefix_report(request, previous, resolve(MODEL))]


def test_cmp_27() -> None:
    """A compaction may come back without a block (200, billed): nothing is dropped before one with content is there."""
    for reply in (assistant(), assistant(block(content=None))):
        assert compaction_of([HI, reply]) is None


def test_cmp_28() -> None:
    """Adoption removes exactly the summarised messages from the front; the block stays first from then on."""
    old = [HI, REPLY]
    assert found(assistant(block()), AGAIN, previous=old) == []  # V-CMP-3
    assert found(assistant(block()), HI, REPLY, AGAIN, previous=old) == [("CMP-28", "messages.1", "warning")]  # V-CMP-3
    assert found(AGAIN, previous=[assistant(block()), HI]) == [("CMP-28", "messages", "warning")]
    assert found(assistant(block("newer")), AGAIN, previous=[assistant(block()), HI]) == []


@pytest.mark.parametrize(("model", "allowed"), [("claude-opus-5-5", [1, 3, 4]), ("claude-opus-4-8", [1, 2, 3, 4])])
def test_cmp_30(model: str, allowed: list[int]) -> None:
    """Kept thinking stays valid only behind a role other than that of the last summarised message."""
    view = View([HI, REPLY, REPLY, HI], profile=resolve(model))
    assert [index for index in range(5) if may_cut(view, index)] == allowed


def test_cmp_29() -> None:
    """A summary carries over no image, document, system message or tool change of its range."""
    picture = {"type": "image", "source": {"type": "url", "url": "u"}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [picture]}
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    told = {"role": "system", "content": "Be brief."}
    messages = [
        {"role": "user", "content": [picture, TEXT]},
        told,
        assistant(call),
        {"role": "user", "content": [result]},
    ]
    (warned,) = find_violations({"model": MODEL, "messages": messages, "compaction": SUMMARIZE}, betas=BETAS)
    assert (warned.rule, warned.path, warned.severity) == ("CMP-29", "messages", "warning")
    assert warned.message == "messages: a summary does not carry over: images (2), system messages (1)."
    assert found(*messages) == []
    assert found(HI, REPLY, compaction=SUMMARIZE) == []


def test_cmp_29_tool_changes_come_back_with_the_beta_for_inline_tools() -> None:
    change = {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "f"}}
    body = {"model": MODEL, "messages": [HI, {"role": "system", "content": [change]}], "compaction": SUMMARIZE}
    texts = [
        [violation.message for violation in find_violations(body, betas=[*BETAS, *more]) if violation.rule == "CMP-29"]
        for more in ([], ["inline-tools-2026-09-15"])
    ]
    assert ["tool changes" in text for (text,) in texts] == [True, False]


def test_cmp_31() -> None:
    """To change system or tools without losing thinking, everything is compacted, and they change one request later."""
    old = {"system": "Be brief.", "messages": [HI, thought("t")]}
    compacted = {"system": "Be brief.", "messages": [assistant(block()), AGAIN]}
    changed = {"system": "Be kind.", "messages": [assistant(block()), AGAIN, thought("u"), HI]}
    assert valid(compacted, old) == []
    assert valid(changed, {**compacted, "system": "Be kind."}) == [True]
    kept = {"system": "Be kind.", "messages": [assistant(block()), HI, thought("t"), AGAIN]}
    assert valid(kept, {"system": "Be brief.", "messages": [HI, REPLY, HI, thought("t")]}) == [False]


def test_cmp_34() -> None:
    """In the background a copy of a sent request is compacted; its block is adopted later, and what was added stays."""
    copied = [HI, thought("t")]
    grown = {"messages": [*copied, AGAIN, thought("u")]}
    adopted = {"messages": [assistant(block()), AGAIN, thought("u"), HI]}
    assert valid(adopted, grown) == [True]
    touched = {"messages": [assistant(block()), {"role": "user", "content": "and then?"}, thought("u"), HI]}
    assert valid(touched, grown) == [False]
