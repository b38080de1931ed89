"""`check --fix OUT`: the request with its history repaired."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from ctxwindow.errors import MisuseError
from ctxwindow.repairs import Repair, repair
from ctxwindow.rules import Violation, check
from ctxwindow.rules.report import row

__all__ = ["Fixed", "fix"]


class Fixed(msgspec.Struct, frozen=True, kw_only=True):
    """What was written, and what of it is still wrong."""

    path: Path
    repairs: list[Repair]
    left: tuple[Violation, ...]
    """What no repair is known for."""

    @property
    def ok(self) -> bool:
        """Whether the API will take what was written."""
        return not self.left

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {
            "path": str(self.path),
            "ok": self.ok,
            "repairs": [msgspec.to_builtins(one) for one in self.repairs],
            "violations": [row(violation) for violation in self.left],
        }


def fix(request: Mapping[str, Any], out: str) -> Fixed:
    """Repair a request and write it to a file. The old file stays until the new one is whole.

    Raises:
        MisuseError: the file cannot be written, or is `-`: on standard output stands the report.
    """
    if out == "-":
        raise MisuseError(
            "the mended body goes to a file, not to standard output.",
            path="--fix",
            remedy="Name a file; one of the name - is ./-.",
        )
    repaired, repairs = repair(request)
    file = Path(out)
    try:
        _write(file, json.dumps(repaired, ensure_ascii=True, indent=1) + "\n")
    except (OSError, ValueError) as error:  # ValueError: no name, or a NUL in it
        reason = ((error.strerror if isinstance(error, OSError) else None) or "it is no file name").lower()
        raise MisuseError(f"the file cannot be written: {reason}.", path=out, remedy="Name another file.") from None
    return Fixed(path=file, repairs=repairs, left=check(repaired).violations)


def _write(out: Path, text: str) -> None:
    """Write a file whole, or leave it as it is."""
    draft = out.with_name(f".{out.name}.partial")
    try:
        draft.write_text(text, encoding="ascii", newline="\n")
        draft.replace(out)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
