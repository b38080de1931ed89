"""What is wrong with a policy, told to the person who wrote it: one line, the key's path, and what to write."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import msgspec

from ctxwindow.errors import PolicyError

if TYPE_CHECKING:
    import pydantic
    from pydantic import BaseModel

__all__ = ["mistake"]


def mistake(error: pydantic.ValidationError, model: type[BaseModel], at: str) -> PolicyError:
    """The first mistake that pydantic found.

    Args:
        error: what it found.
        model: of which settings.
        at: where they stand in a policy; empty for the policy itself.
    """
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    path = ".".join(_short(part) for part in first["loc"])
    whole = ".".join(part for part in (at, path) if part) or "policy"
    match first["type"]:
        case "extra_forbidden":
            return PolicyError("there is no such key.", path=whole, remedy=_near(path, model))
        case "model_type":
            return PolicyError("this must be a table of keys.", path=whole, remedy=_keys(model))
        case "tuple_type":  # what stands in a file is a list
            return PolicyError("this must be a list.", path=whole, remedy=_default(model, path))
    return PolicyError(f"{first['msg']}.", path=whole, remedy=_default(model, path))


def _short(part: object) -> str:
    """A part of a path in one line, whatever was written as a key."""
    return " ".join(str(part).split())[:60]


def _near(name: str, model: type[BaseModel]) -> str:
    near = difflib.get_close_matches(name, model.model_fields, n=1, cutoff=0.5)
    return f"Did you mean {near[0]}?" if near else _keys(model)


def _keys(model: type[BaseModel]) -> str:
    return f"The keys here: {', '.join(model.model_fields)}."


def _default(model: type[BaseModel], path: str) -> str:
    field = model.model_fields.get(path)
    if field is None:
        return "Change it, or leave it out for its default."
    value = msgspec.json.encode(field.default).decode()
    return f"Change it, or leave it out: the default is {value if value != 'null' else 'none'}."
