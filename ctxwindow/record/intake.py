"""Taking content in without changing it, and giving it back equal.

Callers pass plain dicts or the SDK's pydantic objects. Both become plain JSON values that are ours alone:
the caller's object is never mutated and later changes to it never reach the record. Unknown fields, key
order, big numbers and lone surrogates survive; what is not JSON (NaN, bytes, sets, dates) is refused with
its path. Only the SDK's own objects may hold times, because the SDK parses them (`container.expires_at`): they
become text again.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

from ctxwindow.errors import InvalidRequest

__all__ = ["MAX_DEPTH", "from_json", "intake", "plain_json", "to_json"]

MAX_DEPTH = 200
"""Nesting allowed in content. Python's own JSON reader stops near 1,000; no real block comes near 20."""

_MAX_INT_BITS = 14_000
"""Integers longer than this cannot be printed by CPython's default limit of 4,300 digits."""

_PATH_PARTS = 6
"""Of the path of what is nested too deep: enough to find the block, not a hundred steps into it."""

_STR = frozenset({str})

_Path: TypeAlias = "str | tuple[_Path, object]"
"""Where a value stands: what it is in, and its key or index there. Written out for errors alone."""


def intake(value: object, path: str = "") -> Any:
    """A JSON value equal to `value` and sharing nothing mutable with it.

    Args:
        value: JSON values, mappings, sequences, or SDK objects with `model_dump`.
        path: where the value stands, for the error.

    Raises:
        InvalidRequest: for anything that JSON cannot carry.
    """
    return _take(value, path, 0)


def plain_json(value: Any, path: str = "") -> Any:
    """The value itself where it is plain JSON already, else what `intake` makes of it.

    For whole requests, which are mostly plain: those are looked through, at a tenth of what copying them costs, and
    stay the caller's own. What is returned must not be changed.

    Args:
        value: as for `intake`.
        path: where the value stands, for the error.

    Raises:
        InvalidRequest: for anything that JSON cannot carry.
    """
    return value if _is_plain([value], 0) else intake(value, path)


def _is_plain(values: Iterable[Any], depth: int) -> bool:
    """Whether all of these are what a JSON reader makes, and nothing that `intake` changes or refuses."""
    for value in values:
        kind = type(value)
        if kind is str:
            continue
        if kind is dict:
            if depth > MAX_DEPTH or not _STR.issuperset(map(type, value)) or not _is_plain(value.values(), depth + 1):
                return False
        elif kind is list:
            if depth > MAX_DEPTH or not _is_plain(value, depth + 1):
                return False
        elif kind is int:
            if value.bit_length() > _MAX_INT_BITS:
                return False
        elif kind is float:
            if not math.isfinite(value):
                return False
        elif value is not None and kind is not bool:
            return False
    return True


def _take(value: object, path: _Path, depth: int, parsed: bool = False) -> Any:  # noqa: FBT001, FBT002 - asked of every value
    """`parsed`: the value stands inside an SDK object."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return value
    if isinstance(value, int) and kind is int:
        return _integer(value, path)
    if isinstance(value, float) and kind is float:
        return _real(value, path)
    if depth > MAX_DEPTH:
        place = ".".join(_written(path).split(".")[:_PATH_PARTS])
        raise InvalidRequest(f"nested deeper than {MAX_DEPTH} levels.", path=place, remedy="Flatten the content.")
    if isinstance(value, (dict, Mapping)):
        return {key if type(key) is str else _key(key, path):
                inner if type(inner) is str else _take(inner, (path, key), depth + 1, parsed)
                for key, inner in value.items()}  # fmt: skip
    if isinstance(value, (list, tuple)):
        return [_take(inner, (path, index), depth + 1, parsed) for index, inner in enumerate(value)]
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return _take(_fields(value, dump), path, depth, parsed=True)
    if parsed and isinstance(value, dt.datetime):
        # As the API writes times. How many digits of a second it sent is lost to the SDK already.
        return value.isoformat().replace("+00:00", "Z")
    return _odd(value, path)


def _written(path: _Path) -> str:
    """A path as it is written in an error."""
    parts = []
    while isinstance(path, tuple):
        path, part = path
        parts.append(str(part))
    return ".".join([path, *reversed(parts)] if path else reversed(parts))


def _fields(value: object, dump: Callable[..., Any]) -> Any:
    """What the SDK sends of one of its objects; the blocks of a message stay objects, each with rules of its own."""
    # Unset fields stay out: re-sent nulls are refused as extra inputs (VER-08, CMP-14). So does what the SDK adds for
    # the caller, such as `parsed_output`. Asked of the class: its objects take long to say what they have not.
    hidden = getattr(type(value), "__api_exclude__", None)
    fields = dump(mode="python", exclude_unset=True, by_alias=True, warnings=False, exclude=hidden)
    blocks = getattr(value, "content", None) if isinstance(fields, dict) and "content" in fields else None
    return {**fields, "content": blocks} if isinstance(blocks, list) else fields


def _key(key: object, path: _Path) -> str:
    if not isinstance(key, str):
        raise InvalidRequest(
            "an object key is not a string.", path=_written(path), remedy="JSON objects have string keys."
        )
    return str(key) if type(key) is not str else key


def _integer(value: int, path: _Path) -> int:
    if value.bit_length() > _MAX_INT_BITS:
        raise InvalidRequest(
            "an integer of more than 4,000 digits.", path=_written(path), remedy="Send it as a string."
        )
    return value


def _real(value: float, path: _Path) -> float:
    if not math.isfinite(value):
        raise InvalidRequest("NaN and infinity are not JSON.", path=_written(path), remedy="Send null or a number.")
    return value


def _odd(value: object, path: _Path) -> Any:
    """Subclasses of JSON types (str enums, numpy-free ints) pass as their base; the rest is refused."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return _integer(int(value), path)
    if isinstance(value, float):
        return _real(float(value), path)
    raise InvalidRequest(
        f"a {type(value).__name__} is not JSON.",
        path=_written(path),
        remedy="Convert it before it is appended (bytes: base64).",
    )


def to_json(value: Any) -> bytes:
    """UTF-8 JSON bytes that read back equal. Lone surrogates are escaped, key order is kept."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        # msgspec writes raw UTF-8, which cannot carry lone surrogates; ASCII escapes can.
        return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def from_json(data: bytes) -> Any:
    """The inverse of `to_json`."""
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        return json.loads(data)  # escaped lone surrogates, which msgspec refuses
