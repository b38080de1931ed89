"""From a request of the caller to its response: recognise, plan, prepare, send, record, and recover.

Whatever goes wrong on our side, the caller's request goes out as he made it, and the log says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ctxwindow.client.actions import Blocking, Create, Steps
from ctxwindow.client.faults import is_api_error, went_wrong
from ctxwindow.client.middleware.asking import Asked
from ctxwindow.client.middleware.fetching import AnyResponse, fault_of, fetched, json_of
from ctxwindow.client.middleware.following import Following, keep, record
from ctxwindow.client.middleware.managed import Managed, Registry
from ctxwindow.client.middleware.named import claim_named
from ctxwindow.client.middleware.recognising import Recogniser
from ctxwindow.client.middleware.sheltering import explain, sheltered
from ctxwindow.client.preparing import prepare
from ctxwindow.tiers import Send

__all__ = ["UNCHANGED", "Relayed", "relay"]

_SUCCESS = range(200, 300)
UNCHANGED = "the caller's request goes out unchanged"
_REFUSED = "the API's answer goes to the caller"
_ADVICE = "the same request asks again."


@dataclass(frozen=True)
class Relayed:
    """The response for the caller."""

    response: AnyResponse
    following: Following | None = None
    """Takes the reply in as the caller reads it, where it is streamed."""


def relay(recogniser: Recogniser, asked: Asked, name: str | None) -> Steps[Relayed | None]:
    """The response to a request; None where the caller's own request must go out unchanged.

    Args:
        recogniser: of this middleware.
        asked: what the caller asks for.
        name: the conversation's, where the caller has said so.

    Raises:
        Exception: what the rest of the chain has raised.
    """
    managed: Managed | None = None
    try:
        managed = yield from (recogniser.claim(asked) if name is None else claim_named(recogniser, asked, name))
    except Exception as error:  # noqa: BLE001 - the caller is served whatever is wrong here
        explain(error, UNCHANGED)
    if managed is None:
        return None
    try:
        return (yield from _converse(recogniser.registry, managed, asked))
    finally:
        with sheltered("the conversation is not let go"):
            managed.talk.release()


def _converse(registry: Registry, managed: Managed, asked: Asked) -> Steps[Relayed | None]:
    """Plan until a request has its response."""
    talk = managed.talk
    refused: Relayed | None = None
    while True:
        try:
            decision = talk.engine.plan(max_tokens=asked.max_tokens, now=talk.clock())
            yield Blocking(talk.keep)  # what is intended is stored before it is done
            registry.put(managed)
            if not isinstance(decision, Send):
                yield from fetched(prepare(talk, decision), asked.retries)
                continue
        except Exception as error:  # noqa: BLE001 - the caller is served whatever is wrong here
            explain(error, _REFUSED if refused else UNCHANGED)
            with sheltered("what was planned is not taken back"):
                managed.take_back()
            return refused
        response = yield from _send(managed, decision.request)
        if response.status_code in _SUCCESS:
            if asked.streams:
                return Relayed(response, Following(managed, decision.request))
            yield from _received(managed, response, decision.request)
            return Relayed(response)
        refused = Relayed(response)
        try:
            final = went_wrong(talk, fault_of(response), decision.request, advice=_ADVICE)
            yield Blocking(lambda: keep(managed))
        except Exception as error:  # noqa: BLE001 - the caller is served whatever is wrong here
            explain(error, _REFUSED)
            return refused
        if final is not None:
            return refused


def _send(managed: Managed, request: dict[str, Any]) -> Steps[AnyResponse]:
    """The response to one request, of whatever status."""
    talk = managed.talk
    try:
        response: AnyResponse = yield Create(request, "reply")
    except BaseException as error:
        with sheltered("what has come is not in the record"):
            if isinstance(error, Exception) and is_api_error(error):
                went_wrong(talk, error, request, advice=_ADVICE)
                yield Blocking(lambda: keep(managed))
            else:
                talk.engine.cut(now=talk.clock())
        raise
    return response


def _received(managed: Managed, response: AnyResponse, request: dict[str, Any]) -> Steps[None]:
    """Record a reply that came whole. It is the caller's, whatever is wrong here."""
    with sheltered("the reply is not in the record"):
        record(managed, json_of(response), request)
        yield Blocking(lambda: keep(managed))
