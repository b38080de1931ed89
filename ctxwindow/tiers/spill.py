"""`spill`: an oversized tool result goes to the cold tier before its first send.

The wire gets its head, its tail, the names that stand between, and a handle; the record keeps the whole. Nothing that was sent is edited, so the
prefix and all thinking stay valid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ctxwindow.record.blocks import texts_of
from ctxwindow.record.identifiers import identifier_set, identifiers

__all__ = ["is_paste", "preview", "spillable"]

_STAYS = ("image", "tool_reference")
"""Blocks inside a result that stay as they are: images have a size of their own cap (MEDIA-02), and tool
references load tools (TOOL-20)."""


_PASTE_LINES = 100

_NAMES_SHARE = 0.4
"""Of the preview's characters, for names that stand in what is hidden: on 16 recorded sessions at 30,000 tokens they bring
`reference_survival` from 0.889 to 0.907, at the same size."""

_NAME_COST = 1.5
"""Tokens a character of a name, in tokens a character of prose: names are rarer words."""

_SCANNED = 200_000
"""Characters of what is hidden that are looked through for names. Our choice: a longer text is a dump."""

_LONGEST_NAME = 80


def spillable(block: Mapping[str, Any]) -> bool:
    """Whether a block is a client tool result. Server results must go back byte-exact (MSG-20)."""
    return block.get("type") == "tool_result"


def is_paste(block: Mapping[str, Any]) -> bool:
    """Whether a block of a user message is something pasted, such as a log: text of hundreds of lines. What a user says in his
    own words is never shortened; a paste is, where the request would not fit in any other way.
    """
    text = block.get("text") if block.get("type") == "text" else None
    return isinstance(text, str) and text.count("\n") >= _PASTE_LINES


def preview(
    block: Mapping[str, Any], handle: str, *, tokens: int, head: int, tail: int, recall: bool = False
) -> dict[str, Any]:
    """The wire form of a spilled block: its content cut to head, note and tail.

    Args:
        block: the tool_result, or pasted text, as recorded.
        handle: how to open it again.
        tokens: its size, told to the model.
        head: characters kept from the start.
        tail: characters kept from the end.
        recall: whether the model has the recall tool, to be told to open it with.
    """
    way = "; open it with the recall tool" if recall else ""
    if block.get("type") == "text":
        note = f"[about {tokens:,} tokens of this text are kept outside the window; handle: {handle}{way}]"
        return {**block, "text": _cut(str(block.get("text")), note, head, tail)}
    content = block.get("content")
    stays = [inner for inner in content if _stays(inner)] if isinstance(content, list) else []
    goes = content if isinstance(content, str) else [inner for inner in content or () if not _stays(inner)]
    text = "\n".join(texts_of({"content": goes}))
    note = f"[about {tokens:,} tokens of this result are kept outside the window; handle: {handle}{way}]"
    return {**block, "content": [{"type": "text", "text": _cut(text, note, head, tail)}, *stays]}


def _cut(text: str, note: str, head: int, tail: int) -> str:
    """The first and the last characters, around the note and the names that stand between: `head + tail` in all."""
    if head + tail >= len(text):
        return "\n".join(piece for piece in (text, note) if piece.strip())
    room = int((head + tail) * _NAMES_SHARE)
    head, tail = int(head * (1 - _NAMES_SHARE)), int(tail * (1 - _NAMES_SHARE))
    first, last = text[:head], text[len(text) - tail :] if tail else ""
    names = ", ".join(_names(text[head : len(text) - tail], f"{first}\n{last}", room))
    pieces = [first, note, f"[names in it: {names}]" if names else "", last]
    return "\n".join(piece for piece in pieces if piece.strip())


def _names(hidden: str, shown: str, room: int) -> list[str]:
    """Identifiers of a text that do not stand in another, in order: those that are there most often for their length.

    Args:
        hidden: where they stand.
        shown: what the model sees anyway.
        room: characters.
    """
    counted = Counter(identifiers(hidden[:_SCANNED]))
    known = identifier_set(shown)
    order = {name: place for place, name in enumerate(counted)}
    chosen = []
    for name in sorted(order, key=lambda name: (-counted[name] / len(name), order[name])):
        need = int((len(name) + 2) * _NAME_COST)
        if name not in known and len(name) <= _LONGEST_NAME and need <= room and "\n" not in name:
            room -= need
            chosen.append(name)
    return sorted(chosen, key=order.__getitem__)


def _stays(inner: Any) -> bool:
    return isinstance(inner, Mapping) and inner.get("type") in _STAYS
