"""Mutations of everything around the messages: settings, tools, cache markers, media."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from functools import partial
from operator import delitem, setitem
from typing import Any

from ctxwindow.testing.bodies import cacheable
from ctxwindow.testing.subject import Apply, Mutation, Subject, breaks

__all__ = ["SETTINGS"]

SETTINGS: list[Mutation] = []

_TYPES = ("adaptive", "enabled", "disabled", "between_tools")
_BREAKPOINTS = 4
_SHORT, _LONG = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}


def _tools(subject: Subject) -> list[Any]:
    found = subject.body.get("tools")
    return found if isinstance(found, list) else []


def _config(subject: Subject, field: str, value: Any) -> None:
    subject.body["output_config"] = {**(subject.body.get("output_config") or {}), field: value}


# ---- the model


@breaks(SETTINGS, "VER-04", "VER-06")
def _sampling_parameters(subject: Subject) -> Iterator[Apply]:
    for field, value in (("temperature", 0.5), ("top_p", 0.9), ("top_k", 5)):
        yield partial(setitem, subject.body, field, value)


@breaks(SETTINGS, "CTX-06")
def _more_output_than_there_is(subject: Subject) -> Iterator[Apply]:
    if subject.profile is not None:
        yield partial(setitem, subject.body, "max_tokens", subject.profile.max_output + 1)


@breaks(SETTINGS, "THINK-02", "THINK-03")
def _thinking_that_the_model_refuses(subject: Subject) -> Iterator[Apply]:
    for kind in _TYPES if subject.profile is not None and subject.profile.thinking.accepts else ():
        if subject.profile is not None and kind not in (*subject.profile.thinking.accepts, "between_tools"):
            budget = {"budget_tokens": 1_024} if kind == "enabled" else {}
            yield partial(subject.body.update, thinking={"type": kind, **budget}, max_tokens=4_096)


@breaks(SETTINGS, "THINK-04")
def _a_budget_out_of_bounds(subject: Subject) -> Iterator[Apply]:
    if subject.manual:
        yield partial(setitem, subject.body["thinking"], "budget_tokens", 1_023)
        if "interleaved-thinking-2025-05-14" not in subject.body.get("betas", ()):
            yield partial(setitem, subject.body["thinking"], "budget_tokens", subject.body["max_tokens"])


@breaks(SETTINGS, "THINK-13")
def _an_effort_that_is_none(subject: Subject) -> Iterator[Apply]:
    if subject.profile is not None and subject.profile.thinking.effort_levels:
        yield partial(_config, subject, "effort", "extreme")
        if "xhigh" not in subject.profile.thinking.effort_levels:
            yield partial(_config, subject, "effort", "xhigh")


@breaks(SETTINGS, "TOOL-15")
def _force_a_tool(subject: Subject) -> Iterator[Apply]:
    refused = subject.profile is not None and subject.profile.features.forced_tool_choice is False
    if _tools(subject) and (refused or subject.manual):
        yield partial(setitem, subject.body, "tool_choice", {"type": "any"})


@breaks(SETTINGS, "TB-01")
def _a_task_budget_too_small(subject: Subject) -> Iterator[Apply]:
    budget = (subject.body.get("output_config") or {}).get("task_budget")
    if budget is not None:
        yield partial(setitem, budget, "total", 19_999)


@breaks(SETTINGS, "MSG-17")
def _warm_a_stream(subject: Subject) -> Iterator[Apply]:
    yield partial(subject.body.update, max_tokens=0, stream=True)


@breaks(SETTINGS, "MSG-19")
def _cite_in_structured_output(subject: Subject) -> Iterator[Apply]:
    for place in subject.places("user", "document"):
        yield partial(_cite, subject, place.block)


def _cite(subject: Subject, document: dict[str, Any]) -> None:
    document["citations"] = {"enabled": True}
    _config(subject, "format", {"type": "json_schema", "schema": {"type": "object"}})


# ---- tools


@breaks(SETTINGS, "TOOL-17")
def _defer_all_tools(subject: Subject) -> Iterator[Apply]:
    if _tools(subject):
        yield partial(_defer, _tools(subject))


def _defer(tools: list[Any]) -> None:
    for tool in tools:
        tool["defer_loading"] = True


@breaks(SETTINGS, "TOOL-19")
def _mark_a_deferred_tool(subject: Subject) -> Iterator[Apply]:
    for tool in _tools(subject):
        if tool.get("defer_loading") is True:
            yield partial(setitem, tool, "cache_control", dict(_SHORT))


@breaks(SETTINGS, "SHAPE-11")
def _two_tools_of_one_name(subject: Subject) -> Iterator[Apply]:
    for tool in _tools(subject):
        if "name" in tool:
            yield partial(list.append, _tools(subject), {"name": tool["name"], "input_schema": {"type": "object"}})


@breaks(SETTINGS, "MSG-18")
def _a_tool_name_with_spaces(subject: Subject) -> Iterator[Apply]:
    tools = [*_tools(subject), {"name": "read a file", "input_schema": {"type": "object"}}]
    yield partial(setitem, subject.body, "tools", tools)


@breaks(SETTINGS, "SHAPE-09")
def _system_that_is_no_text(subject: Subject) -> Iterator[Apply]:
    yield partial(setitem, subject.body, "system", 7)


@breaks(SETTINGS, "SHAPE-09")
def _a_tool_that_is_no_object(subject: Subject) -> Iterator[Apply]:
    yield partial(setitem, subject.body, "tools", ["read_file"])


# ---- cache markers


def _mark(blocks: list[dict[str, Any]], markers: list[dict[str, Any]]) -> None:
    for block, marker in zip(blocks, markers, strict=False):
        block["cache_control"] = dict(marker)


@breaks(SETTINGS, "CACHE-02")
def _a_fifth_breakpoint(subject: Subject) -> Iterator[Apply]:
    texts = [
        {"type": "text", "text": f"Rule {number}.", "cache_control": dict(_LONG)} for number in range(_BREAKPOINTS + 1)
    ]
    yield partial(setitem, subject.body, "system", texts)
    places = list(cacheable(subject.body))
    if len(places) > _BREAKPOINTS:
        yield partial(_mark, places, [_SHORT] * (_BREAKPOINTS + 1))


@breaks(SETTINGS, "CACHE-04")
def _longer_lived_after_shorter(subject: Subject) -> Iterator[Apply]:
    places = [place for place in cacheable(subject.body) if "cache_control" not in place]
    marked = any("cache_control" in place for place in cacheable(subject.body)) or "cache_control" in subject.body
    if len(places) > 1 and not marked:
        yield partial(_mark, [places[0], places[-1]], [_SHORT, _LONG])


@breaks(SETTINGS, "CACHE-09", "VER-08")
def _mark_thinking(subject: Subject) -> Iterator[Apply]:
    for place in subject.thinking():
        yield partial(setitem, place.block, "cache_control", dict(_SHORT))


@breaks(SETTINGS, "CACHE-09", "VER-08")
def _mark_a_message(subject: Subject) -> Iterator[Apply]:
    for message in subject.messages:
        if message["role"] != "system":
            yield partial(setitem, message, "cache_control", dict(_SHORT))


# ---- context management and compaction


@breaks(SETTINGS, "EDIT-07")
def _clear_thinking_second(subject: Subject) -> Iterator[Apply]:
    edits = (subject.body.get("context_management") or {}).get("edits") or []
    if len(edits) > 1 and edits[0]["type"] == "clear_thinking_20251015":
        yield partial(_to_the_end, edits)


def _to_the_end(items: list[Any]) -> None:
    items.append(items.pop(0))


@breaks(SETTINGS, "CMP-01")
def _compact_too_early(subject: Subject) -> Iterator[Apply]:
    for edit in (subject.body.get("context_management") or {}).get("edits") or ():
        if edit["type"] == "compact_20260112":
            yield partial(setitem, edit, "trigger", {"type": "input_tokens", "value": 49_999})


@breaks(SETTINGS, "CMP-18")
def _compact_with_stop_sequences(subject: Subject) -> Iterator[Apply]:
    if "compaction" in subject.body:
        yield partial(setitem, subject.body, "stop_sequences", ["END"])
        yield partial(_config, subject, "format", {"type": "json_schema", "schema": {"type": "object"}})


@breaks(SETTINGS, "CMP-19")
def _compact_an_open_round(subject: Subject) -> Iterator[Apply]:
    last = subject.messages[-1]
    results = isinstance(last["content"], list) and any(block.get("type") == "tool_result" for block in last["content"])
    if "compaction" in subject.body and results and len(subject.messages) > 1:
        yield partial(delitem, subject.messages, -1)


@breaks(SETTINGS, "CMP-32")
def _compact_twice(subject: Subject) -> Iterator[Apply]:
    first = subject.messages[0].get("content")
    signed = isinstance(first, list) and first and first[0].get("type") == "compaction" and first[0].get("signature")
    if signed and subject.profile is not None and subject.profile.features.compaction_threshold:
        betas = [*subject.body.get("betas", ()), "compact-2026-01-12"]
        edits = {"edits": [{"type": "compact_20260112"}]}
        yield partial(subject.body.update, context_management=edits, betas=betas)


# ---- media


def _png(width: int, height: int) -> dict[str, Any]:
    """The beginning of a PNG, which is all that tells its size."""
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBBI", 13, b"IHDR", width, height, 8, 2, 0, 0, 0, 0)
    data = base64.b64encode(head).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


@breaks(SETTINGS, "MEDIA-04")
def _an_image_too_large(subject: Subject) -> Iterator[Apply]:
    last = subject.messages[-1]
    if subject.ends_with_user and isinstance(last["content"], list):
        yield partial(list.append, last["content"], _png(8_001, 10))


@breaks(SETTINGS, "MEDIA-05")
def _many_images_of_some_size(subject: Subject) -> Iterator[Apply]:
    last = subject.messages[-1]
    if subject.ends_with_user and isinstance(last["content"], list):
        yield partial(list.extend, last["content"], [_png(2_001, 10) for _ in range(21)])
