"""What becomes of the thinking of a request: refused, dropped, or let pass and reported (BIND-04 to BIND-27)."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.emulator.binding import Binder, Thought
from ctxwindow.emulator.http import refusal
from ctxwindow.record import Fingerprint, canonical_message, fingerprint
from ctxwindow.rules import View, rule
from ctxwindow.rules.enforcement import enforced_as
from ctxwindow.rules.replay import modified, rearranged, runs_of
from ctxwindow.rules.view import plain

__all__ = ["BINDING_BETA", "Behavior", "ReplyMemory", "Verdict", "behavior", "finding_of", "judge"]

BINDING_BETA = "thinking-binding-controls-2026-08-01"

Behavior: TypeAlias = Literal["error", "drop_block", "off"]
"""What a prefix mismatch does; `off`: it is only reported."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What is not shown to the model.

    Attributes:
        dropped: paths of blocks that failed the prefix check, or belong to another account.
        unreadable: paths of blocks that this model does not read.
        transformations: `input_transformations`, one a block, in the order of the request (BIND-08, BIND-17).
    """

    dropped: frozenset[str] = frozenset()
    unreadable: frozenset[str] = frozenset()
    transformations: tuple[dict[str, str], ...] = ()


def behavior(view: View, *, batch: bool) -> Behavior:
    """What a mismatch does in this request (BIND-03, BIND-04, BIND-27).

    In a batch blocks are dropped unless the request asks for errors (BIND-25). Mythos 5.1, where sources disagree, is
    checked as the other bound models are.
    """
    if view.frame.profile is None or not view.frame.profile.bound:
        return "off"
    found = enforced_as(view)
    asked = plain(plain(view.frame.settings.get("thinking")).get("block_binding")).get("prefix_mismatch_behavior")
    return "drop_block" if found == "error" and batch and asked != "error" else found


def judge(
    thoughts: Sequence[Thought], binder: Binder, profile: ModelProfile, behavior: Behavior, betas: frozenset[str]
) -> Verdict:
    """What becomes of each block.

    Of drop_block the widest reading is taken: a mismatch takes every later block with it (BIND-09). Where nothing is
    enforced each block is looked at alone (BIND-17).

    Raises:
        ApiError: a prefix mismatch under `error` (BIND-05).
    """
    dropped: set[str] = set()
    unreadable: set[str] = set()
    entries: list[dict[str, str]] = []
    broken = False
    for thought in thoughts:
        reason = binder.drop_reason(thought, profile)
        if reason is not None:
            (unreadable if reason == "model_binding_mismatch" else dropped).add(thought.path)
            entries.append({"type": "thinking_dropped", "path": thought.path, "reason": reason})
            continue
        stale = thought.stale and profile.bound
        if stale and behavior == "error":
            raise refusal(_mismatch(thought, betas))
        broken |= stale
        if behavior == "drop_block" and broken:
            dropped.add(thought.path)
            entries.append({"type": "thinking_dropped", "path": thought.path, "reason": "prefix_binding_mismatch"})
        elif stale:
            entries.append(
                {"type": "thinking_mismatch_allowed", "path": thought.path, "reason": "prefix_binding_mismatch"}
            )
    return Verdict(dropped=frozenset(dropped), unreadable=frozenset(unreadable), transformations=tuple(entries))


def _mismatch(thought: Thought, betas: frozenset[str]) -> str:
    """The text of BIND-05, with what differs where that is known (BIND-06)."""
    text = (
        f"{thought.path}: Invalid `signature` in `thinking` block. The block is bound to a different conversation. "
        'Remove the block, or set `thinking.block_binding.prefix_mismatch_behavior` to "drop_block".'
    )
    if BINDING_BETA not in betas:
        text += f" That setting requires the `{BINDING_BETA}` value in the `anthropic-beta` header."
    return f"{text} {thought.diagnosis}".strip()


def finding_of(identity: str, view: View) -> str | None:
    """What one rule says of a request as a whole; None when it is not broken."""
    check = rule(identity).check
    return next((finding.message for finding in (check(view) if check else ())), None)


_REMEMBERED = 4_096
"""Replies; the oldest are forgotten."""

_ALIKE = 32
"""Replies that differ in their thinking alone. Where there are as many, one may have been forgotten."""


class ReplyMemory:
    """The thinking of the last replies, so that the latest one can be told from an edited copy of it (REPLAY-02)."""

    def __init__(self) -> None:
        self._replies: OrderedDict[Fingerprint, deque[dict[str, Any]]] = OrderedDict()
        self._runs: OrderedDict[str, list[str]] = OrderedDict()

    def add(self, content: Sequence[Mapping[str, Any]]) -> None:
        """Remember a reply; one without thinking too, for another may be like it but for its thinking."""
        message = {"role": "assistant", "content": list(content)}
        key = fingerprint(canonical_message(message))
        alike = self._replies.setdefault(key, deque(maxlen=_ALIKE))
        self._replies.move_to_end(key)
        if message not in alike:
            alike.append(message)
        self._runs.update(runs_of([message]))
        for kept in (self._replies, self._runs):
            while len(kept) > _REMEMBERED:
                kept.popitem(last=False)

    def check(self, view: View) -> None:
        """See that the latest assistant message has the thinking that its reply had.

        Raises:
            ApiError: a reply to which it is equal but for its thinking is remembered, and none has this thinking; or
                blocks that replies wrote apart stand next to each other, or the other way round.
        """
        latest = len(view.messages) - 1
        while latest >= 0 and view.message(latest).get("role") != "assistant":
            latest -= 1
        if latest < 0:
            return
        message = view.message(latest)
        place = rearranged(message, self._runs)
        if place is not None:
            raise refusal(modified(f"messages.{latest}.content.{place}"))
        alike = self._replies.get(fingerprint(canonical_message(message)), ())
        if not 0 < len(alike) < _ALIKE:
            return
        found = [self._difference(view, latest, original) for original in alike]
        if all(found):
            raise refusal(str(found[-1]))

    @staticmethod
    def _difference(view: View, index: int, original: Mapping[str, Any]) -> str | None:
        """What the API says of the message at `index` when the reply was `original`."""
        seen = View(
            view.messages,
            outline=view.outline,
            profile=view.frame.profile,
            settings=view.frame.settings,
            previous={"messages": [*view.messages[:index], original]},
        )
        return finding_of("REPLAY-02", seen)
