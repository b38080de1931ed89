"""`ctxwindow count`."""

from __future__ import annotations

import click

from ctxwindow.cli.options import file_argument, json_option, load, model_option, naming, thread_option
from ctxwindow.cli.output import percent, print_json
from ctxwindow.transcripts.occupancy import window_of
from ctxwindow.window import Window

__all__ = ["OVERHEADS", "command"]

OVERHEADS = {
    "request": "frame of the request",
    "messages": "frames of the messages",
    "placeholders": "what stands for cleared blocks",
    "unseen": "system prompt and tools, not in the file",
    "unexplained": "what the API reported beyond the parts",
    "correction": "what its reports teach about the estimates since",
}
"""Names of overheads as people read them; others are shown as they are."""


@click.command(
    "count",
    epilog="\b\nExamples:\n  ctxwindow count request.json --blocks\n  ctxwindow count session.jsonl --model claude-opus-5-5",
)
@file_argument
@model_option("Count for this model.")
@thread_option
@click.option("--blocks", is_flag=True, help="List every block with its disposition, and the rule behind that.")
@json_option
def command(file: str, model: str | None, thread_id: str | None, *, blocks: bool, as_json: bool) -> None:
    """Count what the request in FILE occupies, in tokens.

    Of a session it is the last request and what came after, by the usage that the session recorded.
    """
    session, thread = load(file, thread_id, model)
    with naming(session.path):
        window = window_of(session, thread, model)
    if as_json:
        print_json(window.as_dict(blocks=blocks))
        return
    _show(window, blocks=blocks)


def _show(window: Window, *, blocks: bool) -> None:
    from ctxwindow.cli.terminal import Screen  # noqa: PLC0415 - only people's output needs rich

    screen = Screen()
    span = "" if window.low == window.high else f", between {window.low:,} and {window.high:,}"
    free = f"{window.free:,} free" if window.free >= 0 else f"{-window.free:,} TOO MANY"
    screen.facts(
        [
            ("model", window.model),
            ("request", f"{window.tokens:,} tokens ({window.source}{span})"),
            ("window", f"{window.size:,} tokens, {free}; a reply may have {window.max_output:,}"),
            *([("doubtful", window.doubt)] if window.doubt is not None else []),
        ]
    )
    screen.say()
    rows = [(name, f"{tokens:,}", _share(tokens, window)) for name, tokens in window.by.items() if tokens]
    rows += [(f"  {OVERHEADS.get(name, name)}", f"{tokens:,}", "") for name, tokens in window.overheads.items()]
    rows.append(("all that counts", f"{window.tokens:,}", ""))
    rows += [(f"sent, not counted ({rule})", f"{tokens:,}", "") for rule, tokens in window.not_counted.items()]
    screen.table(("what fills it", "tokens", "share"), rows, right=(1, 2))
    if blocks:
        screen.say()
        screen.table(
            ("block", "kind", "tokens", "disposition", "rule"),
            [(block.path, block.kind, f"{block.tokens:,}", block.disposition, block.rule) for block in window.blocks],
            right=(2,),
            give=1,
        )


def _share(tokens: int, window: Window) -> str:
    return percent(tokens / window.tokens) if window.tokens > 0 else ""
