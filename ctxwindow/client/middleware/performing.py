"""Carrying out actions by the rest of the SDK's chain: one performer that blocks, one that awaits."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ctxwindow.client import actions
from ctxwindow.client.middleware.asking import Asked
from ctxwindow.client.performing import in_thread

if TYPE_CHECKING:
    from anthropic import APIRequest, AsyncCallNext, CallNext

__all__ = ["AsyncChainPerformer", "ChainPerformer"]

_ERRORS = 400


def _request(asked: Asked, action: actions.Create | actions.Count) -> APIRequest:
    if isinstance(action, actions.Create) and action.purpose == "reply":
        return asked.rewritten(action.request)
    return asked.own(action.request, count=isinstance(action, actions.Count))


@dataclass
class ChainPerformer:
    """Carries out actions, blocking. Requests give their responses, which have been read unless they stream."""

    asked: Asked
    call_next: CallNext

    def perform(self, action: actions.Action) -> Any:
        """See `actions.Performer`."""
        match action:
            case actions.Create() | actions.Count():
                request = _request(self.asked, action)
                response = self.call_next(request)
                if not request.stream or response.status_code >= _ERRORS:
                    response.http_response.read()
                return response
            case actions.Blocking():
                return action.function()
            case actions.Pause():
                time.sleep(action.seconds)
            case _:
                raise AssertionError("no step of a middleware asks for this")
        return None


@dataclass
class AsyncChainPerformer:
    """Carries out actions, awaiting. What blocks runs in a thread."""

    asked: Asked
    call_next: AsyncCallNext

    async def perform(self, action: actions.Action) -> Any:
        """See `actions.AsyncPerformer`."""
        match action:
            case actions.Create() | actions.Count():
                request = _request(self.asked, action)
                response = await self.call_next(request)
                if not request.stream or response.status_code >= _ERRORS:
                    await response.http_response.aread()
                return response
            case actions.Blocking():
                return await in_thread(action.function)
            case actions.Pause():
                await asyncio.sleep(action.seconds)
            case _:
                raise AssertionError("no step of a middleware asks for this")
        return None
