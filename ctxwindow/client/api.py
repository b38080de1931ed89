"""A request as the arguments of an SDK method: what the method has no argument for goes into the body and the headers.

The stable methods take no `betas`, and no fields that are in beta; the API does, from any of its clients.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Literal

__all__ = ["Surface", "arguments", "messages_of"]

Surface = Literal["beta", "stable"]


def messages_of(client: Any, surface: Surface) -> Any:
    """The `messages` resource that requests go to."""
    return client.beta.messages if surface == "beta" else client.messages


def arguments(method: Callable[..., Any], request: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments with which `method` sends the request."""
    taken = _parameters(getattr(method, "__func__", method))
    known = {key: value for key, value in request.items() if key in taken}
    body = {key: value for key, value in request.items() if key not in taken and key != "betas"}
    if body:
        known["extra_body"] = body
    if "betas" in request and "betas" not in taken:
        known["extra_headers"] = {"anthropic-beta": ",".join(request["betas"])}
    return known


@functools.cache
def _parameters(function: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)
