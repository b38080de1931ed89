"""The command line: `ctxwindow count`, `check`, `inspect`, `replay`, `demo`."""

from ctxwindow.cli.app import main

__all__ = ["main"]
