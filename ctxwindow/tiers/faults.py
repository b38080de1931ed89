"""What an error of the API says, whatever form it comes in: status, type, code, and what its text alone tells (ERR-01).

The API asks to branch on the code. Many errors have none, so that their text is all there is: it is looked for as the
rulebook has it, and never kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = ["Fault", "Way", "fault_of"]

_FIRST_ERROR = 400

_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""ERR-02."""

_TOO_LONG = re.compile(r"prompt is too long: (\d+) tokens > (\d+) maximum")
_OVER = re.compile(r"exceed context limit: (\d+) \+ (\d+) > (\d+)")
_BOUND = "bound to a different conversation"

_THINKING = (
    ("block_binding: Extra inputs are not permitted", "BIND-08"),
    ("blocks in the latest assistant message cannot be modified", "REPLAY-02"),
    ("Invalid `signature` in `thinking` block", "REPLAY-04"),
    ("Invalid `data` in `redacted_thinking` block", "REPLAY-04"),
    ("The final block in an assistant message cannot be `thinking`", "MSG-09"),
    ("the first block must be thinking or redacted_thinking", "MSG-10"),
    ("an `assistant` message in the final position cannot contain `thinking`", "THINK-08"),
)
"""Texts about thinking that was sent back, and their rules (I-11, I-12, I-14 to I-16)."""

_BLOCKS = {
    "compaction_block_ambiguous": "CMP-20",
    "compaction_block_misplaced": "CMP-21",
    "compaction_content_mismatch": "CMP-23",
    "compaction_signature_invalid": "CMP-24",
    "compaction_tool_changes_mismatch": "CMP-25",
}
"""Codes about a compaction block that was sent back, and their rules."""


class Way(msgspec.Struct, frozen=True):
    """What is to be done about an error for which there is no way out here."""

    rule: str
    why: str
    remedy: str


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What an error says. No content is kept but numbers and names of the API."""

    status: int | None
    kind: str
    """The error's type, such as `invalid_request_error`; of what is no error of the API, the class's name."""
    code: str | None = None
    size: tuple[int, int] | None = None
    """Tokens of the prompt and of the window, where the one does not go into the other (CTX-08, CTX-10)."""
    bound: bool = False
    """Whether it is about thinking that is bound to another conversation (BIND-05)."""
    thinking: str | None = None
    """The rule, where it is about other thinking that was sent back."""
    block: str | None = None
    """The rule, where it is about a compaction block that was sent back."""
    way: Way | None = None
    """What is known of it else."""


def fault_of(error: Any) -> Fault:
    """What an error says.

    Args:
        error: an SDK exception (`status_code`, `body`), or an error body as a dict.
    """
    body = error if isinstance(error, Mapping) else getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, Mapping) else None
    known = isinstance(inner, Mapping)
    kind = str(inner.get("type")) if isinstance(inner, Mapping) else type(error).__name__
    message = str(inner.get("message", "")) if isinstance(inner, Mapping) else str(error)
    details = inner.get("details") if isinstance(inner, Mapping) else None
    found = details.get("error_code") if isinstance(details, Mapping) else None
    code = found if isinstance(found, str) else None
    status = getattr(error, "status_code", None)
    status = status if isinstance(status, int) else None
    if known and (status is None or status < _FIRST_ERROR):
        status = _STATUS.get(kind, status)  # ERR-03: the SDK raises an error event with the status of its stream
    return Fault(
        status=status,
        kind=kind,
        code=code,
        size=_size(message),
        bound=_BOUND in message,
        thinking=next((rule for text, rule in _THINKING if text in message), None),
        block=_BLOCKS.get(code or ""),
        way=_way_out(status, code, message),
    )


def _size(message: str) -> tuple[int, int] | None:
    """The two sizes of a prompt that is too long, if what is said can be."""
    if match := _TOO_LONG.search(message):
        tokens, limit = int(match[1]), int(match[2])
        return (tokens, limit) if tokens > limit > 0 else None
    if match := _OVER.search(message):
        tokens, asked, limit = int(match[1]), int(match[2]), int(match[3])
        return (tokens, limit) if tokens + asked > limit > 0 else None
    return None


def _way_out(status: int | None, code: str | None, message: str) -> Way | None:
    """What is known of an error for which there is no way out here: by its code, its text, its status, in this order."""
    if code in _CODES:
        return _CODES[code]
    found = next((way for text, way in _TEXTS if text in message), None)
    return found or _STATUSES.get(status or 0)


_TOO_LARGE = Way(
    "CTX-18",
    "the request has more bytes than the API takes.",
    "Send smaller images and documents, or as files; `rewind` takes back a turn that is recorded.",
)

_CODES = {
    "enforced_spend_limit_reached": Way(
        "RATE-06",
        "the spend limit of the account is reached, and no waiting helps.",
        "Raise the limit, or wait until it starts anew.",
    ),
    "file_expired": Way("MEDIA-09", "a file of the request has expired.", "Upload it again, and name its new id."),
    "thread_not_found": Way(
        "THR-03",
        "the server does not keep this thread any more.",
        "Send the whole conversation as a new thread.",
    ),
    "thread_already_continued": Way(
        "THR-04",
        "the thread went on from this response already.",
        "Go on from the newest response, or send the whole conversation as a new thread.",
    ),
    "request_body_too_large_after_decoding": _TOO_LARGE,
}
"""What to do about errors that only their code tells from others (ERR-01, SDK-03)."""

_PAIRS = (
    "The history here has all calls and results in order, so something changes it on the way: check the client's middleware "
    "and proxy. A history from elsewhere is mended by `ctxwindow.repair`."
)

_TEXTS = (
    *(
        (text, Way(rule, "the API misses the other half of a call or result.", _PAIRS))
        for text, rule in (
            ("ids were found without `tool_result` blocks immediately after", "TOOL-01"),
            ("unexpected `tool_use_id` found in `tool_result` blocks", "TOOL-02"),
            ("each tool_use must have a single result", "TOOL-03"),
            ("`tool_use` ids must be unique", "TOOL-04"),
            ("must have a corresponding `server_tool_use` block", "TOOL-08"),
        )
    ),
    (
        "Expected `thinking` or `redacted_thinking`, but found",
        Way(
            "THINK-07",
            "with manual thinking the open turn must begin with thinking, and it does not.",
            "Finish it with thinking off: `configure(settings=...)`.",
        ),
    ),
    (
        "Could not resolve authentication method",
        Way(
            "ERR-02",
            "the client has no key, so the SDK sends nothing.",
            "Set `ANTHROPIC_API_KEY`, or pass `api_key` to the client.",
        ),
    ),
    (
        "You have reached your specified API usage limits",
        Way(
            "RATE-06",
            "the spend limit that was set for the account is reached, and no waiting helps.",
            "Raise the limit, or wait until it starts anew.",
        ),
    ),
)
"""What to do about errors that only their text tells from others (I-01 to I-04, I-07, I-13), one of them the SDK's own."""

_STATUSES = {
    401: Way("ERR-02", "the API does not take the key.", "Check `ANTHROPIC_API_KEY`, or the `api_key` of the client."),
    402: Way("ERR-02", "there is a problem with the billing of the account.", "See the console of the account."),
    403: Way("ERR-02", "the key may not do this.", "Check the permissions of the key, and of its workspace."),
    404: Way("ERR-02", "the API has no such model or endpoint.", "Check the model, and the client's base_url."),
    413: _TOO_LARGE,
}
"""What to do about errors that their status tells from others."""
