"""Messages repeated as content of a user message: word for word where that breaks no rule, as text where it would.

Text and media of the user stand as they are. A tool result, which may only answer a call (TOOL-01), and a call become text
that names the tool. Thinking is left out: it is signed where it stands, and nowhere else (BIND-28).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ctxwindow.record.blocks import block_type, blocks_of, texts_of

__all__ = ["as_user_content", "blocks_in", "names_before", "pinned_blocks", "unmarked"]

Message = Mapping[str, Any]


def pinned_blocks(index: int, forms: Mapping[int, Message]) -> list[Any]:
    """The content of a pinned message behind a line that says which it is; empty where nothing of it can be repeated.

    Args:
        index: its place in the record.
        forms: wire forms by record index: its own, and that of the message before, which names the tools of its results.
    """
    form = forms.get(index)
    blocks = as_user_content(form, names_before(forms, index)) if form is not None else []
    if form is None or not blocks:
        return []
    whose = {"assistant": ", yours", "system": ", of the system"}.get(str(form.get("role")), "")
    return [_text(f"[Pinned: message {index}{whose}, word for word:]"), *blocks]


def names_before(forms: Mapping[int, Message], index: int) -> dict[str, str]:
    """Tool names by call id, from the assistant message before results."""
    return {
        str(block.get("id")): str(block.get("name"))
        for block in blocks_in(forms.get(index - 1))
        if block_type(block).family == "call"
    }


def as_user_content(form: Message, names: Mapping[str, str]) -> list[Any]:
    """The content of a message as blocks that a user message may hold.

    Args:
        form: as it was sent.
        names: of tools, by the ids of their calls.
    """
    user = form.get("role") == "user"
    return [out for block in blocks_in(form) for out in (_of_user(block, names) if user else _of_others(block))]


def unmarked(block: Any) -> Any:
    """Without a cache marker: a repeated one would count against the four allowed (CACHE-02)."""
    if isinstance(block, Mapping) and "cache_control" in block:
        return {key: value for key, value in block.items() if key != "cache_control"}
    return block


def _of_user(block: Mapping[str, Any], names: Mapping[str, str]) -> list[Any]:
    if block.get("type") != "tool_result":
        return [unmarked(block)]
    call = str(block.get("tool_use_id"))
    failed = ", an error" if block.get("is_error") else ""
    return [_text(f"[Result of {names.get(call, 'a tool')}, call {call}{failed}:]"), *_inside(block.get("content"))]


def _inside(content: Any) -> list[Any]:
    """The content of a tool result."""
    if isinstance(content, str):
        return [_text(content)] if content.strip() else []
    out: list[Any] = []
    for block in content or ():
        if not isinstance(block, Mapping):
            continue
        if block.get("type") == "tool_reference":
            # Only a tool result or a system message may load a tool: named here, not loaded (TOOL-18).
            out.append(_text(f"[tool reference: {block.get('tool_name')}]"))
        elif block.get("type") != "text" or str(block.get("text", "")).strip():
            out.append(unmarked({key: value for key, value in block.items() if key != "citations"}))
    return out


def _of_others(block: Mapping[str, Any]) -> list[Any]:
    """A block of the assistant, or of a system message: only its text can stand in a user message."""
    family = block_type(block).family
    if family == "thinking":
        return []
    if family in ("call", "server_call"):
        written = json.dumps(block.get("input"), ensure_ascii=False)
        return [_text(f"[Call of {block.get('name')}, call {block.get('id')}:]\n{written}")]
    text = "\n".join(texts_of({"content": block.get("text")} if family == "text" else block))
    return [_text(text)] if text.strip() else []


def blocks_in(form: Message | None) -> list[Any]:
    """The blocks of a message that are objects; none of no message."""
    return [block for block in blocks_of(form or {}) if isinstance(block, Mapping)]


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
