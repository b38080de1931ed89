"""The content blocks of the Messages API: what each type is, by name.

A block is always the dict it came as. Nothing here rebuilds one: this module only tells what family a
type belongs to, and reads text out of blocks. A type that is not in the table is carried as it came and
treated as `other`. Types as of anthropic 2.12.0, `types/` and `types/beta/` (2026-11-20).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from ctxwindow.record.surrogates import has_surrogates

__all__ = [
    "BlockType",
    "Family",
    "block_type",
    "blocks_of",
    "call_id",
    "is_blank_text",
    "is_thinking",
    "known_types",
    "never_sent",
    "result_id",
    "seal",
    "texts_of",
]

Family = Literal[
    "text",  # prose
    "thinking",  # reasoning: signed, opaque, never edited (REPLAY-04)
    "call",  # a client tool call: must be answered in the next user message (TOOL-01)
    "result",  # the answer to a client tool call
    "server_call",  # a call that the server runs (TOOL-08)
    "server_result",  # its answer, paired by id
    "image",
    "document",
    "search",  # search_result blocks that the client supplies
    "compaction",  # a server-side summary (CMP-02, CMP-20)
    "tool_change",  # tool_addition, tool_removal, tool_reference, mcp_tool_listing
    "marker",  # fallback seams, container uploads, tab state: small, structural
    "part",  # lives only inside another block
    "other",  # a type this version does not know
]


class BlockType(msgspec.Struct, frozen=True):
    """One row of the table of block types."""

    name: str
    family: Family
    answers: str | None = None
    """For results: the `type` of the call they answer."""


def _table() -> dict[str, BlockType]:
    """The table, a row per block type."""
    server_results = {
        "web_search_tool_result": "server_tool_use",
        "web_fetch_tool_result": "server_tool_use",
        "code_execution_tool_result": "server_tool_use",
        "bash_code_execution_tool_result": "server_tool_use",
        "text_editor_code_execution_tool_result": "server_tool_use",
        "tool_search_tool_result": "server_tool_use",
        "advisor_tool_result": "server_tool_use",
        "mcp_tool_result": "mcp_tool_use",
    }
    rows = [
        BlockType("text", "text"),
        BlockType("connector_text", "text"),  # named by FB-05 only; not in the SDK's types
        BlockType("thinking", "thinking"),
        BlockType("redacted_thinking", "thinking"),
        # Computer and browser toolset members are `tool_use` blocks with a `toolset_name` (TOOL-13).
        BlockType("tool_use", "call"),
        BlockType("tool_result", "result", "tool_use"),
        BlockType("server_tool_use", "server_call"),
        BlockType("mcp_tool_use", "server_call"),
        *(BlockType(name, "server_result", call) for name, call in server_results.items()),
        BlockType("image", "image"),
        BlockType("document", "document"),
        BlockType("search_result", "search"),
        BlockType("compaction", "compaction"),
        BlockType("tool_addition", "tool_change"),
        BlockType("tool_removal", "tool_change"),
        BlockType("tool_reference", "tool_change"),
        BlockType("mcp_tool_listing", "tool_change"),
        BlockType("fallback", "marker"),
        BlockType("container_upload", "marker"),
        BlockType("browser_state", "marker"),
        *(
            BlockType(name, "part")
            for name in (
                "advisor_redacted_result",
                "advisor_result",
                "advisor_tool_result_error",
                "bash_code_execution_output",
                "bash_code_execution_result",
                "bash_code_execution_tool_result_error",
                "code_execution_output",
                "code_execution_result",
                "code_execution_tool_result_error",
                "encrypted_code_execution_result",
                "text_editor_code_execution_create_result",
                "text_editor_code_execution_str_replace_result",
                "text_editor_code_execution_tool_result_error",
                "text_editor_code_execution_view_result",
                "tool_search_tool_result_error",
                "tool_search_tool_search_result",
                "web_fetch_result",
                "web_fetch_tool_result_error",
                "web_search_result",
                "web_search_tool_result_error",
            )
        ),
    ]
    return {row.name: row for row in rows}


_TYPES = _table()
_OTHER: Family = "other"


def known_types() -> tuple[BlockType, ...]:
    """Every block type in the table."""
    return tuple(_TYPES.values())


def block_type(block: Mapping[str, Any]) -> BlockType:
    """The row for a block; a type that is not in the table has the family `other`."""
    name = block.get("type")
    row = _TYPES.get(name) if isinstance(name, str) else None
    return row if row is not None else BlockType(name if isinstance(name, str) else "", _OTHER)


def is_thinking(block: Mapping[str, Any]) -> bool:
    """Whether a block is `thinking` or `redacted_thinking` (THINK-10: one set of rules for both)."""
    return block.get("type") in ("thinking", "redacted_thinking")


def seal(block: Mapping[str, Any]) -> str:
    """What identifies a thinking block: its signature, or the data of a redacted one; empty when it has none."""
    value = block.get("signature" if block.get("type") == "thinking" else "data")
    return value if isinstance(value, str) else ""


def is_blank_text(block: Mapping[str, Any]) -> bool:
    """Whether a block is a text block the API refuses because it holds no visible text (MSG-06)."""
    text = block.get("text")
    return block.get("type") == "text" and isinstance(text, str) and not text.strip()


def never_sent(block: Any) -> bool:
    """Whether a block cannot be sent anywhere: blank text (MSG-06), thinking without a signature (REPLAY-04), or what goes back
    as it came (REPLAY-04, CMP-05) and holds half of a character, which no request can carry.
    """
    if not isinstance(block, Mapping):
        return False
    if is_thinking(block):
        return not seal(block) or has_surrogates(block)
    return is_blank_text(block) or (block.get("type") == "compaction" and has_surrogates(block))


def blocks_of(message: Mapping[str, Any]) -> list[Any]:
    """The content of a message as blocks; a string stands for one text block (MSG-08).

    The list is new; the blocks are the message's own.
    """
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return list(content) if isinstance(content, list) else []


def call_id(block: Mapping[str, Any]) -> str | None:
    """The id of a call, client or server side, else None."""
    if block_type(block).family in ("call", "server_call"):
        identity = block.get("id")
        return identity if isinstance(identity, str) else None
    return None


def result_id(block: Mapping[str, Any]) -> str | None:
    """The id of the call that a result answers, else None."""
    if block_type(block).family in ("result", "server_result"):
        identity = block.get("tool_use_id")
        return identity if isinstance(identity, str) else None
    return None


# Opaque or structural values: never shown, searched or summarised as text.
_NOT_TEXT = frozenset(
    {
        "type", "id", "tool_use_id", "signature", "data", "media_type", "encrypted_content", "encrypted_index",
        "cache_control", "file_id", "url", "toolset_name", "encrypted_stdout",
    }
)  # fmt: skip


def texts_of(block: Mapping[str, Any]) -> Iterator[str]:
    """Every readable text inside a block, in order: prose, results, call inputs, document text.

    Signatures, base64 and ids are left out; of a call's input, which is data of the caller's own shape, nothing is.
    Works on unknown types by the same walk.
    """
    stack: list[tuple[Any, bool]] = [(block, False)]
    while stack:
        value, whole = stack.pop()
        if isinstance(value, str):
            if value:
                yield value
        elif isinstance(value, Mapping):
            call = block_type(value).family in ("call", "server_call")
            stack.extend(
                (inner, whole or (call and key == "input"))
                for key, inner in reversed(list(value.items()))
                if isinstance(inner, (str, list, Mapping)) and (whole or _is_text(key, value))
            )
        elif isinstance(value, list):
            stack.extend((inner, whole) for inner in reversed(value))


def _is_text(key: str, value: Mapping[str, Any]) -> bool:
    """Whether a field holds readable text: `data` does in the source of a plain text document only."""
    return key not in _NOT_TEXT or (key == "data" and value.get("type") == "text")
