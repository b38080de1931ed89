"""The server as a replay has it, where a policy asks it to compact: nobody is asked, a summariser writes in its place.

What that costs is told in the reply's usage, as the server tells it (CMP-10, CMP-16): the prompt is read from the cache as far
as an earlier request of the epoch wrote it and it is alive, and the summary has the size that is assumed of all of the
server's summaries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.conversation import Conversation
from ctxwindow.rules.editing import COMPACT
from ctxwindow.rules.view import plain
from ctxwindow.summarize import Summarizer
from ctxwindow.tiers import Compact, Segment, Send, prompt_bill
from ctxwindow.transcripts.charges import charge, is_alive
from ctxwindow.window import count, count_text

__all__ = ["SUMMARY_TOKENS", "Resumed", "Server", "compaction_reply"]

SUMMARY_TOKENS = 3_500
"""Tokens of a summary that the server writes, assumed: the documentation's example has 3,500 (V-TOK-2), and 12 summaries
of some 167,000 tokens that a client had written by Claude have a median of 3,400 (vocabulary v3) or 4,750 (v4.8)."""


class Resumed(msgspec.Struct, frozen=True, kw_only=True):
    """A compaction inside a reply (CMP-01)."""

    block: dict[str, Any]
    usage: dict[str, Any]
    tokens: int
    """Of the prompt that the reply went on from: system prompt, tools and summary."""
    fixed: int
    """Of these, what stands before the summary, and was in the cache by then."""


class _Entry(msgspec.Struct, frozen=True):
    """What one request wrote to the cache."""

    messages: int
    tokens: int
    at: float


class Server:
    """Compacts for one conversation."""

    def __init__(self, summarizer: Summarizer, unseen: int) -> None:
        """`unseen`: tokens of system prompt and tools that no request here holds."""
        self._summarizer = summarizer
        self._unseen = unseen
        self._epoch = 0
        self._entries: list[_Entry] = []

    def sent(self, send: Send, at: float) -> None:
        """A request went out: from now on the cache holds it."""
        if send.epoch != self._epoch:
            self._epoch, self._entries = send.epoch, []
        self._entries.append(_Entry(len(send.request["messages"]), send.window.tokens, at))

    def compact(
        self, decision: Compact, conversation: Conversation, profile: ModelProfile, at: float
    ) -> dict[str, Any]:
        """The reply that a `Compact` request would get: one block, or none where there is nothing to say (CMP-16, CMP-27)."""
        reply = compaction_reply(decision, conversation, self._summarizer, _counter(profile))
        tokens = count(decision.request, profile).tokens + self._unseen
        cached = self._cached(len(decision.request["messages"]), conversation, at)
        return {**reply, "usage": _usage(conversation, profile, tokens, cached, _budget(decision))}

    def price(
        self, prefix: Mapping[str, Any], text: str, conversation: Conversation, profile: ModelProfile, at: float
    ) -> float:
        """Dollars for a summary as if the model had written it, in a request that rides on the conversation's own prefix."""
        tokens = count(prefix, profile).tokens + self._unseen
        cached = self._cached(len(prefix["messages"]), conversation, at)
        output = count_text(text, profile.tokenizer).tokens
        return (
            charge(profile, tokens, cached=cached, output=output, at=at, ttl=conversation.policy.cache).dollars or 0.0
        )

    def resume(self, send: Send, conversation: Conversation, profile: ModelProfile) -> Resumed | None:
        """What the server would put in front of the reply to a request, if that asks it to compact and is large enough."""
        if not _is_triggered(send):
            return None
        segment = _segment(conversation, conversation.recorded, SUMMARY_TOKENS)
        text = self._summarizer.summarize(segment, _counter(profile))
        messages = ("messages", "thinking", "images", "documents")
        fixed = send.window.tokens - sum(send.window.by[name] for name in messages)
        cached = send.forecast.cached if send.forecast.lives else 0
        return Resumed(
            block={"type": "compaction", "content": text or None, "encrypted_content": _signed(text)},
            usage=_usage(conversation, profile, send.window.tokens, cached, SUMMARY_TOKENS),
            tokens=fixed + SUMMARY_TOKENS,
            fixed=fixed,
        )

    def _cached(self, messages: int, conversation: Conversation, at: float) -> int:
        """Tokens of the longest request of the epoch that the first so many messages begin with, if it is alive."""
        if conversation.epoch != self._epoch:
            return 0
        for entry in reversed(self._entries):
            if entry.messages <= messages:
                return entry.tokens if is_alive(entry.at, at, conversation.policy.cache) else 0
        return 0


def compaction_reply(
    decision: Compact, conversation: Conversation, summarizer: Summarizer, tokens_of: Callable[[str], int]
) -> dict[str, Any]:
    """The reply that a `Compact` request would get, without its usage: one block, or none where there is nothing to say."""
    text = summarizer.summarize(_segment(conversation, decision.end, _budget(decision)), tokens_of)
    blocks = [{"type": "compaction", "content": text, "signature": _signed(text)}] if text.strip() else []
    return {"content": blocks, "stop_reason": "compaction" if blocks else "end_turn", "usage": None}


def _signed(text: str) -> str:
    """In place of the server's signature: of this text alone (CMP-23). Such a block is for models of requests, never for the API."""
    return f"simulated-{blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"


def _budget(decision: Compact) -> int:
    return min(SUMMARY_TOKENS, int(decision.request["max_tokens"]))


def _segment(conversation: Conversation, end: int, budget: int) -> Segment:
    """The record up to an index: what stands for it already, and what came since."""
    before = [edit for edit in conversation.compactions if edit.end <= end]
    start = before[-1].end if before else 0
    return Segment(
        first=0,
        end=end,
        previous=before[-1].summary if before else None,
        messages_from=start,
        messages=conversation.messages[start:end],
        budget=budget,
    )


def _usage(conversation: Conversation, profile: ModelProfile, tokens: int, cached: int, output: int) -> dict[str, Any]:
    """The usage of a reply that tells of one compaction, and of nothing else."""
    bill = prompt_bill(profile, tokens, cached, conversation.policy.cache)
    entry = {"type": "compaction", **bill.as_usage(), "output_tokens": output}
    return {"input_tokens": 0, "output_tokens": 0, "iterations": [entry]}


def _counter(profile: ModelProfile) -> Callable[[str], int]:
    return lambda text: count_text(text, profile.tokenizer).tokens


def _is_triggered(send: Send) -> bool:
    edits = plain(send.request.get("context_management")).get("edits") or ()
    for edit in map(plain, edits):
        trigger: Mapping[str, Any] = plain(edit.get("trigger"))
        if edit.get("type") == COMPACT and send.window.tokens >= int(trigger.get("value", 0)):
            return True
    return False
