"""The size of each kind of block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctxwindow.catalog import ModelProfile
from ctxwindow.record import block_type
from ctxwindow.record.blocks import is_blank_text, texts_of
from ctxwindow.window import markup
from ctxwindow.window.before import START, Before
from ctxwindow.window.documents import size_document, size_search_result
from ctxwindow.window.framing import Frame, frame_of, roughly
from ctxwindow.window.markup import count_inside
from ctxwindow.window.media import image_count
from ctxwindow.window.parts import ZERO, BlockSize, Category
from ctxwindow.window.tokens import Count, count_text

__all__ = ["as_text", "call_size", "result_size", "size_block"]


def size_block(block: Mapping[str, Any], profile: ModelProfile) -> BlockSize:
    """The size of one block alone: a call in a run of its own, a result of a round with one call."""
    frame = frame_of(profile)
    kind = str(block.get("type"))
    match block_type(block).family:
        case "text":
            return as_text(kind, _text(block, profile))
        case "thinking":
            count = _thinking(block, profile) + roughly(frame.thinking)
            return BlockSize(kind, (("thinking", count),), count)
        case "call" | "server_call":
            return as_text(kind, call_size(block, profile, frame))
        case "result" | "server_result":
            return result_size(block, profile, frame)
        case "image":
            count = image_count(block, profile.image_tier, step=frame.patch_step) + frame.around(frame.image, "image")
            return BlockSize(kind, (("images", count),), count)
        case "document":
            count = size_document(block, profile)
            return BlockSize(kind, (("documents", count),), count)
        case _ if kind == "tool_reference":
            return as_text(kind, roughly(frame.tool_reference))  # the definition counts where it is (TOOL-20)
        case _ if kind == "search_result":
            count = size_search_result(block, profile)
            return BlockSize(kind, (("documents", count),), count)
        case "compaction":
            content = block.get("content")
            # A null block is a failed summary and costs nothing (TOK-22).
            if not isinstance(content, str) or not content:
                return as_text(kind, ZERO)
            return as_text(kind, count_text(content, profile.tokenizer) + roughly(frame.compaction))
        case _:
            return as_text(kind, _loose(block, profile))


def as_text(kind: str, count: Count) -> BlockSize:
    """A block that is text of the conversation and nothing else."""
    return BlockSize(kind, (("messages", count),), count)


def _text(block: Mapping[str, Any], profile: ModelProfile) -> Count:
    """A text block's own text: what it cites costs nothing (TOK-21), and a blank one is never sent (MSG-06)."""
    text = block.get("text")
    return count_text(text, profile.tokenizer) if isinstance(text, str) and not is_blank_text(block) else ZERO


def _loose(block: Mapping[str, Any], profile: ModelProfile) -> Count:
    """A block whose rendering is not known: its texts, with wide bounds. Of what a web search found, title and address
    cost nothing (TOK-21), and the page is behind a cipher: two recorded prompts had 0.4 tokens to its character.
    """
    sealed = block.get("encrypted_content")
    if isinstance(sealed, str):
        return Count(tokens=len(sealed) * 2 // 5, low=len(sealed) // 10, high=len(sealed), exact=False)
    count = sum((count_text(text, profile.tokenizer) for text in texts_of(block)), ZERO)
    return Count(tokens=count.tokens, low=count.low // 2, high=count.high * 2 + 20, exact=False)


def _thinking(block: Mapping[str, Any], profile: ModelProfile) -> Count:
    """Thinking as text. Where the text is omitted or redacted (THINK-10, THINK-11) only the length of the
    opaque data hints at its size: base64 of something at least as long as the reasoning. A guess, with bounds
    from nothing to one token for every two characters; a reply's usage replaces it (TOK-03).
    """
    text = block.get("thinking")
    if isinstance(text, str) and text.strip():
        return count_text(text, profile.tokenizer)
    opaque = block.get("signature") or block.get("data")
    length = len(opaque) if isinstance(opaque, str) else 0
    return Count(tokens=length // 6, low=0, high=length // 2, exact=False)


def call_size(
    block: Mapping[str, Any],
    profile: ModelProfile,
    frame: Frame,
    *,
    opens: bool = True,
    first: bool = False,
    turn: Before = START,
) -> Count:
    """A call; the first of a run with what opens and closes the run."""
    total = count_inside(markup.call_markup(block), profile.tokenizer)
    if opens:
        # After results the break is there already.
        lead = "" if first and turn.results else markup.CALL_BREAK
        around = count_inside(lead + markup.CALLS_OPEN + markup.CALLS_CLOSE, profile.tokenizer)
        total = total + around + (roughly(frame.calls, spread=0.2) if frame.calls else ZERO)
    return total + roughly(0, slack=1)


def result_size(
    block: Mapping[str, Any], profile: ModelProfile, frame: Frame, *, name: str | None = None, opens: bool = True
) -> BlockSize:
    """A result: alone, or one of several, which the first opens and closes for all."""
    kind, error = str(block.get("type")), bool(block.get("is_error"))
    content = block.get("content")
    inner = content if isinstance(content, (list, tuple)) else [content]
    texts = [one if isinstance(one, str) else _shown(one) for one in inner]
    text = "".join(one for one in texts if one is not None)
    shown = markup.only_result(text, error=error) if name is None else markup.named_result(name, text, error=error)
    if name is not None and opens:
        shown = markup.RESULTS_OPEN + shown + markup.RESULTS_CLOSE
    parts: dict[Category, Count] = {"messages": count_inside(shown, profile.tokenizer) + roughly(0, slack=1)}
    for one, taken in zip(inner, texts, strict=True):
        if taken is None and isinstance(one, Mapping):
            for category, count in size_block(one, profile).parts:
                parts[category] = parts.get(category, ZERO) + count
    media = [one for one in inner if isinstance(one, Mapping) and block_type(one).family in ("image", "document")]
    if media:
        apart = frame.image_in_result + frame.block_beside_image * (len(inner) - 1)
        if len(inner) == 1 and block_type(media[0]).family == "document":
            apart = frame.document_in_result
        parts["messages"] = parts["messages"] + roughly(apart, spread=0.3)
    return BlockSize(kind, tuple(parts.items()), sum(parts.values(), ZERO))


def _shown(block: Any) -> str | None:
    """The text of a text block inside a result, None for another kind."""
    if isinstance(block, Mapping) and block.get("type") == "text":
        text = block.get("text")
        return text if isinstance(text, str) else ""
    return None
