"""The size of a reply from what was billed for it: its output tokens are what it adds to the next prompt (CTX-16).

In 418 of 445 recorded replies of one text the output is the text and the frame of a message, to the token; with tool calls
the next request is within 10 tokens of it for each call. So the output says what the texts cannot: what thinking weighs
that is omitted, redacted or shown as a summary (TOK-03), and where texts are estimated, what all of it weighs.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import msgspec

from ctxwindow.record.blocks import blocks_of
from ctxwindow.rules.view import plain
from ctxwindow.window.parts import THINKING, ZERO, BlockSize, MessageSize
from ctxwindow.window.tokens import Count

__all__ = ["Billed", "billed_size", "places_read"]

_GENERATED = frozenset({"text", "tool_use", *THINKING})
"""Blocks that are output, and nothing else; what servers put between them is not."""

_CUT = 3
"""Tokens that close a message, which one that was cut by `max_tokens` lacks: 26 of 31 recorded ones do."""

_SLACK, _SLACK_CALL = 2, 10
"""Tokens by which the next prompt may differ from the output, and for each call in it."""


class Billed(msgspec.Struct, frozen=True, kw_only=True):
    """What the usage of a reply says of it, in tokens; None where it does not."""

    output: int | None = None
    """Of everything generated, where that is the whole of the reply."""
    thinking: int | None = None
    """Of its thinking."""
    cut: bool = False
    """Whether it ended at the limit of tokens."""
    foreign: bool = False
    """Whether they are tokens of another model: the same thinking is a third more or less on this one (CTX-20)."""


def billed_size(size: MessageSize, billed: Billed) -> MessageSize:
    """The size of a reply, with what was billed for it.

    Args:
        size: as counted, its thinking by `billed.thinking` where that is said.
        billed: what its usage says.
    """
    kinds = [block.kind for block in size.blocks]
    if billed.output is None or not _GENERATED.issuperset(kinds):
        return size
    total = billed.output + (_CUT if billed.cut else 0)
    slack = _SLACK + _SLACK_CALL * kinds.count("tool_use")
    open_thinking = billed.thinking is None and any(kind in THINKING for kind in kinds)
    seen = sum((block.count for block in size.blocks if not (open_thinking and block.kind in THINKING)), ZERO)
    low, high = seen.low + size.frame.low - slack, seen.high + size.frame.high + slack
    if total < low or (total > high and not open_thinking):
        return size  # the number of a stream's first event, or of another reply
    if size.count.high - size.count.low <= 2 * slack:
        return size  # counted as well as that, or better
    # What is open takes up the difference: thinking that nobody counted, else whatever was estimated.
    loose = [
        place
        for place, block in enumerate(size.blocks)
        if (block.kind in THINKING if open_thinking else not block.count.exact)
    ]
    rest = total - size.count.tokens + sum(size.blocks[place].count.tokens for place in loose)
    blocks = list(size.blocks)
    for place, tokens in zip(loose, _shares(max(0, rest), [blocks[at].count.tokens for at in loose]), strict=True):
        blocks[place] = _block(blocks[place], tokens)
    sized = MessageSize.of(blocks, size.frame)
    tokens = sized.count.tokens
    thinking = sized.thinking
    if open_thinking:
        visible = size.frame + seen
        thinking = Count(
            tokens=thinking.tokens,
            low=max(0, total - visible.high - slack),
            high=max(0, total - visible.low + slack),
            exact=False,
        )
    count = Count(tokens=tokens, low=min(tokens, total - slack), high=max(tokens, total + slack), exact=False)
    return msgspec.structs.replace(sized, count=count, thinking=thinking)


def places_read(message: Mapping[str, Any]) -> int:
    """How many blocks of a reply its last sampling read: those up to the last result of a server, or summary."""
    places = [
        place
        for place, block in enumerate(blocks_of(message))
        if str(plain(block).get("type")).endswith("_tool_result") or plain(block).get("type") == "compaction"
    ]
    return places[-1] + 1 if places else 0


def _shares(total: int, weights: list[int]) -> list[int]:
    """Whole parts of a total by weight; a weight of nothing counts as one token."""
    sums = list(accumulate(max(1, weight) for weight in weights))
    ends = [total * part // sums[-1] for part in sums]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def _block(block: BlockSize, tokens: int) -> BlockSize:
    """A block of one category with another size, its bounds as wide as they were around the old one."""
    old = block.count
    count = Count(
        tokens=tokens,
        low=max(0, tokens - (old.tokens - old.low)),
        high=tokens + (old.high - old.tokens),
        exact=False,
    )
    return BlockSize(block.kind, ((block.parts[0][0], count),), count)
