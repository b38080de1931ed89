"""The prefix check: whether thinking is still bound to the conversation before it (BIND-05 to BIND-16).

Given the request before, each thinking block that both hold is valid when system, tools and everything before the
block are equal under BIND-14, and when the kept blocks are an unbroken run of the sequence as it was (BIND-10).
Blocks that are new belong to the reply to the request before, so they need all of it unchanged. Given the reply too,
its blocks are known one by one.

The checked prefix starts at the last compaction block with content (BIND-15). Behind a newly adopted, signed block
the kept messages count as if the summarised ones still stood before them, under the conditions of CMP-30.

The model check comes first (BIND-01, BIND-18): a block that the model cannot read is dropped for this request
without an error, whatever stands before it. Which model made a block is known of the reply; blocks of the request
before are taken to be of the model that it named.

Where sources differ the stricter reading is taken: one failure takes every later block with it (BIND-09), and
blocks of older models are treated as bound (BIND-22).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.errors import UnknownModel
from ctxwindow.record.blocks import blocks_of
from ctxwindow.rules.comparison import Compaction, Comparison, block_key, compaction_of, key_of
from ctxwindow.rules.diagnosis import ThinkingState
from ctxwindow.rules.exchange import Exchange, Previous
from ctxwindow.rules.reading import reads
from ctxwindow.rules.replay import thinking_of

__all__ = ["Compaction", "ThinkingState", "compaction_of", "key_of", "prefix_report"]

_IGNORED = "ignored [CMP-02, BIND-15]: it stands before the last compaction block and is not read."


def prefix_report(
    request: Mapping[str, Any], previous: Previous | Exchange, profile: ModelProfile | None = None
) -> list[ThinkingState]:
    """The state of every thinking block of `request`, in order. Linear in the size of both requests.

    Args:
        request: the body that is to be sent.
        previous: the body of the request before it, as it was sent; or a pair of it and its response.
        profile: the model. Where the prefix check does not run, all blocks that it can read are valid. None counts as
            bound.
    """
    exchange = Exchange.of(previous) or Exchange(request={})
    messages = Exchange(request=request).messages
    compaction = compaction_of(messages)
    if profile is not None and not profile.bound:
        found = [
            ThinkingState(path=f"messages.{index}.content.{place}", valid=True)
            for index, message in enumerate(messages)
            for place, _ in thinking_of(message)
        ]
    else:
        comparison = Comparison(request, exchange, messages, compaction)
        found = [*_ignored(messages, compaction), *comparison.states()]
    return _readable(found, messages, exchange, profile)


def _readable(
    states: list[ThinkingState],
    messages: list[Mapping[str, Any]],
    exchange: Exchange,
    profile: ModelProfile | None,
) -> list[ThinkingState]:
    """The states, with the blocks that the model cannot read marked so (BIND-02)."""
    asked, answered = _resolved(exchange.asked), _resolved(exchange.answered)
    if profile is None or (asked in (None, profile) and answered in (None, profile)):
        return states
    before = exchange.messages
    older = {block_key(block) for message in before for _, block in thinking_of(message)}
    found: list[ThinkingState] = []
    for state in states:
        _, index, _, place = state.path.split(".")
        key = block_key(blocks_of(messages[int(index)])[int(place)])
        # A block that is new, and does not stand behind the request before, may be anybody's.
        maker = asked if key in older else answered if int(index) >= len(before) else None
        told = ", the model of the request before" if key in older else ""
        if state.state == "ignored" or maker is None or reads(profile, maker) is not False:
            found.append(state)
            continue
        reason = f"model_binding_mismatch [BIND-02]: {profile.id} does not read the thinking of {maker.id}{told}."
        found.append(ThinkingState(path=state.path, valid=False, reason=reason, state="unreadable", rule="BIND-02"))
    return found


def _resolved(model: str | None) -> ModelProfile | None:
    """The profile of a model; None when it is not known, and then nothing is said of what it made."""
    try:
        return None if model is None else resolve(model)
    except UnknownModel:
        return None


def _ignored(messages: list[Mapping[str, Any]], compaction: Compaction | None) -> list[ThinkingState]:
    """States of the blocks before the last compaction block."""
    if compaction is None:
        return []
    end = (compaction.message, compaction.place)
    return [
        ThinkingState(
            path=f"messages.{index}.content.{place}", valid=True, reason=_IGNORED, state="ignored", rule="BIND-15"
        )
        for index in range(compaction.message + 1)
        for place, _ in thinking_of(messages[index])
        if (index, place) < end
    ]
