"""The book of a conversation's money: every send as forecast and as billed, and what it was spent on.

`Book` is kept while the conversation goes on; each entry is the work of one response. `Spending` is what stands in it, with
totals; what blocks cost is worked out when it is asked for (`ctxwindow.window.attribution`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.window.attribution import BlockCost, Entered, Sending, attribute
from ctxwindow.window.cost import MOST_DOLLARS, Ttl, is_money
from ctxwindow.window.expense import Expense, answered, unanswered
from ctxwindow.window.payback import Payback, payback
from ctxwindow.window.usage import SIZED
from ctxwindow.window.window import Window

__all__ = ["Book", "EditCost", "Group", "Spending"]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """What was spent on one turn, tool or kind of block, in dollars."""

    name: str
    items: int
    """Sends of a turn; blocks of a tool or kind."""
    tokens: int
    """Prompt and output tokens of a turn's sends; tokens of the blocks."""
    prompt: float
    """As a part of prompts."""
    output: float
    """For generating it."""
    dollars: float
    """Both, and for a turn whatever else it was charged."""
    unknown: int = 0
    """Sends of a turn of which something is not known."""


class EditCost(msgspec.Struct, frozen=True, kw_only=True):
    """What a compaction costs and saves."""

    send: int
    """The first send after it."""
    before: int
    """Tokens of the prompt without it."""
    after: int
    """Tokens with it, at that send: as billed, or before that is known as forecast."""
    payback: Payback
    sent: int
    """Sends since then on its branch, that one included: it has paid for itself when they are as many as `payback.sends`."""


@dataclass(frozen=True)
class Spending:
    """What a conversation has cost so far. Money is US dollars as published on the day of each request."""

    sends: tuple[Expense, ...]
    """Every send, in order: its forecast, its bill, and what of it is not known."""
    summaries: float
    """Dollars paid for summaries, as the caller told them."""
    edits: tuple[EditCost, ...]
    """Every compaction that a send followed."""
    _attribute: Callable[[], tuple[BlockCost, ...]] = field(repr=False, compare=False)

    @property
    def dollars(self) -> float | None:
        """All that is known to be charged; None where nothing is."""
        known = [send.dollars for send in self.sends if send.dollars is not None]
        return sum(known) + self.summaries if known or self.summaries else None

    @property
    def unpriced(self) -> int:
        """Sends whose cost is not known at all, those that wait for their reply left out."""
        return sum(send.dollars is None and send.outcome != "waiting" for send in self.sends)

    @property
    def unknown(self) -> dict[str, int]:
        """What is charged, or may be, and is not in `dollars` -> number of sends."""
        found: dict[str, int] = {}
        for send in self.sends:
            for what in send.unknown:
                found[what] = found.get(what, 0) + 1
        return found

    @property
    def by(self) -> dict[str, float]:
        """Dollars by what was bought: `uncached`, `read`, `written_5m`, `written_1h`, `output`, other samplings by their kind
        (`compaction`, `advisor_message`), `web_search`, and `summaries`. They sum up to `dollars`.
        """
        found: dict[str, float] = {}
        for send in self.sends:
            for name, dollars in send.by.items():
                found[name] = found.get(name, 0.0) + dollars
        return {**found, "summaries": self.summaries} if self.summaries else found

    @property
    def thinking(self) -> float | None:
        """The part of `by["output"]` that was thinking; None where no send tells it (TOK-04)."""
        known = [send.thinking_dollars for send in self.sends if send.thinking_dollars is not None]
        return sum(known) if known else None

    @property
    def forecast_error(self) -> float | None:
        """The median of the absolute errors of the forecasts of prompts, as a share; None where none can be compared."""
        errors = sorted(abs(send.error) for send in self.sends if send.error is not None)
        if not errors:
            return None
        half = len(errors) // 2
        return errors[half] if len(errors) % 2 else (errors[half - 1] + errors[half]) / 2

    @cached_property
    def blocks(self) -> tuple[BlockCost, ...]:
        """What each block cost over all sends. With `summaries` they sum up to `dollars`. Worked out at the first look."""
        return self._attribute()

    @property
    def by_turn(self) -> tuple[Group, ...]:
        """What each turn cost."""
        turns: dict[int, list[Expense]] = {}
        for send in self.sends:
            turns.setdefault(send.turn, []).append(send)
        return tuple(_turn(turn, sends) for turn, sends in turns.items())

    @property
    def by_tool(self) -> tuple[Group, ...]:
        """What each tool cost, the dearest first: its definition, its calls, its results, in every prompt they were in."""
        return _grouped((block.tool, block) for block in self.blocks if block.tool is not None)

    @property
    def by_kind(self) -> tuple[Group, ...]:
        """What each kind of block cost, the dearest first."""
        return _grouped((block.kind, block) for block in self.blocks)

    def as_dict(self) -> dict[str, Any]:
        """The totals as JSON values; the blocks are apart, in `blocks`."""
        return {
            "dollars": self.dollars,
            "by": self.by,
            "thinking": self.thinking,
            "unpriced": self.unpriced,
            "unknown": self.unknown,
            "forecast_error": self.forecast_error,
            **{
                name: [msgspec.to_builtins(group) for group in groups]
                for name, groups in (("turns", self.by_turn), ("tools", self.by_tool), ("kinds", self.by_kind))
            },
            "edits": [msgspec.to_builtins(edit) for edit in self.edits],
        }


def _turn(turn: int, sends: Sequence[Expense]) -> Group:
    output = sum(send.by.get("output", 0.0) for send in sends)
    dollars = sum(send.dollars or 0.0 for send in sends)
    return Group(
        name=str(turn),
        items=len(sends),
        tokens=sum(send.tokens.prompt + send.tokens.output for send in sends),
        prompt=sum(
            send.by.get(name, 0.0) for send in sends for name in ("uncached", "read", "written_5m", "written_1h")
        ),
        output=output,
        dollars=dollars,
        unknown=sum(bool(send.unknown) for send in sends),
    )


def _grouped(rows: Iterable[tuple[str, BlockCost]]) -> tuple[Group, ...]:
    groups: dict[str, list[BlockCost]] = {}
    for name, block in rows:
        groups.setdefault(name, []).append(block)
    found = [
        Group(
            name=name,
            items=len(blocks),
            tokens=sum(block.tokens for block in blocks),
            prompt=sum(block.prompt for block in blocks),
            output=sum(block.output for block in blocks),
            dollars=sum(block.dollars for block in blocks),
        )
        for name, blocks in groups.items()
    ]
    return tuple(sorted(found, key=lambda group: -group.dollars))


class Book:
    """Keeps the expenses of one conversation. Each entry costs the work of one send, whatever came before."""

    def __init__(self, record: Sequence[Mapping[str, Any]], ttl: Ttl | None = "5m") -> None:
        """`record`: all messages, of all branches; the list may grow. `ttl`: for how long requests are cached, None if they
        are not.
        """
        self._record = record
        self._ttl: Ttl | None = ttl
        self._edits: list[tuple[int, Window, int, float]] = []
        self._edit: tuple[int, float] | None = None
        self._entries: list[Entered] = []
        self._expenses: list[Expense] = []
        self._parents: list[int | None] = []  # the send before each, on its branch
        self._tip: int | None = None  # the last send of the current branch
        self._summaries = 0.0

    def __len__(self) -> int:
        """Sends so far."""
        return len(self._expenses)

    def sent(self, expense: Expense, profile: ModelProfile, sending: Sending | None) -> None:
        """A request was handed out.

        Args:
            expense: its forecast.
            profile: the model that was asked.
            sending: what was in it; None where nobody knows.
        """
        self._expenses.append(expense)
        self._entries.append(Entered(sending, profile, None))
        self._parents.append(self._tip)
        self._tip = len(self._expenses) - 1
        if self._edit is not None and sending is not None:
            self._edits.append((len(self._expenses) - 1, sending.window, *self._edit))
            self._edit = None

    def paid(self, since: int) -> float | None:
        """Dollars of the sends after number `since`, as far as they are known; None where none of them is."""
        known = [expense.dollars for expense in self._expenses[since:] if expense.dollars is not None]
        return sum(known) if known else None

    @property
    def summaries(self) -> float:
        """Dollars of all summaries so far that were paid for on their own."""
        return self._summaries

    @property
    def waiting(self) -> bool:
        """Whether a reply to the last request may still come."""
        return bool(self._expenses) and self._expenses[-1].outcome == "waiting"

    def answered(
        self,
        usage: Mapping[str, Any] | None,
        *,
        message: Mapping[str, Any],
        index: int,
        model: str | None = None,
        stop_reason: str | None = None,
        arrived: int | None = None,
    ) -> Expense:
        """The reply to the last request came; `index` is its place among all messages. Returns the bill.

        `arrived`: of a reply that was cut, the tokens that came at least; as for `answered` of an expense.
        """
        entry = self._entries[-1]
        self._entries[-1] = entry._replace(reply=index)
        self._expenses[-1] = answered(
            self._expenses[-1],
            usage,
            profile=entry.profile,
            model=model,
            message=message,
            stop_reason=stop_reason,
            arrived=arrived,
        )
        return self._expenses[-1]

    def unanswered(self, *, billed: bool | None) -> None:
        """No reply will come to the last request; as for `unanswered` of an expense."""
        self._expenses[-1] = unanswered(self._expenses[-1], billed=billed)

    def compacted(self, before: int, paid: float) -> None:
        """Messages were replaced by a summary.

        Args:
            before: tokens of the prompt without that.
            paid: dollars for the summary.
        """
        self._summaries += self._await_send(before, paid)

    def declined(self, paid: float) -> None:
        """A summary was paid for, in dollars, and none came."""
        self._summaries += paid if is_money(paid) else 0.0

    def rewound(self, send: int | None, edits: Iterable[tuple[int, float]]) -> None:
        """The conversation went back. What was spent stays spent.

        Args:
            send: number of the last send that is still before, None if there is none.
            edits: the compactions since then: tokens of the prompt without each, and dollars for its summary.
        """
        self._tip = None if send is None else send - 1
        self._edit = None
        for before, paid in edits:
            self._await_send(before, paid)

    def _await_send(self, before: int, paid: float) -> float:
        """Keep an edit for the first send after it; returns what it cost."""
        paid = paid if is_money(paid) else 0.0  # a stored event may say anything
        self._edit = before, paid + (self._edit[1] if self._edit else 0.0)
        return paid

    def spending(self, name: Callable[[int], str] = "messages.{}".format) -> Spending:
        """What stands in the book now; `name` is what to call each message."""
        expenses, entries, record = tuple(self._expenses), tuple(self._entries), self._record
        carried = self._carried()
        return Spending(
            sends=expenses,
            summaries=self._summaries,
            edits=tuple(self._edit_cost(*edit, sent=carried[edit[0]]) for edit in self._edits),
            _attribute=lambda: attribute(expenses, entries, record, name),
        )

    def _carried(self) -> Counter[int]:
        """How many sends each edit bears on: those after it on its own branch."""
        fresh = {index for index, *_ in self._edits}
        if not fresh:
            return Counter()
        sends: Counter[tuple[int, ...]] = Counter()
        borne: list[tuple[int, ...]] = []
        for index, parent in enumerate(self._parents):
            before = () if parent is None else borne[parent]
            borne.append((*before, index) if index in fresh else before)
            sends[borne[-1]] += 1
        found: Counter[int] = Counter()
        for edits, times in sends.items():
            found.update(dict.fromkeys(edits, times))
        return found

    def _edit_cost(self, index: int, window: Window, before: int, paid: float, *, sent: int) -> EditCost:
        """What was read of the first prompt after an edit is what was left in the cache; until that is known it is taken that
        all that stands before the messages was.
        """
        expense = self._expenses[index]
        sampled = [charge.tokens for charge in expense.charges if charge.kind in SIZED]
        if len(sampled) == 1 and sampled[0].prompt:
            after, kept = sampled[0].prompt, sampled[0].read
        else:
            after = window.tokens
            kept = max(
                0, window.by["system"] + window.by["tools"] + window.by["overhead"] - window.overheads["messages"]
            )
        at = expense.at if expense.at is not None else 0.0
        pays = payback(
            self._entries[index].profile,
            before=before,
            after=after,
            kept=kept,
            at=at,
            paid=min(paid, MOST_DOLLARS),  # several compactions may come before one send
            ttl=self._ttl,
        )
        return EditCost(send=expense.send, before=before, after=after, payback=pays, sent=sent)
