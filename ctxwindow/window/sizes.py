"""The size of each message: its blocks, and what the API puts around them.

Sizes are taken once, when content is appended; everything later adds them up. What a message adds depends a little on
the one before it (`Before`): the results of a round continue the assistant's turn, two messages of a role are joined.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.record import block_type
from ctxwindow.record.blocks import blocks_of, is_blank_text, texts_of
from ctxwindow.window import markup
from ctxwindow.window.documents import cites, size_document, size_search_result
from ctxwindow.window.framing import Frame, exactly, frame_of, roughly
from ctxwindow.window.markup import count_inside
from ctxwindow.window.media import image_count
from ctxwindow.window.tokens import Count, count_text

__all__ = [
    "CATEGORIES",
    "START",
    "ZERO",
    "Before",
    "BlockSize",
    "Category",
    "MessageSize",
    "forces",
    "size_block",
    "size_message",
]

Category = Literal["system", "tools", "messages", "thinking", "images", "documents", "overhead"]
CATEGORIES: tuple[Category, ...] = ("system", "tools", "messages", "thinking", "images", "documents", "overhead")

ZERO = Count(tokens=0, low=0, high=0, exact=True)
_NONE: Mapping[str, str] = {}
_SEAM = 40
"""Characters on each side of the place where two text blocks meet; no piece that spans it is longer but runs."""
_UNNAMED = "tool_name"
"""Stands for the name of a tool whose call is not at hand."""


class Before(NamedTuple):
    """What stands before a message, as far as its size depends on it."""

    role: str | None
    """Of the message before; None: there is none."""
    results: bool = False
    """It ends in the results of a round, so the turn of the assistant goes on."""
    names: Mapping[str, str] = _NONE
    """Call id -> tool of the calls in it."""
    cited: bool = False
    """Some document so far may be cited."""
    forced: bool = False
    """`tool_choice` forces a call: the break after results is made with what follows them."""

    def then(self, message: Mapping[str, Any]) -> Before:
        """What stands before the message after this one; a reminder that goes with its turn changes nothing (SYS-07)."""
        if message.get("role") == "system" and message.get("clear_at") == "next_user_message":
            return self
        blocks = [block for block in blocks_of(message) if isinstance(block, Mapping)]
        families = [block_type(block).family for block in blocks]
        calls = {
            str(block.get("id")): str(block.get("name"))
            for block, family in zip(blocks, families, strict=True)
            if family == "call"
        }
        return Before(
            role=str(message.get("role")),
            results=bool(families) and all(family == "result" for family in families),
            names=calls or _NONE,
            cited=self.cited or any(cites(block) for block in blocks),
            forced=self.forced,
        )


START = Before(role=None)
"""Before the first message."""


def forces(settings: Mapping[str, Any]) -> bool:
    """Whether a request's `tool_choice` leaves the model nothing but a call."""
    choice = settings.get("tool_choice")
    return isinstance(choice, Mapping) and choice.get("type") in ("any", "tool")


_ORDINARY: Mapping[str, Before] = {"user": Before("assistant"), "assistant": Before("user"), "system": Before("user")}


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
            count=sum((size.count for size in blocks), frame),
            thinking=sum((count for size in blocks for category, count in size.parts if category == "thinking"), ZERO),
        )

    def keeping(self, places: Iterable[int]) -> MessageSize:
        """The message with the blocks at these places only."""
        return MessageSize.of([self.blocks[place] for place in places], self.frame)


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
    before = before or _ORDINARY.get(str(message.get("role")), START)
    frame = frame_of(profile)
    blocks = blocks_of(message)
    sizes = [_in_message(blocks, place, profile, frame, before) for place in range(len(blocks))]
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


def _in_message(blocks: Sequence[Any], place: int, profile: ModelProfile, frame: Frame, before: Before) -> BlockSize:
    """A block with what its neighbours make it cost."""
    block = blocks[place]
    if not isinstance(block, Mapping):
        return _plain("other", roughly(0))
    previous = _before_in(blocks, place)
    follows = block_type(previous).family if previous else None
    kind = str(block.get("type"))
    match block_type(block).family:
        case "thinking" if _is_text(blocks[place + 1 : place + 2]):
            count = size_block(block, profile).count + exactly(frame.thinking_before_text)
            return BlockSize(kind, (("thinking", count),), count)
        case "text" if follows == "text" and not is_blank_text(block):
            return _plain(kind, _text(block, profile) + _seam(str(previous.get("text", "")), block, profile))
        case "call" | "server_call":
            return _plain(
                kind,
                _call(
                    block, profile, frame, opens=follows not in ("call", "server_call"), turn=before, first=place == 0
                ),
            )
        case "result":
            alone = sum(isinstance(one, Mapping) and block_type(one).family == "result" for one in blocks) == 1
            return _result(
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


def size_block(block: Mapping[str, Any], profile: ModelProfile) -> BlockSize:
    """The size of one block alone: a call in a run of its own, a result of a round with one call."""
    frame = frame_of(profile)
    kind = str(block.get("type"))
    match block_type(block).family:
        case "text":
            return _plain(kind, _text(block, profile))
        case "thinking":
            count = _thinking(block, profile) + roughly(frame.thinking)
            return BlockSize(kind, (("thinking", count),), count)
        case "call" | "server_call":
            return _plain(kind, _call(block, profile, frame))
        case "result" | "server_result":
            return _result(block, profile, frame)
        case "image":
            count = image_count(block, profile.image_tier, step=frame.patch_step) + exactly(frame.image)
            return BlockSize(kind, (("images", count),), count)
        case "document":
            count = size_document(block, profile)
            return BlockSize(kind, (("documents", count),), count)
        case _ if kind == "tool_reference":
            return _plain(kind, roughly(frame.tool_reference))  # the definition counts where it is (TOOL-20)
        case _ if kind == "search_result":
            count = size_search_result(block, profile)
            return BlockSize(kind, (("documents", count),), count)
        case "compaction":
            content = block.get("content")
            # A null block is a failed summary and costs nothing (TOK-22).
            if not isinstance(content, str):
                return _plain(kind, ZERO)
            return _plain(kind, count_text(content, profile.tokenizer) + roughly(frame.compaction))
        case _:
            return _plain(kind, _loose(block, profile))


def _plain(kind: str, count: Count) -> BlockSize:
    return BlockSize(kind, (("messages", count),), count)


def _text(block: Mapping[str, Any], profile: ModelProfile) -> Count:
    """A text block's own text: what it cites costs nothing (TOK-21), and a blank one is never sent (MSG-06)."""
    text = str(block.get("text", ""))
    if is_blank_text(block):
        return ZERO
    return count_text(text, profile.tokenizer)


def _loose(block: Mapping[str, Any], profile: ModelProfile) -> Count:
    """A block whose rendering is not known: its texts, with wide bounds."""
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


def _call(
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


def _result(
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
        return str(block.get("text", ""))
    return None
