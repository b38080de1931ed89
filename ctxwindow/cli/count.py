"""`ctxwindow count`."""

from __future__ import annotations

import click

from ctxwindow.cli.options import json_option, model_option, pick_thread, thread_option
from ctxwindow.cli.output import console, print_json
from ctxwindow.transcripts import read
from ctxwindow.transcripts.occupancy import window_of
from ctxwindow.window import Window

__all__ = ["command"]


@click.command("count")
@click.argument("file", type=click.Path())
@model_option("Count for this model.")
@thread_option
@click.option("--blocks", is_flag=True, help="List every block with its disposition and rule.")
@json_option
def command(file: str, model: str | None, thread_id: str | None, *, blocks: bool, as_json: bool) -> None:
    """Count what the request in FILE occupies; for a session, its last request and what came after."""
    session = read(file)
    window = window_of(session, pick_thread(session, thread_id), model)
    if as_json:
        print_json(window.as_dict(blocks=blocks))
        return
    _show(window, blocks=blocks)


def _show(window: Window, *, blocks: bool) -> None:
    from rich.table import Table  # noqa: PLC0415

    out = console()
    doubt = "" if window.low == window.high else f", between {window.low:,} and {window.high:,}"
    out.print(f"{window.model}: {window.tokens:,} tokens ({window.source}{doubt})", markup=False)
    out.print(f"window {window.size:,}, free {window.free:,}, max output {window.max_output:,}", markup=False)
    table = Table("category", "tokens", "share", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, tokens in window.by.items():
        if tokens:
            table.add_row(name, f"{tokens:,}", f"{tokens / max(1, window.tokens):.1%}")
    for name, tokens in window.overheads.items():
        table.add_row(f"  {name}", f"{tokens:,}", "", style="dim")
    for rule, tokens in window.not_counted.items():
        table.add_row(f"not counted, {rule}", f"{tokens:,}", "")
    out.print(table)
    if blocks:
        rows = Table("path", "kind", "tokens", "disposition", "rule", box=None, pad_edge=False)
        rows.columns[2].justify = "right"
        for block in window.blocks:
            rows.add_row(block.path, block.kind, f"{block.tokens:,}", block.disposition, block.rule)
        out.print(rows)
