"""The usage of a reply: what was sent, read from the cache, written to it, and generated (TOK-01 to TOK-11)."""

from __future__ import annotations

from typing import Any

from ctxwindow.emulator.generation import Generated
from ctxwindow.window import Bill

__all__ = ["compaction_entry", "message_entry", "usage_of"]


def _input(tokens: Bill) -> dict[str, Any]:
    """The input side (TOK-01, TOK-02)."""
    return {
        "input_tokens": tokens.uncached,
        "cache_creation_input_tokens": tokens.written_5m + tokens.written_1h,
        "cache_read_input_tokens": tokens.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": tokens.written_5m,
            "ephemeral_1h_input_tokens": tokens.written_1h,
        },
    }


def message_entry(tokens: Bill) -> dict[str, Any]:
    """The entry of `usage.iterations` for the reply itself (TOK-07)."""
    return {"type": "message", **_input(tokens), "output_tokens": tokens.output}


def compaction_entry(tokens: Bill) -> dict[str, Any]:
    """The entry of `usage.iterations` for a compaction; nothing of it is in the top-level fields (TOK-08)."""
    return {"type": "compaction", **_input(tokens), "output_tokens": tokens.output}


def usage_of(tokens: Bill, generated: Generated | None, iterations: list[dict[str, Any]] | None) -> dict[str, Any]:
    """The usage of a response.

    Args:
        tokens: of the message iterations together (TOK-09); all zero for a compaction on demand (CMP-16).
        generated: the reply; None for a compaction on demand.
        iterations: where they are reported (CMP-10).
    """
    usage = {**_input(tokens), "output_tokens": tokens.output, "service_tier": "standard"}
    if generated is not None:
        usage["output_tokens_details"] = {"thinking_tokens": generated.thinking}
    return usage if iterations is None else {**usage, "iterations": iterations}
