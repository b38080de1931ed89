"""One request against the exchange before it: where they first differ, and which thinking that costs (BIND-10 to BIND-15)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ctxwindow.record import Fingerprint, Prefix, canonical_message, content_key, fingerprint, same_message
from ctxwindow.record.blocks import blocks_of, is_blank_text, is_thinking, seal
from ctxwindow.record.canonical import deferred_tools
from ctxwindow.rules.diagnosis import PREDECESSOR_MISSING, Diagnosis, ThinkingState, of_head, of_messages, tools_of
from ctxwindow.rules.exchange import Exchange, plain

__all__ = ["Compaction", "Comparison", "block_key", "compaction_of", "key_of"]

_MISSING = Diagnosis(
    kind="predecessor_missing",
    rule="BIND-10",
    sentence=PREDECESSOR_MISSING,
)
_REORDERED = Diagnosis(
    kind="predecessor_reordered",
    rule="BIND-10",
    sentence="The `thinking` blocks stand in another order than when they were created.",
)
_INSERTED = Diagnosis(
    kind="blocks_inserted",
    pattern="block_inserted",
    rule="BIND-11",
    sentence="A `thinking` block stands before this one that was not there when it was created.",
)
_NOT_KEPT = Diagnosis(
    kind="blocks_removed",
    pattern="tail_kept",
    rule="CMP-30",
    sentence=(
        "The messages kept behind the compaction block do not directly follow, under another role, those that it summarises."
    ),
)
_MOVED = Diagnosis(
    kind="blocks_replaced",
    rule="BIND-31",
    sentence="The block stands at another place among the blocks of its message than when it was created.",
)
_UNKNOWN = "unknown: the request before does not hold this block."


class Compaction(msgspec.Struct, frozen=True, kw_only=True):
    """A compaction block in its place."""

    message: int
    place: int
    block: Mapping[str, Any]


def compaction_of(messages: Sequence[Mapping[str, Any]]) -> Compaction | None:
    """The last compaction block with content; None when there is none."""
    for index in range(len(messages) - 1, -1, -1):
        content: Any = messages[index].get("content")
        for place in range(len(content) - 1, -1, -1) if isinstance(content, list) else ():
            block = content[place]
            if isinstance(block, (dict, Mapping)) and block.get("type") == "compaction" and block.get("content"):
                return Compaction(message=index, place=place, block=block)
    return None


def _made_by(exchange: Exchange, compaction: Compaction) -> bool:
    """Whether an exchange is the on-demand compaction that returned this block."""
    if plain(exchange.request.get("compaction")).get("type") != "summarize":
        return False
    if exchange.response is None:
        return True
    made = compaction_of([exchange.reply or {}])
    return made is not None and key_of(made.block) == key_of(compaction.block)


def key_of(compaction: Mapping[str, Any]) -> str:
    """What identifies a compaction block: its signature, or else its summary."""
    return content_key(compaction.get("signature") or compaction.get("content"))


class _Entry(msgspec.Struct, frozen=True):
    """One message of a prefix."""

    message: Mapping[str, Any]
    index: int | None
    """Its index in the request; None for a summarised message that is only thought to stand there."""
    shift: int = 0
    """Blocks cut off at its front: those before a compaction block."""


def _live(messages: list[Mapping[str, Any]], compaction: Compaction | None) -> list[_Entry]:
    """The messages that the check looks at: from the last compaction block on (BIND-15)."""
    if compaction is None:
        return [_Entry(message, index) for index, message in enumerate(messages)]
    first = messages[compaction.message]
    trimmed = {**first, "content": blocks_of(first)[compaction.place :]}
    rest = range(compaction.message + 1, len(messages))
    return [_Entry(trimmed, compaction.message, compaction.place), *(_Entry(messages[at], at) for at in rest)]


def _overlap(old: list[Fingerprint], kept: list[Fingerprint]) -> int:
    """Length of the longest end of `old` that is a beginning of `kept` (Knuth-Morris-Pratt: linear)."""
    word = [*kept, "", *old]
    borders = [0] * len(word)
    for at in range(1, len(word)):
        length = borders[at - 1]
        while length and word[at] != word[length]:
            length = borders[length - 1]
        borders[at] = length + (word[at] == word[length])
    return borders[-1] if old else 0


def block_key(block: Mapping[str, Any]) -> str:
    """What identifies a thinking block: its seal, or else all of it."""
    return seal(block) or content_key(block)


class _Spot(msgspec.Struct, frozen=True):
    """Where a thinking block stands."""

    at: int
    """Its message among those that the check looks at."""
    place: int
    visible: int
    """Blocks before it in its message that the check compares: no thinking, no blank text (BIND-14)."""


def _spots(at: int, message: Mapping[str, Any]) -> Iterator[tuple[_Spot, Mapping[str, Any]]]:
    """Each thinking block of a message, and where it stands."""
    visible = 0
    for place, block in enumerate(blocks_of(message)):
        known = isinstance(block, (dict, Mapping))  # asking for dict first is ten times as fast
        if known and is_thinking(block):
            yield _Spot(at, place, visible), block
        elif not (known and is_blank_text(block)):
            visible += 1


def _share_thinking(some: list[_Entry], others: list[_Entry]) -> bool:
    """Whether a thinking block stands in both."""
    one, other = (
        {block_key(block) for entry in entries for _, block in _spots(0, entry.message)} for entries in (some, others)
    )
    return not one.isdisjoint(other)


def _print(entry: _Entry) -> Fingerprint:
    return fingerprint(canonical_message(entry.message))


class Comparison:
    """One request against the exchange before it."""

    def __init__(
        self,
        request: Mapping[str, Any],
        exchange: Exchange,
        messages: list[Mapping[str, Any]],
        compaction: Compaction | None,
    ) -> None:
        self.request, self.previous = request, exchange.request
        history = exchange.history
        old_compaction = compaction_of(history)
        self.now = _live(messages, compaction)
        self.old = _live(history, old_compaction)
        self.adoption: Diagnosis | None = None
        new = compaction is not None and (
            old_compaction is None or key_of(compaction.block) != key_of(old_compaction.block)
        )
        if compaction is not None and new:
            if compaction.message >= len(history):
                self.old = []  # it came with a reply that is not known: all that follows it is new
            elif compaction.block.get("signature") and self.now[0].index == self.now[0].shift == 0:
                self._adopt(whole=_made_by(exchange, compaction))
        self.cause = of_head(request, exchange.request)
        self.changed = None if self.cause else self._first_change()

    def _adopt(self, *, whole: bool) -> None:
        """Put the summarised messages back in thought, so that the kept ones stand where they stood (CMP-30).

        Args:
            whole: whether all of `old` was summarised, as by a compaction request; else the cut is where the kept begin.
        """
        first, *kept = self.now
        rest = blocks_of(first.message)[1:]
        if rest:
            kept.insert(0, _Entry({**first.message, "content": rest}, first.index, 1))
        prints = ([_print(entry) for entry in entries] for entries in (self.old, kept))
        cut = len(self.old) - (0 if whole else _overlap(*prints))
        if kept and self.old:
            role = kept[0].message.get("role")
            same_role = cut > 0 and role == self.old[cut - 1].message.get("role")
            if cut == 0 or role == "system" or same_role or (whole and _share_thinking(self.old, kept)):
                self.adoption = _NOT_KEPT
        self.now = [*(_Entry(entry.message, None) for entry in self.old[:cut]), *kept]

    def _first_change(self) -> int | None:
        """Index of the first message of `old` that differs in `now`, where both reach so far."""
        pairs = enumerate(zip(self.now, self.old, strict=False))
        tools, old_tools = tools_of(self.request), tools_of(self.previous)
        if not (deferred_tools(tools) or deferred_tools(old_tools)):
            return next((at for at, (entry, was) in pairs if not same_message(entry.message, was.message)), None)
        now, old = Prefix(None, tools), Prefix(None, old_tools)
        return next((at for at, (entry, was) in pairs if now.add(entry.message) != old.add(was.message)), None)

    def _diagnosis(self, at: int) -> Diagnosis:
        """What happened at the first change, as far as one look around it tells."""
        place = self.now[at].index
        return of_messages(
            [entry.message for entry in self.now[at:]],
            [entry.message for entry in self.old[at:]],
            start=at == 0,
            where=f"messages.{place if place is not None else at}",
        )

    def states(self) -> list[ThinkingState]:
        """The state of each block behind the last compaction block."""
        places = {
            block_key(block): spot for at, entry in enumerate(self.old) for spot, block in _spots(at, entry.message)
        }
        order = {key: number for number, key in enumerate(places)}
        change = None if self.changed is None else self._diagnosis(self.changed)
        found: list[ThinkingState] = []
        last: int | None = None
        broken: Diagnosis | None = None
        for at, entry in enumerate(self.now):
            for spot, block in _spots(at, entry.message) if entry.index is not None else ():
                key = block_key(block)
                known = places.get(key)
                stranger = known is None and at < len(self.old)
                if not stranger:
                    number = order.setdefault(key, len(order))
                    if last is not None and number != last + 1:
                        broken = broken or (_MISSING if number > last + 1 else _REORDERED)
                    last = number
                cause = self.cause or self.adoption or self._moved(spot, known, change) or broken
                path = f"messages.{entry.index}.content.{entry.shift + spot.place}"
                if stranger:
                    found.append(_stranger(path, cause, changed=change is not None))
                    broken = broken or _INSERTED
                else:
                    found.append(_state(path, cause))
        return found

    def _moved(self, spot: _Spot, known: _Spot | None, change: Diagnosis | None) -> Diagnosis | None:
        """What is wrong with the messages before a block, and with the blocks before it in its own message."""
        at = spot.at
        if known is not None and known.at != at and change is None:
            return Diagnosis(
                kind="blocks_replaced",
                sentence=f"The block stood behind other messages, at `messages.{known.at}`.",
            )
        if known is not None and known.at != at:
            known = None
        if self.changed is None or at < self.changed:
            # The message is equal but for its thinking, so the number of blocks before a block tells which they are.
            return _MOVED if known is not None and known.visible != spot.visible else None
        if at > self.changed or known is None:
            return change
        now, old = self.now[at].message, self.old[at].message
        same = canonical_message({**now, "content": blocks_of(now)[: spot.place]}) == canonical_message(
            {**old, "content": blocks_of(old)[: known.place]}
        )
        return None if same else change


def _state(path: str, cause: Diagnosis | None) -> ThinkingState:
    """The state of a block that the exchange before held, or that came after it."""
    if cause is None:
        return ThinkingState(path=path, valid=True)
    return ThinkingState(
        path=path,
        valid=False,
        reason=cause.reason,
        state="missing_predecessor" if cause.kind == "predecessor_missing" else "stale",
        kind=cause.kind,
        pattern=cause.pattern,
        rule=cause.rule,
    )


def _stranger(path: str, cause: Diagnosis | None, *, changed: bool) -> ThinkingState:
    """The state of a block where the exchange before had none: nothing tells what it was made behind."""
    known = _state(path, cause)
    return msgspec.structs.replace(
        known,
        valid=cause is None and not changed,
        reason=_UNKNOWN if cause is None else f"{_UNKNOWN} {cause.reason}",
        state="unknown" if cause is None else known.state,
    )
