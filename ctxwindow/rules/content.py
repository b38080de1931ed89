"""MSG: what stands in messages, and the settings that depend on it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ctxwindow.record.blocks import is_blank_text
from ctxwindow.rules.fields import fault
from ctxwindow.rules.json_schema import fits
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import Step, View, plain

__all__ = ["RULES"]

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def no_blank_text(step: Step) -> Iterator[Finding]:
    """MSG-06. An empty string as the whole content is MSG-07.

    White space alone is refused where the message holds no other text: found by live trials
    (LibreChat-AI/agents#124), and a recorded reply with a `" "` block among others was accepted back (200). Where
    other text stands in the message but not beside the blank block, nothing is recorded: a warning.
    """
    texts = {block.index: block.data for block in step.blocks if block.data.get("type") == "text"}
    visible = [place for place, text in texts.items() if not is_blank_text(text)]
    for block in step.blocks:
        if block.index not in texts or not is_blank_text(block.data):
            continue
        if block.data["text"] == "":
            if step.message.get("content") != "":
                yield Finding(
                    path=block.path,
                    message="messages: text content blocks must be non-empty",
                    remedy="Leave the block out; a message of calls only needs no text.",
                )
        elif not visible or not _joined(block.index, texts, visible):
            yield Finding(
                path=block.path,
                message="messages: text content blocks must contain non-whitespace text",
                remedy="Leave the block out.",
                severity="warning" if visible else None,
            )


def _joined(place: int, texts: Mapping[int, Any], visible: list[int]) -> bool:
    """Whether an unbroken run of text blocks leads from `place` to one with visible text; the API joins such runs."""
    return any(all(between in texts for between in range(min(place, at), max(place, at))) for at in visible)


def not_empty(step: Step) -> Iterator[Finding]:
    """MSG-07. Of system messages SYS-05 speaks."""
    if (
        step.message.get("content") in ("", [])
        and step.role != "system"
        and not (step.last and step.role == "assistant")
    ):
        yield Finding(
            path=step.path,
            message=(
                f"{step.path}: all messages must have non-empty content except for the optional final assistant message"
            ),
            remedy="Leave the message out; a refused or empty reply is not appended (FB-02).",
        )


def cache_warming(view: View) -> Iterator[Finding]:
    """MSG-17."""
    settings = view.frame.settings
    if settings.get("max_tokens") != 0 or isinstance(settings.get("max_tokens"), bool):
        return
    conflicts = {
        "stream": settings.get("stream") is True,
        "thinking.type": view.frame.manual_thinking,
        "output_config.format": plain(settings.get("output_config")).get("format") is not None,
        "tool_choice": plain(settings.get("tool_choice")).get("type") in ("any", "tool"),
    }
    for field, wrong in conflicts.items():
        if wrong:
            yield Finding(
                path=field,
                message=f"max_tokens: 0 cannot be combined with {field} as set.",
                remedy="Leave this out of a request that only warms the cache.",
            )


def tool_names(view: View) -> Iterator[Finding]:
    """MSG-18. Client tools only: server tools have fixed names, toolsets none."""
    for index, tool in view.frame.tool_list:
        name = tool.get("name")
        if tool.get("type") not in (None, "custom"):
            continue
        yield from _examples(f"tools.{index}", tool)
        if isinstance(name, str) and not _TOOL_NAME.fullmatch(name):
            yield Finding(
                path=f"tools.{index}.name",
                message=f"tools.{index}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'",
                remedy="Use letters, digits, _ and -, at most 64.",
            )


def _examples(path: str, tool: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong with `input_examples`. The API's own texts are not known."""
    examples = tool.get("input_examples")
    if examples is not None and not isinstance(examples, (list, tuple)):
        text = ": Input should be a valid list"
        yield fault(f"{path}.custom.input_examples", text, "Send a list of inputs, or leave it out.")
        return
    for place, example in enumerate(examples or ()):
        if not isinstance(example, Mapping) or not fits(example, tool.get("input_schema")):
            yield fault(
                f"{path}.custom.input_examples.{place}",
                ": this example is no valid input by the tool's input_schema.",
                "Correct the example or the schema.",
            )


def citations_with_format(step: Step) -> Iterator[Finding]:
    """MSG-19."""
    if plain(step.frame.settings.get("output_config")).get("format") is None:
        return
    for block in step.blocks:
        if block.family in ("document", "search") and plain(block.data.get("citations")).get("enabled") is True:
            yield Finding(
                path=f"{block.path}.citations",
                message="citations cannot be combined with output_config.format.",
                remedy="Turn citations off, or leave output_config.format out.",
            )


def search_results_whole(step: Step) -> Iterator[Finding]:
    """MSG-20, as far as one request shows it: a search result came with `encrypted_content` and must have it."""
    for block in step.blocks:
        content = block.data.get("content")
        if block.data.get("type") != "web_search_tool_result" or not isinstance(content, list):
            continue
        for place, result in enumerate(content):
            value = plain(result)
            if value.get("type") == "web_search_result" and not value.get("encrypted_content"):
                yield Finding(
                    path=f"{block.path}.content.{place}.encrypted_content",
                    message=f"{block.path}.content.{place}.encrypted_content: Field required",
                    remedy="Send server tool results back byte for byte, or leave out the call and its result together.",
                )


RULES = (
    Rule(
        id="MSG-06",
        sentence=(
            "Empty text blocks are rejected, and white-space ones where the message has no visible text (recorded: "
            "beside visible text they are accepted)."
        ),
        source="github.com/anthropics/claude-code/issues/59812, LibreChat-AI/agents/pull/124; recorded exchanges",
        date="2026-07-06",
        holding=frozenset({"text"}),
        check_message=no_blank_text,
    ),
    Rule(
        id="MSG-07",
        sentence="A message with empty content is rejected, except a final assistant message.",
        source="recorded: Mirascope/mirascope handles-empty-string-content.har",
        date="2026-11-22",
        check_message=not_empty,
    ),
    Rule(
        id="MSG-17",
        sentence="max_tokens 0 is rejected with stream, manual thinking, output_config.format or a forced tool_choice.",
        source="platform.claude.com/docs/en/build-with-claude/prompt-caching",
        date="2026-08-22",
        check=cache_warming,
    ),
    Rule(
        id="MSG-18",
        sentence=(
            "Tool names have 1 to 64 letters, digits, _ and -; input_examples fit the input_schema (judged by type, enum, const, "
            "required, properties, items and additionalProperties false only)."
        ),
        source="platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools",
        date="2026-08-22",
        check=tool_names,
    ),
    Rule(
        id="MSG-19",
        sentence="Citations together with output_config.format are rejected.",
        source="platform.claude.com/docs/en/build-with-claude/structured-outputs",
        date="2026-08-22",
        on="user",
        holding=frozenset({"document", "search"}),
        check_message=citations_with_format,
    ),
    Rule(
        id="MSG-20",
        sentence="encrypted_content of web search results and encrypted_index go back untouched.",
        source="platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool",
        date="2026-08-22",
        on="assistant",
        holding=frozenset({"server_result"}),
        check_message=search_results_whole,
    ),
)
