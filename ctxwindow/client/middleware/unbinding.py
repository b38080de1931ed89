"""Thinking that was made behind another prefix: the caller has changed what stood before it, and bound models refuse it (BIND-12).

That of finished turns is left out (REPLAY-03, BIND-28). That of a tool loop that is still open goes back as it is
(REPLAY-01, REPLAY-02), and the API is asked to drop what does not verify (BIND-08).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ctxwindow.client.middleware.asking import Asked
from ctxwindow.conversation import Conversation
from ctxwindow.record.blocks import blocks_of, is_thinking, seal
from ctxwindow.record.turns import is_turn_start

__all__ = ["bare", "binding_of", "seals_of", "unbound"]

_DROPPING = {"thinking": {"block_binding": {"prefix_mismatch_behavior": "drop_block"}}}
_BINDABLE = ("adaptive", "enabled")


def binding_of(settings: Mapping[str, Any]) -> Any:
    """What the API is to do with thinking that does not verify, where it is said (THINK-01)."""
    thinking = settings.get("thinking")
    return thinking.get("block_binding") if isinstance(thinking, Mapping) else None


def unbound(asked: Asked, engine: Conversation, messages: list[dict[str, Any]], now: float) -> list[dict[str, Any]]:
    """Messages to be appended behind another prefix than theirs, such that the API takes them.

    Args:
        asked: the request that they are of.
        engine: the conversation. It asks the API to drop thinking from here on, where that must stay.
        messages: the caller's, in order.
        now: the caller's clock.
    """
    if not (engine.profile.bound and engine.policy.assume_binding):
        return messages
    start = _open_from(messages)
    if seals_of(messages[start:]) and binding_of(engine.settings) is None:
        if _can_drop(engine.settings):
            engine.configure(settings=asked.settings_on(_DROPPING), now=now)
        else:
            start = len(messages)
    return [*map(bare, messages[:start]), *messages[start:]]


def _can_drop(settings: Mapping[str, Any]) -> bool:
    """Whether a request with these settings can ask for it."""
    thinking = settings.get("thinking")
    return not isinstance(thinking, Mapping) or thinking.get("type") in _BINDABLE


def _open_from(messages: Sequence[Mapping[str, Any]]) -> int:
    """Where the turn begins that is still open at the end of messages; their number where none is."""
    if not messages or is_turn_start(messages[-1]):
        return len(messages)
    starts = (place for place in range(len(messages) - 1, -1, -1) if is_turn_start(messages[place]))
    return next(starts, 0)


def bare(message: dict[str, Any]) -> dict[str, Any]:
    """A message of the assistant without its thinking; as it is where nothing would be left of it."""
    if message.get("role") != "assistant":
        return message
    blocks = blocks_of(message)
    kept = [block for block in blocks if not is_thinking(block)]
    return {**message, "content": kept} if kept and len(kept) < len(blocks) else message


def seals_of(messages: Sequence[Mapping[str, Any]]) -> set[str]:
    """What identifies the thinking in messages."""
    return {seal(block) for message in messages for block in _said(message) if is_thinking(block)} - {""}


def _said(message: Mapping[str, Any]) -> list[Any]:
    if message.get("role") != "assistant":
        return []
    return [block for block in blocks_of(message) if isinstance(block, Mapping)]
