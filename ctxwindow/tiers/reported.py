"""What the usage of a reply says of the sizes of things, beside the reply itself and the model that was asked."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.errors import UnknownModel
from ctxwindow.record.blocks import blocks_of, is_thinking
from ctxwindow.record.events import Received
from ctxwindow.rules.view import plain
from ctxwindow.window import Billed, Usage, read_usage
from ctxwindow.window.before import forces
from ctxwindow.window.reply import places_read

__all__ = ["Reported", "dropped", "reported"]

_PATH = re.compile(r"messages\.(\d{1,6})\.content\.(\d{1,6})")


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """The sizes that a reply's usage tells, in tokens."""

    sent: int | None = None
    """Of the request as it was sent."""
    last: int | None = None
    """Of what the last of several samplings read: the request, and the reply up to `place` (CTX-17)."""
    place: int = 0
    last_output: int | None = None
    """Of what the last of them wrote: the blocks from `place` on."""
    cached: int = 0
    """Of `sent`, what was read from the cache or written to it."""
    output: int | None = None
    billed: Billed | None = None
    """Of the reply, where it is of use."""
    doubt: str | None = None
    """Why `sent` is not to be believed, whatever was expected."""
    summed: bool = False
    """Whether `sent` is the sum of several prompts: more than any of them, so that it always bounds them."""


def reported(
    event: Received, profile: ModelProfile, settings: dict[str, Any], asked: int | None = None
) -> Reported | None:
    """What a reply's usage tells; None when it has none.

    Args:
        event: the reply.
        profile: the model that was asked.
        settings: of the request.
        asked: `max_tokens` of the request; None where nobody knows.
    """
    usage = read_usage(event.usage)
    if usage is None:
        return None
    answered = next((name for name in (usage.sent_model, event.model) if name), None)
    if not _is(profile, answered):
        # Not even a bound: the same text is a third more or less (CTX-20).
        return Reported(doubt=f"another model answered, {answered}, and counts tokens in its own way (CTX-20)")
    if usage.prompt is None or usage.doubt is not None:
        return Reported(sent=usage.prompt, output=usage.output, doubt=usage.doubt)
    place = places_read(event.message)
    excess = _excess(usage, profile, asked, place)
    if excess is not None:
        return Reported(sent=usage.prompt if usage.sent is None else usage.sent, doubt=excess)
    billed = _billed(event, usage, settings) if _is(profile, usage.model or event.model) else None
    if place and not _has_iterations(event):
        why = "it sums up what several samplings read, for the reply holds results of server tools (TOK-09)"
        return Reported(sent=usage.prompt, doubt=why, summed=True, billed=billed)
    again = usage.samplings > 1 or usage.sent is None
    return Reported(
        sent=usage.sent,
        last=usage.prompt if again and place and _is(profile, usage.model) else None,
        place=place,
        last_output=usage.last_output,
        cached=usage.read + usage.written_5m + usage.written_1h if not again else 0,
        output=usage.output,
        billed=billed,
    )


def dropped(event: Received) -> dict[int, dict[int, str]]:
    """Thinking of the request that the server says it dropped: message index -> place -> rule (BIND-08, BIND-18)."""
    found: dict[int, dict[int, str]] = {}
    told = event.rest.get("input_transformations")
    for change in map(plain, told if isinstance(told, list) else ()):
        path = _PATH.fullmatch(str(change.get("path")))
        if path is not None and change.get("type") == "thinking_dropped":
            unreadable = change.get("reason") == "model_binding_mismatch"
            found.setdefault(int(path[1]), {})[int(path[2])] = "BIND-02" if unreadable else "BIND-08"
    return found


def _excess(usage: Usage, profile: ModelProfile, asked: int | None, place: int) -> str | None:
    """Why a reply cannot have so much output, or None: no sampling writes more than was asked for, nor more than its model
    can (CTX-06). Several may, together (TOK-09); what they wrote stands in one window.
    """
    output, most = usage.output or 0, profile.max_output
    if usage.samplings > 1:
        most *= usage.samplings
    elif place:
        most = profile.window
    elif asked is not None:
        most = min(asked, most)
    if output > most:
        return f"it tells of {output:,} tokens of output, and {most:,} are the most there can be (CTX-06)"
    if (usage.last_output or 0) > output:
        return "it tells of more output in the last sampling than in all"
    return None


def _has_iterations(event: Received) -> bool:
    return bool(event.usage and event.usage.get("iterations"))


def _is(profile: ModelProfile, name: str | None) -> bool:
    """Whether a name is that of a model; one that the catalog does not know may be a gateway's name for it."""
    if name is None or name == profile.id:
        return True
    try:
        return resolve(name).id == profile.id
    except UnknownModel:
        return True


def _billed(event: Received, usage: Usage, settings: dict[str, Any]) -> Billed | None:
    """What was billed for a reply, as far as that is its size in the next prompt."""
    thinks = any(is_thinking(plain(block)) for block in blocks_of(event.message))
    # The opening of a forced call is not output: the server writes it.
    output = None if forces(settings) else usage.output
    thinking = usage.thinking if thinks else None
    if output is None and thinking is None:
        return None
    return Billed(output=output, thinking=thinking, cut=event.stop_reason == "max_tokens")
