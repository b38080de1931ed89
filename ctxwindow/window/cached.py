"""The prompt cache of one workspace, as a model: what a request reads, what it writes, and for how long that lives.

Writes happen at breakpoints only, and a read finds what an earlier request wrote (CACHE-07): an entry is the hash of a
prefix in render order. Nothing here reads a clock; the caller says when a request starts.
"""

from __future__ import annotations

import itertools

import msgspec

from ctxwindow.window.breakpoints import LOOKBACK, Breakpoint, breakpoints_in, positions
from ctxwindow.window.cost import TTL_SECONDS, Bill, Ttl
from ctxwindow.window.rendered import Piece, render
from ctxwindow.window.served import Served

__all__ = ["Prompt", "PromptCache"]

_MINIMUM = 1_024
"""Tokens, for models of which no minimum is stated; most have this one (CACHE-08). Of five recorded requests to such
models the four with a prefix of more were cached, and one of 43 tokens was not."""
_PRUNE_AT = 1_024
"""Entries after which dead ones are looked for."""


class _Entry(msgspec.Struct, frozen=True):
    ttl: Ttl
    ready: float
    expires: float

    def lives(self, at: float) -> bool:
        return self.ready <= at <= self.expires


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """A request as the cache sees it."""

    pieces: list[Piece]
    positions: list[int]
    """The position of each piece (CACHE-06)."""
    sums: list[int]
    """Tokens up to the end of each piece."""
    breakpoints: list[Breakpoint]
    """Those whose prefix has the minimum of the model; shorter ones are silently not cached (CACHE-08)."""
    tokens: int
    """Of the whole prompt."""

    @classmethod
    def of(cls, served: Served) -> Prompt:
        """The prompt of a request that was served."""
        pieces = render(served.request, served.profile)
        sums = list(itertools.accumulate(piece.tokens for piece in pieces))
        minimum = served.profile.cache_min_tokens
        minimum = _MINIMUM if minimum is None else minimum
        marks = [mark for mark in breakpoints_in(served.request, pieces) if sums[mark.piece] >= minimum]
        return cls(
            pieces=pieces, positions=positions(pieces), sums=sums, breakpoints=marks, tokens=served.window.tokens
        )


class PromptCache:
    """The entries of one workspace, or of one organisation on Bedrock and Google Cloud (CACHE-15).

    In memory only. Requests are used in the order of their times.
    """

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._prune_at = _PRUNE_AT

    def use(self, served: Served | Prompt, at: float, *, began: float | None = None) -> Bill:
        """What a request reads and writes; the cache remembers it.

        Args:
            served: the request as the model sees it: what the server strips and clears is not cached (EDIT-04,
                CACHE-12, CACHE-18).
            at: seconds, when the request starts. Entries live from then, as long as their TTL says (CACHE-05).
            began: when its response begins, from when on other requests can read what it wrote (CACHE-16); by default
                at once.

        Returns:
            The tokens of the prompt by how they are billed, `output` left at 0.
        """
        prompt = served if isinstance(served, Prompt) else Prompt.of(served)
        hit = max((self._read(prompt, mark, at) for mark in prompt.breakpoints), default=-1)
        written = [mark for mark in prompt.breakpoints if mark.piece > hit]
        for mark in written:
            expires = at + TTL_SECONDS[mark.ttl]
            self._entries[prompt.pieces[mark.piece].prefix] = _Entry(mark.ttl, at if began is None else began, expires)
        self._prune(at)
        return _bill(prompt, hit, written)

    def _read(self, prompt: Prompt, mark: Breakpoint, at: float) -> int:
        """Index of the last piece that a breakpoint finds in the cache, -1 for none. A read renews it (CACHE-05)."""
        for index in range(mark.piece, -1, -1):
            if prompt.positions[mark.piece] - prompt.positions[index] >= LOOKBACK:
                break
            prefix = prompt.pieces[index].prefix
            entry = self._entries.get(prefix)
            if entry is not None and entry.lives(at):
                expires = max(entry.expires, at + TTL_SECONDS[entry.ttl])
                self._entries[prefix] = msgspec.structs.replace(entry, expires=expires)
                return index
        return -1

    def _prune(self, at: float) -> None:
        if len(self._entries) < self._prune_at:
            return
        self._entries = {prefix: entry for prefix, entry in self._entries.items() if entry.expires >= at}
        self._prune_at = max(_PRUNE_AT, 2 * len(self._entries))


def _bill(prompt: Prompt, hit: int, written: list[Breakpoint]) -> Bill:
    """CACHE-13: read up to the hit, write for an hour up to the last such breakpoint, for 5 minutes up to the last."""
    read = prompt.sums[hit] if hit >= 0 else 0
    hourly = max((prompt.sums[mark.piece] for mark in written if mark.ttl == "1h"), default=read)
    last = max((prompt.sums[mark.piece] for mark in written), default=read)
    return Bill(read=read, written_1h=hourly - read, written_5m=last - hourly, uncached=max(0, prompt.tokens - last))
