"""Policies as people write them: TOML or JSON text, to a table of keys."""

from __future__ import annotations

import json
import tomllib
from typing import Any

from ctxwindow.errors import PolicyError

__all__ = ["json_table", "toml_table"]


def toml_table(text: str) -> dict[str, Any]:
    """The table in a TOML text.

    Raises:
        PolicyError: it is none; the reason names line and column.
    """
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise PolicyError(
            f"this is not TOML: {_reason(error)}.", path="policy", remedy="Write keys as in `high = 0.8`."
        ) from None


def json_table(text: str) -> dict[str, Any]:
    """The table in a JSON text.

    Raises:
        PolicyError: it is none, or says something twice; the reason names line and column where it is not JSON.
    """
    remedy = 'Write an object such as {"high": 0.8}.'
    try:
        table = json.loads(text, object_pairs_hook=_single)
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"this is not JSON: {_reason(error)}.", path="policy", remedy=remedy) from None
    if not isinstance(table, dict):
        raise PolicyError("a policy is a table of keys.", path="policy", remedy=remedy)
    return table


def _single(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are there once: of two values one would be passed over in silence."""
    table: dict[str, Any] = {}
    for key, value in pairs:
        if key in table:
            raise PolicyError(
                "this key is there twice.", path=" ".join(key.split())[:60], remedy="Leave one of them out."
            )
        table[key] = value
    return table


def _reason(error: ValueError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return " ".join(str(error).split())[:160]
