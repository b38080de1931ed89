"""What a body must and must not have by the endpoint it is sent to. Everything else of a body is judged by the rules.

The API's own schema errors are not part of the rulebook; the texts here are worded like those that were recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctxwindow.emulator.http import ApiError
from ctxwindow.rules.schema import wrong_fields

__all__ = ["check_types", "only_for_create"]

_NOT_IN_BODY = frozenset(
    {"betas", "anthropic_version", "anthropic_beta", "extra_headers", "extra_query", "extra_body", "timeout"}
)
"""Headers, and arguments of the SDK, which the rules let pass because recordings have them in the body."""

_ONLY_CREATE = (
    "max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "metadata", "service_tier"
)  # fmt: skip


def check_types(body: Mapping[str, Any], *, required: tuple[str, ...]) -> None:
    """See that the fields at the top are there and of their types, before the model is looked up.

    Raises:
        ApiError: one is not; the first in the order of `required`, then of the rule's table.
    """
    for field in required:
        if field not in body:
            raise ApiError(400, f"{field}: Field required")
    for field in body:
        if field in _NOT_IN_BODY:
            raise ApiError(400, f"{field}: Extra inputs are not permitted")
    for finding in wrong_fields(body):
        raise ApiError(400, finding.message)
    if not isinstance(body["messages"], list):
        raise ApiError(400, "messages: Input should be a valid list")


def only_for_create(body: Mapping[str, Any]) -> None:
    """TOK-13: count_tokens takes no field that bears on the reply alone.

    Raises:
        ApiError: there is one.
    """
    for field in _ONLY_CREATE:
        if field in body:
            raise ApiError(400, f"{field}: Extra inputs are not permitted")
