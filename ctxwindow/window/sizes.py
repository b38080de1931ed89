"""The size of each message: its blocks, and what the API puts around them.

Sizes are taken once, when content is appended; everything later adds them up. What a message adds depends a little on
the one before it (`Before`): the results of a round continue the assistant's turn, two messages of a role are joined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ctxwindow.catalog import ModelProfile
from ctxwindow.record import block_type
from ctxwindow.record.blocks import blocks_of, is_blank_text
from ctxwindow.window.before import Before, ordinary
from ctxwindow.window.block_sizes import call_size, plain, result_size, size_block, text_size
from ctxwindow.window.documents import cites
from ctxwindow.window.framing import Frame, exactly, frame_of, roughly
from ctxwindow.window.parts import ZERO, BlockSize, MessageSize
from ctxwindow.window.tokens import Count, count_text

__all__ = ["size_message"]

_SEAM = 40
"""Characters on each side of the place where two text blocks meet; no piece that spans it is longer but runs."""
_UNNAMED = "tool_name"
"""Stands for the name of a tool whose call is not at hand."""


def size_message(
    message: Mapping[str, Any],
    profile: ModelProfile,
    *,
    before: Before | None = None,
    thinking: int | None = None,
) -> MessageSize:
    """The size of one message on a model.

    Args:
        message: as it is sent.
        profile: the model.
        before: what stands before it; None: a message of the other role.
        thinking: tokens of its thinking blocks together, where a reply's usage told them: the text that is
            shown may be a summary, or empty (TOK-03).
    """
    before = before or ordinary(str(message.get("role")))
    frame = frame_of(profile)
    blocks = blocks_of(message)
    results = sum(isinstance(block, Mapping) and block_type(block).family == "result" for block in blocks)
    sizes = [_in_message(blocks, place, profile, frame, before, alone=results == 1) for place in range(len(blocks))]
    first = next((place for place, block in enumerate(blocks) if cites(block)), None)
    if first is not None and not before.cited:
        prompt = roughly(frame.citations, spread=0.1)
        size = sizes[first]
        sizes[first] = BlockSize(size.kind, (*size.parts, ("documents", prompt)), size.count + prompt)
    if thinking is not None:
        sizes = _spread_thinking(sizes, thinking)
    return MessageSize.of(sizes, _frame_count(str(message.get("role")), blocks, before, frame))


def _frame_count(role: str, blocks: Sequence[Any], before: Before, frame: Frame) -> Count:
    """What a message adds by its place. The opening of an answer is paid by the message that it answers, so that a
    final assistant message, which the model goes on from, adds nothing (MSG-04).
    """
    ending = 0 if before.forced else frame.after_results
    if role == "assistant":
        late = frame.after_results - ending if before.results else 0
        return exactly({None: frame.assistant_first, "assistant": frame.joined}.get(before.role, late))
    if role == "system":
        return exactly(frame.joined if before.role == "system" else frame.system_message)
    results = [block_type(block).family == "result" for block in blocks if isinstance(block, Mapping)]
    if results and all(results):
        return exactly(ending)
    if before.role != "user" or any(results):
        return exactly(frame.user)
    return exactly(frame.user - ending if before.results else frame.joined)


def _spread_thinking(sizes: list[BlockSize], tokens: int) -> list[BlockSize]:
    """Give a known total to the thinking blocks, evenly: nothing tells how it is divided."""
    places = [index for index, size in enumerate(sizes) if size.kind in ("thinking", "redacted_thinking")]
    for order, index in enumerate(places):
        share = tokens // len(places) + (1 if order < tokens % len(places) else 0)
        count = roughly(share, spread=0.02, slack=5)
        sizes[index] = BlockSize(sizes[index].kind, (("thinking", count),), count)
    return sizes


def _in_message(
    blocks: Sequence[Any], place: int, profile: ModelProfile, frame: Frame, before: Before, *, alone: bool
) -> BlockSize:
    """A block with what its neighbours make it cost."""
    block = blocks[place]
    if not isinstance(block, Mapping):
        return plain("other", roughly(0))
    previous = _before_in(blocks, place)
    follows = block_type(previous).family if previous else None
    kind = str(block.get("type"))
    match block_type(block).family:
        case "thinking" if _is_text(blocks[place + 1 : place + 2]):
            count = size_block(block, profile).count + exactly(frame.thinking_before_text)
            return BlockSize(kind, (("thinking", count),), count)
        case "text" if follows == "text" and not is_blank_text(block):
            return plain(kind, text_size(block, profile) + _seam(str(previous.get("text", "")), block, profile))
        case "call" | "server_call":
            return plain(
                kind,
                call_size(
                    block, profile, frame, opens=follows not in ("call", "server_call"), turn=before, first=place == 0
                ),
            )
        case "result":
            return result_size(
                block, profile, frame, name=None if alone else _name(block, before), opens=follows != "result"
            )
        case _:
            return size_block(block, profile)


def _before_in(blocks: Sequence[Any], place: int) -> Mapping[str, Any]:
    """The block before a place, blank texts aside, for they are never sent (MSG-06); empty where there is none."""
    for block in reversed(blocks[:place]):
        if not isinstance(block, Mapping):
            break
        if not is_blank_text(block):
            return block
    return {}


def _is_text(blocks: Sequence[Any]) -> bool:
    return any(isinstance(block, Mapping) and block_type(block).family == "text" for block in blocks)


def _name(block: Mapping[str, Any], before: Before) -> str:
    return before.names.get(str(block.get("tool_use_id")), _UNNAMED)


def _seam(previous: str, block: Mapping[str, Any], profile: ModelProfile) -> Count:
    """What it changes that two text blocks are one text for the API: a word that goes on, a word mark less."""
    text = str(block.get("text", ""))
    if not previous.strip():
        return ZERO
    left, right = previous[-_SEAM:], text[:_SEAM]
    counts = [count_text(piece, profile.tokenizer) for piece in (left + right, left, right)]
    if not all(count.exact for count in counts):
        return ZERO
    return exactly(counts[0].tokens - counts[1].tokens - counts[2].tokens)
