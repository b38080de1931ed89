from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import termios
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from ctxwindow.cli.terminal import Screen, progress
from tests.cli.scenes import command, session, surroundings


def screen_of(width: int | None = None, *, encoding: str = "utf-8") -> tuple[Screen, io.TextIOWrapper]:
    """A screen on a terminal of that width, or on none, and its file."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace")
    console = Console(
        file=file,
        width=width,
        force_terminal=width is not None,
        no_color=True,
        markup=False,
        emoji=False,
        highlight=False,
    )
    return Screen(console), file


def shown(file: io.TextIOWrapper) -> list[str]:
    file.seek(0)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", file.read()).splitlines()


def test_prose_is_broken_at_words_on_a_terminal() -> None:
    screen, file = screen_of(30)
    screen.say("note: one two three four five six seven eight", indent="  ")
    lines = shown(file)
    assert lines == ["note: one two three four five", "  six seven eight"]


def test_prose_stays_one_line_in_a_pipe() -> None:
    screen, file = screen_of()
    screen.say("word " * 100)
    assert len(shown(file)) == 1


def test_markup_and_emoji_codes_have_no_effect() -> None:
    screen, file = screen_of(80)
    screen.say("[bold]x[/bold] :smile: [link=http://x]y[/link]")
    screen.table(("[red]a",), [("[/]",)])
    screen.facts([("[b]", ":tada:")])
    assert shown(file) == ["[bold]x[/bold] :smile: [link=http://x]y[/link]", "[red]a", "[/]", "[b]  :tada:"]


def test_control_characters_are_not_passed_on() -> None:
    screen, file = screen_of()
    screen.say("a\x1b]0;title\x07b")
    screen.table(("x",), [("a\nb\tc",)])
    file.seek(0)
    assert file.read() == "a ]0;title b\nx\na b c\n"


def test_a_table_is_aligned_and_has_no_trailing_spaces() -> None:
    screen, file = screen_of()
    screen.table(("name", "tokens"), [("a", "1,000"), ("日本", "7")], right=(1,))
    assert shown(file) == ["name  tokens", "a      1,000", "日本       7"]


def test_a_table_is_kept_within_a_narrow_terminal() -> None:
    screen, file = screen_of(40)
    screen.table(("path", "tokens"), [("/a/very/long/path/to/some/file/that/is/deep.py", "1,000")], right=(1,))
    lines = shown(file)
    assert all(cell_len(line) <= 40 for line in lines)
    assert lines[1].startswith("/a/very/")
    assert "..." in lines[1]
    assert lines[1].endswith(".py   1,000")


def test_facts_go_on_below_their_text() -> None:
    screen, file = screen_of(24)
    screen.facts([("a", "one two three four five"), ("long", "x")])
    assert shown(file) == ["a     one two three four", "      five", "long  x"]


def test_a_spark_shows_the_highest_of_each_stretch() -> None:
    screen, _ = screen_of()
    assert screen.spark([0, 50, 100], 100) == "▁▅█"
    assert screen.spark([1, 100] * 100, 100, width=10) == "█" * 10
    assert screen.spark([], 100) == ""
    assert screen.spark([1], 0) == ""


def test_a_gauge_has_one_width() -> None:
    screen, _ = screen_of()
    assert screen.gauge(50, 100, 4) == "██··"
    assert screen.gauge(500, 100, 4) == "████"
    assert screen.gauge(0, 0, 4) == "████"


def test_bars_are_ascii_where_the_encoding_has_no_others() -> None:
    screen, _ = screen_of(encoding="ascii")
    assert screen.spark([0, 50, 100], 100).isascii()
    assert screen.gauge(50, 100).isascii()


def test_no_progress_is_shown_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(Screen(), "working", 3, shown=True) as bar:
        bar.update(bar.task_ids[0], advance=1)
    assert capsys.readouterr() == ("", "")


def test_progress_leaves_nothing_behind_on_a_terminal() -> None:
    screen, file = screen_of(60)
    with progress(screen, "working", 1, shown=True) as bar:
        bar.update(bar.task_ids[0], advance=1, state="[bold]busy")
    file.seek(0)
    written = file.read()
    assert "[bold]busy" in written
    assert written.endswith("\x1b[2K")


def on_terminal(columns: int, *arguments: str | Path, **environment: str) -> str:
    """What a command writes to a terminal of that many columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    with subprocess.Popen(  # noqa: S603
        command(*arguments), stdin=slave, stdout=slave, stderr=slave, env=surroundings(TERM="xterm", **environment)
    ) as process:
        os.close(slave)
        written = b""
        with contextlib.suppress(OSError):  # Linux says EIO when the other end is closed
            while chunk := os.read(master, 65_536):
                written += chunk
        process.wait(60)
    os.close(master)
    return written.decode("utf-8", "replace")


@pytest.mark.parametrize(
    "arguments", [("inspect", "--forecast"), ("replay", "--window", "14000")], ids=lambda given: given[0]
)
def test_nothing_is_wider_than_the_terminal(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    name, *options = arguments
    file = session(tmp_path / "session.jsonl", usage={"input_tokens": 900, "output_tokens": 5})
    written = on_terminal(80, name, file, *options, NO_COLOR="1")
    assert "\x1b[3" not in written  # a colour
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written).replace("\r", "\n").split("\n")
    assert sum(bool(line.strip()) for line in lines) > 10
    assert max(cell_len(line) for line in lines) <= 80
