"""What an edit before a thinking block was, in the words of BIND-07.

The API's words are published without definitions (BIND-07: unofficial), so each is used here for what its name says,
and only where one look at the first change tells; otherwise the pattern is `unknown`. The sentences are those of
BIND-06, which the API may leave out or put differently.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from ctxwindow.record import Fingerprint, block_type, canonical_message, canonical_tools, fingerprint
from ctxwindow.record.canonical import canonical_system
from ctxwindow.rules.exchange import plain

__all__ = [
    "PREDECESSOR_MISSING",
    "SYSTEM_DIFFERS",
    "TOOLS_DIFFER",
    "Diagnosis",
    "Kind",
    "Pattern",
    "State",
    "ThinkingState",
    "of_head",
    "of_messages",
    "tools_of",
]

# The API's own sentences (BIND-06).
SYSTEM_DIFFERS = "The `system` prompt differs from the one this block was created with."
TOOLS_DIFFER = "The `tools` list differs from the one this block was created with."
PREDECESSOR_MISSING = "The `thinking` block that preceded this one when it was created is missing from this request."

Kind = Literal[
    "system_changed",
    "tools_changed",
    "multiple",
    "blocks_modified",
    "blocks_removed",
    "blocks_inserted",
    "blocks_replaced",
    "predecessor_missing",
    "predecessor_reordered",
    "media_content_changed",
    "unrelated",
]

Pattern = Literal[
    "system_rerendered",
    "tool_set_changed",
    "tool_schema_changed",
    "system_and_tools_changed",
    "first_message_rewritten",
    "rolling_truncation",
    "tail_kept",
    "compaction_summary",
    "tool_results_rewritten",
    "tool_use_rewritten",
    "reserialized",
    "reminder_stripped",
    "history_block_stripped",
    "block_inserted",
    "system_block_rerendered",
    "system_blocks_stripped",
    "media_stripped",
    "foreign_prefix",
    "unknown",
]
"""The API's list has one more, `image_url_resigned`; BIND-14 compares no URL, so nothing here can tell."""

_REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>", re.DOTALL)
_MEDIA = ("image", "document")
_HEAD = 2
"""Messages that may stand in place of a summarised head: the summary, and an answer to it."""


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to the conversation before a block."""

    kind: Kind
    pattern: Pattern = "unknown"
    rule: str = "BIND-12"
    sentence: str

    @property
    def reason(self) -> str:
        """The kind, the rule and the sentence in one line."""
        return f"{self.kind} [{self.rule}]: {self.sentence}"


State = Literal["valid", "stale", "missing_predecessor", "unreadable", "unknown", "ignored"]
"""`stale`: what stands before it changed. `missing_predecessor`: the thinking before it was left out (BIND-10).
`unreadable`: not by this model (BIND-02). `unknown`: the exchange before does not tell. `ignored`: not read, because
a compaction block follows (BIND-15)."""


class ThinkingState(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one thinking block of a request."""

    path: str
    valid: bool
    reason: str | None = None
    """Why it is not valid: a word of BIND-07, the rule's id and a sentence of BIND-06. Or a remark on a valid one."""
    state: State = "valid"
    kind: Kind | None = None
    """What changed before it, as BIND-07 names it; None where nothing did."""
    pattern: Pattern | None = None
    """How it changed, as far as one look tells."""
    rule: str | None = None
    """The rule behind `state`; None for a block that is simply valid."""


def of_head(now: Mapping[str, Any], old: Mapping[str, Any]) -> Diagnosis | None:
    """What changed before all messages, in system and tools; None when nothing did."""
    system = canonical_system(now.get("system")) != canonical_system(old.get("system"))
    # Deferred tools are outside until a message names one, where the chain of messages takes them in.
    before, after = canonical_tools(tools_of(old)), canonical_tools(tools_of(now))
    if system and before != after:
        return Diagnosis(
            kind="multiple",
            pattern="system_and_tools_changed",
            sentence="The `system` prompt and the `tools` list differ from those this block was created with.",
        )
    if system:
        return Diagnosis(
            kind="system_changed",
            pattern=_system_pattern(now.get("system"), old.get("system")),
            sentence=SYSTEM_DIFFERS,
        )
    if before != after:
        return _tools_changed(same_names=[key for key, _ in before] == [key for key, _ in after])
    return None


def tools_of(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The tools of a request that are objects; an empty one in place of any other."""
    tools = request.get("tools")
    return [plain(tool) for tool in tools] if isinstance(tools, (list, tuple)) else []


def _tools_changed(*, same_names: bool) -> Diagnosis:
    return Diagnosis(
        kind="tools_changed",
        pattern="tool_schema_changed" if same_names else "tool_set_changed",
        sentence=TOOLS_DIFFER,
    )


def _system_pattern(now: Any, old: Any) -> Pattern:
    new, was = canonical_system(now) or [], canonical_system(old) or []
    if _left_out(new, was) is not None:
        return "system_blocks_stripped"
    one_of_several = len(new) == len(was) and any(a == b for a, b in zip(new, was, strict=True))
    return "system_block_rerendered" if one_of_several else "system_rerendered"


def of_messages(
    now: Sequence[Mapping[str, Any]], old: Sequence[Mapping[str, Any]], *, start: bool, where: str
) -> Diagnosis:
    """What happened at the first message that differs.

    Args:
        now: the messages from there on; at least one.
        old: the same of the exchange before; at least one.
        start: whether the conversation starts there.
        where: its path in the request.
    """
    new, was = [_print(message) for message in now], [_print(message) for message in old]
    if new[0] == was[0]:
        return _tools_changed(same_names=True)  # a deferred tool that this message names has another definition
    kind, pattern = _at(now, old, new, was, start=start)
    missing = "when it was created is missing from this request" if kind == "blocks_removed" else ""
    differs = "differs from when it was created"
    return Diagnosis(
        kind=kind,
        pattern=pattern,
        sentence=f"Content that preceded this block {missing or differs}, starting at `{where}`.",
    )


def _print(message: Mapping[str, Any]) -> Fingerprint:
    return fingerprint(canonical_message(message))


def _at(
    now: Sequence[Mapping[str, Any]],
    old: Sequence[Mapping[str, Any]],
    new: list[Fingerprint],
    was: list[Fingerprint],
    *,
    start: bool,
) -> tuple[Kind, Pattern]:
    """Kind and pattern of a change between the messages: removed, inserted, replaced, or one of them edited."""
    if new[0] in was[1:]:
        gone = old[: was.index(new[0])]
        reminders = all(message.get("role") == "system" for message in gone)
        return "blocks_removed", "reminder_stripped" if reminders else "rolling_truncation" if start else "unknown"
    if was[0] in new[1:]:
        return "blocks_inserted", "block_inserted"
    if any([new[at]] != was[at : at + 1] and new[at] in was[at + 1 :] for at in range(1, min(_HEAD + 1, len(new)))):
        return "blocks_replaced", "tail_kept"
    if now[0].get("role") != old[0].get("role"):
        shared = not start or not set(new).isdisjoint(was)
        return ("blocks_replaced", "unknown") if shared else ("unrelated", "foreign_prefix")
    kind, pattern = _within(_content(now[0]), _content(old[0]))
    if pattern == "unknown" and kind == "blocks_modified" and start and now[0].get("role") == "user":
        pattern = "first_message_rewritten"
    return kind, pattern


def _content(message: Mapping[str, Any]) -> list[Any]:
    content: list[Any] = canonical_message(message)["content"]
    return content


def _within(now: list[Any], old: list[Any]) -> tuple[Kind, Pattern]:
    """Kind and pattern of a change inside one message, by its canonical blocks."""
    gone = _left_out(now, old)
    if gone is not None:
        return "blocks_removed", _stripped(gone)
    if _left_out(old, now) is not None:
        return "blocks_inserted", "block_inserted"
    if len(now) != len(old):
        return "blocks_modified", "unknown"
    patterns = {_of_block(plain(a), plain(b)) for a, b in zip(now, old, strict=True) if a != b}
    # One word for the message; where its blocks tell different stories there is none.
    kind, pattern = patterns.pop() if len(patterns) == 1 else ("blocks_modified", "unknown")
    return kind, pattern


def _left_out(short: list[Any], whole: list[Any]) -> list[Any] | None:
    """What was left out of `whole` to give `short`; None when it was not made that way, or nothing was left out."""
    gone: list[Any] = []
    at = 0
    for block in whole:
        if at < len(short) and short[at] == block:
            at += 1
        else:
            gone.append(block)
    return gone if gone and at == len(short) else None


def _stripped(gone: list[Any]) -> Pattern:
    blocks = [plain(block) for block in gone]
    if all(block_type(block).family in _MEDIA for block in blocks):
        return "media_stripped"
    if all(not _REMINDER.sub("", str(block.get("text", "-"))).strip() for block in blocks):
        return "reminder_stripped"
    return "history_block_stripped"


def _of_block(now: Mapping[str, Any], old: Mapping[str, Any]) -> tuple[Kind, Pattern]:
    """Kind and pattern of one block that was edited in place."""
    was, family = block_type(old).family, block_type(now).family
    if was == "compaction" and family == was:
        return "blocks_modified", "compaction_summary"
    if was in _MEDIA:
        return ("media_content_changed", "unknown") if family == was else ("blocks_modified", "media_stripped")
    if was == "result" and family == was:
        stripped = _has_media(old) and not _has_media(now)
        return "blocks_modified", "media_stripped" if stripped else "tool_results_rewritten"
    if was == "call" and family == was:
        return "blocks_modified", "tool_use_rewritten"
    new, text = now.get("text"), old.get("text")
    if isinstance(new, str) and isinstance(text, str):
        if _REMINDER.sub("", text).strip() == new:
            return "blocks_modified", "reminder_stripped"
        if new.split() == text.split():
            return "blocks_modified", "reserialized"
    return "blocks_modified", "unknown"


def _has_media(result: Mapping[str, Any]) -> bool:
    parts = result.get("content")
    return isinstance(parts, list) and any(block_type(plain(part)).family in _MEDIA for part in parts)
