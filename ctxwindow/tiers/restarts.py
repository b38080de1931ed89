"""A restart: what a model or platform cannot take leaves the wire, and its text stands for it.

A compaction block of the server cannot go everywhere: signed ones not to Bedrock, and neither kind to models without that
compaction (CMP-01, CMP-16). The block holds its summary as plain text, so that a client's head can take its place: a new
epoch. Thinking that was bound to the block goes with it, all of it (BIND-28).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.errors import InvalidRequest
from ctxwindow.record.blocks import blocks_of, is_thinking
from ctxwindow.record.events import Compacted
from ctxwindow.tiers.available import lacking
from ctxwindow.tiers.heads import epoch_messages
from ctxwindow.tiers.policy import Platform
from ctxwindow.tiers.state import State
from ctxwindow.tiers.wire import without_block
from ctxwindow.window import count_text

__all__ = ["check_kept", "messages_after", "restart"]

_SERVERS = frozenset({"compact", "compact_threshold"})
"""Methods whose summary is a block of the server."""


def check_kept(state: State, profile: ModelProfile) -> None:
    """Whether thinking that was kept over an edit can leave the wire, as it must for a model that checks it (BIND-22).

    Raises:
        InvalidRequest: it is of the open tool loop, and must go back with it.
    """
    if not (profile.bound and state.policy.assume_binding and state.loose):
        return
    if _open_loop_thinks(state, state.loose):
        raise InvalidRequest(
            f"{profile.id} checks what its thinking was made with, and the open tool loop was cut by a summary since.",
            rule="REPLAY-01",
            path="model",
            remedy="Switch when the turn is over, or go back to before it with `rewind`.",
        )


def restart(state: State, profile: ModelProfile, platform: Platform, at: float | None) -> Compacted | None:
    """The compaction that takes the place of the server's, where the next model and platform cannot take its block.

    Args:
        state: before the switch.
        profile: the next model.
        platform: the next platform.
        at: the caller's clock.

    Raises:
        InvalidRequest: an open tool loop holds thinking that is bound to the block and must go back with it.
    """
    edit = state.edits[-1] if state.edits else None
    if edit is None or edit.method not in _SERVERS:
        return None
    why = lacking("compact" if edit.method == "compact" else "compact_threshold", profile, platform)
    if why is None:
        return None
    strips = _binds(state, profile)
    if strips and _open_loop_thinks(state):
        raise InvalidRequest(
            f"{why}, and thinking of the open tool loop is bound to the block of the last compaction.",
            rule="REPLAY-01",
            path="model" if profile.id != state.profile.id else "platform",
            remedy="Switch when the turn is over, or go back to before it with `rewind`.",
        )
    return _restarted(state, edit, profile, at, strips=strips)


def taken_out(state: State, at: float | None) -> Compacted | None:
    """The compaction that takes the place of the server's, where the API does not take its block back (CMP-20 to CMP-25); None
    where there is none on the wire, or thinking of an open tool loop is bound to it.

    Args:
        state: whose request was refused.
        at: the caller's clock.
    """
    edit = state.edits[-1] if state.edits else None
    if edit is None or edit.method not in _SERVERS:
        return None
    strips = _binds(state, state.profile)
    return None if strips and _open_loop_thinks(state) else _restarted(state, edit, state.profile, at, strips=strips)


def _restarted(state: State, edit: Compacted, profile: ModelProfile, at: float | None, *, strips: bool) -> Compacted:
    return msgspec.structs.replace(
        edit,
        at=at,
        method="restart",
        tokens=count_text(edit.summary, profile.tokenizer).tokens,
        target=state.wire.ledger.total.tokens,
        block=None,
        strip_thinking=strips,
        before=state.wire.ledger.total.tokens,
        cost=0.0,
    )


def messages_after(state: State, edit: Compacted | None) -> Sequence[Mapping[str, Any]]:
    """The messages that will stand on the wire after a restart, if there is one."""
    if edit is None:
        return state.wire.messages
    forms = {index: bare for index, form in state.forms.items() if (bare := without_block(form)) is not None}
    return [form for form, _ in epoch_messages((edit,), forms, len(state.messages))]


def _binds(state: State, profile: ModelProfile) -> bool:
    """Whether thinking behind the block must be taken as bound to it: by who made it, or by who checks it."""
    return state.policy.assume_binding and (profile.bound or state.bound)


def _open_loop_thinks(state: State, end: int | None = None) -> bool:
    """Whether the turn goes on (calls wait, their results are the last word, or it was paused), and thought before `end`."""
    last = state.outline.rounds[-1] if state.outline.rounds else None
    goes_on = state.paused or (last is not None and last.end in (None, len(state.messages)))
    return goes_on and any(
        is_thinking(block)
        for index in range(state.outline.turn_start or 0, len(state.messages) if end is None else end)
        if state.messages[index].get("role") == "assistant"
        for block in blocks_of(state.forms.get(index) or {})
    )
