"""The planner's table for people: leaving alone and every method, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from ctxwindow.tiers.offers import Offer

__all__ = ["lines"]


def lines(table: Sequence[Offer], taken: str | None, horizon: int) -> list[str]:
    """The table as lines of equal columns.

    Args:
        table: as the planner had it.
        taken: the method that was taken.
        horizon: sends over which costs are summed.
    """
    head = (
        "",
        "method",
        "after",
        "frees",
        "breaks",
        "thinking lost",
        "hot",
        "first send",
        "each later",
        f"over {horizon}",
        "pays back",
    )
    rows = [head, *(_row(offer, taken) for offer in table)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    left = (0, 1, 4, 6)
    out = []
    for row, offer in zip(rows, (None, *table), strict=True):
        cells = [
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        out.append("  ".join(cells).rstrip())
        if offer is not None and not offer.able:
            out[-1] = f"{cells[0]}  {cells[1]}  cannot: {offer.why}"
    return out


def _row(offer: Offer, taken: str | None) -> tuple[str, ...]:
    mark = ">" if offer.method == (taken or "leave alone") else ""
    if not offer.able and offer.method != "leave alone":
        return (mark, offer.method, *("",) * 9)
    back = (
        "-"
        if offer.method == "leave alone"
        else "never"
        if offer.pays_back is None
        else "1 send"
        if offer.pays_back == 1
        else f"{offer.pays_back} sends"
    )
    first = None if offer.first is None or offer.paid is None else offer.paid + offer.first
    return (
        mark,
        offer.method,
        f"{offer.after:,}",
        f"{offer.frees:,}",
        offer.breaks,
        f"{offer.thinking:,}",
        "kept" if offer.hot else "cut",
        _dollars(first),
        _dollars(offer.then),
        _dollars(offer.costs),
        back,
    )


def _dollars(amount: float | None) -> str:
    return "?" if amount is None else f"${amount:,.4f}"
