"""For each error text of the API that a request alone can cause: the smallest request that causes it, and the rule.

Indexes, ids and numbers are those of the recorded text.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from tests.files import base64_of, png

OLD = "2023-06-01"
MANUAL, BOUND, OPUS = "claude-sonnet-4-5", "claude-opus-5-5", "claude-opus-4-8"


class Refused(NamedTuple):
    """A request that the API refuses."""

    rule: str
    request: dict[str, Any]
    options: Mapping[str, Any] = MappingProxyType({})
    """Arguments of `find_violations`."""


HI: dict[str, Any] = {"role": "user", "content": "hi"}
REPLY: dict[str, Any] = {"role": "assistant", "content": "a"}
ENABLED = {"type": "enabled", "budget_tokens": 2_000}
TOOL: dict[str, Any] = {"name": "f", "input_schema": {"type": "object"}}
FIVE, HOUR = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}
LINK = {"type": "image", "source": {"type": "url", "url": "u"}}


def text(value: str = "a", **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **more}


def thought(signature: str = "s") -> dict[str, Any]:
    return {"type": "thinking", "thinking": "", "signature": signature}


def call(identity: str = "t") -> dict[str, Any]:
    return {"type": "tool_use", "id": identity, "name": "f", "input": {}}


def result(identity: str = "t") -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": identity, "content": "x"}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def before(number: int) -> list[dict[str, Any]]:
    """So many messages, by turns, that break nothing."""
    return [REPLY if index % 2 else HI for index in range(number)]


def body(*messages: Any, model: str = MANUAL, **settings: Any) -> dict[str, Any]:
    return {"model": model, "max_tokens": 4_096, "messages": list(messages), **settings}


def picture(edge: int) -> dict[str, Any]:
    return {"type": "image", "source": base64_of(png(edge, 1))}


_STALE = body(HI, assistant(thought(), text()), HI, model=BOUND, system="Be brief.")
_DOCUMENT = {"type": "document", "source": {"type": "url", "url": "u"}}

RECORDED: dict[str, Refused] = {
    "This model does not support effort level 'xhigh'. Supported levels: high, low, max, medium.": Refused(
        "THINK-13", body(HI, model="claude-opus-4-6", output_config={"effort": "xhigh"})
    ),
    "messages.0: all messages must have non-empty content except for the optional final assistant message": Refused(
        "MSG-07", body({"role": "user", "content": ""})
    ),
    "messages.1: all messages must have non-empty content except for the optional final assistant message": Refused(
        "MSG-07", body(HI, {"role": "assistant", "content": ""}, HI)
    ),
    "This model does not support assistant message prefill. The conversation must end with a user message.": Refused(
        "MSG-04", body(HI, REPLY, model="claude-sonnet-5")
    ),
    "messages.0: Input does not match the expected shape.": Refused("SHAPE-02", body("hi")),
    "messages.167: `tool_use` ids were found without `tool_result` blocks immediately after: "
    "toolu_019P95AL5DFCUyhtgQDcWJ3x.": Refused(
        "TOOL-01", body(*before(167), assistant(call("toolu_019P95AL5DFCUyhtgQDcWJ3x")), HI)
    ),
    "messages.22: `tool_use` ids were found without `tool_result` blocks immediately after: "
    "toolu_01HqfLWiAKQLsniF2fBGF2KD, toolu_01SJzDkeAZER935cpGFptTNk.": Refused(
        "TOOL-01",
        body(
            *before(21),
            HI,
            assistant(call("toolu_01HqfLWiAKQLsniF2fBGF2KD"), call("toolu_01SJzDkeAZER935cpGFptTNk")),
            HI,
        ),
    ),
    "messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: "
    "toolu_01FxdGdpPyaZq3sCLqXtgJki.": Refused("TOOL-02", body(user(result("toolu_01FxdGdpPyaZq3sCLqXtgJki")))),
    "messages.5.content.0: unexpected `tool_use_id` found in `advisor_tool_result` blocks: "
    "srvtoolu_01V69zF5xm68rk7JaA1SWaFc.": Refused(
        "TOOL-08",
        body(
            *before(5),
            assistant(
                {
                    "type": "advisor_tool_result",
                    "tool_use_id": "srvtoolu_01V69zF5xm68rk7JaA1SWaFc",
                    "content": {"type": "advisor_result", "text": "x"},
                },
                text(),
            ),
            HI,
        ),
    ),
    "messages.1.content.1: `tool_use` ids must be unique": Refused(
        "TOOL-04", body(HI, assistant(call(), call()), user(result()))
    ),
    "messages.4.content.5: each tool_use must have a single result.": Refused(
        "TOOL-03",
        body(
            *before(3),
            assistant(*(call(f"t{number}") for number in range(4)), call("toolu_...")),
            user(*(result(f"t{number}") for number in range(4)), result("toolu_..."), result("toolu_...")),
        ),
    ),
    "messages.3.content.9: `thinking` or `redacted_thinking` blocks in the latest assistant message": Refused(
        "REPLAY-02",
        body(HI, HI, HI, assistant(*[text()] * 9, thought("other"), call()), user(result()), model=OPUS),
        {"previous": body(HI, HI, HI, assistant(*[text()] * 9, thought(), call()), user(result()), model=OPUS)},
    ),
    "messages.33.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.": Refused(
        "THINK-07", body(*before(33), assistant(call()), user(result()), thinking=ENABLED)
    ),
    "messages.51.content.0: If an assistant message contains any thinking blocks": Refused(
        "MSG-10", body(*before(51), assistant(text(), thought(), text()), HI, thinking=ENABLED)
    ),
    "messages.1.content.0: When thinking is disabled": Refused("THINK-08", body(HI, assistant(thought(), text()))),
    "messages.1: The final block in an assistant message cannot be `thinking`.": Refused(
        "MSG-09", body(HI, assistant(text(), thought()), HI)
    ),
    "messages.1.content.0: Invalid `signature` in `thinking` block": Refused(
        "REPLAY-04", body(HI, assistant(thought(""), text()), HI)
    ),
    "max_tokens: 128001 > 64000": Refused(
        "CTX-06", body(HI, model="claude-opus-4-5-20251101") | {"max_tokens": 128_001}
    ),
    "`max_tokens` must be greater than `thinking.budget_tokens`.": Refused(
        "THINK-04", body(HI, thinking=ENABLED) | {"max_tokens": 2_000}, {"betas": []}
    ),
    "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024": Refused(
        "THINK-04", body(HI, thinking={**ENABLED, "budget_tokens": 1_023})
    ),
    '"thinking.type.enabled" is not supported for this model.': Refused(
        "THINK-02", body(HI, model="claude-opus-4-7", thinking=ENABLED)
    ),
    "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.": Refused(
        "VER-06", body(HI, model=OPUS, thinking={"type": "adaptive"}, temperature=0.5), {"api_version": OLD}
    ),
    "`clear_thinking_20251015` strategy requires `thinking` to be enabled": Refused(
        "EDIT-06", body(HI, context_management={"edits": [{"type": "clear_thinking_20251015"}]})
    ),
    "A maximum of 4 blocks with cache_control may be provided. Found 5.": Refused(
        "CACHE-02", body(user(*[text(cache_control=FIVE)] * 5))
    ),
    "messages.15.content.1.cache_control.ttl: a ttl='1h' cache_control block must not come after": Refused(
        "CACHE-04", body(*before(15), user(text(cache_control=FIVE), text(cache_control=HOUR)))
    ),
    "messages: text content blocks must be non-empty": Refused(
        "MSG-06", body(user(text()), user(text()), user(text("")))
    ),
    "messages: text content blocks must contain non-whitespace text": Refused("MSG-06", body(user(text(" ")))),
    "messages.7.content.2.image.source.base64.data: At least one of the image dimensions": Refused(
        "MEDIA-04", body(*before(7), user(text(), text(), picture(8_001)))
    ),
    "messages.109.content.2.image.source.base64.data: At least one of the image dimensions": Refused(
        "MEDIA-05", body(*before(108), user(*[LINK] * 20), user(text(), text(), picture(2_001)))
    ),
    "too many images and documents: 104 + 1 > 100": Refused("MEDIA-04", body(user(*[LINK] * 104, _DOCUMENT))),
    "tools: Tool names must be unique.": Refused("SHAPE-11", body(HI, tools=[TOOL, TOOL])),
    "messages.29.content.0.text: cache_control cannot be set for empty text blocks": Refused(
        "CACHE-09", body(*before(29), user(text("", cache_control=FIVE)))
    ),
    "messages.N.cache_control: Extra inputs are not permitted": Refused(
        "CACHE-09", body(*before(7), {**HI, "cache_control": FIVE})
    ),
    "messages.67: role 'system' must precede an 'assistant' message or end the array": Refused(
        "SYS-04", body(*before(67), {"role": "system", "content": "Be brief."}, HI, model=OPUS)
    ),
    "role 'system' is not supported on this model": Refused(
        "SYS-01", body(HI, {"role": "system", "content": "Be brief."})
    ),
    "tool_addition/tool_removal is not supported on this model": Refused(
        "SYS-10",
        body(
            HI,
            {
                "role": "system",
                "content": [{"type": "tool_removal", "tool": {"type": "tool_reference", "name": "f"}}],
            },
            model="claude-sonnet-5",
            tools=[TOOL],
        ),
    ),
    "Thinking may not be enabled when tool_choice forces tool use.": Refused(
        "TOOL-15", body(HI, thinking=ENABLED, tools=[TOOL], tool_choice={"type": "any"})
    ),
    "cache_control: Extra inputs are not permitted": Refused(
        "CACHE-03", body(HI, cache_control=FIVE, anthropic_version="bedrock-2023-05-31")
    ),
    "user messages must have non-empty content": Refused("MSG-07", body(user())),
}
"""Beginning of a recorded text (`tests/data/errors.jsonl`), enough to tell it from the others."""

DOCUMENTED: dict[str, Refused] = {
    # I-07, the other form.
    "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `text`. When `thinking` is enabled, "
    "a final `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use` and "
    "`tool_result` blocks). We recommend you include thinking blocks from previous turns. To avoid this requirement, "
    "disable `thinking`.": Refused("THINK-07", body(HI, assistant(text(), call()), user(result()), thinking=ENABLED)),
    # I-17, without and with the header.
    "messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to a different conversation. Remove "
    'the block, or set `thinking.block_binding.prefix_mismatch_behavior` to "drop_block". That setting requires the '
    "`thinking-binding-controls-2026-08-01` value in the `anthropic-beta` header. The `system` prompt differs from the one "
    "this block was created with.": Refused(
        "BIND-05", {**_STALE, "system": "Be kind."}, {"previous": _STALE, "betas": []}
    ),
    "messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to a different conversation. Remove "
    'the block, or set `thinking.block_binding.prefix_mismatch_behavior` to "drop_block". The `system` prompt differs from '
    "the one this block was created with.": Refused(
        "BIND-05",
        {**_STALE, "system": "Be kind."},
        {"previous": _STALE, "betas": ["thinking-binding-controls-2026-08-01"]},
    ),
    'tool_choice: type "tool" and "any" are not supported for this model.': Refused(
        "TOOL-15", body(HI, model=BOUND, tools=[TOOL], tool_choice={"type": "tool", "name": "f"})
    ),
    "messages.3: role 'system' must follow a 'user' message or an 'assistant' message ending in a server tool result": Refused(
        "SYS-04", body(HI, HI, REPLY, {"role": "system", "content": "Be brief."}, HI, model=OPUS)
    ),
    "thinking.adaptive.block_binding: Extra inputs are not permitted": Refused(
        "THINK-01",  # BIND-08
        body(
            HI,
            model=BOUND,
            thinking={"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}},
        ),
        {"betas": []},
    ),
}
"""Texts that are documented or quoted elsewhere, filled in."""

UNKNOWN_MODEL = "a warning only: a model that the catalog does not have may be newer than it (SHAPE-10)"
COUNTED = "needs the prompt's size in tokens, which is counted in ctxwindow.window (CTX-08, CTX-10)"
SERVER = "tells of the server or the account, and no request shows it"
OBSOLETE = "obsolete: recorded exchanges since were answered, or the wording has changed"

NOT_OURS: dict[str, str] = {
    "model: ": UNKNOWN_MODEL,
    "invalid x-api-key": SERVER,
    "Overloaded": SERVER,
    "Internal server error": SERVER,
    "prompt is too long: ": COUNTED,
    "input length and `max_tokens` exceed context limit: ": COUNTED,
    "Request size exceeds model context window": "seen on one day only; CTX-08 has the text of today",
    "Request exceeds the maximum size": "a body of 32 MB; tests/rules/test_limits.py sends one (CTX-18)",
    'messages: first message must use the "user" role': OBSOLETE,
    "messages: roles must alternate": OBSOLETE,
    'messages: Unexpected role "system".': OBSOLETE,
}
"""Beginning of a recorded text that no request of ours causes -> why."""
