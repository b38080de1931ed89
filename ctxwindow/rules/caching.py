"""CACHE: where cache breakpoints may stand. What they are worth is in `ctxwindow.window.cached`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctxwindow.catalog import document
from ctxwindow.record.blocks import is_thinking
from ctxwindow.rules.fields import extra
from ctxwindow.rules.markers import Marker, automatic, last_cacheable, markers
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import Step, View, plain

__all__ = ["RULES"]


def at_most_four(view: View) -> Iterator[Finding]:
    """CACHE-02."""
    found = markers(view)
    total, most = len(found) + (automatic(view) is not None), document().limits.cache_breakpoints
    if total > most:
        path = found[most].field if len(found) > most else "cache_control"
        yield Finding(
            path=path,
            message=f"A maximum of {most} blocks with cache_control may be provided. Found {total}.",
            remedy="Keep the breakpoints at the end of `system` and on the latest messages; drop the older ones.",
        )


def automatic_agrees(view: View) -> Iterator[Finding]:
    """CACHE-03; that it counts as one of the four is CACHE-02."""
    top = automatic(view)
    if top is None:
        return
    own = last_cacheable(view).get("cache_control")
    if own is not None and Marker("", own).ttl != top.ttl:
        yield Finding(
            path="cache_control",
            message="cache_control: the last block has a cache_control of its own with another ttl.",
            remedy="Leave out one of the two, or give both the same ttl.",
        )
    if view.frame.platform is not None:
        yield extra("cache_control", "Bedrock and Google Cloud set no breakpoint by themselves: mark a block.")


def longer_first(view: View) -> Iterator[Finding]:
    """CACHE-04."""
    top, shorter = automatic(view), False
    for marker in [*markers(view), *([] if top is None else [top])]:
        wrong = _malformed(marker.control)
        if wrong is not None:
            yield Finding(
                path=f"{marker.field}{wrong[0]}",
                message=f"{marker.field}{wrong[0]}: {wrong[1]}",
                remedy='Send {"type": "ephemeral"}, with a ttl of 5m or 1h.',
            )
        elif marker.ttl == "1h" and shorter:
            yield Finding(
                path=f"{marker.field}.ttl",
                message=(
                    f"{marker.field}.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control "
                    "block. Note that blocks are processed in the following order: `tools`, `system`, `messages`."
                ),
                remedy="Give the earlier breakpoints 1h too, or this one 5m.",
            )
        shorter = shorter or marker.ttl == "5m"


def _malformed(control: Any) -> tuple[str, str] | None:
    """Field and fault of a cache_control that is none."""
    if not isinstance(control, Mapping):
        return "", "Input should be a valid object"
    if control.get("type") != "ephemeral":
        return ".type", "Input should be 'ephemeral'"
    if control.get("ttl") not in (None, "5m", "1h"):
        return ".ttl", "Input should be '5m' or '1h'"
    return None


def cacheable(step: Step) -> Iterator[Finding]:
    """CACHE-09. Turn-scoped system messages are SYS-08, deferred tools TOOL-19."""
    if step.message.get("cache_control") is not None:
        yield extra(f"{step.path}.cache_control", "Put cache_control on a block of the message.")
    yield from _in_citations(step)
    for path, block in step.notable:
        if block.get("cache_control") is None:
            continue
        if is_thinking(block):
            yield Finding(
                path=f"{path}.cache_control",
                message=f"{path}.{block['type']}.cache_control: Extra inputs are not permitted",
                remedy="Thinking is cached with what follows it: put the breakpoint on a later block (CACHE-10).",
            )
        elif block.get("type") == "text" and block.get("text") == "":
            yield _empty_text(path)


def _in_citations(step: Step) -> Iterator[Finding]:
    for block in step.blocks:
        citations = block.data.get("citations")
        for place, citation in enumerate(citations if isinstance(citations, list) else ()):
            if plain(citation).get("cache_control") is not None:
                path = f"{block.path}.citations.{place}.cache_control"
                yield extra(path, "Put cache_control on the block that is cited from.")


def _empty_text(path: str) -> Finding:
    return Finding(
        path=f"{path}.cache_control",
        message=f"{path}.text: cache_control cannot be set for empty text blocks",
        remedy="Leave the empty block out, and put the breakpoint on another.",
    )


def system_cacheable(view: View) -> Iterator[Finding]:
    """CACHE-09, in `system`."""
    system = view.frame.system
    for place, block in enumerate(system if isinstance(system, list) else ()):
        if plain(block).get("text") == "" and plain(block).get("cache_control") is not None:
            yield _empty_text(f"system.{place}")


def diagnostics_shape(view: View) -> Iterator[Finding]:
    """CACHE-19."""
    given = view.frame.settings.get("diagnostics")
    if given is None:
        return
    identity = plain(given).get("previous_message_id")
    field, wrong = "diagnostics", None
    if not isinstance(given, Mapping):
        wrong = "Input should be a valid object"
    elif not (identity is None or isinstance(identity, str)):
        field, wrong = "diagnostics.previous_message_id", "Input should be a valid string"
    if wrong is not None:
        yield Finding(
            path=field,
            message=f"{field}: {wrong}",
            remedy="Send the id of the response before, null on the first turn.",
        )


_PAGE = "platform.claude.com/docs/en/build-with-claude/prompt-caching"
_SKILL = "claude-api skill, prompt-caching.md"
_READ = "2026-08-22"
_SKILL_DATE = "2026-10-06"

RULES = (
    Rule(
        id="CACHE-01",
        sentence="A request is rendered as tools, system, messages; a changed byte invalidates the cache from there on.",
        source=_PAGE,
        date=_READ,
        modelled="window.rendered.render",
    ),
    Rule(
        id="CACHE-02",
        sentence="A request has at most four breakpoints, the automatic one included.",
        source=f"{_PAGE}; github.com/Wei-Shaw/sub2api/issues/176",
        date=_READ,
        check=at_most_four,
    ),
    Rule(
        id="CACHE-03",
        sentence=(
            "A top-level cache_control puts a breakpoint on the last block that may carry one; a breakpoint of another ttl "
            "there is rejected, and so is the field on Bedrock and Google Cloud."
        ),
        source=f"{_PAGE}; for Google Cloud UKGovernmentBEIS/inspect_ai, stated by its maintainers",
        date=_READ,
        check=automatic_agrees,
    ),
    Rule(
        id="CACHE-04",
        sentence="Breakpoints live 5m or 1h, and those of 1h come before those of 5m in the order of rendering.",
        source=f"{_PAGE}; github.com/headroomlabs-ai/headroom/issues/2939",
        date=_READ,
        check=longer_first,
    ),
    Rule(
        id="CACHE-05",
        sentence="An entry lives from the start of the request that wrote or last read it; reading refreshes it for free.",
        source=_SKILL,
        date=_SKILL_DATE,
        modelled="window.cached.PromptCache",
    ),
    Rule(
        id="CACHE-06",
        sentence="A breakpoint looks back over 20 positions; a run of calls, or of results, is one position.",
        source=f"{_PAGE}; {_SKILL}",
        date=_SKILL_DATE,
        modelled="window.breakpoints.positions",
    ),
    Rule(
        id="CACHE-07",
        sentence="Entries are written at breakpoints only, and only entries that earlier requests wrote are read.",
        source=_PAGE,
        date=_READ,
        modelled="window.cached.PromptCache",
    ),
    Rule(
        id="CACHE-08",
        sentence="A prefix shorter than the model's minimum is silently not cached.",
        source=f"{_SKILL}; {_PAGE}",
        date=_SKILL_DATE,
        modelled="tiers.caching.prompt_bill",
        conflict="The skill of July 2026 has other minimums; the newer table is in the catalog.",
    ),
    Rule(
        id="CACHE-09",
        sentence="Thinking, citations, empty text, turn-scoped system messages and deferred tools carry no breakpoint.",
        source=f"{_PAGE}; {_SKILL}; github.com/NousResearch/hermes-agent/pull/1216",
        date=_SKILL_DATE,
        check_message=cacheable,
        check=system_cacheable,
    ),
    Rule(
        id="CACHE-10",
        sentence="Thinking of earlier turns is cached as part of the prefix, and counts as input when it is read.",
        source=_PAGE,
        date=_READ,
        modelled="window.cached.PromptCache",
    ),
    Rule(
        id="CACHE-11",
        sentence=(
            "A changed model or tool invalidates everything; server tool and citation toggles and speed system and "
            "messages; tool_choice, images and thinking settings the messages."
        ),
        source=f"{_PAGE}; platform.claude.com/docs/en/agents-and-tools/tool-use/tool-use-with-prompt-caching",
        date=_READ,
        modelled="window.rendered.settings_of",
    ),
    Rule(
        id="CACHE-12",
        sentence="On last-turn-only models a plain user message after tool use invalidates from the first stripped thinking.",
        source=f"{_PAGE}; {_SKILL}",
        date=_SKILL_DATE,
        models="Opus 4.1, Sonnet 4.5, Haiku 4.5 and earlier",
        modelled="window.served.serve",
    ),
    Rule(
        id="CACHE-13",
        sentence="With both lifetimes: read up to the highest hit, 1h price up to the last 1h breakpoint, 5m price behind it.",
        source=_PAGE,
        date=_READ,
        modelled="window.cached.PromptCache",
    ),
    Rule(
        id="CACHE-14",
        sentence="Where a request caches, the server sets a 5m breakpoint on each result of a server tool.",
        source="platform.claude.com/docs/en/agents-and-tools/tool-use/tool-use-with-prompt-caching",
        date=_READ,
        modelled="window.breakpoints.breakpoints",
    ),
    Rule(
        id="CACHE-15",
        sentence="A cache belongs to one workspace (or organisation, on partner clouds), one model and one speed.",
        source=f"{_PAGE}; platform.claude.com/docs/en/build-with-claude/fast-mode",
        date=_READ,
        modelled="window.cached.PromptCache",
    ),
    Rule(
        id="CACHE-16",
        sentence="An entry can be read as soon as the first response begins.",
        source=_PAGE,
        date=_READ,
        modelled="window.cached.PromptCache",
    ),
    Rule(
        id="CACHE-17",
        sentence="Breakpoints may move from request to request.",
        source=_SKILL,
        date=_SKILL_DATE,
        modelled="tiers.caching.mark",
    ),
    Rule(
        id="CACHE-18",
        sentence="Thinking that the server drops shifts the cached messages from its place on; tools and system stay cached.",
        source=_SKILL,
        date=_SKILL_DATE,
        modelled="window.served.serve",
    ),
    Rule(
        id="CACHE-19",
        sentence="diagnostics.previous_message_id is the id of the response before, or null.",
        source="anthropic 2.12.0 types/beta/beta_diagnostics_param.py",
        date="2026-11-20",
        conflict="A header was needed in August 2026; the newer SDK has the field in its stable types, so none is asked for.",
        check=diagnostics_shape,
    ),
)
