"""The request as the model sees it, and what that counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctxwindow.catalog import ModelProfile
from ctxwindow.emulator.signing import Signer, ThinkingRecord
from ctxwindow.emulator.verdict import Verdict
from ctxwindow.record.blocks import blocks_of, is_thinking, seal
from ctxwindow.rules.view import plain
from ctxwindow.window import Served, serve

__all__ = ["prompt_of", "with_reasoning"]


def with_reasoning(request: Mapping[str, Any], signer: Signer) -> dict[str, Any]:
    """The request with the reasoning that its signatures hold in place of the text that was shown.

    It is what the model reads and what counts, whatever the block displays (TOK-03, THINK-11).
    """
    messages = [plain(message) for message in request.get("messages") or ()]
    if not any(is_thinking(plain(block)) for message in messages for block in blocks_of(message)):
        return dict(request)
    return {**request, "messages": [_restored(message, signer) for message in messages]}


def _restored(message: Mapping[str, Any], signer: Signer) -> Mapping[str, Any]:
    if not isinstance(message.get("content"), list):
        return message
    return {**message, "content": [_whole(block, signer) for block in message["content"]]}


def _whole(block: Any, signer: Signer) -> Any:
    record = signer.read(seal(block), ThinkingRecord) if isinstance(block, Mapping) and is_thinking(block) else None
    if record is None:
        return block
    return {"type": "thinking", "thinking": record.text.decode("utf-8", "surrogatepass"), "signature": ""}


def prompt_of(request: Mapping[str, Any], profile: ModelProfile, *, verdict: Verdict, signer: Signer) -> Served:
    """What of a request reaches the model, with the reasoning in place of what was displayed of it.

    Args:
        request: a body that broke no rule.
        profile: the model.
        verdict: thinking that is not shown to it.
        signer: reads what the signatures hold.
    """
    whole = with_reasoning(request, signer)
    return serve(whole, profile, dropped=verdict.dropped, unreadable=verdict.unreadable)
