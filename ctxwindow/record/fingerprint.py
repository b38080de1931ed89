"""Fingerprints: a hash chain over canonical messages, so that equal prefixes have equal ends.

`Prefix` holds the chain of one request: the fingerprint after message i depends on system, tools and every
message up to i, and adding a message costs that message alone. Comparing two prefixes of any length is
comparing two short strings.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from ctxwindow.record.canonical import (
    canonical_message,
    canonical_system,
    canonical_tools,
    deferred_tools,
    names_tools,
)

__all__ = ["Fingerprint", "Prefix", "content_key", "fingerprint"]

Fingerprint = str
"""32 hex digits of blake2b-128."""

_DIGEST_BYTES = 16


def _encode(form: Any) -> bytes:
    try:
        return msgspec.json.encode(form, order="sorted")
    except UnicodeEncodeError:
        return json.dumps(form, sort_keys=True, separators=(",", ":")).encode("ascii")


def fingerprint(form: Any, parent: Fingerprint = "") -> Fingerprint:
    """The hash of a canonical form chained to its parent's."""
    return blake2b(parent.encode() + _encode(form), digest_size=_DIGEST_BYTES).hexdigest()


def content_key(value: Any) -> Fingerprint:
    """A key for caches: the hash of a block exactly as it came."""
    return blake2b(_encode(value), digest_size=_DIGEST_BYTES).hexdigest()


class Prefix:
    """The fingerprint chain of one growing request.

    Attributes:
        chain: `chain[i]` is the fingerprint of system, tools and the first i messages.
    """

    def __init__(self, system: Any = None, tools: Iterable[Mapping[str, Any]] | None = None) -> None:
        tools = list(tools or ())
        self._deferred = deferred_tools(tools)
        self._loaded: list[dict[str, Any]] = []
        self.chain: list[Fingerprint] = [
            fingerprint({"system": canonical_system(system), "tools": canonical_tools(tools)})
        ]

    @property
    def last(self) -> Fingerprint:
        """The fingerprint of everything added so far."""
        return self.chain[-1]

    def add(self, message: Mapping[str, Any]) -> Fingerprint:
        """Chain one more message; returns the new end."""
        form: Any = canonical_message(message)
        loaded: dict[str, Any] = {}
        if self._deferred:
            # A deferred tool belongs to the prefix from the message that first names it.
            loaded = {name: self._deferred.pop(name) for name in names_tools(message) if name in self._deferred}
            if loaded:
                form = {"message": form, "tools": loaded}
        self._loaded.append(loaded)
        self.chain.append(fingerprint(form, self.chain[-1]))
        return self.chain[-1]

    def rollback(self, messages: int) -> None:
        """Forget every message after the first `messages`. Deferred tools that they brought in are forgotten too."""
        for names in self._loaded[messages:]:
            self._deferred.update(names)
        del self._loaded[messages:]
        del self.chain[messages + 1 :]
