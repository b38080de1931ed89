"""VER: what depends on the value of the `anthropic-version` header, and fields that the API does not know.

The version of 2026-10-21 breaks three things. They hold for a request, for counting it, and for each item of a
batch that was created with that version (VER-05); nothing here asks which of these a body is for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctxwindow.rules.fields import extra
from ctxwindow.rules.frame import API_VERSION, Frame
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import Step, View, plain

__all__ = ["RULES", "breaks"]

_SAMPLING = ("temperature", "top_p", "top_k")


def breaks(frame: Frame) -> bool:
    """Whether the breaking changes of 2026-10-21 hold for this request (VER-05). Versions are ISO dates."""
    return frame.api_version >= API_VERSION


def no_document(step: Step) -> Iterator[Finding]:
    """VER-02."""
    if not breaks(step.frame):
        return
    for block in step.blocks:
        if block.family == "document":
            yield Finding(
                path=block.path,
                message=f"{block.path}: `document` blocks are not accepted in `assistant` messages.",
                remedy="Put the document into a user message.",
            )


def _cited(path: str, block: Mapping[str, Any]) -> Iterator[str]:
    """Paths of text blocks with citations: this one, or those of a search result, which may stand in a tool result."""
    if block.get("type") == "text" and block.get("citations"):
        yield path
    content = block.get("content")
    if block.get("type") not in ("search_result", "tool_result") or not isinstance(content, list):
        return
    for place, part in enumerate(content):
        inner = plain(part)
        if block["type"] == "search_result" or inner.get("type") == "search_result":
            yield from _cited(f"{path}.content.{place}", inner)


def no_citations(step: Step) -> Iterator[Finding]:
    """VER-03."""
    if not breaks(step.frame):
        return
    for block in step.blocks:
        for path in _cited(block.path, block.data):
            yield Finding(
                path=f"{path}.citations",
                message=f"{path}: text blocks with `citations` are not accepted in `user` messages.",
                remedy="Leave `citations` out of text that moves from a reply into a user message.",
            )


def no_sampling(view: View) -> Iterator[Finding]:
    """VER-04."""
    if not breaks(view.frame):
        return
    for field in _SAMPLING:
        if view.frame.settings.get(field) is not None:
            yield Finding(
                path=field,
                message=f"{field}: not accepted under anthropic-version {view.frame.api_version}.",
                remedy="Leave it out; steer the reply by instructions.",
            )


def _usual(field: str, value: object) -> bool:
    """Whether this is the value that a sampling parameter has when it is left out. top_p is quoted as 0.99 and as 1."""
    return (field == "temperature" and value == 1) or (field == "top_p" and value in (0.99, 1))


def usual_sampling(view: View) -> Iterator[Finding]:
    """VER-06."""
    frame = view.frame
    if breaks(frame):
        return
    given = {field: frame.settings[field] for field in _SAMPLING if frame.settings.get(field) is not None}
    unusual = [field for field, value in given.items() if not _usual(field, value)]
    if "temperature" in unusual and frame.thinking_type in ("enabled", "adaptive"):
        yield Finding(
            path="temperature",
            message="`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.",
            remedy="Leave `temperature` out.",
        )
        unusual.remove("temperature")
    if frame.profile is None or frame.profile.features.sampling_params:
        return
    for field in unusual:
        yield Finding(
            path=field,
            message=f"{field}: only the default is accepted on this model.",
            remedy="Leave it out; steer the reply by instructions.",
        )
    if frame.profile.line == "haiku" and not unusual and {"temperature", "top_p"} <= given.keys():
        yield Finding(
            path="top_p",
            message="top_p: `temperature` and `top_p` are not accepted together on this model.",
            remedy="Leave both out.",
        )


def output_config_placed(step: Step) -> Iterator[Finding]:
    """VER-07."""
    if "output_config" not in step.message:
        return
    if step.role == "system":
        for field in plain(step.message["output_config"]):
            if field != "effort":
                yield extra(f"{step.path}.output_config.{field}", "In a system message only `effort` may be set.")
    elif step.role in ("user", "assistant"):
        yield extra(f"{step.path}.output_config", "Set it for the whole request, or in a system message (effort only).")


# Fields of each message and block as of anthropic 2.12.0, types/ and types/beta/. Of `cache_control`, `output_config`
# and `clear_at` the rules CACHE-09, VER-07 and SYS-08 speak.
_OF_MESSAGES = frozenset({"output_config", "clear_at"})
_ELSEWHERE = _OF_MESSAGES | {"cache_control"}
_MESSAGE = frozenset({"role", "content"}) | _ELSEWHERE
_BLOCKS: dict[str, frozenset[str]] = {
    "text": frozenset({"type", "text", "citations"}),
    "thinking": frozenset({"type", "thinking", "signature"}),
    "redacted_thinking": frozenset({"type", "data"}),
    "tool_use": frozenset({"type", "id", "name", "input", "caller", "toolset_name"}),
    "tool_result": frozenset({"type", "tool_use_id", "content", "is_error", "toolset_name"}),
    "compaction": frozenset({"type", "content", "encrypted_content", "signature", "tool_changes"}),
}
_BODY = frozenset(
    {
        "billing_policy", "cache_control", "compaction", "container", "context_management", "diagnostics",
        "fallback_credit_token", "fallbacks", "inference_geo", "max_tokens", "mcp_servers", "metadata", "output_config",
        "service_tier", "speed", "stop_sequences", "stream", "thinking", "thread", "tool_choice", "user_profile_id",
        "workspace_id", *_SAMPLING,
        "output_format",  # until it became output_config.format
        "anthropic_version", "anthropic_beta",  # stand in the body on Bedrock and Google Cloud
        "extra_headers", "extra_query", "extra_body", "timeout",  # arguments of the SDK that do not reach the body
    }
)  # fmt: skip

_INNER = {
    "context_management": frozenset({"edits"}),
    "metadata": frozenset({"user_id"}),
    "output_config": frozenset({"effort", "format", "task_budget"}),
}
_EDITS = {
    "clear_tool_uses_20250919": frozenset(
        {"type", "trigger", "keep", "clear_at_least", "exclude_tools", "clear_tool_inputs"}
    ),
    "clear_thinking_20251015": frozenset({"type", "keep"}),
    "compact_20260112": frozenset({"type", "trigger", "instructions", "pause_after_compaction"}),
}


def known_fields(step: Step) -> Iterator[Finding]:
    """VER-08, in messages. Blocks of types that are not in the table are not judged."""
    for field in step.message.keys() - _MESSAGE:
        yield extra(f"{step.path}.{field}", "A message has `role` and `content`; leave the rest out.")
    for block in step.blocks:
        kind = block.data.get("type")
        known = _BLOCKS.get(kind) if isinstance(kind, str) else None
        fields = block.data.keys() & _OF_MESSAGES if known is None else block.data.keys() - known - {"cache_control"}
        for field in fields if block.family != "other" else ():
            path = f"{block.path}.{kind}.{field}"
            yield extra(path, "Send blocks in the shape of a request, without fields of the response or of messages.")


def known_settings(view: View) -> Iterator[Finding]:
    """VER-08, at the top, and in the objects there that no other rule looks through."""
    for field, value in view.frame.settings.items():
        if field not in _BODY:
            yield extra(field, "The API has no such request field; leave it out.")
        for inner in plain(value).keys() - _INNER[field] if field in _INNER else ():
            yield extra(f"{field}.{inner}", "The API has no such field there; leave it out.")
    edits = plain(view.frame.settings.get("context_management")).get("edits")
    for place, edit in enumerate(edits if isinstance(edits, (list, tuple)) else ()):
        kind = plain(edit).get("type")
        known = _EDITS.get(kind) if isinstance(kind, str) else None  # of other types EDIT-01 warns
        for inner in plain(edit).keys() - known if known is not None else ():
            path = f"context_management.edits.{place}.{kind}.{inner}"
            yield extra(path, "This edit has no such field; leave it out.")


_MIGRATION = "platform.claude.com/docs/en/api/migration-2026-10-21"
_DATE = "2026-10-21"

RULES = (
    Rule(
        id="VER-01",
        sentence="Every request names an API version; SDK 2 sends 2026-10-21, older SDKs 2023-06-01.",
        source=f"anthropic 2.12.0 _constants.py; {_MIGRATION}",
        date="2026-11-20",
        modelled="rules.view.API_VERSION",
    ),
    Rule(
        id="VER-02",
        sentence="Since 2026-10-21 a document block directly in an assistant message is rejected.",
        source=_MIGRATION,
        date=_DATE,
        on="assistant",
        holding=frozenset({"document"}),
        check_message=no_document,
    ),
    Rule(
        id="VER-03",
        sentence="Since 2026-10-21 text with citations is rejected in user messages and in search results.",
        source=_MIGRATION,
        date=_DATE,
        on="user",
        holding=frozenset({"text", "search", "result"}),
        check_message=no_citations,
    ),
    Rule(
        id="VER-04",
        sentence="Since 2026-10-21 temperature, top_p and top_k are rejected on all models.",
        source=_MIGRATION,
        date=_DATE,
        check=no_sampling,
    ),
    Rule(
        id="VER-05",
        sentence="These three are the breaking changes of 2026-10-21; they hold for requests, counts and items of a batch.",
        source=f"{_MIGRATION}; that there is no fourth: a third party's digest",
        date="2026-10-21",
        modelled="rules.version.breaks",
    ),
    Rule(
        id="VER-06",
        sentence=(
            "Under 2023-06-01 newer models reject sampling other than the default, and requests that think a temperature "
            "other than 1."
        ),
        source=(
            "platform.claude.com/docs/en/build-with-claude/working-with-messages; "
            "github.com/mnfst/modelparams.dev/issues/214"
        ),
        date="2026-08-22",
        models="Claude 4.7 and later, Mythos Preview",
        check=usual_sampling,
    ),
    Rule(
        id="VER-07",
        sentence="output_config stands at the top, and in system messages with effort only.",
        source="anthropic 2.12.0 types/beta/beta_system_message_output_config_param.py",
        date="2026-11-20",
        check_message=output_config_placed,
    ),
    Rule(
        id="VER-08",
        sentence="Fields that the API does not know are rejected; fields of a response sent back verbatim can be such.",
        source="platform.claude.com/docs/en/build-with-claude/compaction-threshold; platform.claude.com/docs/en/api/errors",
        date="2026-09-26",
        check_message=known_fields,
        check=known_settings,
    ),
)
