"""Halves of characters: lone surrogates, which JSON may hold as escapes and UTF-8 cannot say.

The record keeps them as they came. No request can carry them, for the SDK writes UTF-8: the rulebook has no rule for
what nobody can send, so this one is our own. On the wire U+FFFD stands in their place, always the same way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["has_surrogates", "without_surrogates"]

_SURROGATE = re.compile("[\ud800-\udfff]")


def has_surrogates(value: Any) -> bool:
    """Whether a JSON value holds one anywhere, in keys too."""
    if isinstance(value, str):
        if value.isascii():
            return False
        try:
            value.encode()
        except UnicodeEncodeError:
            return True
        return False
    if isinstance(value, (dict, Mapping)):
        return any(has_surrogates(key) or has_surrogates(inner) for key, inner in value.items())
    return isinstance(value, (list, tuple)) and any(has_surrogates(inner) for inner in value)


def without_surrogates(value: Any) -> Any:
    """A JSON value with U+FFFD for each of them; itself where it holds none."""
    return _replaced(value) if has_surrogates(value) else value


def _replaced(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {_replaced(key): _replaced(inner) for key, inner in value.items()}
    return [_replaced(inner) for inner in value] if isinstance(value, (list, tuple)) else value
