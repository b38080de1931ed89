"""Where the blocks of the wire come from: their places in the record, and the tools they belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ctxwindow.record.blocks import blocks_of, call_id, result_id

__all__ = ["places", "tool_at", "tool_names"]


def places(
    message: Mapping[str, Any], recorded: Mapping[str, Any] | None, path: str, epoch: int
) -> list[tuple[str, Mapping[str, Any]]]:
    """Where each block of a wire message stands in the record. What is not there is of a summary, or was put before it.

    Args:
        message: as it was sent.
        recorded: as it came; None for a summary.
        path: of the recorded message, `messages.3`.
        epoch: whose summary it is.
    """
    whole = [] if recorded is None else blocks_of(recorded)
    found: list[tuple[str, Mapping[str, Any]]] = []
    at = 0
    for place, block in enumerate(blocks_of(message)):
        content = block if isinstance(block, Mapping) else {}
        same = next((index for index in range(at, len(whole)) if _same(whole[index], block)), None)
        if same is None:
            found.append((f"summary.{epoch}.content.{place}", content))
        else:
            found.append((f"{path}.content.{same}", content))
            at = same + 1
    return found


def _same(recorded: Any, sent: Any) -> bool:
    """Whether a block was sent for a recorded one: as it is, without its cache marker, or as the preview of a result."""
    if recorded is sent or recorded == sent:
        return True
    if not isinstance(recorded, Mapping) or not isinstance(sent, Mapping):
        return False
    answers = result_id(sent)
    if answers is not None:
        return result_id(recorded) == answers
    return {**recorded, "cache_control": None} == {**sent, "cache_control": None}


def tool_names(record: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Call id -> name of the tool."""
    names: dict[str, str] = {}
    for message in record:
        for block in blocks_of(message):
            if isinstance(block, Mapping) and (identity := call_id(block)) is not None:
                names.setdefault(identity, str(block.get("name")))
    return names


def tool_at(tools: Sequence[Any], path: str) -> str | None:
    """The name of a tool definition at `tools.N`."""
    place = int(path.rpartition(".")[2])
    tool = tools[place] if place < len(tools) else None
    name = tool.get("name") if isinstance(tool, Mapping) else None
    return name if isinstance(name, str) else None
