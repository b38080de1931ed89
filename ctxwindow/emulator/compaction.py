"""Compaction on demand and at a threshold: who writes the summary, and the blocks that carry it (CMP-01 to CMP-30)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ctxwindow.catalog import ModelProfile
from ctxwindow.emulator.binding import Chain
from ctxwindow.emulator.http import refusal
from ctxwindow.emulator.replies import Reply
from ctxwindow.emulator.signing import CompactionRecord, Signer, digest
from ctxwindow.record.blocks import blocks_of
from ctxwindow.rules.editing import COMPACT
from ctxwindow.rules.view import plain

__all__ = ["DefaultSummary", "pauses", "signed_block", "summary_text", "threshold_block", "verify"]

_INLINE_TOOLS = "inline-tools-2026-09-15"


class DefaultSummary:
    """A short summary that depends on the request alone. It says how much it stands for, not what."""

    def __call__(self, request: Mapping[str, Any], profile: ModelProfile) -> str:
        """The summary."""
        del profile
        count = len(request.get("messages") or ())
        return f"This stands for the first {count} message{'s' if count != 1 else ''} of the conversation."


def summary_text(reply: Reply) -> str:
    """The summary in a reply: its text. Empty when the model wrote none, or called a tool instead (CMP-09, CMP-27)."""
    if any(block.get("type") == "tool_use" for block in reply.content):
        return ""
    return "".join(str(block.get("text", "")) for block in reply.content if block.get("type") == "text").strip()


def pauses(request: Mapping[str, Any]) -> bool:
    """Whether the request stops behind the compaction block, so that messages can be kept (CMP-06)."""
    edits = plain(request.get("context_management")).get("edits") or ()
    return any(plain(edit).get("type") == COMPACT and edit.get("pause_after_compaction") is True for edit in edits)


def signed_block(
    text: str,
    request: Mapping[str, Any],
    chain: Chain,
    *,
    profile: ModelProfile,
    signer: Signer,
    betas: Collection[str],
) -> dict[str, Any]:
    """The block that an on-demand compaction returns (CMP-16)."""
    # CMP-29: what the range did to the tools survives when the header for it was sent.
    changes = _tool_changes(request) if _INLINE_TOOLS in betas else None
    earlier = chain.compaction == "" or (chain.summary is not None and chain.summary.preserves)
    messages = request["messages"]
    record = CompactionRecord(
        content=digest(text),
        tool_changes=digest(changes),
        chain=chain.end.chain,
        role=str(plain(messages[-1]).get("role")),
        preserves=profile.bound and earlier,
    )
    block = {"type": "compaction", "content": text, "signature": signer.sign(record)}
    return block if changes is None else {**block, "tool_changes": changes}


def threshold_block(text: str, chain: Chain, signer: Signer) -> dict[str, Any]:
    """The block that the edit puts in front of a reply; without a summary its content is null (CMP-02, CMP-09)."""
    if not text:
        return {"type": "compaction", "content": None}
    record = CompactionRecord(content=digest(text), tool_changes="", chain=chain.end.chain, role="", preserves=False)
    return {"type": "compaction", "content": text, "encrypted_content": signer.sign(record)}


def _tool_changes(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        dict(block)
        for message in request["messages"]
        for block in blocks_of(plain(message))
        if plain(block).get("type") in ("tool_addition", "tool_removal")
    ]


def verify(request: Mapping[str, Any], signer: Signer, *, accept_foreign: bool) -> None:
    """See that signed compaction blocks are as they were returned.

    Raises:
        ApiError: the signature does not verify (CMP-24), or the summary (CMP-23) or the tool changes (CMP-25) differ.
    """
    for message in request["messages"]:
        for block in blocks_of(plain(message)):
            signature = plain(block).get("signature")
            if plain(block).get("type") != "compaction" or not isinstance(signature, str):
                continue
            record = signer.read(signature, CompactionRecord)
            if record is None:
                if accept_foreign and not Signer.is_marked(signature):
                    continue
                raise refusal("compaction_signature_invalid: The `compaction` block's `signature` does not verify.")
            if block.get("content") is not None and digest(block["content"]) != record.content:
                raise refusal(
                    "compaction_content_mismatch: The `compaction` block's `content` differs from the text its "
                    "`signature` recorded."
                )
            if digest(block.get("tool_changes")) != record.tool_changes:
                raise refusal(
                    "compaction_tool_changes_mismatch: The `compaction` block's `tool_changes` differs from what was "
                    "returned with the block."
                )
