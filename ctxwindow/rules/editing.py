"""EDIT: `context_management.edits` of a request. What the edits do is in `ctxwindow.window.served`.

The edit `compact_20260112` is a compaction and has its rules in `ctxwindow.rules.compaction_requests`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ctxwindow.rules.fields import fault, needs, number_of
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import View, plain

__all__ = ["CLEAR_THINKING", "CLEAR_TOOL_USES", "COMPACT", "RULES", "edits_of"]

CLEAR_TOOL_USES = "clear_tool_uses_20250919"
CLEAR_THINKING = "clear_thinking_20251015"
COMPACT = "compact_20260112"

_BETA = "context-management-2025-06-27"


def edits_of(view: View, kind: str) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    """Path, place and edit of every edit of one type."""
    edits = plain(view.frame.settings.get("context_management")).get("edits")
    for place, edit in enumerate(edits if isinstance(edits, (list, tuple)) else ()):
        if plain(edit).get("type") == kind:
            yield f"context_management.edits.{place}", place, edit


def known_edits(view: View) -> Iterator[Finding]:
    """EDIT-01."""
    given = view.frame.settings.get("context_management")
    if given is None:
        return
    edits = plain(given).get("edits", [])
    if not isinstance(given, Mapping) or not isinstance(edits, (list, tuple)):
        yield fault("context_management.edits", ": Input should be a valid list", "Send a list of edits.")
        return
    kinds = [plain(edit).get("type") for edit in edits]
    clears = [kind for kind in kinds if kind in (CLEAR_TOOL_USES, CLEAR_THINKING)]
    if clears:
        yield from needs(view.frame, "context_management", _BETA)
    profile = view.frame.profile
    for place, kind in enumerate(kinds):
        path = f"context_management.edits.{place}"
        if kind in clears and profile is not None and not profile.features.context_editing:
            yield fault(path, ": context editing is not supported on this model.", "Leave the edit out.")
        elif kind not in (*clears, COMPACT):
            yield Finding(
                path=path,
                message=f"{path}: not an edit that this version knows.",
                remedy=f"The edits are {CLEAR_TOOL_USES}, {CLEAR_THINKING} and {COMPACT}.",
                severity="warning" if isinstance(kind, str) else None,
            )


def _strings(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)


def tool_uses_cleared(view: View) -> Iterator[Finding]:
    """EDIT-02."""
    for path, _, edit in edits_of(view, CLEAR_TOOL_USES):
        for field, kinds in (("trigger", ("input_tokens", "tool_uses")), ("keep", ("tool_uses",))):
            wrong = number_of(edit[field], *kinds) if edit.get(field) is not None else None
            if wrong is not None:
                yield fault(f"{path}.{field}", wrong, f'Send {{"type": "{kinds[0]}", "value": N}}, or leave it out.')


def clearing_options(view: View) -> Iterator[Finding]:
    """EDIT-03."""
    sound: dict[str, tuple[Callable[[Any], bool], str]] = {
        "clear_at_least": (lambda value: number_of(value, "input_tokens") is None, "a number of input_tokens"),
        "exclude_tools": (_strings, "a list of tool names"),
        "clear_tool_inputs": (lambda value: isinstance(value, bool) or _strings(value), "a boolean or tool names"),
    }
    for path, _, edit in edits_of(view, CLEAR_TOOL_USES):
        for field, (fits, what) in sound.items():
            if edit.get(field) is not None and not fits(edit[field]):
                yield fault(f"{path}.{field}", f": Input should be {what}", "Correct it, or leave it out.")


def thinking_cleared(view: View) -> Iterator[Finding]:
    """EDIT-06."""
    for path, _, edit in edits_of(view, CLEAR_THINKING):
        keep = edit.get("keep")
        everything = keep == "all" or plain(keep).get("type") == "all"
        wrong = None if keep is None or everything else number_of(keep, "thinking_turns", least=1)
        if wrong is not None:
            yield fault(f"{path}.keep", wrong, 'Send "all", or thinking_turns with a value above 0.')
        if view.frame.thinking_off:
            yield Finding(
                path=path,
                message=f"`{CLEAR_THINKING}` strategy requires `thinking` to be enabled",
                remedy="Leave the edit out of requests without thinking, or turn thinking on.",
            )


def thinking_first(view: View) -> Iterator[Finding]:
    """EDIT-07."""
    for path, place, _ in edits_of(view, CLEAR_THINKING):
        if place > 0:
            yield Finding(
                path=path,
                message=f"{path}: {CLEAR_THINKING} must be the first of the edits.",
                remedy="Move it to the front of `edits`.",
            )


def no_advisor(view: View) -> Iterator[Finding]:
    """EDIT-10."""
    clears = [path for kind in (CLEAR_TOOL_USES, CLEAR_THINKING) for path, _, _ in edits_of(view, kind)]
    if not clears:
        return
    offered = any(str(tool.get("type")).startswith("advisor_") for _, tool in view.frame.tool_list)
    if offered or any(block.get("type") == "advisor_tool_result" for _, block in view.notable):
        yield Finding(
            path=clears[0],
            message=f"{clears[0]}: context editing is documented as not fully compatible with the advisor tool.",
            remedy="Use one of the two; what goes wrong is not documented.",
        )


_PAGE = "platform.claude.com/docs/en/build-with-claude/context-editing"
_READ = "2026-08-22"
_SDK = "anthropic 2.12.0 types/beta"
_SDK_DATE = "2026-11-20"

RULES = (
    Rule(
        id="EDIT-01",
        sentence="Edits are made by the server on its own copy, with a beta header; the client keeps and sends the whole history.",
        source=_PAGE,
        date=_READ,
        check=known_edits,
    ),
    Rule(
        id="EDIT-02",
        sentence="clear_tool_uses clears the oldest results above its trigger (100,000 input tokens) and keeps the last 3.",
        source=f"{_PAGE}; {_SDK}/beta_clear_tool_uses_20250919_edit_param.py",
        date=_SDK_DATE,
        check=tool_uses_cleared,
    ),
    Rule(
        id="EDIT-03",
        sentence=(
            "clear_at_least is a number of input tokens under which nothing is cleared, exclude_tools names tools, "
            "clear_tool_inputs is a boolean or names tools."
        ),
        source=f"{_PAGE}; {_SDK}/beta_clear_tool_uses_20250919_edit_param.py",
        date=_SDK_DATE,
        check=clearing_options,
    ),
    Rule(
        id="EDIT-04",
        sentence="Clearing invalidates the cached prefix from the first cleared block on.",
        source=_PAGE,
        date=_READ,
        modelled="window.cached.PromptCache",
    ),
    Rule(
        id="EDIT-05",
        sentence="A response lists its edits in context_management.applied_edits, with tokens and tool uses or turns cleared.",
        source=f"{_PAGE}; {_SDK}/beta_context_management_response.py",
        date=_SDK_DATE,
        modelled="window.served.serve",
    ),
    Rule(
        id="EDIT-06",
        sentence="clear_thinking keeps the thinking of the last N assistant turns, or all, and needs thinking turned on.",
        source=f"{_PAGE}; {_SDK}/beta_clear_thinking_20251015_edit_param.py; github.com/anthropics/claude-code/issues/11971",
        date=_SDK_DATE,
        check=thinking_cleared,
    ),
    Rule(
        id="EDIT-07",
        sentence="clear_thinking is listed first when it is combined with other edits.",
        source=_PAGE,
        date=_READ,
        check=thinking_first,
    ),
    Rule(
        id="EDIT-08",
        sentence="Edits by the server never count as edits of the prefix of thinking.",
        source="platform.claude.com/docs/en/build-with-claude/preserved-thinking",
        date="2026-09-26",
        modelled="rules.prefix.prefix_report",
    ),
    Rule(
        id="EDIT-09",
        sentence="With the memory tool the model is warned before results are cleared.",
        source=_PAGE,
        date=_READ,
        out_of_scope="Neither the text nor when it comes is documented; the usage of a response tells its size with the rest.",
    ),
    Rule(
        id="EDIT-10",
        sentence="Context editing is not fully compatible with blocks of the advisor tool.",
        source="platform.claude.com/docs/en/agents-and-tools/tool-use/advisor-tool",
        date=_READ,
        severity="warning",
        check=no_advisor,
    ),
    Rule(
        id="EDIT-11",
        sentence="No edit prunes an image that stands directly in a user message; images in results go with their result.",
        source="claude-api skill, causes.md",
        date="2026-10-06",
        modelled="window.served.serve",
    ),
)
