"""What a tool returned or raised, as the `tool_result` block that answers its call.

Whatever a tool does, its call gets one result that the API takes (TOOL-01, TOOL-06). An `is_error` result holds text
alone, and no result is empty: the API was seen to refuse both with a 400 (github.com/vellum-ai/vellum-assistant/pull/18387;
github.com/zed-industries/zed/pull/27130, github.com/anomalyco/opencode/issues/15371), and every later request of the
conversation with them.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import pydantic

from ctxwindow.client.json_text import NoJsonError, as_json, kind_of
from ctxwindow.record import intake
from ctxwindow.record.blocks import is_blank_text
from ctxwindow.record.surrogates import without_surrogates
from ctxwindow.rules import check

__all__ = [
    "MAX_ERROR_CHARS",
    "MAX_RESULT_CHARS",
    "Answer",
    "WrongInputError",
    "bounded",
    "failed",
    "succeeded",
]

MAX_RESULT_CHARS = 2_000_000
"""The most text of one result. Our choice: taking so much in costs 0.2 to 0.45 seconds in which nothing else of the process
runs (log lines, on CPython 3.11 and 3.12), and 20 million characters 2.4 to 3.4; and a few results that are much larger
pass the 32 MB that a request may hold (CTX-18)."""

MAX_ERROR_CHARS = 2_000
"""The most that an error tells the model. Our choice: enough for what went wrong; a driver's exception may quote a page."""

NOTHING = "(no output)"
"""What answers a call whose tool returned nothing that can be seen."""

_BLOCKS: dict[str, tuple[str, type]] = {
    "text": ("text", str),
    "image": ("source", Mapping),
    "document": ("source", Mapping),
    "search_result": ("content", list),
    "tool_reference": ("tool_name", str),
}
"""What a result may hold, with a field that tells each from a tool's own data that has a `type` too."""


def succeeded(call: Mapping[str, Any], value: object) -> dict[str, Any]:
    """The result of a call that returned `value`.

    Text and content blocks go as they are, anything else as JSON. What is neither, and what is longer than
    `MAX_RESULT_CHARS`, is an `is_error` result that says so and shows nothing of it.

    Args:
        call: the `tool_use` block.
        value: what the tool returned.
    """
    if inspect.iscoroutine(value):
        value.close()  # nobody will await it, and Python would warn of that
    try:
        content = _content(value)
    except Exception as error:  # noqa: BLE001 - objects of the caller's may fail in any way while they are read
        inside = f", for it holds a {error}" if isinstance(error, NoJsonError) and str(error) != kind_of(value) else ""
        return failed(call, f"{_name(call)} returned a {kind_of(value)} that is neither text nor JSON{inside}. {_RAN}")
    size = _text_chars(content)
    if size > MAX_RESULT_CHARS:
        return failed(
            call,
            f"{_name(call)} returned {size:,} characters, and a result may have {MAX_RESULT_CHARS:,}. {_RAN} "
            "Ask for less of it at a time.",
        )
    if _from_code(call) and isinstance(content, list) and any(block["type"] != "text" for block in content):
        return failed(call, f"{_name(call)} returned more than text, and code takes text alone. {_RAN}")  # TOOL-12
    block = _result(call, without_surrogates(content))
    wrong = _refused(call, block) if isinstance(content, list) else None
    if wrong is not None:
        return failed(call, f"{_name(call)} returned blocks that the API does not take: {bounded(wrong, 300)} {_RAN}")
    return block


_RAN = "It ran, and its result is lost."


def failed(call: Mapping[str, Any], error: BaseException | str) -> dict[str, Any]:
    """The `is_error` result of a call that went wrong.

    Args:
        call: the `tool_use` block.
        error: what the tool raised: the content of the SDK's `ToolError`, or type and message of another, up to
            `MAX_ERROR_CHARS` and without a traceback. Or what to tell the model.
    """
    told: Any
    if isinstance(error, BaseException):
        structured = _structured(error)
        told = bounded(_said(error)) if structured is None else structured
    else:
        told = error
    if isinstance(told, str):
        content: Any = bounded(told, MAX_RESULT_CHARS)
    else:
        content = [block for block in map(_as_text, told) if not is_blank_text(block)]
    if not content or (isinstance(content, str) and not content.strip()):
        content = f"{_name(call)} failed, and did not say why."
    return {**_result(call, without_surrogates(content)), "is_error": True}


class Answer:
    """The one place where what a tool does becomes its result, for functions and coroutines alike.

    with Answer(call) as answer:
        answer.value = run_it()
    answer.block  # the result, whether that returned or raised

    What is no `Exception`, such as an interrupt or a cancellation, passes through.
    """

    def __init__(self, call: Mapping[str, Any]) -> None:
        self.call = call
        self.value: object = None
        self.block: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        if error is None:
            self.block = succeeded(self.call, self.value)
        elif isinstance(error, Exception):
            self.block = failed(self.call, error)
        else:
            return False
        return True


class WrongInputError(Exception):
    """The model's input does not fit a tool. The text is for the model: what is wrong, path by path, without the values."""

    def __init__(self, reason: str, error: pydantic.ValidationError) -> None:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        lines = [f"- {_path(one['loc'])}: {bounded(one['msg'], 200)}" for one in found[:20]]
        more = [f"- and {len(found) - 20} more"] if len(found) > 20 else []  # noqa: PLR2004 - as above
        super().__init__("\n".join([f"{reason}:", *lines, *more]))


def _path(parts: tuple[int | str, ...]) -> str:
    return bounded(".".join(str(part) for part in parts), 100) or "input"


def bounded(text: str, limit: int = MAX_ERROR_CHARS) -> str:
    """At most `limit` characters of a text, with a sign where it was cut."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _result(call: Mapping[str, Any], content: object) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": call["id"], "content": content}
    family = call.get("toolset_name")
    return block if family is None else {**block, "toolset_name": family}  # TOOL-13


def _content(value: object) -> Any:
    """What stands in the result of what a tool returned: text, or blocks. It shares nothing with what was returned."""
    blocks = value if isinstance(value, (list, tuple)) else [value]
    if blocks and all(isinstance(block, Mapping) and _is_block(block) for block in blocks):
        return [block for block in intake(blocks) if not is_blank_text(block)] or NOTHING  # MSG-06
    if value is None:
        return NOTHING
    text = str.__str__(value) if isinstance(value, str) else as_json(value)
    return text if text.strip() else NOTHING


def _is_block(block: Mapping[str, Any]) -> bool:
    kind = block.get("type")
    if not isinstance(kind, str) or kind not in _BLOCKS:
        return False
    field, wanted = _BLOCKS[kind]
    return isinstance(block.get(field), wanted)


def _text_chars(value: Any) -> int:
    """Characters of text in a block, inside documents and search results too. Images and files have limits of their own."""
    if isinstance(value, Mapping):
        if value.get("type") == "base64":
            return 0
        return sum(_text_chars(inner) for inner in value.values())
    if isinstance(value, list):
        return sum(_text_chars(inner) for inner in value)
    return len(value) if isinstance(value, str) else 0


def _refused(call: Mapping[str, Any], block: dict[str, Any]) -> str | None:
    """What rule blocks break that stand in no request but this one. A conversation that took them in could not go on: the
    call has run, and nothing else may answer it.
    """
    calling = {"role": "assistant", "content": [{**call, "type": "tool_use"}]}
    report = check({"messages": [{"role": "user", "content": "-"}, calling, {"role": "user", "content": [block]}]})
    found = (violation for violation in report.violations if violation.severity == "error")
    return next((f"{violation.message} [{violation.rule}]" for violation in found if _is_inside(violation.path)), None)


def _is_inside(path: str | None) -> bool:
    return path is not None and path.startswith("messages.2.content.0.content.")


def _from_code(call: Mapping[str, Any]) -> bool:
    """Whether code that runs at the API made the call."""
    caller = call.get("caller")
    return isinstance(caller, Mapping) and caller.get("type", "direct") != "direct"


def _structured(error: BaseException) -> Any:
    """The content of the SDK's `ToolError`; None for other errors. Who raises it has imported the SDK."""
    sdk = sys.modules.get("anthropic.lib.tools")
    return error.content if sdk is not None and isinstance(error, sdk.ToolError) else None


def _as_text(block: object) -> dict[str, Any]:
    """A block of an error's content; what is no text is only named."""
    if isinstance(block, Mapping) and block.get("type") == "text" and isinstance(block.get("text"), str):
        return {"type": "text", "text": bounded(block["text"], MAX_RESULT_CHARS)}
    kind = bounded(str(block.get("type")), 80) if isinstance(block, Mapping) else kind_of(block)
    return {
        "type": "text",
        "text": f"(Left out: a block of type {kind}. The result of a failed call holds text alone.)",
    }


def _said(error: BaseException) -> str:
    if isinstance(error, WrongInputError):
        return str(error)
    if isinstance(error.__cause__, pydantic.ValidationError) and str(error).startswith(
        "Invalid arguments for function"
    ):
        return str(WrongInputError(str(error), error.__cause__))  # the SDK's tools say that much and no more
    try:
        message = str(error).strip()
    except Exception:  # noqa: BLE001 - an exception of the caller's, which may fail to describe itself
        message = ""
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _name(call: Mapping[str, Any]) -> str:
    return bounded(str(call.get("name")), 80)
