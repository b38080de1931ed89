"""The head of an epoch: what stands for the messages that left the wire, and what is repeated after it.

Shape of a client's (BIND-28, the documented one): one user message with the summaries, then what is pinned and the
request in progress word for word, then, when a tool loop is open, its latest results as text. Plain text and media of a
user message break no rule on any model; nothing in it is signed.

A server's compaction is one block, which goes first (CMP-21); what a summary must not paraphrase is then repeated at the
end of the next user message to be sent: nothing may stand between the block and what is kept (CMP-30).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ctxwindow.record.blocks import blocks_of
from ctxwindow.record.events import Compacted
from ctxwindow.tiers.repeats import as_user_content, blocks_in, names_before, pinned_blocks, unmarked
from ctxwindow.tiers.wire import without_thinking

__all__ = ["epoch_messages", "head_message", "is_gap", "opening", "restated", "stands_for"]

Message = Mapping[str, Any]


def stands_for(warm: Sequence[Compacted], edit: Compacted) -> tuple[Compacted, ...]:
    """What stands on the wire for messages that left it, after one more edit.

    A gap that follows a gap is one with it: a line an edit would grow without end, and no edit would free it again.
    """
    if not edit.first:
        return (edit,)
    *before, last = warm
    if is_gap(last) and is_gap(edit):
        return (*before, msgspec.structs.replace(edit, first=last.first))
    return (*warm, edit)


def is_gap(edit: Compacted) -> bool:
    """Whether nothing stands for the messages: nobody has written of them."""
    return not edit.by and not edit.summary


def opening(edit: Compacted) -> str:
    """The line that tells the model what the summary stands for."""
    if is_gap(edit):
        return (
            f"[Messages {edit.first} to {edit.end - 1} of this conversation are left out here. "
            "The originals are kept and can be recalled.]"
        )
    return (
        f"[Summary of messages {edit.first} to {edit.end - 1} of this conversation, written by {edit.by or 'the server, earlier'}. "
        "The originals are kept and can be recalled.]"
    )


def head_message(warm: Sequence[Compacted], wire_forms: Mapping[int, Message]) -> dict[str, Any]:
    """The user message that opens the epoch.

    Args:
        warm: the summaries, in order; the last one tells what is repeated.
        wire_forms: wire forms by record index, at least of what is pinned, the instruction and the carried range.
    """
    edit = warm[-1]
    texts = [f"{opening(one)}\n{one.summary}" if one.summary.strip() else opening(one) for one in warm]
    content: list[Any] = [{"type": "text", "text": text} for text in texts]
    content += restated(edit, wire_forms)
    if edit.carried is not None:
        roles = {index: wire_forms[index].get("role") for index in range(*edit.carried) if index in wire_forms}
        replied = max((index for index, role in roles.items() if role == "assistant"), default=-1)
        for index in range(*edit.carried):
            form = wire_forms.get(index)
            if form is None or form.get("role") == "system":
                continue
            content += _written_out(index, form, wire_forms, answered=index < replied)
        if any("tool_use_id" in block for index in range(*edit.carried) for block in blocks_in(wire_forms.get(index))):
            content.append({"type": "text", "text": "[Continue from here.]"})
    return {"role": "user", "content": content}


def _written_out(index: int, form: Message, wire_forms: Mapping[int, Message], *, answered: bool) -> list[Any]:
    """A message as content of the head, behind a line that says whose it is; but results, which name their tools, and what
    is yet to be answered.
    """
    blocks = as_user_content(form, names_before(wire_forms, index))
    said = any(block.get("type") != "tool_result" for block in blocks_in(form))
    whose = "yours" if form.get("role") == "assistant" else "the user's"
    if not blocks or not said or not (answered or whose == "yours"):
        return blocks
    return [{"type": "text", "text": f"[Message {index}, {whose}:]"}, *blocks]


def restated(edit: Compacted, wire_forms: Mapping[int, Message]) -> list[Any]:
    """What is pinned, and the request in progress, word for word."""
    content: list[Any] = []
    for index in edit.pinned:
        if index != edit.instruction:
            content += pinned_blocks(index, wire_forms)
    if edit.instruction is not None and edit.instruction in wire_forms:
        content.append({"type": "text", "text": "[The request in progress, word for word:]"})
        # Results that came with it belong to a round that is summarised.
        asked = [block for block in blocks_in(wire_forms[edit.instruction]) if block.get("type") != "tool_result"]
        content += [unmarked(block) for block in asked]
    return content


def epoch_messages(
    warm: Sequence[Compacted], wire_forms: Mapping[int, Message], length: int
) -> list[tuple[dict[str, Any], int | None]]:
    """The whole start of an epoch: its head, then the kept messages. Each with its record index, None for a head.

    Args:
        warm: the summaries that stand on the wire, the newest last.
        wire_forms: wire forms by record index.
        length: of the record, when the epoch began.
    """
    edit = warm[-1]
    if edit.method == "compact_threshold":  # its block opens the reply that is kept first (CMP-02)
        return [(dict(wire_forms[index]), index) for index in range(edit.tail, length) if index in wire_forms]
    if edit.block is not None:
        return _behind_block(edit, edit.block, wire_forms, length)
    return _tail_messages(edit, head_message(warm, wire_forms), wire_forms, length)


def _behind_block(
    edit: Compacted, block: Mapping[str, Any], wire_forms: Mapping[int, Message], length: int
) -> list[tuple[dict[str, Any], int | None]]:
    """The server's block as a message of its own (CMP-22), then the kept messages as they were sent."""
    forms: list[tuple[dict[str, Any], int | None]] = [({"role": "assistant", "content": [dict(block)]}, None)]
    return forms + [(dict(wire_forms[index]), index) for index in range(edit.tail, length) if index in wire_forms]


def _tail_messages(
    edit: Compacted, head: dict[str, Any], wire_forms: Mapping[int, Message], length: int
) -> list[tuple[dict[str, Any], int | None]]:
    """A client's head, then the kept messages.

    A kept user message is joined to the head, so that roles alternate (MSG-02: alternation is not required,
    and joining is the choice that cannot break a request).
    """
    forms: list[tuple[dict[str, Any], int | None]] = []
    if edit.carried is not None:
        # Mid-conversation system messages stay messages of their own, after the user message (SYS-04).
        kept = [index for index in range(*edit.carried) if index in wire_forms]
        forms = [(dict(wire_forms[index]), index) for index in kept if wire_forms[index].get("role") == "system"]
    for index in range(edit.tail, length):
        form = wire_forms.get(index)
        if form is None:
            continue
        stripped = without_thinking(form) if edit.strip_thinking else dict(form)
        if stripped is not None:
            forms.append((stripped, index))
    if forms and forms[0][0].get("role") == "user":
        first, source = forms.pop(0)
        joined = {**first, "content": [*head["content"], *(unmarked(block) for block in blocks_of(first))]}
        return [(joined, source), *forms]
    return [(head, None), *forms]
