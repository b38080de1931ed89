"""What a session cost, as tables for people: by what was bought, turn, tool, kind of block, and block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ctxwindow.cli.count import OVERHEADS
from ctxwindow.cli.output import dollars, percent
from ctxwindow.window import BOUGHT, Group, Spending

if TYPE_CHECKING:
    from ctxwindow.cli.terminal import Screen

__all__ = ["show_blocks", "show_cost"]

_ROWS = 20
"""Turns, tools and blocks that are listed for people, the dearest first."""

_BOUGHT = {
    "uncached": "prompt, not cached",
    "read": "prompt, read from the cache",
    "written_5m": "prompt, written for 5 minutes",
    "written_1h": "prompt, written for an hour",
    "output": "replies",
    "compaction": "compactions by the server",
    "advisor_message": "advice of another model",
    "web_search": "web searches",
    "summaries": "summaries",
}
"""What was bought, as people read it; other names are shown as they are."""


def show_cost(screen: Screen, spending: Spending) -> None:
    """The tables of `--cost`."""
    screen.say()
    if spending.dollars is None:
        screen.say("cost: not known, as no usage or no price is recorded")
        return
    _show_bought(screen, spending)
    turns = sorted(spending.by_turn, key=lambda turn: -turn.dollars)
    _show_groups(screen, "turn", "requests", turns)
    _show_groups(screen, "tool", "blocks", spending.by_tool)
    _show_groups(screen, "kind of block", "blocks", spending.by_kind)
    _show_edits(screen, spending)
    for what, number in spending.unknown.items():
        screen.say(
            f"not in the cost: {what}, of {number:,} of {len(spending.sends):,} requests", indent="  ", style="dim"
        )


def _show_bought(screen: Screen, spending: Spending) -> None:
    total = spending.dollars or 0.0
    tokens = {name: sum(getattr(send.tokens, name) for send in spending.sends) for name in BOUGHT}
    rows = [
        (_BOUGHT.get(name, name), f"{tokens[name]:,}" if name in tokens else "", dollars(cost), _share(cost, total))
        for name, cost in spending.by.items()
    ]
    if spending.thinking is not None:
        thought = sum(send.thinking or 0 for send in spending.sends)
        rows.append(
            ("  of these, thinking", f"{thought:,}", dollars(spending.thinking), _share(spending.thinking, total))
        )
    rows.append(("all", "", dollars(total), ""))
    screen.table(("what was paid for", "tokens", "cost", "share"), rows, right=(1, 2, 3))


def _show_groups(screen: Screen, title: str, items: str, groups: Sequence[Group]) -> None:
    if not groups:
        return
    screen.say()
    rows = [
        (
            group.name,
            f"{group.items:,}",
            f"{group.tokens:,}",
            _part(group.prompt),
            _part(group.output),
            dollars(group.dollars),
        )
        for group in groups[:_ROWS]
    ]
    head = (title, items, "tokens", "in prompts", "generated", "cost")
    screen.table(head, rows, right=(1, 2, 3, 4, 5))
    _more(screen, len(groups))


def _show_edits(screen: Screen, spending: Spending) -> None:
    if not spending.edits:
        return
    screen.say()
    rows = []
    for edit in spending.edits:
        pays = "never" if edit.payback.sends is None else f"{edit.payback.sends:,}"
        pays = "not known" if edit.payback.without is None else pays
        rows.append((f"{edit.send:,}", f"{edit.before:,}", f"{edit.after:,}", pays, f"{edit.sent:,}"))
    head = ("compaction before request", "from tokens", "to", "pays back after", "requests since")
    screen.table(head, rows, right=(0, 1, 2, 3, 4))


def show_blocks(screen: Screen, spending: Spending) -> None:
    """The table of `--blocks`: the dearest first."""
    screen.say()
    blocks = sorted((block for block in spending.blocks if block.dollars), key=lambda block: -block.dollars)
    if not blocks:
        screen.say("blocks: what they cost is not known, as no usage or no price is recorded")
        return
    rows = [
        (
            OVERHEADS.get(block.path, block.path),
            block.kind,
            block.tool or "",
            _number(block.tokens),
            _number(block.sends),
            dollars(block.dollars),
        )
        for block in blocks[:_ROWS]
    ]
    screen.table(("block", "kind", "tool", "tokens", "requests", "cost"), rows, right=(3, 4, 5))
    _more(screen, len(blocks))


def _more(screen: Screen, number: int) -> None:
    if number > _ROWS:
        screen.say(f"... and {number - _ROWS:,} more: --json lists them all")


def _number(number: int) -> str:
    return f"{number:,}" if number else ""


def _part(amount: float) -> str:
    return dollars(amount) if amount else ""


def _share(part: float, whole: float) -> str:
    return percent(part / whole) if whole else ""
