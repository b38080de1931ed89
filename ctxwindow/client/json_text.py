"""What a tool returned, as JSON text for a model to read."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import json
import pathlib
import uuid
from collections.abc import Mapping

import pydantic

__all__ = ["NoJsonError", "as_json", "kind_of"]


class NoJsonError(TypeError):
    """Something that is no JSON; its text is the type."""


def as_json(value: object) -> str:
    """Compact JSON text: the same for equal values, with keys and sets in order, so that a repeated result is seen to be
    one. NaN stays NaN: a model reads it, and null would be untrue.

    Raises:
        TypeError: it holds something that is no JSON, or keys of several types.
        ValueError: it holds itself, or an integer that is too long.
        RecursionError: it is nested too deep.
    """
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, default=_plain)


def _plain(value: object) -> object:
    """What JSON has no word for, in its words. Bytes have none: neither text nor base64 is sure to be what is meant."""
    match value:
        case pydantic.BaseModel():
            return value.model_dump(mode="json")
        case enum.Enum():
            return value.value
        case set() | frozenset():
            return sorted(value, key=as_json)
        case Mapping():
            return dict(value)
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case decimal.Decimal() | uuid.UUID() | pathlib.PurePath():
            return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise NoJsonError(kind_of(value))


def kind_of(value: object) -> str:
    """The name of a value's type, for an error: never the value."""
    return type(value).__name__[:80]
