"""What is new in a caller's list goes into the record: bare of cache breakpoints, and mended where the API would refuse it."""

from __future__ import annotations

from typing import Any

from ctxwindow.client.incidents import log
from ctxwindow.client.middleware.asking import Asked, without_markers
from ctxwindow.client.middleware.lines import Line, echoes
from ctxwindow.client.middleware.unbinding import unbound
from ctxwindow.conversation import Conversation
from ctxwindow.errors import InvalidRequest
from ctxwindow.record.blocks import blocks_of, is_thinking
from ctxwindow.repairs import repair

__all__ = ["append"]


def append(
    engine: Conversation, asked: Asked, line: Line, messages: list[Any], now: float, *, stale_from: int | None = None
) -> None:
    """Append messages, and put them on the line; mended from the first one on that the API would refuse.

    Args:
        engine: the conversation.
        asked: the request.
        line: what the caller has said of it.
        messages: his, in order.
        now: his clock.
        stale_from: the first of them whose thinking, and that of all later ones, was made behind another prefix, if any.

    Raises:
        InvalidRequest: they cannot be mended.
    """
    new = [without_markers(message) for message in messages]
    if stale_from is not None:
        new[stale_from:] = unbound(asked, engine, new[stale_from:], now)
    places = _after_evidence(engine, line, new)
    for place in range(len(places), len(new)):
        try:
            places.append(engine.append(new[place], now=now))
        except InvalidRequest as error:
            for message in _mended(engine, asked, new[place:], error):
                engine.append(message, now=now)
            places += [None] * (len(new) - place)
            break
    line.extend(messages, places)


def _after_evidence(engine: Conversation, line: Line, new: list[dict[str, Any]]) -> list[int | None]:
    """What becomes of a reply that was refused or cut off, where the caller sends it back: places of messages of `new` that
    the record has already.

    A refusal stays off the wire. From a reply that was cut off the caller may go on, but not from its thinking (MSG-16).
    """
    if line.evidence is None or not new or new[0].get("role") != "assistant":
        return []
    if engine.replies[line.evidence].cut:
        new[0] = {**new[0], "content": [block for block in blocks_of(new[0]) if not is_thinking(block)]}
        return []
    return [line.evidence] if echoes(new[0], engine.messages[line.evidence]) else []


def _mended(
    engine: Conversation, asked: Asked, new: list[dict[str, Any]], error: InvalidRequest
) -> list[dict[str, Any]]:
    """Messages that the API would refuse behind those of the record, made sendable (`ctxwindow.repair`).

    Raises:
        InvalidRequest: they cannot be, or what stands before them would have to change.
    """
    base = [message for place, message in enumerate(engine.messages) if not engine.is_evidence(place)]
    request = {**asked.settings, "model": asked.model, "max_tokens": asked.max_tokens, "messages": [*base, *new]}
    request |= {"system": asked.system} if asked.system is not None else {}
    request |= {"tools": asked.tools} if asked.tools is not None else {}
    betas = request.pop("betas", None)
    body, repairs = repair(request, model=engine.profile, betas=betas)
    if not repairs or body["messages"][: len(base)] != base:
        raise error
    places = "1 place" if len(repairs) == 1 else f"{len(repairs)} places; first"
    log.warning("the caller's messages were mended in %s: %s", places, repairs[0])
    return list(body["messages"][len(base) :])
