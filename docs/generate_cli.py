"""Write docs/cli.md from the commands themselves: `python docs/generate_cli.py`, or `--check` that it is up to date."""

from __future__ import annotations

import ast
import inspect
import json
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from pydantic import BaseModel

from ctxwindow.cli.app import COMMANDS, cli
from ctxwindow.cli.contracts import ERROR, JSON
from ctxwindow.tiers import Policy

PAGE = Path(__file__).with_name("cli.md")

HEAD = """\
<!-- Written by docs/generate_cli.py: change the commands, or ctxwindow/cli/contracts.py, and run it again. -->

# Command line

    ctxwindow COMMAND [OPTIONS] FILE

A FILE is a Messages API request body (JSON), a list of messages, or a Claude Code session (JSONL), plain or gzipped; the
format is found out. `-` is standard input.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | findings: a rule is broken, a request does not fit |
| 2 | misuse, or input that cannot be read |
| 130 | interrupted |

Results go to standard output, everything else to standard error. With `--json` a command prints one JSON document. Input
that cannot be used is one line on standard error, which says where, what is wrong and what to do, and names no content; with
`--json` it is on standard output as well, as an object with these keys:
"""

POLICY = """
## Policy files

`replay --policy P` takes the name of a [preset](policy.md#presets), or a file in TOML, or in JSON, with any of the keys of
`ctxwindow.Policy`:

```toml
budget = 60_000
high = 0.8

[spill]
tokens = 4_000
```
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD, _table(("key", "what it says"), ((f"`{key}`", text) for key, text in ERROR.items()))]
    with click.Context(cli, info_name="ctxwindow") as top:
        for name in COMMANDS:
            command = cli.get_command(top, name)
            if command is None:
                raise LookupError(name)
            with click.Context(command, info_name=name, parent=top) as context:
                parts.append(_section(name, command, context))
    parts += [POLICY, _table(("key", "default", "meaning"), _policy_keys(Policy))]
    return "\n".join(parts)


def _section(name: str, command: click.Command, context: click.Context) -> str:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    paragraphs = [" ".join(part.split()) for part in inspect.cleandoc(command.help or "").split("\n\n")]
    options = (
        (f"`{option.opts[0]}{_value(option)}`", _sentence(option))
        for option in command.params
        if isinstance(option, click.Option)
    )
    keys = ((f"`{key}`", meaning) for key, meaning in JSON[name].items())
    return "\n".join(
        [
            f"\n## {name}\n\n    {usage}\n",
            "\n\n".join(textwrap.fill(text, 120, break_on_hyphens=False) for text in paragraphs),
            f"\n```sh\n{textwrap.dedent(_examples(command))}\n```\n",
            _table(("option", "meaning"), options),
            "JSON: in lists `[]` stands for each element, `{...}` for any name.\n",
            _table(("key", "what it says"), keys),
        ]
    )


def _examples(command: click.Command) -> str:
    """The lines of the epilog below its title."""
    return (command.epilog or "").partition(":\n")[2].rstrip()


def _value(option: click.Option) -> str:
    return "" if option.is_flag else f" {option.metavar}"


def _sentence(option: click.Option) -> str:
    default = f" Default: {option.default:,}." if option.show_default and isinstance(option.default, int) else ""
    return f"{option.help}{default}"


def _policy_keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Each key with its default, and the docstring below it in the source."""
    (body,) = (node.body for node in ast.parse(inspect.getsource(model)).body if isinstance(node, ast.ClassDef))
    for field, after in zip(body, [*body[1:], None], strict=True):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if field.target.id not in model.model_fields:
            continue
        name, meaning = field.target.id, ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            meaning = " ".join(str(after.value.value).split())
        default = model.model_fields[name].default
        if isinstance(default, BaseModel):
            yield from _policy_keys(type(default), f"{prefix}{name}.")
            continue
        yield f"`{prefix}{name}`", f"`{json.dumps(default)}`" if default is not None else "", meaning


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the page, or see whether it is as it would be written; the exit code."""
    wanted = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(wanted, encoding="utf-8", newline="\n")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == wanted:
        return 0
    print("docs/cli.md is out of date: run `python docs/generate_cli.py`.", file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
