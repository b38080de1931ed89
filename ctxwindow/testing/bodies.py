"""Generated request bodies: valid for the model that they name, and as odd as the rules allow.

A body is what `anthropic.Anthropic().beta.messages.create(**body)` takes. All beta headers that it needs
stand in `body["betas"]`; over HTTP they go into the `anthropic-beta` header. Signatures are made up: they tell blocks apart, and nothing
verifies them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from hypothesis import strategies as st

from ctxwindow.catalog import ModelProfile, models, resolve
from ctxwindow.record.blocks import blocks_of, is_blank_text
from ctxwindow.testing.strategies import SERVER_TOOLS, conversations

__all__ = ["MODELS", "cacheable", "exchanges", "requests"]

MODELS: tuple[str, ...] = tuple(profile.id for profile in models() if profile.state != "retired")
"""Every model of the catalog that the API still serves."""

_MARKED_TYPES = ("text", "image", "document", "tool_use", "tool_result")
_TOOLS: list[dict[str, Any]] = [
    {
        "name": name,
        "description": f"Runs {name}.",
        "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}},
    }
    for name in ("read_file", "run_tests", "search")
]
_DEFERRED = {"name": "deploy", "input_schema": {"type": "object"}, "defer_loading": True}
_FORMAT = {"type": "json_schema", "schema": {"type": "object", "properties": {"answer": {"type": "string"}}}}
_RARELY = st.sampled_from([False, False, False, True])
_KEPT: list[Any] = ["all", {"type": "all"}, {"type": "thinking_turns", "value": 1}]
_EXTRAS: list[dict[str, Any]] = [{}, {"clear_tool_inputs": True}, {"exclude_tools": ["search"]}]
_SUMMARY = "They fixed parse_config in src/app/main.py; tests/test_config.py still fails."


class _Draft(msgspec.Struct):
    """A conversation and the settings that all its requests share."""

    profile: ModelProfile
    body: dict[str, Any]
    messages: list[dict[str, Any]]
    due: list[int]
    """How many messages stand before each reply of the model's."""
    betas: set[str]

    @property
    def thinking_type(self) -> str | None:
        kind = self.body.get("thinking", {}).get("type")
        return kind if isinstance(kind, str) else None

    @property
    def thinks(self) -> bool:
        """Whether the request is sure to think."""
        on = self.profile.thinking.when_omitted == "adaptive"
        return self.thinking_type in ("adaptive", "enabled") or (self.thinking_type is None and on)

    @property
    def config(self) -> dict[str, Any]:
        """`output_config`, to be added to."""
        found: dict[str, Any] = self.body.setdefault("output_config", {})
        return found


@st.composite
def requests(draw: st.DrawFn, *, models: Sequence[str] = MODELS) -> dict[str, Any]:
    """Whole request bodies, valid for their model: a conversation up to where a reply is due, and settings.

    Settings are whatever the model takes of thinking (every type, display, block_binding), tools (deferred ones and a
    server tool among them), tool_choice, system, effort, structured output, task budgets, cache markers of both TTLs,
    context editing, threshold compaction and its blocks, signed compaction blocks, requests for a compaction and
    requests that only warm the cache. Messages hold images, documents, rounds of calls, server tool calls, system
    messages and, where the model allows it, a prefilled reply.

    Args:
        draw: supplied by Hypothesis.
        models: ids of the catalog to choose from.
    """
    draft = _draft(draw, draw(st.sampled_from(list(models))))
    messages = draft.messages[: draw(st.sampled_from(draft.due))]
    _one_off(draw, draft, messages)
    return _finish(draw, draft, messages)


@st.composite
def exchanges(draw: st.DrawFn, *, models: Sequence[str] = MODELS) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two requests in a row of one conversation: the second holds the reply to the first and what came after it.

    Args:
        draw: supplied by Hypothesis.
        models: ids of the catalog to choose from.
    """
    draft = _draft(draw, draw(st.sampled_from(list(models))), at_least=2)
    at = len(draft.due) - 2 - draw(st.integers(0, len(draft.due) - 2))
    after = _finish(draw, draft, draft.messages[: draft.due[at + 1]])
    return {**after, "messages": after["messages"][: draft.due[at]]}, after


def _draft(draw: st.DrawFn, model: str, *, at_least: int = 1) -> _Draft:
    profile = resolve(model)
    thinking = _thinking(draw, profile)
    manual = thinking is not None and thinking["type"] == "enabled"
    off = (thinking or {"type": profile.thinking.when_omitted})["type"] in ("off", "disabled")
    # A paused turn ends in a reply, which on these models must hold no thinking while thinking is off (THINK-08).
    server_tools = draw(st.booleans()) and not (off and profile.features.prefill)
    steps = draw(
        conversations(
            max_turns=3,
            max_rounds=2,
            long=False,
            thinking=profile.thinking.prior_turns != "none",
            manual=manual,
            system=profile.features.mid_conversation_system,
            server_tools=server_tools,
            several=True,
            synthetic=True,
            today=True,
        ).filter(lambda steps: sum(step.kind == "receive" for step in steps) >= at_least)
    )
    draft = _Draft(
        profile=profile,
        body={"model": model, "max_tokens": draw(st.integers(1, 4_096))},
        messages=[step.message for step in steps],
        due=[index for index, step in enumerate(steps) if step.kind == "receive"],
        betas=set(),
    )
    if thinking is not None:
        draft.body["thinking"] = thinking
        draft.body["max_tokens"] = max(draft.body["max_tokens"], thinking.get("budget_tokens", 0) + 1)
        if "block_binding" in thinking:
            draft.betas.add("thinking-binding-controls-2026-08-01")
    if any("clear_at" in message for message in draft.messages):
        draft.betas.add("mid-conversation-system-clear-at-2026-08-21")
    _tools(draw, draft, server_tools=server_tools)
    _output(draw, draft)
    _compacted(draw, draft)
    _edits(draw, draft)
    _rest(draw, draft)
    return draft


def _thinking(draw: st.DrawFn, profile: ModelProfile) -> dict[str, Any] | None:
    """A thinking setting that the model accepts (THINK-01, THINK-02)."""
    kind = draw(st.sampled_from([None, *profile.thinking.accepts]))
    if kind is None:
        return None
    thinking: dict[str, Any] = {"type": kind}
    if kind == "enabled":
        thinking["budget_tokens"] = draw(st.integers(1_024, 4_000))
    if kind in ("adaptive", "enabled"):
        display = draw(st.sampled_from([None, "summarized", "omitted"]))
        if display is not None:
            thinking["display"] = display
        behavior = draw(st.sampled_from([None, None, "error", "drop_block"])) if profile.bound else None
        if behavior is not None:
            thinking["block_binding"] = {"prefix_mismatch_behavior": behavior}
    return thinking


def _tools(draw: st.DrawFn, draft: _Draft, *, server_tools: bool) -> None:
    """Tools, and how they are chosen (TOOL-15, TOOL-17)."""
    deferred = [_DEFERRED] if draw(st.booleans()) else []
    tools = [*(dict(tool) for tool in _TOOLS), *(dict(tool) for tool in deferred)]
    if server_tools:
        tools += [dict(tool) for tool in SERVER_TOOLS]
    elif draw(_RARELY):
        return  # calls in the history ask for no definition
    draft.body["tools"] = tools
    choices: list[dict[str, Any] | None] = [None, {"type": "auto", "disable_parallel_tool_use": True}, {"type": "none"}]
    if draft.profile.features.forced_tool_choice and draft.thinking_type != "enabled":
        choices += [{"type": "any"}, {"type": "tool", "name": "search"}]
    choice = draw(st.sampled_from(choices))
    if choice is not None:
        draft.body["tool_choice"] = choice


def _output(draw: st.DrawFn, draft: _Draft) -> None:
    """Effort, structured output, task budgets (THINK-13, MSG-19, TB-01)."""
    thinking = draft.profile.thinking
    levels = list(thinking.effort_levels)
    if draft.thinking_type in ("disabled", "between_tools") and thinking.off_effort_cap is not None:
        levels = levels[: levels.index(thinking.off_effort_cap) + 1]
    if draw(st.booleans()) and levels:
        draft.config["effort"] = draw(st.sampled_from(levels))
    if draw(_RARELY):
        draft.config["format"] = _FORMAT
    if draft.profile.features.task_budgets and draw(_RARELY):
        draft.config["task_budget"] = {"type": "tokens", "total": draw(st.integers(20_000, 500_000))}
        draft.betas.add("task-budgets-2026-03-13")


def _compacted(draw: st.DrawFn, draft: _Draft) -> None:
    """A compaction block: signed and first of all (CMP-21), or left by the threshold edit in a reply (CMP-02)."""
    features = draft.profile.features
    if features.compaction_on_demand and draw(_RARELY):
        block = {"type": "compaction", "content": _SUMMARY, "signature": "c" * 40}
        draft.messages.insert(0, {"role": "assistant", "content": [block]})
        draft.due = [due + 1 for due in draft.due]
        draft.betas.add("compact-2026-09-04")
    elif features.compaction_threshold and draw(_RARELY):
        # The first reply of a turn: nothing that is still open stands before it.
        at = draw(st.sampled_from(draft.due))
        if draft.messages[at - 1]["role"] == "user" and not _answers(draft.messages[at - 1]):
            message = draft.messages[at]
            unsigned = {"type": "compaction", "content": draw(st.sampled_from([_SUMMARY, None]))}
            draft.messages[at] = {**message, "content": [unsigned, *message["content"]]}
            draft.betas.add("compact-2026-01-12")


def _answers(message: dict[str, Any]) -> bool:
    return any(block.get("type") == "tool_result" for block in blocks_of(message))


def _edits(draw: st.DrawFn, draft: _Draft) -> None:
    """Context editing and threshold compaction (EDIT-02, EDIT-06, EDIT-07, CMP-01, CMP-32)."""
    features = draft.profile.features
    edits: list[dict[str, Any]] = []
    if features.context_editing and draft.thinks and draw(_RARELY):
        edits.append({"type": "clear_thinking_20251015", "keep": draw(st.sampled_from(_KEPT))})
    if features.context_editing and draw(_RARELY):
        trigger = draw(st.sampled_from([{"type": "input_tokens", "value": 30}, {"type": "tool_uses", "value": 1}]))
        keep = {"type": "tool_uses", "value": draw(st.integers(0, 3))}
        extra = draw(st.sampled_from(_EXTRAS))
        edits.append({"type": "clear_tool_uses_20250919", "trigger": trigger, "keep": keep, **extra})
    if edits:
        draft.betas.add("context-management-2025-06-27")
    signed = "compact-2026-09-04" in draft.betas
    if features.compaction_threshold and not signed and draw(_RARELY):
        trigger = {"type": "input_tokens", "value": draw(st.integers(50_000, 200_000))}
        edits.append({"type": "compact_20260112", "trigger": trigger})
        draft.betas.add("compact-2026-01-12")
    if edits:
        draft.body["context_management"] = {"edits": edits}


def _rest(draw: st.DrawFn, draft: _Draft) -> None:
    """System, and the settings that no other rule looks at."""
    texts = st.sampled_from(["Be brief.", "You fix tests. Never touch main."])
    blocks = st.lists(texts.map(lambda text: {"type": "text", "text": text}), min_size=1, max_size=2)
    system = draw(st.one_of(st.none(), texts, blocks))
    if system is not None:
        draft.body["system"] = system
    extras: list[dict[str, Any]] = [
        {},
        {"stop_sequences": ["END"]},
        {"metadata": {"user_id": "u-1"}},
        {"stream": True},
        {"service_tier": "standard_only"},
    ]
    draft.body |= draw(st.sampled_from(extras))


def _one_off(draw: st.DrawFn, draft: _Draft, messages: list[dict[str, Any]]) -> None:
    """What a single request may be: a prefilled one, one for a compaction, one that only warms the cache."""
    if messages[-1]["role"] != "user":
        return
    body, forced = draft.body, draft.body.get("tool_choice", {}).get("type") in ("any", "tool")
    bare = not forced and "format" not in body.get("output_config", {})
    kind = draw(st.sampled_from(["reply", "prefill", "compaction", "warming"]))
    if kind == "prefill" and draft.profile.features.prefill and draft.thinking_type in (None, "disabled"):
        messages.append(
            {"role": "assistant", "content": draw(st.sampled_from(["As", [{"type": "text", "text": "{"}]]))}
        )
    elif kind == "compaction" and draft.profile.features.compaction_on_demand and bare:
        for field in ("context_management", "stop_sequences"):  # CMP-18
            body.pop(field, None)
        body["compaction"] = {"type": "summarize"}
        draft.betas.add("compact-2026-09-04")
    elif kind == "warming" and bare and draft.thinking_type != "enabled" and "stream" not in body:
        body["max_tokens"] = 0


def cacheable(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every tool and block that may carry a cache marker, in the order in which they are rendered (CACHE-01, CACHE-09)."""
    yield from (tool for tool in body.get("tools") or () if not tool.get("defer_loading"))
    for part in [{"content": body.get("system")}, *body["messages"]]:
        blocks = part["content"] if isinstance(part.get("content"), list) and part.get("role") != "system" else ()
        yield from (block for block in blocks if block.get("type") in _MARKED_TYPES and not is_blank_text(block))


def _finish(draw: st.DrawFn, draft: _Draft, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The body, with its cache markers: at most four, the longer-lived first (CACHE-02, CACHE-04)."""
    body = msgspec.json.decode(msgspec.json.encode({**draft.body, "messages": messages}))
    places = list(cacheable(body))
    marked = draw(st.booleans()) and bool(places)
    chosen = sorted(draw(st.sets(st.integers(0, len(places) - 1), max_size=4))) if marked else []
    long = draw(st.integers(0, len(chosen)))
    for number, place in enumerate(chosen):
        ttl = {"ttl": "1h"} if number < long else draw(st.sampled_from([{}, {"ttl": "5m"}]))
        places[place]["cache_control"] = {"type": "ephemeral", **ttl}
    if not chosen and draw(_RARELY):
        body["cache_control"] = {"type": "ephemeral"}
    return {**body, "betas": sorted(draft.betas)}
