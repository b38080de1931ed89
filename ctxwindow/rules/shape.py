"""SHAPE: is it a request at all? Types and required fields, under ids of our own.

The API's own schema errors are not part of the rulebook. These rules come first: a message whose shape is broken
is not looked at by any other rule, because what they would say about it means nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctxwindow.record import Outline, block_type
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import Frame, Step, View

__all__ = ["RULES", "is_misshapen"]

_SCHEMA = "Messages API schema: anthropic 2.12.0, types/ and types/beta/"
_SCHEMA_DATE = "2026-11-20"


def messages_list(view: View) -> Iterator[Finding]:
    """SHAPE-01. An absent, empty or non-list `messages` all look like no message here. A paused turn of a thread goes on
    without one (THR-08).
    """
    if not view.messages and not view.frame.continues:
        yield Finding(
            path="messages",
            message="messages: at least one message is required",
            remedy="`messages` is a list of objects with `role` and `content`; send at least one.",
        )


def message_object(step: Step) -> Iterator[Finding]:
    """SHAPE-02."""
    if not isinstance(step.raw, Mapping):
        yield Finding(
            path=step.path,
            message=f"{step.path}: Input does not match the expected shape.",
            remedy="A message is an object with `role` and `content`.",
        )


def message_role(step: Step) -> Iterator[Finding]:
    """SHAPE-03. Which strings are roles is MSG-01."""
    if isinstance(step.raw, Mapping) and not isinstance(step.role, str):
        yield Finding(
            path=f"{step.path}.role",
            message=f"{step.path}.role: Field required",
            remedy="Every message has a `role`: user, assistant, or system on models that support it.",
        )


def message_content(step: Step) -> Iterator[Finding]:
    """SHAPE-04. Only an effort-only system message may leave it out (SYS-06)."""
    if not isinstance(step.raw, Mapping) or isinstance(step.message.get("content"), (str, list)):
        return
    absent = step.message.get("content") is None
    if absent and step.role == "system":
        return
    wrong = "Field required" if absent else "Input should be a valid string or a list of blocks"
    yield Finding(
        path=f"{step.path}.content",
        message=f"{step.path}.content: {wrong}",
        remedy="`content` is a string or a list of content blocks.",
    )


def block_object(step: Step) -> Iterator[Finding]:
    """SHAPE-05."""
    content = step.message.get("content")
    for place, block in enumerate(content if isinstance(content, list) else ()):
        if not (isinstance(block, Mapping) and isinstance(block.get("type"), str)):
            path = f"{step.path}.content.{place}"
            yield Finding(
                path=path,
                message=f"{path}.type: Field required",
                remedy="A content block is an object with a string `type`.",
            )


# Required fields by block type. Signatures and redacted data are REPLAY-04, which knows more about them.
_REQUIRED: dict[str, dict[str, type]] = {
    "text": {"text": str},
    "thinking": {"thinking": str},
    "tool_use": {"id": str, "name": str, "input": dict},
    "server_tool_use": {"id": str, "name": str, "input": dict},
    "mcp_tool_use": {"id": str, "name": str, "input": dict},
    "tool_result": {"tool_use_id": str},
    "image": {"source": dict},
    "document": {"source": dict},
    "search_result": {"source": str, "title": str, "content": list},
    "container_upload": {"file_id": str},
    "tool_reference": {"tool_name": str},
    "fallback": {"from": dict, "to": dict},
}
_OPTIONAL: dict[str, dict[str, type]] = {
    "text": {"citations": list},
    "document": {"title": str, "context": str, "citations": dict},
    "search_result": {"citations": dict},
    "tool_result": {"is_error": bool, "toolset_name": str},
    "thinking": {"signature": str},
    "redacted_thinking": {"data": str},
    "compaction": {"content": str, "signature": str, "encrypted_content": str},
}
_SERVER_RESULT = {"tool_use_id": str}
_SOURCES: dict[str, dict[str, tuple[str, ...]]] = {
    "image": {"base64": ("media_type", "data"), "url": ("url",), "file": ("file_id",)},
    "document": {
        "base64": ("media_type", "data"),
        "text": ("media_type", "data"),
        "url": ("url",),
        "file": ("file_id",),
        "content": (),  # a string or blocks
    },
}
"""Types of sources, with the strings that each must have."""
_NAMES: dict[type, str] = {str: "string", dict: "object", list: "list", bool: "boolean"}


def _wrong(block: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Fields that are missing or of a wrong type, each with what is wrong."""
    kind = block["type"]
    required = _SERVER_RESULT if block_type(block).family == "server_result" else _REQUIRED.get(kind, {})
    for field, wanted in required.items():
        if field not in block:
            yield field, "Field required"
        elif not isinstance(block[field], Mapping if wanted is dict else wanted):
            yield field, f"Input should be a valid {_NAMES[wanted]}"
    for field, wanted in _OPTIONAL.get(kind, {}).items():
        if block.get(field) is not None and not isinstance(block[field], Mapping if wanted is dict else wanted):
            yield field, f"Input should be a valid {_NAMES[wanted]}"


def _wrong_source(block: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The same for the source of an image or document."""
    source, kinds = block.get("source"), _SOURCES.get(block["type"], {})
    if not kinds or not isinstance(source, Mapping):
        return
    kind = source.get("type")
    if not isinstance(kind, str) or kind not in kinds:
        listed = ", ".join(f"'{known}'" for known in kinds)
        yield "source.type", f"Input should be one of {listed}" if kind is not None else "Field required"
        return
    for field in kinds[kind]:
        if not isinstance(source.get(field), str):
            wrong = "Input should be a valid string" if field in source else "Field required"
            yield f"source.{kind}.{field}", wrong
    if kind == "content" and not isinstance(source.get("content"), (str, list)):
        yield "source.content.content", "Input should be a valid string or a list of blocks"


def block_fields(step: Step) -> Iterator[Finding]:
    """SHAPE-06. Sources of images and documents inside results too."""
    found = [
        *((block.path, block.data, _wrong) for block in step.blocks),
        *((path, block, _wrong_source) for path, block in step.notable),
    ]
    for path, block, wrong_in in found:
        for field, wrong in wrong_in(block) if isinstance(block.get("type"), str) else ():
            yield Finding(
                path=f"{path}.{field}",
                message=f"{path}.{block['type']}.{field}: {wrong}",
                remedy="Send the block with this field as the API's reference gives it.",
            )


def block_role(step: Step) -> Iterator[Finding]:
    """SHAPE-07."""
    # Of what the server's tools left in system messages SYS-05 speaks.
    replied = ("call",) if step.role == "system" else ("call", "server_call", "server_result")
    for block in step.blocks:
        if block.family in replied and step.role != "assistant":
            text = f"{step.path}: `{block.data['type']}` blocks can only be in `assistant` messages"
        elif block.family == "thinking" and step.role != "assistant":
            text = f"{step.path}.content: thinking blocks may only be in `assistant` messages"
        elif block.family == "result" and step.role != "user":
            text = f"{step.path}: `{block.data['type']}` blocks can only be in `user` messages"
        else:
            continue
        yield Finding(path=block.path, message=text, remedy="Move the block to a message of the right role.")


def result_content(step: Step) -> Iterator[Finding]:
    """SHAPE-08."""
    for block in step.blocks:
        content = block.data.get("content")
        if block.family != "result" or content is None or isinstance(content, str):
            continue
        parts = content if isinstance(content, list) else ()
        if not parts or not all(isinstance(part, Mapping) and isinstance(part.get("type"), str) for part in parts):
            yield Finding(
                path=f"{block.path}.content",
                message=f"{block.path}.tool_result.content: Input should be a string or a non-empty list of blocks",
                remedy="Leave `content` out, or send a string, for a call that returned nothing.",
            )


def is_misshapen(message: Mapping[str, Any]) -> bool:
    """Whether a message is no message to the API, whatever stands around it: its blocks, their fields and roles."""
    step = Step.of(message, 0, None, Outline(), Frame())
    checks = (row.check_message for row in RULES if row.check_message)
    return any(finding.severity != "warning" for check in checks for finding in check(step))


RULES = (
    Rule(
        id="SHAPE-01",
        sentence="`messages` is a list with at least one message.",
        source=_SCHEMA,
        date=_SCHEMA_DATE,
        check=messages_list,
    ),
    Rule(
        id="SHAPE-02",
        sentence="Each message is an object.",
        source="recorded: DataDog/dd-trace-py anthropic_completion_error.yaml",
        date="2026-11-22",
        check_message=message_object,
    ),
    Rule(
        id="SHAPE-03",
        sentence="Each message has a string `role`.",
        source=_SCHEMA,
        date=_SCHEMA_DATE,
        check_message=message_role,
    ),
    Rule(
        id="SHAPE-04",
        sentence="`content` is a string or a list of blocks; only a system message may leave it out.",
        source=_SCHEMA,
        date=_SCHEMA_DATE,
        check_message=message_content,
    ),
    Rule(
        id="SHAPE-05",
        sentence="A content block is an object with a string `type`.",
        source=_SCHEMA,
        date=_SCHEMA_DATE,
        check_message=block_object,
    ),
    Rule(
        id="SHAPE-06",
        sentence="A block has the fields that its type requires, of the right type.",
        source=_SCHEMA,
        date=_SCHEMA_DATE,
        check_message=block_fields,
    ),
    Rule(
        id="SHAPE-07",
        sentence="Calls, results of the server's tools and thinking stand in assistant messages only, tool results in user messages only.",
        source="error texts quoted in public repositories",
        date="2026-11-22",
        holding=frozenset({"call", "result", "server_call", "server_result", "thinking"}),
        check_message=block_role,
    ),
    Rule(
        id="SHAPE-08",
        sentence="The content of a tool_result is a string or a list of blocks that is not empty.",
        source="pydantic/pydantic-ai, stated by its maintainers after live trials",
        date="2026-11-22",
        holding=frozenset({"result"}),
        check_message=result_content,
    ),
)
