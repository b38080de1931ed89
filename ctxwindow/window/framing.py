"""What the API adds around content: tokens of frames, by tokenizer generation.

No page documents these numbers. They are read off recorded requests: the prompt size the API reported minus
the exact tokens of the texts inside. Evidence: 1,481 steps of recorded Claude Code sessions (v3 models) whose
appended blocks are known, least absolute deviations; and single-message requests of many client libraries.
Half of the steps come out within one token; steps with text that the client does not record come out low.
Finer structure per model is a matter of its own and not claimed here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ctxwindow.window.tokens import Count, Tokenizer

__all__ = ["FRAMES", "Frame", "exactly", "roughly", "thinking_overhead"]


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens around each part of a request."""

    request: int
    """Once a request, before the first message's own frame."""
    message: int
    """Each message."""
    text: int
    """Each text block after the first of its message."""
    thinking: int
    """Each thinking block."""
    call: int
    """Each tool call, beside its name, parameter names and values."""
    parameter: int
    """Each parameter of a call, beside its name and value."""
    result: int
    """Each tool result, beside its content."""
    error: int
    """A result with `is_error: true`."""
    image: int
    """Each image, beside its patches."""
    tool: int
    """Each custom tool definition, beside its JSON object."""


_V3 = Frame(
    request=4,  # one user message costs its text + 7 = 4 + 3
    message=3,  # user-assistant-user costs 13 = 4 + 3 x 3
    text=1,
    thinking=15,
    call=24,  # a call and its result cost 40 to 43 beside names, parameters and texts; the split is a guess
    parameter=14,
    result=17,
    error=7,
    image=3,  # 166x282 alone: 76 = 66 + 7 + 3
    tool=6,
)

FRAMES: dict[Tokenizer, Frame] = {
    "v3": _V3,
    # Opus 4.7: a single message costs its text + 11; from Opus 4.8 on, + 6, and + 4 for the next pair.
    # The frames of calls and results are carried over from v3: too few recordings to fit them alone.
    "v4.7": msgspec.structs.replace(_V3, request=8),
    "v4.8": msgspec.structs.replace(_V3, request=4, message=2),
}


def thinking_overhead(thinking: Any, *, manual: bool) -> int:
    """Tokens that a `thinking` setting adds: 28 to 30 recorded for `enabled` on 34 requests of v3 models.

    `adaptive` added 17 on Opus 4.6 (2 requests) and 0 or 1 elsewhere (7): taken as 0, inside the bounds.
    """
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    return 29 if kind == "enabled" and manual else 0


def exactly(tokens: int) -> Count:
    """A count without doubt."""
    return Count(tokens=tokens, low=tokens, high=tokens, exact=True)


def roughly(tokens: int, spread: float = 0.15, slack: int = 2) -> Count:
    """A count of structure that is estimated: `tokens` with `spread` either way and `slack` more."""
    width = round(tokens * spread) + slack
    return Count(tokens=tokens, low=max(0, tokens - width), high=tokens + width, exact=False)
