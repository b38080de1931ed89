"""Binding thinking to the conversation before it, when it is made and when it comes back (BIND-01 to BIND-20).

A block is bound to four things: system, tools, the messages before it in their canonical form (BIND-14), and the
thinking block before it (BIND-10). Messages form a hash chain, which starts anew at a compaction block (BIND-15). A
signed block carries the chain of the messages that it summarises, so that messages kept behind it continue the chain
as if those still stood there (CMP-30).

The conversation is followed as it was sent: what the server itself clears, strips or cannot read is no edit (EDIT-08,
BIND-02).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.emulator.http import refusal
from ctxwindow.emulator.signing import CompactionRecord, Signer, ThinkingRecord, digest
from ctxwindow.errors import UnknownModel
from ctxwindow.record import Fingerprint, Prefix, canonical_message, canonical_tools, fingerprint
from ctxwindow.record.blocks import blocks_of, seal
from ctxwindow.record.canonical import canonical_system
from ctxwindow.rules.diagnosis import PREDECESSOR_MISSING, SYSTEM_DIFFERS, TOOLS_DIFFER
from ctxwindow.rules.prefix import compaction_of, key_of
from ctxwindow.rules.reading import drop_reason, reads
from ctxwindow.rules.replay import thinking_of
from ctxwindow.rules.view import plain

__all__ = ["Binder", "Chain", "Standing", "Thought"]


class _Live(msgspec.Struct, frozen=True):
    """One message that the check looks at."""

    index: int
    shift: int
    """Blocks cut off at its front: those up to a compaction block."""
    message: Mapping[str, Any]
    before: Fingerprint
    """Of the chain before it."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What the next thinking block is bound to; the fields are those of `ThinkingRecord`."""

    system: Fingerprint
    tools: Fingerprint
    chain: Fingerprint
    predecessor: str
    compaction: str

    def behind(self, block: Mapping[str, Any]) -> Standing:
        """The same behind a compaction block that a reply begins with (CMP-02, BIND-15)."""
        return Standing(system=self.system, tools=self.tools, chain="", predecessor="", compaction=key_of(block))


class Thought(msgspec.Struct, frozen=True, kw_only=True):
    """One thinking block of a request, and what was found about it."""

    path: str
    record: ThinkingRecord | None
    """None: another service signed it, and nothing is known."""
    stale: bool = False
    """Whether the conversation before it differs from when it was made."""
    diagnosis: str = ""
    """What differs, where that can be told (BIND-06)."""


class Chain:
    """The conversation of one request.

    Attributes:
        system: fingerprint of the system prompt.
        tools: of the tools that are not deferred.
        live: the messages from the last compaction block on.
        compaction: digest of the compaction block in force; empty without one.
        summary: what its signature says; None where it has none that can be read.
    """

    def __init__(self, request: Mapping[str, Any], signer: Signer) -> None:
        tools = [plain(tool) for tool in request.get("tools") or ()]
        self.system = fingerprint(canonical_system(request.get("system")))
        self.tools = fingerprint(canonical_tools(tools))
        # Deferred tools enter the chain with the message that first names them (BIND-14).
        self._prefix = Prefix(None, [tool for tool in tools if tool.get("defer_loading")])
        messages = [plain(message) for message in request.get("messages") or ()]
        found = compaction_of(messages)
        self.compaction, self.summary, start = "", None, ""
        first, shift = 0, 0
        if found is not None:
            self.compaction, first = key_of(found.block), found.message
            signature = found.block.get("signature")
            if isinstance(signature, str):
                self.summary = signer.read(signature, CompactionRecord)
                start = self.summary.chain if self.summary else digest(signature)
                shift = found.place + 1
            else:
                shift = found.place
        self._prefix.chain[0] = start
        self.live = list(self._walk(messages, first, shift))

    def _walk(self, messages: Sequence[Mapping[str, Any]], first: int, shift: int) -> Iterator[_Live]:
        for index in range(first, len(messages)):
            message, cut = messages[index], shift if index == first else 0
            if cut:
                rest = blocks_of(message)[cut:]
                if not rest:
                    continue
                message = {**message, "content": rest}
            before = self._prefix.last
            self._prefix.add({**message, "content": _effective(blocks_of(message))})
            yield _Live(index, cut, message, before)

    @property
    def breaks_kept(self) -> bool:
        """Whether the messages kept behind the compaction block stand there as CMP-30 forbids."""
        if self.summary is None:
            return False
        role = self.live[0].message.get("role") if self.live else None
        return not self.summary.preserves or role in ("system", self.summary.role)

    @property
    def end(self) -> Standing:
        """Where a reply to the request stands."""
        return Standing(
            system=self.system,
            tools=self.tools,
            chain=self._prefix.last,
            predecessor=self._last_thought(),
            compaction=self.compaction,
        )

    def _last_thought(self) -> str:
        for entry in reversed(self.live):
            for _, block in reversed(thinking_of(entry.message)):
                return digest(seal(block))
        return ""


def _effective(blocks: Sequence[Any]) -> list[Any]:
    """Without compaction blocks that failed: whether they are sent back makes no difference (CMP-04)."""
    return [block for block in blocks if plain(block).get("type") != "compaction" or block.get("content") is not None]


def _within(blocks: Sequence[Any]) -> Fingerprint:
    """Of what stands before a block in its own message."""
    return fingerprint(canonical_message({"role": "assistant", "content": _effective(blocks)}))


class Binder:
    """Signs thinking for one account, and examines what comes back."""

    def __init__(self, signer: Signer, account: str, *, accept_foreign: bool) -> None:
        self.signer = signer
        self.account = account
        self.accept_foreign = accept_foreign

    def sign(
        self, content: Sequence[Mapping[str, Any]], standing: Standing, profile: ModelProfile
    ) -> list[dict[str, Any]]:
        """The blocks of a reply with their thinking signed; `thinking` and `data` hold the reasoning itself."""
        out: list[dict[str, Any]] = []
        predecessor = standing.predecessor
        for block in content:
            field = {"thinking": "signature", "redacted_thinking": "data"}.get(str(block.get("type")))
            if field is None:
                out.append(dict(block))
                continue
            text = str(block.get("thinking" if field == "signature" else "data") or "")
            record = ThinkingRecord(
                model=profile.id,
                account=self.account,
                system=standing.system,
                tools=standing.tools,
                chain=standing.chain,
                within=_within(out),
                predecessor=predecessor,
                compaction=standing.compaction,
                text=text.encode("utf-8", "surrogatepass"),
            )
            shown = {"thinking": text} if field == "signature" else {}
            out.append({**block, **shown, field: self.signer.sign(record)})
            predecessor = digest(out[-1][field])
        return out

    def examine(self, request: Mapping[str, Any], chain: Chain) -> list[Thought]:
        """Every thinking block that the check looks at, in order.

        Raises:
            ApiError: a signature does not verify (REPLAY-04), on every model and anywhere in the history (BIND-23).
        """
        for index, message in enumerate(request.get("messages") or ()):
            for place, block in thinking_of(plain(message)):
                self._verify(block, f"messages.{index}.content.{place}")
        found: list[Thought] = []
        before: str | None = None
        for entry in chain.live:
            for place, block in thinking_of(entry.message):
                record = self.signer.read(seal(block), ThinkingRecord)
                found.append(_compare(record, chain, entry, place, before))
                before = digest(seal(block))
        return found

    def _verify(self, block: Mapping[str, Any], path: str) -> None:
        value = seal(block)
        if self.signer.read(value, ThinkingRecord) is None and not (
            self.accept_foreign and value and not Signer.is_marked(value)
        ):
            field = "signature" if block.get("type") == "thinking" else "data"
            raise refusal(f"{path}: Invalid `{field}` in `{block.get('type')}` block")

    def drop_reason(self, thought: Thought, profile: ModelProfile) -> str | None:
        """Why a model is not shown a block at all (BIND-02, BIND-18, BIND-19); None when it is.

        Where it is not stated who reads whom the block is shown, and so is that of a model that is not in the catalog.
        """
        if thought.record is None:
            return None
        try:
            producer = resolve(thought.record.model)
        except UnknownModel:
            return None
        away = producer.account_bound and thought.record.account != self.account
        reasons = ["organization_binding_mismatch"] if away else []
        if reads(profile, producer) is False:
            reasons.append("model_binding_mismatch")
        return drop_reason(reasons)


def _compare(record: ThinkingRecord | None, chain: Chain, entry: _Live, place: int, before: str | None) -> Thought:
    """What became of the four things that the block at `place` is bound to. `before`: the thinking before it, if any."""
    path = f"messages.{entry.index}.content.{entry.shift + place}"
    if record is None:
        return Thought(path=path, record=None)
    diagnosis = ""
    if record.system != chain.system:
        diagnosis = SYSTEM_DIFFERS
    elif record.tools != chain.tools:
        diagnosis = TOOLS_DIFFER
    elif before is not None and record.predecessor != before:
        diagnosis = PREDECESSOR_MISSING
    kept = record.compaction != chain.compaction
    stale = (
        bool(diagnosis)
        or record.chain != entry.before
        or record.within != _within(blocks_of(entry.message)[:place])
        or (kept and chain.breaks_kept)
    )
    return Thought(path=path, record=record, stale=stale, diagnosis=diagnosis)
