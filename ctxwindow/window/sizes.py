"""The size of each message: its blocks, and what the API puts around them.

Sizes are taken once, when content is appended; everything later adds them up. What a message adds depends a little on
the one before it (`Before`): the results of a round continue the assistant's turn, two messages of a role are joined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ctxwindow.catalog import ModelProfile
from ctxwindow.record import block_type
from ctxwindow.record.blocks import blocks_of, is_blank_text, result_id
from ctxwindow.window.before import Before, ordinary
from ctxwindow.window.block_sizes import as_text, call_size, result_size, size_block
from ctxwindow.window.documents import cites
from ctxwindow.window.framing import Frame, exactly, frame_of, roughly
from ctxwindow.window.parts import THINKING, ZERO, BlockSize, MessageSize
from ctxwindow.window.tokens import Count, count_text

__all__ = ["size_message"]

_SEAM = 40
"""Characters on each side of the place where two text blocks meet; no piece that spans it is longer but runs."""
_FARTHEST = 2_000
"""Characters before such a place that are looked at."""
_NOTHING: Mapping[str, Any] = {}
_UNNAMED = "tool_name"
"""Stands for the name of a tool whose call is not at hand."""


def size_message(
    message: Mapping[str, Any],
    profile: ModelProfile,
    *,
    before: Before | None = None,
    thinking: int | None = None,
    foreign: bool = False,
) -> MessageSize:
    """The size of one message on a model.

    Args:
        message: as it is sent.
        profile: the model.
        before: what stands before it; None: a message of the other role.
        thinking: tokens of its thinking blocks together, where a reply's usage told them: the text that is
            shown may be a summary, or empty (TOK-03).
        foreign: whether it was the usage of another model's reply, which counts tokens in its own way (CTX-20).
    """
    before = before or ordinary(str(message.get("role")))
    frame = frame_of(profile)
    blocks = blocks_of(message)
    results = [block_type(block).family == "result" for block in blocks if isinstance(block, Mapping)]
    alone = sum(results) == 1
    sizes, sent = [], _NOTHING
    for place, block in enumerate(blocks):
        followed = _is_text(blocks[place + 1 : place + 2])
        sizes.append(_in_message(block, sent, profile, before, first=place == 0, followed=followed, alone=alone))
        if not (isinstance(block, Mapping) and is_blank_text(block)):
            sent = block if isinstance(block, Mapping) else _NOTHING
    first = next((place for place, block in enumerate(blocks) if cites(block)), None)
    if first is not None and not before.cited:
        prompt = roughly(frame.citations, spread=0.1)
        size = sizes[first]
        sizes[first] = BlockSize(size.kind, (*size.parts, ("documents", prompt)), size.count + prompt)
    if thinking is not None:
        sizes = _spread_thinking(sizes, thinking, foreign=foreign)
    around = _frame_count(str(message.get("role")), results, before, frame) + exactly(_seams(blocks, profile))
    return MessageSize.of(sizes, around)


def _frame_count(role: str, results: Sequence[bool], before: Before, frame: Frame) -> Count:
    """What a message adds by its place. The opening of an answer is paid by the message that it answers, so that a
    final assistant message, which the model goes on from, adds nothing (MSG-04). `results`: which blocks are results.
    """
    ending = 0 if before.forced else frame.after_results
    if role == "assistant":
        if before.role in (None, "assistant"):
            name = "joined" if before.role else "assistant_first"
            return frame.around(getattr(frame, name), name)
        return frame.around(frame.after_results - ending, "after_results") if before.results else ZERO
    if role == "system":
        name = "joined" if before.role == "system" else "system_message"
        return frame.around(getattr(frame, name), name)
    if results and all(results):
        return frame.around(ending, "after_results")
    if before.role != "user" or any(results):
        return frame.around(frame.user, "user")
    if before.results:
        return frame.around(frame.user - ending, "user", "after_results")
    return frame.around(frame.joined, "joined")


def _spread_thinking(sizes: list[BlockSize], tokens: int, *, foreign: bool) -> list[BlockSize]:
    """Give a known total to the thinking blocks, evenly: nothing tells how it is divided."""
    places = [index for index, size in enumerate(sizes) if size.kind in THINKING]
    for order, index in enumerate(places):
        share = tokens // len(places) + (1 if order < tokens % len(places) else 0)
        count = roughly(share, spread=0.35, slack=10) if foreign else roughly(share, spread=0.02, slack=5)
        sizes[index] = BlockSize(sizes[index].kind, (("thinking", count),), count)
    return sizes


def _in_message(
    block: Any,
    previous: Mapping[str, Any],
    profile: ModelProfile,
    before: Before,
    *,
    first: bool,
    followed: bool,
    alone: bool,
) -> BlockSize:
    """A block with what its neighbours make it cost.

    Args:
        block: of the message.
        previous: the one before it that is sent (MSG-06), or nothing.
        profile: the model.
        before: what stands before the message.
        first: it is the first block.
        followed: a text follows it.
        alone: it is the only result, if it is one.
    """
    frame = frame_of(profile)
    if not isinstance(block, Mapping):
        return as_text("other", roughly(0))
    follows = block_type(previous).family if previous else None
    kind = str(block.get("type"))
    match block_type(block).family:
        case "thinking" if followed:
            count = size_block(block, profile).count + exactly(frame.thinking_before_text)
            return BlockSize(kind, (("thinking", count),), count)
        case "call" | "server_call":
            opens = follows not in ("call", "server_call")
            return as_text(kind, call_size(block, profile, frame, opens=opens, turn=before, first=first))
        case "result":
            name = None if alone else before.names.get(result_id(block) or "", _UNNAMED)
            return result_size(block, profile, frame, name=name, opens=follows != "result")
        case _:
            return size_block(block, profile)


def _is_text(blocks: Sequence[Any]) -> bool:
    return any(isinstance(block, Mapping) and block_type(block).family == "text" for block in blocks)


def _seams(blocks: Sequence[Any], profile: ModelProfile) -> int:
    """What it changes that neighbouring text blocks are one text for the API: a word that goes on, a mark less.

    Judged by the words around each seam, which the last white space before them cuts off from the rest. It is no
    block's own, so that it is counted with what stands around the blocks.
    """
    total, run = 0, ""
    for block in blocks:
        if not isinstance(block, Mapping) or block_type(block).family != "text":
            run = ""
            continue
        text = block.get("text")
        if not isinstance(text, str) or is_blank_text(block):
            continue
        if run:
            left, right = _end(run), text[:_SEAM]
            counts = [count_text(piece, profile.tokenizer) for piece in (left + right, left, right)]
            if all(count.exact for count in counts):
                total += counts[0].tokens - counts[1].tokens - counts[2].tokens
        run = (run + text)[-_FARTHEST:]
    return total


def _end(text: str) -> str:
    """The end of a text, from the last white space on that leaves enough of it."""
    cut = max(text.rfind(" ", 0, -_SEAM), text.rfind("\n", 0, -_SEAM))
    return text[cut + 1 :]
