"""The recall tool: how the model itself looks up what has left its window.

Its definition stands at the end of the tools from the first request on, so that the prefix never changes for it
(BIND-12, CACHE-11).
"""

from __future__ import annotations

import copy
from typing import Any

from ctxwindow.errors import InvalidRequest

__all__ = ["RECALL_TOOL", "TOOL_NAME", "with_recall_tool"]

TOOL_NAME = "recall"

RECALL_TOOL: dict[str, Any] = {
    "name": TOOL_NAME,
    "description": (
        "Look up what was said or returned earlier in this conversation and is no longer in front of you: messages that "
        "a summary stands for, and long tool results of which only a part is shown. Nothing of it is lost. Use it before "
        "you guess at a detail, ask the user again, or repeat a call only to see its result once more.\n"
        "action 'search': find by words; paths, names, numbers and error texts work best.\n"
        "action 'open': read what a handle stands for, page by page, by 'lines', or only the lines that match 'grep'. "
        "Handles: m12 is message 12, m12.0 its first block, s0-12 the summary of messages 0 to 11; a shortened result or "
        "text names its own.\n"
        "action 'list': what is out of the window, turn by turn, with summaries and what was shortened.\n"
        "What it returns is old: it was true when it was said, and files may have changed since."
    ),
    "input_schema": {
        "type": "object",
        "properties": {
            "action": {"type": "string", "enum": ["search", "open", "list"]},
            "query": {"type": "string", "description": "For search: the words to find."},
            "k": {"type": "integer", "description": "For search: how many hits a page, 1 to 10; 5 if not given."},
            "handle": {"type": "string", "description": "For open: such as m12.0. For search: look only there."},
            "lines": {"type": "string", "description": "For open: a range of lines, such as 120-180."},
            "grep": {
                "type": "string",
                "description": "For open: a regular expression; shows the lines that match, each with two around it.",
            },
            "page": {"type": "integer", "description": "Which page of a long answer, from 1."},
        },
        "required": ["action"],
        "additionalProperties": False,
    },
}
"""The definition of the tool, as the API takes it. Do not mutate."""


def with_recall_tool(tools: Any) -> Any:
    """A request's tools with the recall tool at their end.

    Raises:
        InvalidRequest: one of them has its name already.
    """
    if tools is not None and not isinstance(tools, list):
        return tools  # the rules say what is wrong with it
    for index, tool in enumerate(tools or ()):
        if isinstance(tool, dict) and tool.get("name") == TOOL_NAME:
            raise InvalidRequest(
                f"the policy's recall adds a tool named {TOOL_NAME!r}, and there is one already.",
                path=f"tools.{index}.name",
                remedy="Rename yours, leave yours out, or set recall to false in the policy.",
            )
    return [*(tools or ()), copy.deepcopy(RECALL_TOOL)]
