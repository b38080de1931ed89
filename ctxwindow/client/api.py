"""What the SDK takes and gives: a request as the arguments of one of its methods, a message as an object of its type.

What a method has no argument for goes into the body and the headers.

The stable methods take no `betas`, and no fields that are in beta; the API does, from any of its clients.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal

__all__ = ["Surface", "arguments", "message_of", "messages_of"]

Surface = Literal["beta", "stable"]


def messages_of(client: Any, surface: Surface) -> Any:
    """The `messages` resource that requests go to."""
    return client.beta.messages if surface == "beta" else client.messages


def message_of(fields: Mapping[str, Any], surface: Surface) -> Any:
    """A message as the SDK would have given it, of what is known of it: nothing of it is shared.

    Args:
        fields: as the API names them. Those that it must have and that are not there are None.
        surface: whose type it has.
    """
    # Here, because only who drives a client has the SDK.
    from anthropic.types import Message  # noqa: PLC0415
    from anthropic.types.beta import BetaMessage  # noqa: PLC0415

    kind: Any = BetaMessage if surface == "beta" else Message
    known = {name: None for name, field in kind.model_fields.items() if field.is_required()}
    return kind.construct(**known | {"type": "message", "role": "assistant"} | copy.deepcopy(dict(fields)))


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
