"""The size of each part of a request: blocks, messages, system, tools.

Sizes are taken once, when content is appended; everything later adds them up.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.record import block_type
from ctxwindow.record.blocks import blocks_of, is_blank_text, texts_of
from ctxwindow.window.framing import FRAMES, Frame, exactly, roughly, thinking_overhead
from ctxwindow.window.media import document_count, image_count
from ctxwindow.window.tokens import Count, count_text

__all__ = [
    "CATEGORIES", "ZERO", "BlockSize", "Category", "Fixed", "MessageSize", "fixed_sizes", "size_block", "size_message",
]  # fmt: skip

Category = Literal["system", "tools", "messages", "thinking", "images", "documents", "overhead"]
CATEGORIES: tuple[Category, ...] = ("system", "tools", "messages", "thinking", "images", "documents", "overhead")

ZERO = Count(tokens=0, low=0, high=0, exact=True)


class BlockSize(msgspec.Struct, frozen=True):
    """One block: its API type, and its tokens by category (a tool result may hold images)."""

    kind: str
    parts: tuple[tuple[Category, Count], ...]
    count: Count


class MessageSize(msgspec.Struct, frozen=True):
    """One message: its blocks in order; `frame` is what the message itself adds."""

    blocks: tuple[BlockSize, ...]
    frame: Count
    count: Count
    """Everything, frame included."""
    thinking: Count
    """The share of thinking blocks, which the server may strip (RET-02)."""

    @classmethod
    def of(cls, blocks: Iterable[BlockSize], frame: Count) -> MessageSize:
        """The sizes of a message's blocks and of the message itself, added up."""
        blocks = tuple(blocks)
        return cls(
            blocks=blocks,
            frame=frame,
            count=_sum([frame, *(size.count for size in blocks)]),
            thinking=_sum(count for size in blocks for category, count in size.parts if category == "thinking"),
        )

    def keeping(self, places: Iterable[int]) -> MessageSize:
        """The message with the blocks at these places only."""
        return MessageSize.of([self.blocks[place] for place in places], self.frame)


class Fixed(msgspec.Struct, frozen=True):
    """The parts of a request outside its messages."""

    system: tuple[Count, ...]
    tools: tuple[Count, ...]
    overheads: tuple[tuple[str, Count], ...]
    """Named: `request`, `tool prompt`, `thinking setting`, `unseen`, `learned`."""
    count: Count
    deferred: tuple[tuple[str, int, Count], ...] = ()
    """Name, index and size of each deferred tool; `tools` and `count` have it at nothing (TOK-22)."""


def _sum(counts: Iterable[Count]) -> Count:
    total = ZERO
    for count in counts:
        total = total + count
    return total


def size_message(message: Mapping[str, Any], profile: ModelProfile, *, thinking: int | None = None) -> MessageSize:
    """The size of one message on a model.

    Args:
        message: as it is sent.
        profile: the model.
        thinking: tokens of its thinking blocks together, where a reply's usage told them: the text that is
            shown may be a summary, or empty (TOK-03).
    """
    frame = FRAMES[profile.tokenizer]
    blocks = blocks_of(message)
    texts = 0
    sizes = []
    for block in blocks:
        if not isinstance(block, Mapping):
            sizes.append(_plain("other", roughly(0)))
            continue
        if block.get("type") == "compaction" and block.get("content"):
            texts = 0  # nothing before it is rendered (CMP-02)
        if block.get("type") == "text":
            texts += 1
        sizes.append(size_block(block, profile, first_text=texts <= 1))
    if thinking is not None:
        sizes = _spread_thinking(sizes, thinking)
    return MessageSize.of(sizes, exactly(frame.message))


def _spread_thinking(sizes: list[BlockSize], tokens: int) -> list[BlockSize]:
    """Give a known total to the thinking blocks, evenly: nothing tells how it is divided."""
    places = [index for index, size in enumerate(sizes) if size.kind in ("thinking", "redacted_thinking")]
    for order, index in enumerate(places):
        share = tokens // len(places) + (1 if order < tokens % len(places) else 0)
        count = roughly(share, spread=0.02, slack=5)
        sizes[index] = BlockSize(sizes[index].kind, (("thinking", count),), count)
    return sizes


def size_block(block: Mapping[str, Any], profile: ModelProfile, *, first_text: bool = True) -> BlockSize:
    """The size of one block with its own frame."""
    frame = FRAMES[profile.tokenizer]
    kind = str(block.get("type"))
    match block_type(block).family:
        case "text":
            if is_blank_text(block):
                return _plain(kind, ZERO)  # never sent (MSG-06)
            count = _text(str(block.get("text", "")), profile)
            return _plain(kind, count if first_text else count + exactly(frame.text))
        case "thinking":
            count = _thinking(block, profile) + roughly(frame.thinking)
            return BlockSize(kind, (("thinking", count),), count)
        case "call" | "server_call":
            return _plain(kind, _call(block, profile, frame))
        case "result" | "server_result":
            return _result(block, profile, frame, kind)
        case "image":
            count = image_count(block, profile.image_tier) + exactly(frame.image)
            return BlockSize(kind, (("images", count),), count)
        case "document":
            count = document_count(block, profile.image_tier, profile.tokenizer)
            return BlockSize(kind, (("documents", count),), count)
        case "compaction":
            content = block.get("content")
            # A null block is a failed summary and costs nothing (TOK-22).
            return _plain(kind, _text(content, profile) if isinstance(content, str) else ZERO)
        case _:
            return _plain(kind, _loose(block, profile))


def _plain(kind: str, count: Count) -> BlockSize:
    return BlockSize(kind, (("messages", count),), count)


def _text(text: str, profile: ModelProfile) -> Count:
    return count_text(text, profile.tokenizer)


def _loose(block: Mapping[str, Any], profile: ModelProfile) -> Count:
    """A block whose rendering is not known: its texts, with wide bounds."""
    count = _sum(_text(text, profile) for text in texts_of(block))
    return Count(tokens=count.tokens, low=count.low // 2, high=count.high * 2 + 20, exact=False)


def _thinking(block: Mapping[str, Any], profile: ModelProfile) -> Count:
    """Thinking as text. Where the text is omitted or redacted (THINK-10, THINK-11) only the length of the
    opaque data hints at its size: base64 of something at least as long as the reasoning. A guess, with bounds
    from nothing to one token for every two characters; a reply's usage replaces it (TOK-03).
    """
    text = block.get("thinking")
    if isinstance(text, str) and text.strip():
        return _text(text, profile)
    opaque = block.get("signature") or block.get("data")
    length = len(opaque) if isinstance(opaque, str) else 0
    return Count(tokens=length // 6, low=0, high=length // 2, exact=False)


def _call(block: Mapping[str, Any], profile: ModelProfile, frame: Frame) -> Count:
    """A call is rendered parameter by parameter, strings as they are, other values as JSON."""
    total = roughly(frame.call) + _text(str(block.get("name", "")), profile)
    given = block.get("input")
    for name, value in given.items() if isinstance(given, Mapping) else ():
        rendered = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        total = total + exactly(frame.parameter) + _text(str(name), profile) + _text(rendered, profile)
    return total


def _result(block: Mapping[str, Any], profile: ModelProfile, frame: Frame, kind: str) -> BlockSize:
    around = roughly(frame.result + (frame.error if block.get("is_error") else 0))
    parts: dict[Category, Count] = {"messages": around}
    content = block.get("content")
    for inner in content if isinstance(content, (list, tuple)) else [content]:
        if isinstance(inner, str):
            parts["messages"] = parts["messages"] + _text(inner, profile)
        elif isinstance(inner, Mapping):
            for category, count in size_block(inner, profile).parts:
                parts[category] = parts.get(category, ZERO) + count
    return BlockSize(kind, tuple(parts.items()), _sum(parts.values()))


def fixed_sizes(
    profile: ModelProfile,
    *,
    system: Any,
    tools: Any,
    settings: Mapping[str, Any],
    unseen: int = 0,
    learned: int = 0,
) -> Fixed:
    """The size of everything outside the messages.

    Args:
        profile: the model.
        system: string or text blocks, or None.
        tools: tool definitions, or None.
        settings: the other request fields (`thinking` and `tool_choice` bear on size).
        unseen: tokens known to be sent but not given, such as the system prompt of a recorded session.
        learned: what the first exact size differed by from the sum of the parts; it may be negative.
    """
    frame = FRAMES[profile.tokenizer]
    systems = [{"type": "text", "text": system}] if isinstance(system, str) else list(system or ())
    system_counts = tuple(_loose_text(block, profile) for block in systems)
    tool_counts = tuple(ZERO if _defers(tool) else _tool(tool, profile, frame) for tool in tools or ())
    deferred = tuple(
        (str(tool.get("name")), index, _tool(tool, profile, frame))
        for index, tool in enumerate(tools or ())
        if _defers(tool)
    )
    overheads: list[tuple[str, Count]] = [("request", exactly(frame.request))]
    if tools:
        overheads.append(("tool prompt", _tool_prompt(profile, settings)))
    extra = thinking_overhead(settings.get("thinking"), manual=profile.manual_thinking)
    if extra:
        overheads.append(("thinking setting", roughly(extra, spread=0.05)))
    if unseen:
        overheads.append(("unseen", roughly(unseen, spread=0.01)))
    if learned:
        overheads.append(("learned", Count(tokens=learned, low=learned - 20, high=learned + 20, exact=False)))
    total = _sum([*system_counts, *tool_counts, *(count for _, count in overheads)])
    return Fixed(system=system_counts, tools=tool_counts, overheads=tuple(overheads), count=total, deferred=deferred)


def _defers(tool: Mapping[str, Any]) -> bool:
    """Whether a tool costs nothing until the conversation names it (TOK-22)."""
    return bool(tool.get("defer_loading"))


def _loose_text(block: Any, profile: ModelProfile) -> Count:
    text = block.get("text") if isinstance(block, Mapping) else None
    return _text(text, profile) if isinstance(text, str) else ZERO


def _tool_prompt(profile: ModelProfile, settings: Mapping[str, Any]) -> Count:
    """The prompt that any tool adds (TOOL-14, PRICE-08): by model, and by whether a call is forced."""
    choice = settings.get("tool_choice")
    forced = isinstance(choice, Mapping) and choice.get("type") in ("any", "tool")
    known = profile.tool_prompt.any_tool if forced else profile.tool_prompt.auto_none
    if known is not None:
        return exactly(known)
    # Not published for this model: the published ones lie between 159 and 804.
    return Count(tokens=300, low=159, high=804, exact=False)


def _tool(tool: Mapping[str, Any], profile: ModelProfile, frame: Frame) -> Count:
    """A custom tool counts as the JSON object description, name, parameters (recorded up to 4,426 tokens).

    Built-in tools have prompts of their own that the client never sees; their size is only bounded here.
    """
    if tool.get("type") not in (None, "custom"):
        return Count(tokens=700, low=100, high=7_000, exact=False)
    rendered = {
        "description": tool.get("description", ""),
        "name": tool.get("name", ""),
        "parameters": tool.get("input_schema", {}),
    }
    return _text(json.dumps(rendered, ensure_ascii=False), profile) + roughly(frame.tool)
