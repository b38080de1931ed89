"""SHAPE: the fields around the messages, of which `ctxwindow.rules.shape` does not speak: types, tools, the choice of one.

That `max_tokens` is there is not asked: a body for count_tokens has none (TOK-13), and a body does not tell what it is
for. The emulator, which knows, asks (`ctxwindow.emulator.schema`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctxwindow.rules.fields import absent, extra, fault, one_of
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import View

__all__ = ["RULES", "wrong_fields"]

_SDK = "Messages API schema: anthropic 2.12.0, types/ and types/beta/"
_DATE = "2026-11-20"
_REMEDY = "Send the field as the API's reference gives it."


def top_level(view: View) -> Iterator[Finding]:
    """SHAPE-09."""
    system, tools = view.frame.system, view.frame.tools
    if not (system is None or isinstance(system, str) or (isinstance(system, list) and all(map(_texty, system)))):
        yield Finding(
            path="system",
            message="system: Input should be a valid string or a list of text blocks",
            remedy="Send `system` as one string or as text blocks.",
        )
    if tools is None:
        return
    if not isinstance(tools, (list, tuple)):
        yield Finding(path="tools", message="tools: Input should be a valid list", remedy="Send `tools` as a list.")
        return
    for index, tool in enumerate(tools):
        if not isinstance(tool, Mapping):
            remedy = "A tool is an object with `name` and, for client tools, `input_schema`."
            yield fault(f"tools.{index}", ": Input should be a valid object", remedy)


def _texty(block: object) -> bool:
    return isinstance(block, Mapping) and isinstance(block.get("text"), str)


def known_model(view: View) -> Iterator[Finding]:
    """SHAPE-10. Requests to Bedrock and Google Cloud name the model in the URL, so its absence is no error here."""
    if view.frame.profile is None:
        yield Finding(
            path="model",
            message="the model is not named or not in the catalog; rules that depend on it were not checked.",
            remedy="Name a model of the catalog, or pass a ModelProfile.",
        )


def tool_names_unique(view: View) -> Iterator[Finding]:
    """SHAPE-11."""
    seen: set[str] = set()
    for index, tool in view.frame.tool_list:
        name = tool.get("name")
        if isinstance(name, str) and name in seen:
            yield Finding(
                path=f"tools.{index}.name",
                message="tools: Tool names must be unique.",
                remedy="Rename or drop one of the two tools.",
            )
        elif isinstance(name, str):
            seen.add(name)


_TYPES: dict[str, tuple[type | tuple[type, ...], str]] = {
    "model": (str, "string"),
    "max_tokens": (int, "integer"),
    "stream": (bool, "boolean"),
    "stop_sequences": (list, "list"),
    "metadata": (Mapping, "object"),
    "thinking": (Mapping, "object"),
    "tool_choice": (Mapping, "object"),
    "output_config": (Mapping, "object"),
    "mcp_servers": (list, "list"),
    "service_tier": (str, "string"),
    "speed": (str, "string"),
    "inference_geo": (str, "string"),
    "user_profile_id": (str, "string"),
    "container": ((str, Mapping), "string or object"),
}
"""Request fields that no other rule looks at as a whole (of `thinking` only null is left): type, and the API's name of it."""

_NEVER_NULL = frozenset({"model", "max_tokens", "stream", "stop_sequences", "thinking", "tool_choice"})
"""The SDK's types do not have null for these, and no recorded request that succeeded sends it. Elsewhere it is absent."""
_ABSENT = object()


def _is(value: object, wanted: type | tuple[type, ...]) -> bool:
    if isinstance(value, bool):  # True is no number of tokens
        return wanted is bool
    return isinstance(value, (list, tuple) if wanted is list else wanted)


def wrong_fields(body: Mapping[str, Any]) -> Iterator[Finding]:
    """SHAPE-12, of any body: whether it is to be created or counted makes no difference."""
    for field, (wanted, name) in _TYPES.items():
        value = body.get(field, _ABSENT)
        wrong = field in _NEVER_NULL if value is None else field != "thinking" and not _is(value, wanted)
        if wrong and value is not _ABSENT:
            yield fault(field, f": Input should be a valid {name}", _REMEDY)
    stops = body.get("stop_sequences")
    for index, text in enumerate(stops if isinstance(stops, (list, tuple)) else ()):
        if not isinstance(text, str):
            yield fault(f"stop_sequences.{index}", ": Input should be a valid string", _REMEDY)
        elif not text.strip():
            yield Finding(
                path=f"stop_sequences.{index}",
                message="stop_sequences: each stop sequence must contain non-whitespace",
                remedy="Leave it out.",
            )
    servers = body.get("mcp_servers")
    for index, server in enumerate(servers if isinstance(servers, (list, tuple)) else ()):
        yield from _server(f"mcp_servers.{index}", server)


def _server(path: str, server: object) -> Iterator[Finding]:
    """What is wrong with an MCP server (types/beta/beta_request_mcp_server_url_definition_param.py)."""
    if not isinstance(server, Mapping):
        yield fault(path, ": Input should be a valid object", "A server is an object with `type`, `name` and `url`.")
        return
    for field in ("type", "name", "url"):
        if field not in server:
            yield absent(f"{path}.{field}", "A server has `type`, `name` and `url`.")
        elif not isinstance(server[field], str):
            yield fault(f"{path}.{field}", ": Input should be a valid string", _REMEDY)


def field_types(view: View) -> Iterator[Finding]:
    """SHAPE-12."""
    named = {} if isinstance(view.model, str) else {"model": view.model}
    yield from wrong_fields({**named, **view.frame.settings})


def tool_definitions(view: View) -> Iterator[Finding]:
    """SHAPE-13. Of a type that is not in the SDK nothing is known but that it is one."""
    for index, tool in view.frame.tool_list:
        kind, path = tool.get("type"), f"tools.{index}"
        if kind in (None, "custom"):
            yield from _client_tool(f"{path}.custom", tool)
        elif not isinstance(kind, str):
            yield fault(f"{path}.type", ": Input should be a valid string", "Leave `type` out of a tool of your own.")
        elif kind not in _NAMES:
            yield Finding(
                path=f"{path}.type",
                message=f"{path}: not a type of tool that this version knows.",
                remedy="A tool of your own has no `type`, or `custom`.",
                severity="warning",
            )
        elif _NAMES[kind] is not None and tool.get("name") != _NAMES[kind]:
            path = f"{path}.{kind}.name"
            yield fault(
                path, f": Input should be '{_NAMES[kind]}'", "A tool of the API has the name that its type fixes."
            )


def _client_tool(path: str, tool: Mapping[str, Any]) -> Iterator[Finding]:
    for field, wanted, name in (("name", str, "string"), ("input_schema", Mapping, "object")):
        if field not in tool:
            yield absent(f"{path}.{field}", "A tool of your own has `name` and `input_schema`.")
        elif not isinstance(tool[field], wanted):
            yield fault(f"{path}.{field}", f": Input should be a valid {name}", _REMEDY)
    for field in tool.keys() - _TOOL:
        yield extra(f"{path}.{field}", "Leave it out; what the model should know of the tool belongs in `description`.")


_TOOL = frozenset(
    {
        "type", "name", "description", "input_schema", "input_examples", "strict", "cache_control", "defer_loading",
        "allowed_callers", "eager_input_streaming",
    }
)  # fmt: skip
"""Of types/beta/beta_tool_param.py."""

_NAMES: dict[str, str | None] = {
    "advisor_20260301": "advisor",
    "bash_20241022": "bash",
    "bash_20250124": "bash",
    "browser_toolset_20260801": None,
    "code_execution_20250522": "code_execution",
    "code_execution_20250825": "code_execution",
    "code_execution_20260120": "code_execution",
    "code_execution_20260521": "code_execution",
    "computer_20241022": "computer",
    "computer_20250124": "computer",
    "computer_20251124": "computer",
    "computer_toolset_20260801": None,
    "mcp_toolset": None,
    "memory_20250818": "memory",
    "text_editor_20241022": "str_replace_editor",
    "text_editor_20250124": "str_replace_editor",
    "text_editor_20250429": "str_replace_based_edit_tool",
    "text_editor_20250728": "str_replace_based_edit_tool",
    "tool_search_tool_bm25": "tool_search_tool_bm25",
    "tool_search_tool_bm25_20251119": "tool_search_tool_bm25",
    "tool_search_tool_regex": "tool_search_tool_regex",
    "tool_search_tool_regex_20251119": "tool_search_tool_regex",
    "web_fetch_20250910": "web_fetch",
    "web_fetch_20260209": "web_fetch",
    "web_fetch_20260309": "web_fetch",
    "web_fetch_20260318": "web_fetch",
    "web_search_20250305": "web_search",
    "web_search_20260209": "web_search",
    "web_search_20260318": "web_search",
}
"""The tools of the API by type, with the name that each must have; toolsets have none."""

_CHOICES = ("auto", "any", "tool", "none")
_INLINE_TOOLS = "inline-tools-2026-09-15"


def choice_made(view: View) -> Iterator[Finding]:
    """SHAPE-14. Whether a model takes a forced choice is TOOL-15."""
    choice = view.frame.settings.get("tool_choice")
    if not isinstance(choice, Mapping):
        return
    kind = choice.get("type")
    if kind is None:
        yield absent("tool_choice.type", 'Send {"type": "auto"}, or leave `tool_choice` out.')
    elif kind not in _CHOICES:
        yield one_of("tool_choice.type", _CHOICES)
    elif kind == "tool":
        name = choice.get("name")
        if "name" not in choice:
            yield absent("tool_choice.tool.name", "Name the tool.")
        elif not isinstance(name, str):
            yield fault("tool_choice.tool.name", ": Input should be a valid string", "Name the tool.")
        elif _all_known(view) and all(tool.get("name") != name for _, tool in view.frame.tool_list):
            yield Finding(
                path="tool_choice.name",
                message=f"Tool '{name}' not found in provided tools",
                remedy="Define the tool in `tools`, or name another.",
            )


def _all_known(view: View) -> bool:
    """Whether `tools` holds every name there is: they come from MCP servers, toolsets and messages (TOOL-18) too."""
    frame = view.frame
    return (
        frame.tools is not None
        and _INLINE_TOOLS not in frame.betas
        and not frame.settings.get("mcp_servers")
        and not any("toolset" in str(tool.get("type")) for _, tool in frame.tool_list)
        and not any(block.get("type") == "tool_addition" for _, block in view.notable)
    )


RULES = (
    Rule(
        id="SHAPE-09",
        sentence="`system` is a string or text blocks; `tools` is a list of objects.",
        source=_SDK,
        date=_DATE,
        check=top_level,
    ),
    Rule(
        id="SHAPE-10",
        sentence="Rules that depend on the model are checked only when the model is known.",
        source="this library",
        date="2026-11-22",
        severity="warning",
        check=known_model,
    ),
    Rule(
        id="SHAPE-11",
        sentence="Tool names are unique.",
        source="github.com/danny-avila/LibreChat/issues/13162",
        date="2026-05-17",
        check=tool_names_unique,
    ),
    Rule(
        id="SHAPE-12",
        sentence="Request fields have the type that the reference gives them.",
        source=_SDK,
        date=_DATE,
        check=field_types,
    ),
    Rule(
        id="SHAPE-13",
        sentence="A client tool has a name and an input_schema, and no other fields than the API knows; the API's own tools have the names of their types.",
        source=f"{_SDK}: the union of tools",
        date=_DATE,
        check=tool_definitions,
    ),
    Rule(
        id="SHAPE-14",
        sentence="tool_choice has one of its four types; a forced tool is one of the request.",
        source=f"{_SDK}: tool_choice_param.py",
        date=_DATE,
        check=choice_made,
    ),
)
