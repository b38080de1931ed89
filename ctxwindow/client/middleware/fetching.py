"""Our own requests beside the caller's: summaries, compactions, counts. Tried again as the SDK does it (SDK-01)."""

from __future__ import annotations

from typing import Any, TypeVar

from anthropic import APIConnectionError, APIResponse, APIStatusError, AsyncAPIResponse

from ctxwindow.client.actions import Action, Count, Create, Pause, Steps
from ctxwindow.errors import EndpointError
from ctxwindow.record import from_json
from ctxwindow.tiers.recovery import recover

__all__ = ["AnyResponse", "fault_of", "fetched", "json_of"]

T = TypeVar("T")
AnyResponse = APIResponse[Any] | AsyncAPIResponse[Any]

_ERRORS = 400
_FIRST_PAUSE, _LONGEST_PAUSE, _LONGEST_ASKED = 0.5, 8.0, 60.0
"""Seconds."""


def fetched(steps: Steps[T], retries: int) -> Steps[T]:
    """The same steps, with the responses to their requests read: a driver of these gives back raw responses.

    Args:
        steps: of ours.
        retries: times to try a request again.
    """
    found: Any = None
    error: BaseException | None = None
    while True:
        try:
            action = steps.throw(error) if error is not None else steps.send(found)
        except StopIteration as end:
            result: T = end.value
            return result
        found = error = None
        try:
            found = (yield from _fetch(action, retries)) if isinstance(action, (Create, Count)) else (yield action)
        except GeneratorExit:
            steps.close()
            raise
        except BaseException as raised:  # noqa: BLE001 - the steps decide
            error = raised


def _fetch(action: Create | Count, retries: int) -> Steps[Any]:
    """What a request brings: a message, or a number of tokens."""
    for attempt in range(retries + 1):
        last = attempt == retries
        try:
            response: AnyResponse = yield action
        except APIConnectionError:
            if last:
                raise
            yield Pause(_pause(attempt))
            continue
        if response.status_code < _ERRORS:
            return _read(action, json_of(response))
        fault = fault_of(response)
        if last or recover(fault).action != "send_again":
            raise fault
        yield Pause(_pause(attempt, response.headers.get("retry-after")))
    raise AssertionError("the last attempt returns or raises")


def _read(action: Action, body: Any) -> Any:
    found = body.get("content" if isinstance(action, Create) else "input_tokens") if isinstance(body, dict) else None
    if isinstance(action, Create) and isinstance(found, list):
        return body
    if isinstance(action, Count) and type(found) is int:
        return found
    raise EndpointError("what came for a request of our own is not the API's answer.", path="base_url")


def _pause(attempt: int, asked: str | None = None) -> float:
    """Seconds to wait: as the API asks, within reason, or twice as long each time."""
    try:
        seconds = float(asked) if asked is not None else 0.0
    except ValueError:
        seconds = 0.0
    return seconds if 0 < seconds <= _LONGEST_ASKED else min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE)


def json_of(response: AnyResponse) -> Any:
    """The body of a response that has been read, as JSON; None where it is none."""
    try:
        return from_json(response.http_response.content)
    except ValueError:
        return None


def fault_of(response: AnyResponse) -> APIStatusError:
    """The error that a response with an error status is, as the SDK would raise it."""
    return APIStatusError(f"status {response.status_code}", response=response.http_response, body=json_of(response))
