"""What each block cost over a conversation: as it was generated, and in every prompt that carried it.

In a prompt a block pays for the positions it stands at, and the cache decides at which price: what a request read stands
first, then what it wrote for an hour, then for 5 minutes, then the rest (CACHE-13). Exact sizes are known from one
request to the next, so that what is between two of them is shared out among the blocks that came in between; what the
blocks do not explain is a part of its own. The parts add up to what was paid.

This is done when it is asked for, in one pass: the work is that of the blocks and requests, once. Only where something
changed within the prompt (thinking stripped, results cleared, a new epoch) its blocks are listed anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.record.blocks import block_type, blocks_of, call_id, is_thinking, result_id
from ctxwindow.window.cost import Bought
from ctxwindow.window.expense import Charge, Expense
from ctxwindow.window.layout import Layout
from ctxwindow.window.origins import places, tool_at, tool_names
from ctxwindow.window.sizes import size_message
from ctxwindow.window.usage import SIZED
from ctxwindow.window.window import Window

__all__ = ["BlockCost", "Sending", "attribute"]


class BlockCost(msgspec.Struct, frozen=True, kw_only=True):
    """What one block, or a part of prompts that is no block, cost over all sends."""

    path: str
    """`messages.3.content.1` in the record, `events.17.content.1` in the message of that event where it is on another branch;
    `system.0`, `tools.2`; `summary.1.content.0` of a summary of ours; the name of a part that is no block, such as
    `unexplained`."""
    kind: str
    """Its type; `system`, `tool` for a definition, `overhead` for a part that is no block."""
    tool: str | None
    """The tool that it is a call, a result or the definition of."""
    tokens: int
    """In the last prompt that carried it."""
    sends: int
    """Prompts that carried it."""
    prompt: float
    """Dollars as a part of prompts."""
    output: float
    """Dollars for generating it."""
    dollars: float


@dataclass(frozen=True)
class Sending:
    """One send, with what must be known to share out its cost. The lists are the wire's own, and only grow."""

    window: Window
    messages: Sequence[Mapping[str, Any]]
    sources: Sequence[int | None]
    """The record index of each message; None for a summary."""
    tools: Sequence[Any]
    epoch: int
    length: int
    """Messages that were sent."""
    line: Sequence[int] | None = None
    """For each record index its place among all messages of all branches; None where there is one branch only."""


class Entered(NamedTuple):
    """What the book knows of a send beside its expense."""

    sending: Sending | None
    profile: ModelProfile
    reply: int | None
    """The place of its reply among all messages."""


class _Part(NamedTuple):
    path: str
    kind: str
    tool: str | None = None


_IN_ORDER: tuple[Bought, ...] = ("read", "written_1h", "written_5m", "uncached")
_UNEXPLAINED = _Part("unexplained", "overhead")
_UNSEEN = _Part("prompts that were not followed", "overhead")
_FRAMES = _Part("frames of messages", "overhead")


def attribute(
    expenses: Sequence[Expense],
    entries: Sequence[Entered],
    record: Sequence[Mapping[str, Any]],
    name: Callable[[int], str] = "messages.{}".format,
) -> tuple[BlockCost, ...]:
    """What each block cost, in the order in which the blocks first appear; together it is what the sends cost.

    Sends without known dollars are left out.

    Args:
        expenses: in order.
        entries: one for each.
        record: all messages, of all branches.
        name: what to call each of them.
    """
    book = _Book(record, name)
    for expense, entry in zip(expenses, entries, strict=True):
        if expense.dollars is None or not expense.charges:
            continue
        if entry.sending is None:
            book.whole(expense)
            continue
        book.prompt(entry.sending, expense)
        book.output(expense, entry)
    return book.close()


class _Book:
    def __init__(self, record: Sequence[Mapping[str, Any]], name: Callable[[int], str]) -> None:
        self._record = record
        self._name = name
        self._tools = tool_names(record)
        self._layout: Layout[_Part] = Layout()
        self._parts: list[tuple[_Part, int]] = []  # of the prompt as it stands, with their own tokens
        self._last: Sending | None = None
        self._tokens: dict[_Part, int] = {}
        self._sends: Counter[_Part] = Counter()
        self._prompt: dict[_Part, float] = {}
        self._output: dict[_Part, float] = {}

    def whole(self, expense: Expense) -> None:
        """A send of which nobody knows what was in it."""
        output = expense.by.get("output", 0.0)
        self._add(self._prompt, _UNSEEN, (expense.dollars or 0.0) - output)
        self._add(self._output, _UNSEEN, output)

    def prompt(self, sending: Sending, expense: Expense) -> None:
        """Charge the prompts of a send to their positions, and what is no prompt of the conversation to its name."""
        own = [charge for charge in expense.charges if charge.kind in SIZED and charge.model == expense.model]
        if own:
            self._lay(sending, own[0].tokens.prompt)
        for charge in expense.charges:
            if charge in own:
                self._charge(charge)
            else:
                name = "fallback" if charge.kind in SIZED else charge.kind
                self._add(self._prompt, _Part(name, "overhead"), charge.dollars or 0.0)
        if expense.search_dollars:
            self._add(self._prompt, _Part("web searches", "overhead", "web_search"), expense.search_dollars)

    def _lay(self, sending: Sending, size: int) -> None:
        """Bring the layout to the prompt of a send: by what is new; or where it changed within, or is smaller than the one
        before it, from its beginning.
        """
        last = self._last
        grew = last is not None and sending.window.grew_from(last.window)
        first, frames = (last.length, last.window.overheads["messages"]) if last is not None and grew else (0, 0)
        if not grew:
            self._parts = self._fixed(sending)
        frames = max(0, sending.window.overheads["messages"] - frames)
        new = [(_FRAMES, frames), *self._listed(sending, first)]
        self._parts += new
        if not grew or size < self._layout.size:
            self._settle()
            new = self._parts
        self._layout.extend(new, size, _UNEXPLAINED)
        self._layout.carry()
        self._last = sending

    def _fixed(self, sending: Sending) -> list[tuple[_Part, int]]:
        """What stands before the messages: hidden prompts, tools, system (CACHE-01)."""
        hidden = sending.window.overheads.items()
        parts = [
            (_Part(name, "overhead"), tokens)
            for name, tokens in hidden
            if name not in ("messages", "unexplained", "correction", "placeholders", "learned") and tokens > 0
        ]
        blocks = [block for block in sending.window.blocks if not block.path.startswith("messages.")]
        for block in sorted(blocks, key=lambda block: block.path.startswith("system.")):
            if block.disposition == "counted":
                tool = tool_at(sending.tools, block.path) if block.kind == "tool" else None
                kind = "tool" if block.kind == "tool" else "system"
                parts.append((_Part(block.path, kind, tool), block.tokens))
        self._tokens.update(parts)
        return parts

    def _listed(self, sending: Sending, first: int) -> list[tuple[_Part, int]]:
        """The blocks of messages from an index on, as they stand in the record."""
        names: dict[str, tuple[str, Mapping[str, Any]]] = {}
        for index in range(first, sending.length):
            source = sending.sources[index]
            number = source if source is None or sending.line is None else sending.line[source]
            recorded, name = (None, "") if number is None else (self._record[number], self._name(number))
            stand = places(sending.messages[index], recorded, name, sending.epoch)
            names |= {f"messages.{index}.content.{place}": found for place, found in enumerate(stand)}
        parts = []
        for block in sending.window.blocks_from(first):
            if block.disposition == "counted" and block.path in names:
                path, content = names[block.path]
                parts.append((_Part(path, block.kind, self._tool(content)), block.tokens))
        self._tokens.update(parts)
        return parts

    def _charge(self, charge: Charge) -> None:
        """CACHE-13: read first, then written for an hour, for 5 minutes, then the rest."""
        if not charge.billed or charge.rates is None:
            return
        at = 0
        for name in _IN_ORDER:
            length: int = getattr(charge.tokens, name)
            self._layout.charge(at, at + length, charge.rates.of(name))
            at += length

    def output(self, expense: Expense, entry: Entered) -> None:
        """Share out what the reply cost: thinking takes what is told of it, or what the other blocks leave (TOK-03)."""
        reply: Mapping[str, Any] = {} if entry.reply is None else self._record[entry.reply]
        name = "" if entry.reply is None else self._name(entry.reply)
        own = [charge for charge in expense.charges if charge.kind in SIZED and charge.model == expense.model]
        paid = sum(charge.rates.of("output", charge.tokens.output) for charge in own if charge.billed and charge.rates)
        tokens = sum(charge.tokens.output for charge in own)
        if not tokens or not paid:
            return
        sizes = [block.count.tokens for block in size_message(reply, entry.profile).blocks]
        content = [block if isinstance(block, Mapping) else {} for block in blocks_of(reply)]
        weights = _weights(content, sizes, tokens, expense.thinking)
        for place, (block, weight) in enumerate(zip(content, weights, strict=True)):
            part = _Part(f"{name}.content.{place}", str(block.get("type")), self._tool(block))
            self._tokens.setdefault(part, sizes[place])
            self._add(self._output, part, paid * weight / tokens)
        left = tokens - sum(weights)
        if left > 0:
            self._add(self._output, _UNEXPLAINED, paid * left / tokens)

    def _tool(self, block: Mapping[str, Any]) -> str | None:
        name = self._tools.get(call_id(block) or result_id(block) or "")
        return name if block_type(block).family in ("call", "server_call", "result", "server_result") else None

    def _add(self, to: dict[_Part, float], part: _Part, dollars: float) -> None:
        to[part] = to.get(part, 0.0) + dollars
        self._tokens.setdefault(part, 0)

    def _settle(self) -> None:
        """Read off what the layout's parts cost, and begin another."""
        rest = self._layout.charged
        for part, sends, dollars in self._layout.costs():
            rest -= dollars
            self._sends[part] = self._sends[part] + sends if part.kind != "overhead" else 0
            self._add(self._prompt, part, dollars)
        # One request may sample several times, the last time behind all that was ever sent again.
        self._add(self._prompt, _UNEXPLAINED, rest)
        self._layout = Layout()

    def close(self) -> tuple[BlockCost, ...]:
        self._settle()
        rows = []
        for part, tokens in self._tokens.items():
            prompt, output = self._prompt.get(part, 0.0), self._output.get(part, 0.0)
            if prompt or output or part.kind != "overhead":
                rows.append(
                    BlockCost(
                        path=part.path,
                        kind=part.kind,
                        tool=part.tool,
                        tokens=tokens,
                        sends=self._sends[part],
                        prompt=prompt,
                        output=output,
                        dollars=prompt + output,
                    )
                )
        return tuple(rows)


def _weights(
    content: Sequence[Mapping[str, Any]], sizes: Sequence[int], tokens: int, thinking: int | None
) -> list[float]:
    """Tokens of the output that each block of a reply takes, together no more than there are."""
    thought = [is_thinking(block) for block in content]
    told = sum(size for size, is_thought in zip(sizes, thought, strict=True) if not is_thought)
    for_thinking = (max(0, tokens - told) if thinking is None else thinking) if any(thought) else 0
    weights: list[float] = []
    whole = sum(size for size, is_thought in zip(sizes, thought, strict=True) if is_thought)
    for size, is_thought in zip(sizes, thought, strict=True):
        share = (size / whole if whole else 1 / sum(thought)) if is_thought else 0.0
        weights.append(for_thinking * share if is_thought else float(size))
    total = sum(weights)
    return [weight * tokens / total for weight in weights] if total > tokens else weights
