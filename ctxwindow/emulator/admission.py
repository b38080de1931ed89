"""What is judged before the content of a request: its size, its headers, and whether it is JSON at all.

Texts that are neither in the rulebook nor recorded are ours; status and type are those of ERR-02.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

import msgspec

from ctxwindow.emulator.http import ApiError, Request
from ctxwindow.errors import InvalidRequest
from ctxwindow.record import from_json, intake

__all__ = ["BATCH_BYTES", "BODY_BYTES", "VERSIONS", "Head", "admit", "read_body"]

BODY_BYTES = 32 * 1024 * 1024
"""Largest body of a request (CTX-18)."""

BATCH_BYTES = 256 * 1024 * 1024
"""Largest body of a batch (CTX-18, RATE-08)."""

VERSIONS = ("2023-06-01", "2026-10-21")
"""Values of `anthropic-version` (VER-01)."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What the headers say.

    Attributes:
        version: of the API.
        betas: values of `anthropic-beta`.
        fault: value of `x-emulate`; empty without one.
    """

    version: str
    betas: tuple[str, ...] = ()
    fault: str = ""


def admit(headers: Mapping[str, str], api_key: str | None) -> Head:
    """Read the headers.

    Args:
        headers: names in lower case.
        api_key: the one key that is accepted; None: any.

    Raises:
        ApiError: there is no key or a wrong one (401), or no version that the API has (400).
    """
    key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ").strip()
    if not key:
        raise ApiError(401, "x-api-key header is required")
    if api_key is not None and not hmac.compare_digest(_bytes(key), _bytes(api_key)):
        raise ApiError(401, "invalid x-api-key")
    version = headers.get("anthropic-version", "")
    if version not in VERSIONS:
        said = "is not a version of the API" if version else "header is required"
        raise ApiError(400, f"anthropic-version: {said}; known are {' and '.join(VERSIONS)}")
    betas = [name.strip() for name in headers.get("anthropic-beta", "").split(",")]
    return Head(version=version, betas=tuple(name for name in betas if name), fault=headers.get("x-emulate", ""))


def _bytes(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")


def read_body(request: Request, limit: int = BODY_BYTES) -> dict[str, Any]:
    """The body as an object, all of it plain JSON.

    Raises:
        ApiError: it is too large (413), no JSON, no object, or nested so deep that nobody means it (400).
    """
    if len(request.body) > limit:
        raise ApiError(413, "Request exceeds the maximum size")
    try:
        body = intake(from_json(request.body))
    except InvalidRequest as error:
        raise ApiError(400, f"{error.path}: {error.reason}" if error.path else error.reason) from None
    except (ValueError, RecursionError):
        raise ApiError(400, "The request body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise ApiError(400, "The request body should be a JSON object.")
    return body
