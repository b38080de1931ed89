"""What recorded sessions say of thinking: the difference of two prompts, less what is known of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec

from benchmarks.accuracy import pairs_of
from benchmarks.derivation import Derivation, Row, evidence_of, group_of, mode, others
from ctxwindow.catalog import ModelProfile, document, resolve
from ctxwindow.record.blocks import blocks_of
from ctxwindow.window import size_message
from ctxwindow.window.before import Before
from ctxwindow.window.framing import Finding, frame_of

__all__ = ["replayed_thinking"]

_MOST = 20
"""Votes beyond this come of what a client sends and does not record."""


def replayed_thinking(path: Path, derivation: Derivation) -> None:
    """Add what sessions say of a replayed thinking block, on models of which no single request has one.

    Args:
        path: of the steps: JSONL of the blocks that came in between two requests, and the difference of their prompts.
        derivation: what is known so far.
    """
    rows = list(_rows(path))
    for group in {group_of(row.profile): None for row in rows}:
        votes = [(row, row.rest({}) // row.uses["thinking"]) for row in rows if group_of(row.profile) == group]
        votes = [(row, vote) for row, vote in votes if 0 <= vote <= _MOST]
        said = mode(votes)
        if said is None:
            continue
        evidence = evidence_of([row for row, _ in votes], [row for row, vote in votes if vote == said])
        for profile in document().models:
            if group_of(profile) == group and derivation.values(profile)["thinking"] != said:
                finding = Finding(tokens=said, evidence=evidence, note=f"From sessions. {others(votes, said)}".strip())
                derivation.models.setdefault(profile.id, {})["thinking"] = finding


def _rows(path: Path) -> Iterator[Row]:
    """Steps that are one reply with thinking that is shown, and the results of its calls."""
    for step in pairs_of(path):
        came: list[dict[str, Any]] = step.get("appended") or []
        if not (step.get("same_model") and step.get("tool_loop_only") and step.get("delta", 0) > 0 and came):
            continue
        thoughts = [block for block in blocks_of(came[0]) if block.get("type") == "thinking" and block["thinking"]]
        if (
            came[0]["role"] != "assistant"
            or not thoughts
            or any(message["role"] == "assistant" for message in came[1:])
        ):
            continue
        profile = resolve(step["model"])
        where = step["source"]
        yield Row(
            actual=step["delta"],
            bare=_size(came, profile),
            uses={"thinking": len(thoughts)},
            profile=profile,
            client=where["repo"],
            has_image=False,
            source=f"{where['repo']}:{where['path']}[{step['step']}]",
            template=f"{where['path']}[{step['step']}]",
        )


def _size(came: list[dict[str, Any]], profile: ModelProfile) -> int:
    """Tokens of messages inside a turn, without what stands around thinking."""
    bare = msgspec.structs.replace(frame_of(profile), thinking=0)
    inside = Before("user", results=True)
    with (
        mock.patch("ctxwindow.window.sizes.frame_of", return_value=bare),
        mock.patch("ctxwindow.window.block_sizes.frame_of", return_value=bare),
    ):
        return sum(
            size_message(message, profile, before=reduce(Before.then, came[:place], inside)).count.tokens
            for place, message in enumerate(came)
        )
