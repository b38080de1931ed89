from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.rules import find_violations
from ctxwindow.rules.prefix import compaction_of

HI = {"role": "user", "content": "hi"}
REPLY = {"role": "assistant", "content": "a"}
MODEL = "claude-opus-5-5"
BETAS = ["compact-2026-01-12", "compact-2026-09-04", "mid-conversation-output-config-2026-07-01"]
SUMMARIZE = {"type": "summarize"}
CALL: dict[str, Any] = {"type": "tool_use", "id": "t", "name": "f", "input": {}}


def block(signature: str | None = "s", content: Any = "So far.", **more: Any) -> dict[str, Any]:
    signed = {} if signature is None else {"signature": signature}
    return {"type": "compaction", "content": content, **signed, **more}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


TEXT = {"type": "text", "text": "a"}


def found(*messages: Any, previous: list[Any] | None = None, **settings: Any) -> list[tuple[str, str, str]]:
    before = None if previous is None else {"model": MODEL, "messages": previous}
    body = {"model": MODEL, "messages": list(messages), **settings}
    violations = find_violations(body, previous=before, betas=BETAS)
    return [(violation.rule, violation.path, violation.severity) for violation in violations]


def test_cmp_02() -> None:
    """Everything before the last compaction block with content is ignored, sent or not."""
    messages = [HI, assistant(block(None), TEXT), HI, assistant(block(None, None), TEXT)]
    last = compaction_of(messages)
    assert last is not None
    assert (last.message, last.place) == (1, 0)
    assert compaction_of([HI, assistant(block(None, None))]) is None


def test_cmp_03() -> None:
    """Blocks that the threshold edit left in replies go back; several may be present, the last counts."""
    edit = {"edits": [{"type": "compact_20260112"}]}
    replies = [HI, assistant(block(None), TEXT), HI, assistant(block(None, "More."), TEXT), HI]
    assert found(*replies, context_management=edit) == []
    assert found(*replies[1:]) == []  # V-CMP-1: what stands before the last block is not read


def test_cmp_04() -> None:
    """A compaction block's content is a summary, or null for one that failed; never an empty string."""
    assert found(assistant(block(None, ""), TEXT), HI) == [("CMP-04", "messages.0.content.0.content", "error")]
    assert found(assistant(block(None, None), TEXT), HI) == []


def test_cmp_05() -> None:
    """encrypted_content and signature of a compaction block go back as they came."""
    for signature in ("s", None):
        old = [assistant(block(signature, encrypted_content="e"), TEXT), HI]
        assert found(*old, REPLY, HI, previous=old) == []
        path = "messages.0.content.0.encrypted_content"
        assert found(assistant(block(signature), TEXT), HI, previous=old) == [("CMP-05", path, "warning")]
        again = assistant(block(signature, encrypted_content="f"), TEXT)
        assert found(again, HI, previous=old) == [("CMP-05", path, "warning")]


def test_cmp_14() -> None:
    """A compaction block goes back without the keys of other blocks, such as citations or text, even null."""
    dumped = find_violations(  # V-VER-2
        {"model": MODEL, "messages": [assistant(block(citations=None, text=None)), HI]}, betas=BETAS
    )
    path = "messages.0.content.0.compaction"
    said = [f"{path}.citations: Extra inputs are not permitted", f"{path}.text: Extra inputs are not permitted"]
    assert sorted(violation.message for violation in dumped) == said


def test_cmp_19() -> None:
    """The last assistant turn of a compaction request has all its tool results."""
    answer = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]}
    paused = assistant({"type": "server_tool_use", "id": "srvtoolu_1", "name": "code_execution", "input": {}})
    assert found(HI, assistant(CALL), compaction=SUMMARIZE) == [("CMP-19", "messages.1", "error")]
    assert found(HI, paused, compaction=SUMMARIZE) == [("CMP-19", "messages.1", "error")]
    assert found(HI, assistant(CALL), answer, compaction=SUMMARIZE) == []
    assert found(HI, REPLY, compaction=SUMMARIZE) == []


def test_cmp_20() -> None:
    """A request with a signed compaction block holds no other compaction block with content."""
    assert found(assistant(block()), HI) == []
    assert found(assistant(block()), HI, assistant(block(None, None), TEXT), HI) == []
    assert ("CMP-20", "messages.2.content.0", "error") in found(
        assistant(block()), HI, assistant(block(None), TEXT), HI
    )
    assert ("CMP-20", "messages.0.content.1", "error") in found(assistant(block(), block("r"), TEXT), HI)


def test_cmp_21() -> None:
    """A signed compaction block is the very first block of the conversation, and never in a system message."""
    effort = {"role": "system", "content": [], "output_config": {"effort": "low"}}
    assert found(assistant(block()), HI) == []
    assert found({"role": "user", "content": [block(), {"type": "text", "text": "hi"}]}) == []
    assert found(effort, assistant(block()), HI) == []
    assert found(HI, assistant(block()), HI) == [("CMP-21", "messages.1.content.0", "error")]
    assert found(assistant(TEXT, block(), TEXT), HI)[-1] == ("CMP-21", "messages.0.content.1", "error")
    assert found(HI, {"role": "system", "content": [block(None)]}) == [("CMP-21", "messages.1.content.0", "error")]


def test_cmp_22() -> None:
    """The first message may be an assistant message that holds just the block; another may follow it."""
    assert found(assistant(block()), REPLY, HI) == []


def test_cmp_23() -> None:
    """The content of a signed compaction block equals the signed text."""
    old = [assistant(block()), HI]
    changed = found(assistant(block(content="Shorter.")), HI, REPLY, HI, previous=old)
    assert changed == [("CMP-23", "messages.0.content.0.content", "error")]
    assert found(assistant(block()), HI, REPLY, HI, previous=old) == []


def test_cmp_24() -> None:
    """The signature of a compaction block verifies."""
    assert found(assistant(block("")), HI) == [("CMP-24", "messages.0.content.0.signature", "error")]
    assert found(assistant(block("s")), HI) == []


@pytest.mark.parametrize("content", ["So far.", "Another."])
def test_cmp_24_sees_another_signature_than_that_of_the_reply(content: str) -> None:
    asked = {"model": MODEL, "messages": [HI, REPLY], "compaction": SUMMARIZE}
    request = {"model": MODEL, "messages": [assistant(block("t", content)), {**HI, "content": "on"}]}
    response = {"model": MODEL, "content": [block("s")]}
    violations = find_violations(request, previous=(asked, response), betas=BETAS)
    same = [("CMP-24", "messages.0.content.0.signature")] if content == "So far." else []
    assert [(violation.rule, violation.path) for violation in violations] == same


def test_cmp_24_sees_another_signature_than_that_of_the_request_before() -> None:
    old = [assistant(block()), HI]
    changed = found(assistant(block("t")), HI, REPLY, HI, previous=old)
    assert changed == [("CMP-24", "messages.0.content.0.signature", "error")]
    assert found(assistant(block("t")), {**HI, "content": "on"}, previous=old) == []  # of a compaction since then


def test_cmp_25() -> None:
    """tool_changes of a compaction block equal what was returned with it."""
    change = [{"type": "tool_removal", "tool": {"type": "tool_reference", "name": "f"}}]
    old = [assistant(block(tool_changes=change)), HI]
    assert found(assistant(block()), HI, previous=old) == [("CMP-25", "messages.0.content.0.tool_changes", "error")]
    assert found(assistant(block(tool_changes=change)), HI, previous=old) == []


def test_cmp_26() -> None:
    """A compaction request holds user or assistant content."""
    effort = {"role": "system", "content": [], "output_config": {"effort": "low"}}
    assert found(effort, compaction=SUMMARIZE) == [("CMP-26", "messages", "error")]
    assert found(HI, compaction=SUMMARIZE) == []
    assert found(effort) == []


@pytest.mark.parametrize("code", ["CMP-19", "CMP-20", "CMP-21", "CMP-23", "CMP-24", "CMP-25", "CMP-26"])
def test_the_texts_are_those_of_the_sdk(code: str) -> None:
    """The first sentence of the SDK's error class is the best record of the API's text; messages quote it."""
    from anthropic import types  # noqa: PLC0415

    change = [{"type": "tool_removal", "tool": {"type": "tool_reference", "name": "f"}}]
    requests: dict[str, tuple[list[Any], list[Any] | None, dict[str, Any]]] = {
        "CMP-19": ([HI, assistant(CALL)], None, {"compaction": SUMMARIZE}),
        "CMP-20": ([assistant(block(), block("r"), TEXT), HI], None, {}),
        "CMP-21": ([HI, assistant(block()), HI], None, {}),
        "CMP-23": ([assistant(block(content="x")), HI], [assistant(block()), HI], {}),
        "CMP-24": ([assistant(block("")), HI], None, {}),
        "CMP-25": ([assistant(block(tool_changes=change)), HI], [assistant(block()), HI], {}),
        "CMP-26": ([], None, {"compaction": SUMMARIZE}),
    }
    messages, previous, settings = requests[code]
    before = None if previous is None else {"model": MODEL, "messages": previous}
    violations = find_violations({"model": MODEL, "messages": messages, **settings}, previous=before)
    name, _, text = next(violation.message for violation in violations if violation.rule == code).partition(": ")
    classes = {entry for entry in vars(types).values() if isinstance(entry, type)}
    documented = [entry.__doc__ or "" for entry in classes if name in str(entry.__annotations__.get("error_code", ""))]
    assert any(text in " ".join(doc.split()) for doc in documented)
