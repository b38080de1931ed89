"""The equality of the prefix check: what may change before a thinking block without breaking it (BIND-14).

Two prefixes are the same to the API when their canonical forms are equal. Source: BIND-14, the official
`prefix_diff.py` as described in the rulebook. Where that description leaves room, the stricter reading is
taken (two forms differ), because a false "differs" costs a cache read and a false "same" costs a 400:
inside `tool_use.input` nulls and keys named `cache_control` are data and are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ctxwindow.record.blocks import block_type, is_blank_text, is_thinking

__all__ = ["canonical_message", "canonical_system", "canonical_tools", "deferred_tools", "names_tools", "same_message"]

_TOOL_DEFAULTS: dict[str, Any] = {
    "type": "custom",
    "description": "",
    "allowed_callers": ["direct"],
    "strict": False,
    "eager_input_streaming": False,
    "defer_loading": False,
}


def canonical_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """The canonical form of one message: role, clear_at, output_config and content without thinking."""
    form: dict[str, Any] = {"role": message.get("role"), "content": _content(message.get("content"))}
    for key in ("clear_at", "output_config"):
        if message.get(key) is not None:
            form[key] = _plain(message[key])
    return form


def same_message(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two messages are equal under BIND-14. Equal bytes settle it at a tenth of the cost."""
    return _encoded(one) == _encoded(other) or canonical_message(one) == canonical_message(other)


def _encoded(message: Mapping[str, Any]) -> bytes | object:
    """The message as JSON; what equals nothing, where it holds half a pair of surrogates."""
    try:
        return msgspec.json.encode(message)
    except UnicodeEncodeError:
        return object()


def canonical_system(system: Any) -> Any:
    """The canonical form of `system`, a string or text blocks; None when there is none."""
    form = _content(system) if system is not None else []
    return form or None


def canonical_tools(tools: Iterable[Any] | None) -> list[Any]:
    """The tools outside deferral as a set keyed by identity: order does not matter, every definition does."""
    live = [tool for tool in tools or () if isinstance(tool, Mapping) and not tool.get("defer_loading")]
    return sorted(([_tool_key(tool), _tool(tool)] for tool in live), key=lambda pair: str(pair[0]))


def deferred_tools(tools: Iterable[Any] | None) -> dict[str, Any]:
    """Deferred tools by name: they enter the prefix at the message that first names them (BIND-14)."""
    deferred = [tool for tool in tools or () if isinstance(tool, Mapping) and tool.get("defer_loading")]
    return {str(tool.get("name")): _tool(tool) for tool in deferred}


def names_tools(message: Mapping[str, Any]) -> list[str]:
    """Names of tools that a message brings in by reference (tool_reference, tool_addition, search results)."""
    names: list[str] = []
    stack: list[Any] = [message.get("content")]
    while stack:
        value = stack.pop()
        if isinstance(value, list):
            stack.extend(reversed(value))
        elif isinstance(value, Mapping):
            if value.get("type") in ("tool_reference", "tool_addition"):
                name = value.get("tool_name") or value.get("name")
                if isinstance(name, str):
                    names.append(name)
            stack.extend(inner for key, inner in value.items() if key != "input" and isinstance(inner, (list, Mapping)))
    return names


def _tool_key(tool: Mapping[str, Any]) -> list[str]:
    if tool.get("type") == "mcp_toolset":
        return ["mcp", str(tool.get("mcp_server_name"))]
    kind = str(tool.get("type") or "custom")
    return ["custom", str(tool.get("name"))] if kind == "custom" else [kind, str(tool.get("name"))]


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    form = {key: _plain(value) for key, value in tool.items() if key != "cache_control" and value is not None}
    return {key: value for key, value in form.items() if _TOOL_DEFAULTS.get(key, ...) != value}


def _content(content: Any) -> list[Any]:
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if not isinstance(content, list):
        return []
    return [
        _block(block) if isinstance(block, Mapping) else _plain(block)
        for block in content
        if not (isinstance(block, Mapping) and (is_thinking(block) or is_blank_text(block)))
    ]


def _block(block: Mapping[str, Any]) -> dict[str, Any]:
    form: dict[str, Any] = {}
    family = block_type(block).family
    for key, value in block.items():
        if key == "cache_control" or value is None or (key == "is_error" and value is False):
            continue
        if key == "citations" and not value:
            continue
        if key == "input" and family in ("call", "server_call"):
            form[key] = _number_safe(value)
        elif key == "text" and block.get("type") == "text" and isinstance(value, str):
            form[key] = value.strip()
        elif key == "content" and isinstance(value, (list, str)) and family in ("result", "document"):
            form[key] = _content(value)
        elif key == "source" and isinstance(value, Mapping) and value.get("type") == "url":
            form[key] = {"type": "url"}  # the bytes behind it are compared, the address is not
        else:
            form[key] = _plain(value)
    return form


def _plain(value: Any) -> Any:
    """Any other value: nulls and cache_control dropped, 1.0 == 1."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items() if key != "cache_control" and inner is not None}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _number_safe(value: Any) -> Any:
    """`tool_use.input`: data, compared whole, except that 1.0 == 1."""
    if isinstance(value, Mapping):
        return {key: _number_safe(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_number_safe(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
