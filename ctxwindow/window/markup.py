"""The text that the API makes of tools, calls and results before it counts them.

Not documented: read off recorded requests, of which those to Claude 3 to 4.6 come out to the token. A custom tool is
one JSON object between tags, all its keys sorted, an empty description left out. A turn
of the assistant is one text: its words, its calls, the results that came in, its next words. Newer generations make
something near to it, and what that differs by is in `framing.json`.

Every piece of markup begins with a line break or a tag and ends with a tag. No token of the vocabularies spans a line
break and something else, so pieces may be counted apart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ctxwindow.window.framing import exactly
from ctxwindow.window.tokens import Count, Tokenizer, count_text

__all__ = [
    "CALLS_CLOSE", "CALLS_OPEN", "CALL_BREAK", "RESULTS_CLOSE", "RESULTS_OPEN",
    "call_markup", "count_inside", "count_tool", "named_result", "only_result", "schema_markup", "tool_markup",
]  # fmt: skip

# The tags of calls have a prefix of their own. It is written apart so that no reader of this file takes it for one.
_PREFIX = "ant" + "ml:"

CALL_BREAK = "\n\n"
CALLS_OPEN = f"<{_PREFIX}function_calls>"
CALLS_CLOSE = f"\n</{_PREFIX}function_calls>"
RESULTS_OPEN = "\n<function_results>"
RESULTS_CLOSE = "\n</function_results>"


def count_inside(text: str, tokenizer: Tokenizer) -> Count:
    """Tokens of markup between other text: without the word mark that opens a message."""
    if not text:
        return exactly(0)
    count, tokens = count_text(f">{text}", tokenizer), count_text(">", tokenizer).tokens
    return Count(
        tokens=count.tokens - tokens, low=max(0, count.low - tokens), high=count.high - tokens, exact=count.exact
    )


def tool_markup(tool: Mapping[str, Any]) -> str:
    """A custom tool as it stands in the prompt."""
    described = {"description": tool["description"]} if tool.get("description") else {}
    shown = {**described, "name": tool.get("name", ""), "parameters": tool.get("input_schema", {})}
    return f"\n<function>{json.dumps(shown, sort_keys=True)}</function>"


def count_tool(tool: Mapping[str, Any], tokenizer: Tokenizer) -> Count:
    """Tokens of a custom tool's definition."""
    return count_inside(tool_markup(tool), tokenizer)


def schema_markup(schema: Any) -> str:
    """The schema of structured output, indented by two."""
    return json.dumps(schema, indent=2)


def call_markup(call: Mapping[str, Any]) -> str:
    """One call: strings as they are, other values as JSON."""
    lines = [f'\n<{_PREFIX}invoke name="{call.get("name", "")}">']
    given = call.get("input")
    for name, value in given.items() if isinstance(given, Mapping) else ():
        shown = value if isinstance(value, str) else json.dumps(value)
        lines.append(f'<{_PREFIX}parameter name="{name}">{shown}</{_PREFIX}parameter>')
    return "\n".join([*lines, f"</{_PREFIX}invoke>"])


def only_result(text: str, *, error: bool) -> str:
    """The result of a round with one call."""
    return (
        f"{RESULTS_OPEN}\n<error>{text}</error>{RESULTS_CLOSE}" if error else f"{RESULTS_OPEN}{text}{RESULTS_CLOSE[1:]}"
    )


def named_result(name: str, text: str, *, error: bool) -> str:
    """One result of a round with several, which names its tool."""
    tag = "error" if error else "output"
    return f"\n<result>\n<name>{name}</name>\n<{tag}>{text}</{tag}>\n</result>"
