"""Whether a request has the types of which tokens can be counted. What else is wrong with it `check` tells.

Content of an odd type inside a message counts as nothing; where there is no telling what would be sent, an error is
better than a number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctxwindow.errors import InvalidRequest
from ctxwindow.record import plain_json

__all__ = ["countable"]


def countable(request: object, path: str = "") -> Mapping[str, Any]:
    """The request as plain JSON, the SDK's objects in it included; the request itself where it is plain already.

    Args:
        request: a body of the Messages API.
        path: what to call it in the error.

    Raises:
        InvalidRequest: JSON cannot carry it, or a field that is counted has another type than it must have.
    """
    body = plain_json(request, path)
    if not isinstance(body, dict):
        raise _refused(path, "a request is an object.", rule=None)
    for field, reason, rule in _mistyped(body):
        raise _refused(f"{path}.{field}" if path else field, reason, rule=rule)
    return body


def _mistyped(body: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Field, reason and rule of what cannot be counted."""
    if not isinstance(body.get("model"), str | None):
        yield "model", "the model is not a string.", "SHAPE-12"
    if not isinstance(body.get("system"), str | list | None):
        yield "system", "`system` is a string or a list of text blocks.", "SHAPE-09"
    if not isinstance(body.get("messages"), list | None):
        yield "messages", "`messages` is a list.", "SHAPE-01"
    tools = body.get("tools")
    if not isinstance(tools, list | None):
        yield "tools", "`tools` is a list of objects.", "SHAPE-09"
    for index, tool in enumerate(tools or ()):
        if not isinstance(tool, dict):
            yield f"tools.{index}", "a tool is an object.", "SHAPE-09"


def _refused(path: str, reason: str, *, rule: str | None) -> InvalidRequest:
    return InvalidRequest(reason, rule=rule, path=path, remedy="See the Messages API reference; `check` names it all.")
