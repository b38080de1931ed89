"""Opening a transcript and reading JSON from it: every way in which that can fail is one clear line.

Files are streamed line by line, so that a session is never held twice in memory. gzip is known by its first
two bytes (RFC 1952), not by the file's name.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from ctxwindow.errors import HistoryError

__all__ = ["Lines", "decode", "open_lines", "parse", "parse_line"]

Lines = Iterator[tuple[int, bytes]]
"""The lines of a file with their numbers (from 1), line ends included."""

_CUT_OFF = "The file was cut off: copy or download it again."
_NOT_UTF8 = "Give a JSON or JSONL file in UTF-8, plain or gzip."
_GZIP = b"\x1f\x8b"
_UTF8_BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff")  # UTF-16 either way round; UTF-32-LE begins like the first

# What may be left over after the last whole token of JSON that was cut off: the head of a literal, of a
# number's fraction or exponent, or of a \u escape (reported at its u).
_CUT_TOKEN = re.compile(r"-|t(ru?)?|f(a(ls?)?)?|n(ul?)?|\.|[eE][+-]?|u[0-9a-fA-F]{0,4}")


@contextmanager
def open_lines(path: str | Path) -> Iterator[Lines]:
    """The lines of a file, plain or gzip.

    Raises:
        HistoryError: the file cannot be opened, or its gzip data is damaged. The latter comes from the
            iterator, at the line where it shows.
    """
    try:
        raw = io.BufferedReader(io.FileIO(str(path)))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        _refuse_to_open(path, error)
    with raw:
        yield _lines(path, raw)


def _lines(path: str | Path, raw: io.BufferedReader[io.FileIO]) -> Lines:
    number = 0
    try:
        stream: Iterable[bytes] = gzip.GzipFile(fileobj=raw) if raw.peek(2)[:2] == _GZIP else raw
        for number, line in enumerate(stream, 1):
            yield number, line
    except EOFError:
        raise HistoryError("the gzip data ends too early.", path=f"{path}:{number + 1}", remedy=_CUT_OFF) from None
    except (gzip.BadGzipFile, zlib.error):
        raise HistoryError(
            "the gzip data is damaged.", path=f"{path}:{number + 1}", remedy="Copy or download the file again."
        ) from None
    except OSError as error:
        _refuse_to_open(path, error)


def _refuse_to_open(path: str | Path, error: OSError | ValueError) -> NoReturn:
    reason, remedy = "the file cannot be read.", "Check the path."
    match error:
        case FileNotFoundError():
            reason = "there is no such file."
        case IsADirectoryError():
            reason, remedy = "this is a directory, not a file.", "Name one file in it."
        case PermissionError():
            reason, remedy = "the file may not be read (permission denied).", "Check its owner and mode."
        case OSError(strerror=str(strerror)):
            reason = f"the file cannot be read ({strerror.lower()})."
        case _:
            pass
    raise HistoryError(reason, path=str(path), remedy=remedy) from None


def decode(raw: bytes, where: str, *, first: bool = False, last: bool = False) -> str:
    """Bytes of a transcript as text.

    Arguments:
        raw: the bytes of a file, or of a line of it.
        where: file and line, for errors.
        first: this is the start of the file, where a UTF-8 byte order mark is accepted.
        last: this is a line without a line end: a character cut off at its end becomes U+FFFD. (Inside a
            string that is seen to be cut off in any case; anywhere else it is not JSON.)

    Raises:
        HistoryError: the bytes are no UTF-8 text.
    """
    if first:
        if raw.startswith(_WIDE_BOMS):
            raise HistoryError(
                "this is UTF-16 or UTF-32 text; only UTF-8 is read.", path=where, remedy="Convert it to UTF-8 first."
            )
        raw = raw.removeprefix(_UTF8_BOM)
    if b"\0" in raw:
        raise HistoryError(
            "NUL bytes: this is binary data, or text that is not UTF-8.",
            path=where,
            remedy=_NOT_UTF8,
        )
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        if last and error.reason == "unexpected end of data":
            return raw[: error.start].decode() + "\N{REPLACEMENT CHARACTER}"
        raise HistoryError(
            f"byte {error.start + 1} is not UTF-8 text.",
            path=where,
            remedy=_NOT_UTF8,
        ) from None


class _NotStrictError(ValueError):
    """JSON that Python reads but that has no one meaning; args[0] says why."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _NotStrictError("an object holds the same key twice, so its meaning is open")
    return found


def _constant(name: str) -> NoReturn:
    raise _NotStrictError(f"{name} is not JSON")


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _NotStrictError("a number is too large for a float")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)


def parse(text: str, path: str) -> Any:
    """The one JSON value that a file holds. Numbers and lone surrogates are kept as Python's json reads them.

    Raises:
        HistoryError: `text` is not one JSON value, or one with no single meaning (NaN, a key twice).
    """
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}"
        if _ends_midway(text, error):
            raise HistoryError("the JSON ends in the middle.", path=where, remedy=_CUT_OFF) from None
        if error.msg == "Extra data":
            raise HistoryError(
                "there is more after the end of the JSON value.", path=where, remedy="Give one body or list a file."
            ) from None
        raise HistoryError(
            f"not JSON ({error.msg.lower()}, column {error.colno}).", path=where, remedy="Mend the file."
        ) from None
    except (RecursionError, ValueError) as error:
        raise _refusal(error, path) from None


def parse_line(text: str, where: str, *, last: bool) -> tuple[list[Any], bool]:
    """The JSON values of one line of a JSONL file: one, or more where the line end between them was lost.

    Arguments:
        text: the line.
        where: file and line, for errors.
        last: the line has no line end, so its writer may still have been at work.

    Returns:
        The values, and whether the line breaks off in the middle of a further one (only if `last`).

    Raises:
        HistoryError: something else on the line is not JSON.
    """
    values: list[Any] = []
    text = text.rstrip()
    at = len(text) - len(text.lstrip())
    try:
        while at < len(text):
            value, end = _DECODER.raw_decode(text, at)
            values.append(value)
            at = end + len(text[end:]) - len(text[end:].lstrip())
    except json.JSONDecodeError as error:
        if last and _ends_midway(text, error):
            return values, True
        raise HistoryError(
            f"not JSON ({error.msg.lower()}, column {error.pos + 1}).",
            path=where,
            remedy="Mend or remove this line.",
        ) from None
    except (RecursionError, ValueError) as error:
        raise _refusal(error, where) from None
    return values, False


def _refusal(error: Exception, where: str) -> HistoryError:
    if isinstance(error, RecursionError):
        return HistoryError("the JSON is nested too deeply to be read.", path=where, remedy="Write it flatter.")
    if isinstance(error, _NotStrictError):
        return HistoryError(f"{error.args[0]}.", path=where, remedy="Write it with a strict JSON writer.")
    # Python's limit on digits (sys.set_int_max_str_digits); its text tells the limit and no content.
    return HistoryError("a whole number has too many digits to be read.", path=where, remedy="Write it as a string.")


def _ends_midway(text: str, error: json.JSONDecodeError) -> bool:
    """Whether `text`, which `error` refused, is the beginning of JSON that was cut off."""
    if error.msg.startswith("Unterminated string") or error.pos >= len(text.rstrip()):
        return True
    return _CUT_TOKEN.fullmatch(text, error.pos) is not None
