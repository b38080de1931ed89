from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import click
import pytest

import ctxwindow
from ctxwindow.cli import count
from ctxwindow.cli.app import COMMANDS, cli
from tests.cli.scenes import CONTENT, body, command, long_messages, run, session, spawn, surroundings, write


def test_the_version_is_that_of_the_package() -> None:
    assert run("--version").out == f"ctxwindow, version {ctxwindow.__version__}\n"


def test_help_lists_every_command_and_imports_none() -> None:
    told = run("--help")
    assert told.code == 0
    for name, text in COMMANDS.items():
        assert name in told.out
        assert text.split()[0] in told.out
    seen = spawn("--help", PYTHONPROFILEIMPORTTIME="1")
    assert "ctxwindow.cli.app" in seen.err
    assert "ctxwindow.cli.replay" not in seen.err
    assert "rich" not in seen.err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(name: str) -> None:
    told = run(name, "--help")
    assert told.code == 0
    assert "--json" in told.out
    assert f"Examples:\n    ctxwindow {name}" in told.out
    assert max(len(line) for line in told.out.splitlines()) <= 80


def test_alone_it_shows_help() -> None:
    told = run()
    assert told.code == 2
    assert "Commands:" in told.err + told.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("cuont",), "No such command 'cuont'"),
        (("count",), "Missing argument 'FILE'"),
        (("count", "a", "b"), "Got unexpected extra argument (b)"),
        (("count", "a", "--blokcs"), "No such option"),
        (("replay", "a", "--window", "0"), "'--window'"),
        (("replay", "a", "--window", "many"), "'--window'"),
        (("demo", "--window", "-5"), "'--window'"),
    ],
)
def test_misuse_is_one_line_that_says_where_help_is(arguments: tuple[str, ...], words: str) -> None:
    told = run(*arguments)
    assert (told.code, told.out) == (2, "")
    assert len(told.err.splitlines()) == 1
    assert words in told.err
    assert "--help`." in told.err
    assert run(*arguments, "--json").json["error"] == "MisuseError"


@pytest.mark.parametrize(
    "error", [ValueError(CONTENT), KeyError(CONTENT), RecursionError(CONTENT), MemoryError(CONTENT)]
)
def test_a_fault_of_ours_is_one_line_without_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(count, "window_of", broken)
    told = run("count", write(tmp_path / "a.json", body()))
    assert (told.code, told.out) == (2, "")
    assert len(told.err.splitlines()) == 1
    assert CONTENT not in told.err
    assert isinstance(error, MemoryError) or "count.py:" in told.err
    monkeypatch.setenv("CTXWINDOW_DEBUG", "1")
    assert "Traceback" in run("count", tmp_path / "a.json").err


def test_a_reader_who_has_gone_is_no_error(tmp_path: Path) -> None:
    file = write(tmp_path / "long.json", body(messages=long_messages(400, chars=40)[:-1]))
    with subprocess.Popen(  # noqa: S603
        command("count", file, "--blocks"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=surroundings()
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"model")
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_an_output_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", body())
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(  # noqa: S603
            command("count", file), stdout=full, stderr=subprocess.PIPE, env=surroundings(), check=False
        )
    assert done.returncode == 2
    assert done.stderr == b"ctxwindow: the disk is full. Make room, or write somewhere else.\n"


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_an_interrupted_command_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "out"
    with subprocess.Popen(  # noqa: S603
        command("replay", session(tmp_path / "s.jsonl", 150), "--window", "12000", "--wires", out),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=surroundings(),
    ) as process:
        deadline = time.monotonic() + 20
        while not list(out.glob(".partial-*/0003.json")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(process.pid, number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.split() == [b"Interrupted."]
    assert not out.exists()


def test_no_locale_and_no_colour_spoil_it(tmp_path: Path) -> None:
    file = session(tmp_path / "sëssion [bold]日.jsonl", 4)
    plain = spawn("inspect", file, LC_ALL="C")
    coloured = spawn("inspect", file, PYTHONIOENCODING="ascii", NO_COLOR="1", FORCE_COLOR="1")
    for told in (plain, coloured):
        assert (told.code, told.err) == (0, "")
        assert "over time" in told.out
        assert "\x1b[3" not in told.out


def test_the_group_is_a_click_command_for_those_who_embed_it() -> None:
    assert isinstance(cli, click.Group)
    with click.Context(cli) as context:
        assert cli.list_commands(context) == list(COMMANDS)
        assert cli.get_command(context, "nothing") is None
