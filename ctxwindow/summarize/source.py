"""What in a message may be quoted: its strings, and whose words each one is.

A walk over the blocks of the API, known and unknown. It reads only keys that hold text for a reader, so an
opaque value (base64, a signature, an encrypted result) or the private field of a block type that does not
exist yet is never taken for text. Reasoning is never quoted: `thinking` and `redacted_thinking` blocks are
bound to their place and signature (REPLAY-04, THINK-10, BIND-01), they belong to the model that wrote them,
and as plain text in a user-role summary they would be instructions that nobody gave.

Odd shapes (a block that is a string, content that is a number, nesting of any depth) are stepped over or
read as far as they hold strings; nothing here raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from ctxwindow.record.surrogates import has_surrogates, without_surrogates

__all__ = ["Form", "Piece", "Work", "main_argument", "pieces", "sendable"]


Work = Literal["user", "assistant", "tool", "system"]
"""Whose words: the user's, the model's, a tool's or document's, the operator's."""

Form = Literal["text", "result", "error", "argument", "call", "media", "summary"]
"""What a string is: prose, the answer of a tool or a document, a failed answer, an argument of a call, ...

`call` and `media` name structure: `label` is the tool or the block type, `text` the literal that goes with it.
"""


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One string of the source, as it stands there."""

    text: str
    message: int
    """Record index of the message."""
    role: str
    work: Work
    form: Form
    label: str = ""
    """Tool name of a call, block type of an attachment; empty for every other form."""


_PRIVATE = frozenset({"thinking", "redacted_thinking"})
_PROSE = frozenset({"text", "connector_text"})
_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_MEDIA = frozenset({"image", "document", "container_upload"})
# Tool definitions that travel inside messages (SYS-10, SYS-13): they say what may be called, not what happened.
_DEFINITIONS = frozenset({"tool_addition", "tool_removal", "mcp_tool_listing"})

# Keys under which the blocks of anthropic 2.12.0 (`types/beta/*_block_param.py`) keep text for a reader, and
# those that tools of an unknown type most likely use. Everything else is structure or opaque.
_READABLE = frozenset(
    {
        "text", "content", "title", "context", "stdout", "stderr", "output", "outputs", "result", "results", "message",
        "messages", "error", "error_code", "error_message", "summary", "description", "lines", "source", "url", "uri",
        "tabs", "state_changes", "tool_references", "tool_name", "query", "value", "values", "items", "body",
    }
)  # fmt: skip

_TOOL_NAME = re.compile(r"[\w./-]{1,200}")  # wider than the API's own pattern; no blanks, so a line can be taken apart

# The argument that tells most about a call, by the names that tools commonly give it; else the first string.
_MAIN_ARGUMENTS = (
    "command", "file_path", "notebook_path", "pattern", "query", "url", "path", "subject", "description", "prompt",
    "code", "name", "id",
)  # fmt: skip


def pieces(messages: Sequence[Any], first: int) -> Iterator[Piece]:
    """Every quotable string of the messages, in order; `first` is the record index of `messages[0]`.

    Lone surrogates come as U+FFFD: no request could carry a quotation of them.
    """
    for offset, message in enumerate(messages):
        if isinstance(message, Mapping):
            for piece in _message(message, first + offset):
                held = has_surrogates(piece.text)
                yield msgspec.structs.replace(piece, text=sendable(piece.text)) if held else piece


def sendable(text: str) -> str:
    """A text with U+FFFD for each lone surrogate."""
    found: str = without_surrogates(text)
    return found


def _message(message: Mapping[str, Any], index: int) -> Iterator[Piece]:
    """The strings of one message."""
    if message.get("clear_at") == "next_user_message":
        return  # turn-scoped: it has expired for the model (SYS-07), a summary must not bring it back
    role = message.get("role")
    role = role if isinstance(role, str) else ""
    work: Work = "user" if role == "user" else "system" if role == "system" else "assistant"
    content = message.get("content")
    for block in content if isinstance(content, list) else [content]:
        if isinstance(block, str):
            yield Piece(text=block, message=index, role=role, work=work, form="text")
        elif isinstance(block, Mapping):
            yield from _block(block, index, role, work)


def _block(block: Mapping[str, Any], index: int, role: str, work: Work) -> Iterator[Piece]:
    """The strings of one content block."""
    kind = _kind(block)
    if kind in _PRIVATE or kind in _DEFINITIONS:
        return
    if kind in _CALLS:
        yield from _call(block, index, role)
    elif kind in _PROSE:
        if isinstance(block.get("text"), str):
            yield Piece(text=block["text"], message=index, role=role, work=work, form="text")
    elif kind == "compaction":
        if isinstance(block.get("content"), str):
            yield Piece(text=block["content"], message=index, role=role, work="assistant", form="summary")
    else:
        # Results, documents, search results and what this version does not know: somebody else's words.
        form: Form = "error" if block.get("is_error") is True else "result"
        for value in _readable(block):
            if isinstance(value, str):
                yield Piece(text=value, message=index, role=role, work="tool", form=form)
            else:
                literal, label = _attachment(value)
                yield Piece(text=literal, message=index, role=role, work="tool", form="media", label=label)


def _kind(block: Mapping[str, Any]) -> str:
    """The type of a block; empty where it has none that is a string."""
    kind = block.get("type")
    return kind if isinstance(kind, str) else ""


def _call(block: Mapping[str, Any], index: int, role: str) -> Iterator[Piece]:
    """A call by its main argument, then every other string of its input."""
    name = block.get("name")
    arguments = block.get("input")
    main = main_argument(arguments)
    named = isinstance(name, str) and _TOOL_NAME.fullmatch(name) is not None
    if named:
        yield Piece(text=main, message=index, role=role, work="assistant", form="call", label=str(name))
    for value in _strings(arguments):
        if value is not main or not named:
            yield Piece(text=value, message=index, role=role, work="assistant", form="argument")


def main_argument(arguments: Any) -> str:
    """The string of a call's input that tells most about the call; empty when it holds no string."""
    if isinstance(arguments, Mapping):
        for key in _MAIN_ARGUMENTS:
            value = arguments.get(key)
            if isinstance(value, str) and value.strip():
                return value
    return next((value for value in _strings(arguments) if value.strip()), "")


def _strings(value: Any) -> Iterator[str]:
    """Every string value inside a JSON value, in order, at any depth."""
    stack = [value]
    while stack:
        top = stack.pop()
        if isinstance(top, str):
            yield top
        elif isinstance(top, Mapping):
            stack.extend(reversed(list(top.values())))
        elif isinstance(top, list):
            stack.extend(reversed(top))


def _readable(block: Mapping[str, Any]) -> Iterator[str | Mapping[str, Any]]:
    """The strings under readable keys, at any depth, and the blocks of images and documents met on the way."""
    stack: list[Any] = [block]
    while stack:
        top = stack.pop()
        if isinstance(top, str):
            yield top
        elif isinstance(top, list):
            stack.extend(reversed(top))
        elif isinstance(top, Mapping):
            kind = _kind(top)
            if kind in _PRIVATE:
                continue
            if kind in _MEDIA:
                yield top
            # A plain text source keeps its text under `data`; every other `data` is base64.
            keys = _READABLE | {"data"} if kind == "text" else _READABLE
            stack.extend(reversed([value for key, value in top.items() if key in keys]))


def _attachment(block: Mapping[str, Any]) -> tuple[str, str]:
    """The literal that names an image or a document, and its block type."""
    source = block.get("source")
    source = source if isinstance(source, Mapping) else {}
    named = (
        block.get("title"),
        source.get("url"),
        source.get("file_id"),
        block.get("file_id"),
        source.get("media_type"),
    )
    return next((name for name in named if isinstance(name, str) and name.strip()), ""), _kind(block)
