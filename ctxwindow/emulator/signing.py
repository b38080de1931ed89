"""Signatures of thinking and compaction blocks.

A signature holds a record of how the block came about, and a MAC over that record. What the real one holds is not
published; this one holds what the documented checks need: the conversation before the block (BIND-01), the thinking
block before it (BIND-10), who made it (BIND-19, BIND-20), and the reasoning itself, because the text that is shown may
be empty (THINK-11). It is signed, not secret: anybody can read it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TypeAlias, TypeVar

import msgspec

from ctxwindow.record import Fingerprint, content_key

__all__ = ["CompactionRecord", "Signer", "ThinkingRecord", "digest"]

_MARK = "EmU"
"""How signatures of an emulator begin, so that others are told from corrupted ones."""

_MAC_BYTES = 16


class ThinkingRecord(msgspec.Struct, frozen=True, kw_only=True, tag="thinking"):
    """How a thinking block came about."""

    model: str
    """Id of the model that thought it."""
    account: str
    system: Fingerprint
    tools: Fingerprint
    chain: Fingerprint
    """Of the messages before its message, from the last compaction block on (BIND-15)."""
    within: Fingerprint
    """Of what stood before it in its own message, other thinking left out."""
    predecessor: str
    """Digest of the thinking block that stood before it in the conversation; empty when it was the first."""
    compaction: str
    """Digest of the compaction block that the conversation began with; empty when it had none."""
    text: bytes
    """The reasoning, whole, in UTF-8."""


class CompactionRecord(msgspec.Struct, frozen=True, kw_only=True, tag="compaction"):
    """How a compaction block came about."""

    content: str
    """Digest of the summary (CMP-23)."""
    tool_changes: str
    """Digest of `tool_changes` (CMP-25)."""
    chain: Fingerprint
    """Of the messages that it summarises: kept messages continue it (CMP-30)."""
    role: str
    """Of the last summarised message (CMP-30)."""
    preserves: bool
    """Whether this compaction, and all before it, ran on models with preserved thinking (CMP-30)."""


_Record: TypeAlias = ThinkingRecord | CompactionRecord
_R = TypeVar("_R", ThinkingRecord, CompactionRecord)


def digest(value: object) -> str:
    """A short name of any JSON value; of None it is empty."""
    return "" if value is None else content_key(value)


class Signer:
    """Makes and reads signatures with one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, record: ThinkingRecord | CompactionRecord) -> str:
        """The signature of a block."""
        body = msgspec.msgpack.encode(record)
        return _MARK + base64.b64encode(self._mac(body) + body).decode("ascii")

    def read(self, signature: str, kind: type[_R]) -> _R | None:
        """The record in a signature; None when it is forged, corrupted or of another kind of block (REPLAY-04)."""
        if not self.is_marked(signature):
            return None
        try:
            raw = base64.b64decode(signature.removeprefix(_MARK).encode("ascii"), validate=True)
            mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
            # Base64 has several spellings of the same bytes; only the one that was given out is it.
            if _MARK + base64.b64encode(raw).decode("ascii") != signature or not hmac.compare_digest(
                mac, self._mac(body)
            ):
                return None
            record: _Record = msgspec.msgpack.decode(body, type=_Record)
        except (binascii.Error, UnicodeEncodeError, msgspec.DecodeError):
            return None
        return record if isinstance(record, kind) else None

    @staticmethod
    def is_marked(signature: str) -> bool:
        """Whether a signature looks like one of an emulator, be it intact or not."""
        return signature.startswith(_MARK)

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_MAC_BYTES]
