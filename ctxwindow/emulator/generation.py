"""From what the model would say to what it gets to say: stop sequences, `max_tokens`, the edge of the window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.emulator.replies import Reply
from ctxwindow.record.blocks import is_thinking
from ctxwindow.rules.view import plain
from ctxwindow.window.block_sizes import size_block

__all__ = ["Generated", "generate", "shown"]


class Generated(msgspec.Struct, frozen=True, kw_only=True):
    """A reply as far as it got.

    Attributes:
        content: blocks; thinking still holds the whole reasoning.
        stop_reason: MSG-12.
        stop_sequence: the one that was generated, or None.
        stop_details: of a refusal.
        output: tokens generated, thinking at raw length included (TOK-03).
        thinking: the share of thinking (TOK-04).
    """

    content: list[dict[str, Any]]
    stop_reason: str
    stop_sequence: str | None = None
    stop_details: dict[str, Any] | None = None
    output: int = 0
    thinking: int = 0


def generate(reply: Reply, request: Mapping[str, Any], profile: ModelProfile, prompt: int) -> Generated:
    """What of a reply fits.

    Args:
        reply: what the model would say.
        request: `max_tokens` and `stop_sequences` are read.
        profile: the model.
        prompt: tokens of the input, which leave the rest of the window to the reply (CTX-09).
    """
    asked, room = request["max_tokens"], profile.window - prompt
    limit = min(asked, room)
    if asked == 0:  # MSG-17: only the cache is written
        return Generated(content=[], stop_reason="max_tokens")
    content, stopped = _stop(reply.content, request.get("stop_sequences") or ())
    out: list[dict[str, Any]] = []
    output = thinking = 0
    for block in content:
        size = _tokens(block, profile)
        kept: dict[str, Any] | None = block
        cut = output + size > limit
        if cut:
            kept, size = _cut(block, limit - output, profile)
        if kept is not None:
            out.append(kept)
            output += size
            thinking += size if is_thinking(block) else 0
        if cut:
            reason = "max_tokens" if asked <= room else "model_context_window_exceeded"
            return Generated(content=out, stop_reason=reason, output=output, thinking=thinking)
    return Generated(
        content=out,
        stop_reason="stop_sequence" if stopped else reply.reason,
        stop_sequence=stopped or reply.stop_sequence,
        stop_details=reply.stop_details,
        output=output,
        thinking=thinking,
    )


def _stop(content: Sequence[dict[str, Any]], sequences: Sequence[str]) -> tuple[list[dict[str, Any]], str | None]:
    """The blocks up to the first stop sequence, and which one it was."""
    out: list[dict[str, Any]] = []
    for block in content:
        text = block.get("text")
        found = [(text.find(word), word) for word in sequences if word in text] if isinstance(text, str) else []
        if found and isinstance(text, str):
            place, word = min(found)
            return [*out, *([{**block, "text": text[:place]}] if text[:place].strip() else [])], word
        out.append(block)
    return out, None


def _tokens(block: Mapping[str, Any], profile: ModelProfile) -> int:
    """What a block adds to the next prompt, which is what is generated for it (CTX-16), whatever of it is shown."""
    whole = {"type": "thinking", "thinking": _reasoning(block)} if is_thinking(block) else block
    return size_block(whole, profile).count.tokens


def _reasoning(block: Mapping[str, Any]) -> str:
    return str(block.get("thinking" if block.get("type") == "thinking" else "data") or "")


def _cut(block: dict[str, Any], room: int, profile: ModelProfile) -> tuple[dict[str, Any] | None, int]:
    """As much of a block as `room` tokens hold, and its tokens; None when nothing is left.

    A call is left without its input (MSG-14): such a turn is to be discarded.
    """
    if room <= 0:
        return None, 0
    if block.get("type") == "tool_use":
        return {**block, "input": {}}, room
    field = {"text": "text", "thinking": "thinking", "redacted_thinking": "data"}.get(str(block.get("type")))
    if field is None:
        return None, 0
    text = str(block.get(field) or "")
    size = _tokens(block, profile)
    while text and size > room:
        # Each pass comes close from above; what is over is taken off by its share.
        text = text[: min(len(text) - 1, len(text) * room // size)]
        size = _tokens({**block, field: text}, profile)
    return ({**block, field: text}, size) if text.strip() else (None, 0)


def shown(content: Sequence[dict[str, Any]], request: Mapping[str, Any], profile: ModelProfile) -> list[dict[str, Any]]:
    """The blocks as they are returned: thinking without its text where it is omitted (THINK-11)."""
    display = plain(request.get("thinking")).get("display") or profile.thinking.display_default
    if display != "omitted":
        return list(content)
    return [{**block, "thinking": ""} if block.get("type") == "thinking" else block for block in content]
