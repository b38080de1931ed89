"""Requests, responses and errors as values, so that the emulator itself opens no socket.

An error body is `{"type": "error", "error": {"type", "message", "details"?}, "request_id"}` (ERR-01), and its type
follows from its status (ERR-02).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ctxwindow.record import from_json, to_json

__all__ = ["ERROR_TYPES", "ApiError", "Cut", "Event", "Request", "Response", "Unanswered", "error_body", "refusal"]

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "invalid_request_error",  # ERR-02 gives the status and no type of its own
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""Status -> `error.type` (ERR-02)."""

_CODED = re.compile(
    r"(compaction_[a-z_]+|thread_[a-z_]+|tool_reference_unresolved|tool_name_conflict|available_tools_limit_exceeded"
    r"|file_expired): ",
    re.ASCII,
)
"""How a rule's message begins when the API gives the error a code of its own: `compaction_block_ambiguous: ...`."""

_PIXELS = re.compile(r"dimensions exceed max allowed size.*: (\d+) pixels", re.ASCII)

_STATUS_OF_CODE = {"thread_not_found": 404, "file_expired": 404, "compaction_unavailable": 529}
"""Codes that are not a 400 (THR-03, MEDIA-09, CMP-26)."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request.

    Attributes:
        method: `GET`, `POST`, ...
        path: with or without a query.
        headers: names in any case.
        body: as it was sent.
    """

    method: str
    path: str
    headers: Mapping[str, str] = {}
    body: bytes = b""

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return from_json(self.body)


class ApiError(Exception):
    """An answer that is an error.

    Attributes:
        status: of the response.
        message: what the API says.
        code: `error.details.error_code`, or None.
        details: what else stands in `error.details`.
        headers: to send along (`retry-after`).
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.message = message
        self.code = code
        self.details = dict(details or {})
        self.headers = dict(headers or {})
        super().__init__(message)


def refusal(message: str, *, path: str = "") -> ApiError:
    """The error for what a rule said: a code in front of the text goes into the details (ERR-01).

    Args:
        message: of the rule.
        path: of what broke it.
    """
    coded, pixels = _CODED.match(message), _PIXELS.search(message)
    if pixels is not None:  # MEDIA-04, MEDIA-05: types/image_dimensions_too_large_error_details.py
        details = {"max_side_length_pixels": int(pixels[1]), "paths": [path]}
        return ApiError(400, message, code="image_dimensions_too_large", details=details)
    if coded is None:
        return ApiError(400, message)
    return ApiError(_STATUS_OF_CODE.get(coded[1], 400), message[coded.end() :], code=coded[1])


def error_body(error: ApiError, request_id: str) -> dict[str, Any]:
    """The body of an error (ERR-01)."""
    inner: dict[str, Any] = {"type": ERROR_TYPES.get(error.status, "api_error"), "message": error.message}
    details = {**({"error_code": error.code} if error.code else {}), **error.details}
    if details:
        inner["details"] = details
    return {"type": "error", "error": inner, "request_id": request_id}


class Event(msgspec.Struct, frozen=True):
    """One server-sent event."""

    name: str
    data: dict[str, Any]

    def encode(self) -> bytes:
        """As it goes over the wire."""
        return b"event: " + self.name.encode() + b"\ndata: " + to_json(self.data) + b"\n\n"


class Cut(Exception):
    """Raised by `Response.chunks` where the connection is to break."""


class Unanswered(Exception):
    """Raised by `Response.chunks` of a request that is never answered.

    Attributes:
        seconds: how long a real connection is to stay silent.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__("no answer")


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP response: a body, or the events of a stream.

    Attributes:
        status: of the response.
        headers: names in lower case.
        body: empty for a stream.
        events: of a stream; None otherwise.
        cut_after: bytes after which the connection breaks; None: it does not.
        silent: seconds for which nothing comes, and then the connection breaks; None: it answers.
    """

    status: int
    headers: dict[str, str]
    body: bytes = b""
    events: tuple[Event, ...] | None = None
    cut_after: int | None = None
    silent: float | None = None

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return from_json(self.body)

    def chunks(self) -> Iterator[bytes]:
        """The bytes of the body, an event at a time.

        Raises:
            Cut: here the connection breaks.
            Unanswered: nothing ever comes.
        """
        if self.silent is not None:
            raise Unanswered(self.silent)
        parts = [self.body] if self.events is None else (event.encode() for event in self.events)
        left = self.cut_after
        for part in parts:
            if left is not None and len(part) >= left:
                yield part[:left]
                raise Cut
            left = None if left is None else left - len(part)
            yield part
        if left is not None:
            raise Cut
