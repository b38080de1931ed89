"""A server compaction as a replay has it: nobody is asked, the extractive summariser writes in the server's place."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from ctxwindow.conversation import Conversation
from ctxwindow.summarize import Summarizer
from ctxwindow.tiers import Compact, Segment

__all__ = ["compaction_reply"]


def compaction_reply(
    decision: Compact, conversation: Conversation, summarizer: Summarizer, count: Callable[[str], int]
) -> dict[str, Any]:
    """The reply that a `Compact` request would get: one block (CMP-16)."""
    previous = conversation.compactions[-1] if conversation.compactions else None
    start = previous.end if previous is not None else 0
    segment = Segment(
        first=0,
        end=decision.end,
        previous=previous.summary if previous is not None else None,
        messages_from=start,
        messages=conversation.messages[start : decision.end],
        budget=int(decision.request["max_tokens"]) // 2,
    )
    text = summarizer.summarize(segment, count)
    # Not a signature of the server's: such a block is for models of requests, never for the API.
    signature = f"simulated-{hashlib.blake2b(text.encode(errors='surrogatepass'), digest_size=16).hexdigest()}"
    blocks = [{"type": "compaction", "content": text, "signature": signature}] if text.strip() else []
    return {"content": blocks, "stop_reason": "compaction" if blocks else "end_turn", "usage": None}
