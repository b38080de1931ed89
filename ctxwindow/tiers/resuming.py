"""Going on from a reply that was cut off (MSG-16): what the model is told of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctxwindow.catalog import ModelProfile
from ctxwindow.record import block_type
from ctxwindow.record.blocks import blocks_of
from ctxwindow.tiers.known import Known

__all__ = ["continuation", "resumption"]

_OPENING = "Your reply was cut off by a fault of the connection. This much of it arrived:"
_ENDING = "Go on from exactly there. Do not repeat what has arrived; if it broke off before a tool call, make the call."


def resumption(state: Known) -> dict[str, Any] | None:
    """What has the model go on from the reply that came last, if that was cut off; None where nothing does.

    A turn that the server goes on with goes back as it is (MSG-13).
    """
    if state.cut is None or state.cut != len(state.messages) - 1 or state.paused or state.outline.open_server_calls:
        return None
    last = blocks_of(next(reversed(state.forms.values()), {}))
    calls = any(isinstance(block, Mapping) and block_type(block).family == "result" for block in last)
    return continuation(state.messages[state.cut]["content"], state.profile, state.settings, calls=calls)


def continuation(
    content: Any, profile: ModelProfile, settings: Mapping[str, Any], *, calls: bool
) -> dict[str, Any] | None:
    """The message to append, so that the model goes on from the text that arrived; None where no text did.

    Up to Claude 4.5 it is the text itself, which the model continues. Later models take no prefill (MSG-04), and are told
    by a user message. Thinking and calls cannot be recovered in part: they are left out, and made anew. With manual
    thinking a final assistant message would have to begin with thinking, so the text is quoted there too; and so it is
    inside a tool loop, whose last word must stay the results.

    Args:
        content: of the reply, as far as it arrived.
        profile: of the model that goes on.
        settings: of its requests.
        calls: whether the reply that was cut answers tool results.
    """
    blocks = [block for block in blocks_of({"content": content}) if isinstance(block, Mapping)]
    texts = [block.get("text") for block in blocks if block.get("type") == "text"]
    text = "".join(part for part in texts if isinstance(part, str)).rstrip()
    if not text.strip():
        return None
    thinking = settings.get("thinking")
    manual = isinstance(thinking, Mapping) and thinking.get("type") == "enabled"
    if profile.features.prefill and not manual and not calls:
        return {"role": "assistant", "content": [{"type": "text", "text": text}]}
    return {"role": "user", "content": [{"type": "text", "text": f"{_OPENING}\n\n{text}\n\n{_ENDING}"}]}
