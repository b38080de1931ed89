"""What an API, a proxy or a login page answers in place of a reply, by name.

Texts are those of the rulebook (section 20 and the rules named) and of tests/data/errors.jsonl; where only the code of
an error is documented, the text is ours, and nothing should branch on it (ERR-01).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ctxwindow.emulator.http import ApiError, error_body
from ctxwindow.record import to_json
from tests.conftest import SMALL

__all__ = ["FINAL", "PASSING", "REFUSED", "STRANGE", "Answer", "recorded", "too_long"]

SOON = {"retry-after": "0.001"}
"""Seconds. The SDK takes no `retry-after: 0` for an answer: it then waits as if there were none (SDK-01)."""


@dataclass(frozen=True)
class Answer:
    """An answer that takes the place of the emulator's; the emulator never sees the request."""

    name: str
    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


def _error(
    name: str,
    status: int,
    message: str,
    code: str | None = None,
    *,
    details: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    body = error_body(ApiError(status, message, code=code, details=details), "req_broken")
    return Answer(name, status, to_json(body), headers=tuple((headers or {}).items()))


def _named(*answers: Answer) -> dict[str, Answer]:
    found = {answer.name: answer for answer in answers}
    assert len(found) == len(answers), "two failures have one name"
    return found


_HTML = (
    b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><h1>Sign in to the network</h1></body></html>\n"
)

PASSING = _named(
    _error("429", 429, "This request would exceed the rate limit.", headers=SOON),
    _error("429 without retry-after", 429, "This request would exceed the rate limit."),
    _error("529", 529, "Overloaded", headers=SOON),
    _error("529 without retry-after", 529, "Overloaded"),
    _error("500", 500, "Internal server error", headers=SOON),
    _error("500 without retry-after", 500, "Internal server error"),
    _error("408", 408, "Request timeout", headers=SOON),
    _error("409", 409, "Conflict", headers=SOON),
    _error("503", 503, "Service unavailable", headers=SOON),
    _error("504", 504, "Gateway timeout", headers=SOON),
    _error("compaction_unavailable", 529, "Compaction is unavailable.", "compaction_unavailable", headers=SOON),
    Answer("502 page", 502, _HTML, "text/html", tuple(SOON.items())),
)
"""The same request may be sent again, and the SDK does so (SDK-01, CMP-26)."""

FINAL = _named(
    _error("401", 401, "invalid x-api-key"),
    _error("402", 402, "Your credit balance is too low to access the Anthropic API."),
    _error("403", 403, "Your API key does not have permission to use the specified resource."),
    _error("404", 404, "model: claude-does-not-exist"),
    _error("413", 413, "Request exceeds the maximum size"),
    _error("spend limit", 429, "The spend limit is reached.", "enforced_spend_limit_reached"),  # RATE-06
    _error("own spend limit", 400, "You have reached your specified API usage limits. You will regain access later."),
)
"""No request can help, as long as somebody does not mend something outside."""

_BOUND = (
    "messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to a different conversation. "
    'Remove the block, or set `thinking.block_binding.prefix_mismatch_behavior` to "drop_block".'
)
_MODIFIED = (
    "messages.1.content.0: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified. "
    "These blocks must remain as they were in the original response."
)
_NO_RESULT = (
    "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_lost. Each `tool_use` "
    "block must have a corresponding `tool_result` block in the next message."
)
_NO_CALL = (
    "messages.2.content.0: unexpected `tool_use_id` found in `tool_result` blocks: toolu_lost. Each `tool_result` block "
    "must have a corresponding `tool_use` block in the previous message."
)

REFUSED = _named(
    _error("prompt too long", 400, "prompt is too long: 208310 tokens > 200000 maximum"),  # CTX-08
    _error(
        "over the limit with max_tokens",  # CTX-10
        400,
        "input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000, decrease input length or "
        "`max_tokens` and try again",
    ),
    _error(
        "bound",
        400,
        f"{_BOUND} That setting requires the `thinking-binding-controls-2026-08-01` value in the "
        "`anthropic-beta` header.",
    ),  # BIND-05
    _error("bound although asked to drop", 400, _BOUND),
    _error("thinking modified", 400, _MODIFIED),  # REPLAY-02
    _error("invalid signature", 400, "messages.1.content.0: Invalid `signature` in `thinking` block"),
    _error("call without result", 400, _NO_RESULT),  # TOOL-01
    _error("result without call", 400, _NO_CALL),
    _error(
        "two results",
        400,
        "messages.2.content.1: each tool_use must have a single result. Found multiple "
        "`tool_result` blocks with id: toolu_twice",
    ),
    _error("ids not unique", 400, "messages.3.content.0: `tool_use` ids must be unique"),
    _error(
        "prefill",
        400,
        "This model does not support assistant message prefill. The conversation must end with a user message.",
    ),
    _error("empty text", 400, "messages: text content blocks must be non-empty"),
    _error("too many markers", 400, "A maximum of 4 blocks with cache_control may be provided. Found 5."),
    _error("system message", 400, "role 'system' is not supported on this model"),
    _error(
        "max_tokens",
        400,
        "max_tokens: 128001 > 64000, which is the maximum allowed number of output tokens for claude-opus-4-5-20251101",
    ),
    _error("extra field", 400, "thinking.adaptive.block_binding: Extra inputs are not permitted"),
    _error("compaction combined", 400, "compaction: cannot be combined with stop_sequences"),  # CMP-18
    _error("compaction_incomplete_turn", 400, "The last assistant turn lacks results.", "compaction_incomplete_turn"),
    _error("compaction_block_ambiguous", 400, "There are two compaction blocks.", "compaction_block_ambiguous"),
    _error("compaction_block_misplaced", 400, "The compaction block is not first.", "compaction_block_misplaced"),
    _error("compaction_content_mismatch", 400, "The content was changed.", "compaction_content_mismatch"),
    _error("compaction_signature_invalid", 400, "The signature is not valid.", "compaction_signature_invalid"),
    _error("compaction_tool_changes_mismatch", 400, "tool_changes was changed.", "compaction_tool_changes_mismatch"),
    _error("compaction_too_many_tool_references", 400, "Too many.", "compaction_too_many_tool_references"),
    _error("compaction_nothing_to_summarize", 400, "There is nothing.", "compaction_nothing_to_summarize"),
    _error("thread_not_found", 404, "No usable thread state was found.", "thread_not_found"),  # THR-03
    _error("thread_already_continued", 400, "It was continued already.", "thread_already_continued"),  # THR-04
    _error("thread_continue_in_flight", 400, "It is being continued.", "thread_continue_in_flight"),
    _error("thread_fingerprint_mismatch", 400, "Stored fields differ.", "thread_fingerprint_mismatch"),  # THR-02
    _error(
        "thread_unsupported_request",  # THR-05
        400,
        "A thread does not take this.",
        "thread_unsupported_request",
        details={"unsupported": ["cache_control"]},
    ),
    _error("file_expired", 404, "A file has expired.", "file_expired"),  # MEDIA-09
    _error(
        "image_dimensions_too_large",  # MEDIA-04
        400,
        "messages.0.content.0.image.source.base64.data: At least one of the image dimensions exceed max allowed size: "
        "8000 pixels",
        "image_dimensions_too_large",
        details={"max_side_length_pixels": 8000, "paths": ["messages.0.content.0"]},
    ),
    _error("tool_name_conflict", 400, "Two tools have one name.", "tool_name_conflict"),
    _error("tool_reference_unresolved", 400, "There is no such tool.", "tool_reference_unresolved"),
)
"""The request as it stands is refused: some of these have a documented way on, others have none."""

STRANGE = _named(
    Answer("page with status 200", 200, _HTML, "text/html; charset=utf-8"),
    Answer("page as JSON", 200, _HTML),
    Answer("nothing", 200, b""),
    Answer("nothing as a stream", 200, b"", "text/event-stream; charset=utf-8"),
    Answer("another object", 200, b'{"ok": true}'),
    Answer("a list", 200, b"[]"),
    Answer("null", 200, b"null"),
    Answer("a string", 200, b'"pong"'),
    Answer("half an object", 200, b'{"id": "msg_1", "type": "message", "content": [{"ty'),
    Answer("a message without content", 200, b'{"id": "msg_1", "type": "message", "role": "assistant"}'),
    Answer("an error with status 200", 200, to_json(error_body(ApiError(500, "Internal server error"), "req_broken"))),
    Answer("bytes", 200, bytes(range(256)), "application/octet-stream"),
    Answer("error without a body", 400, b""),
    Answer("error of another shape", 400, b'{"message": "bad request"}'),
)
"""Answers that are no replies: of a proxy, of a login page, of the wrong base URL."""


def too_long(tokens: int, limit: int) -> Answer:
    """The error for a prompt that does not fit (CTX-08), with numbers that can be true of a conversation."""
    return _error("prompt too long", 400, f"prompt is too long: {tokens} tokens > {limit} maximum")


def recorded() -> list[Answer]:
    """Every error of tests/data/errors.jsonl, with its text as it came."""
    with (SMALL / "errors.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    found = []
    for number, row in enumerate(rows):
        body = {"type": "error", "error": {"type": row["type"], "message": row["message"]}, "request_id": "req_broken"}
        found.append(Answer(f"recorded {number}", row["status"], to_json(body)))
    return found
