"""The definition of a tool from a plain function: its name, signature, type hints and docstring.

The same function gives the same bytes in every process: definitions stand first in the prefix, and a prefix that moves
is paid for again (CACHE-02) and unbinds thinking (BIND-12).
"""

from __future__ import annotations

import inspect
import json
import re
import typing
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Annotated, Any

import pydantic
from pydantic import ConfigDict, Field
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticSerializationError

from ctxwindow.client.json_text import as_json
from ctxwindow.errors import MisuseError

__all__ = ["arguments_model", "definition", "given"]


def definition(function: Callable[..., Any], model: type[pydantic.BaseModel]) -> dict[str, Any]:
    """The tool definition of a function.

    Args:
        function: its name and docstring are the tool's; descriptions of parameters come from the docstring's `Args`.
        model: what `arguments_model` made of it.
    """
    schema = model.model_json_schema(by_alias=True, schema_generator=_Schema)
    description, about = _documented(inspect.getdoc(function) or "")
    for name, property_ in schema.get("properties", {}).items():
        if name in about:
            property_.setdefault("description", about[name])
    schema.pop("title", None)
    return {
        "name": function.__name__,
        **({"description": description} if description else {}),
        "input_schema": schema,
    }


def arguments_model(function: Callable[..., Any], path: str) -> type[pydantic.BaseModel]:
    """What checks the input of a function.

    A field is named by its place and has the parameter's name as its alias, so that parameters may have any name:
    pydantic has fields of its own, such as `copy`, and takes none that begins with an underscore.

    Args:
        function: the tool.
        path: where it stands among the tools, for the error.

    Raises:
        MisuseError: a model cannot be told what the function takes.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise _misuse(
            function, "has no signature that can be read", path, "Wrap it in a function of your own."
        ) from None
    names = getattr(inspect.unwrap(function), "__globals__", {})
    fields = {f"field_{place}": _field(function, parameter, names, path) for place, parameter in enumerate(parameters)}
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=False, protected_namespaces=())
    try:
        model = pydantic.create_model("Input", __config__=config, **typing.cast("Any", fields))
        model.model_json_schema(schema_generator=_Schema)
    except (pydantic.errors.PydanticUserError, TypeError) as error:  # no schema at all, or none in JSON
        what = str(error).splitlines()[0]
        remedy = "Use types that JSON can carry: str, int, float, bool, list, dict, Literal, a dataclass or a pydantic model."
        raise _misuse(function, f"has a type hint that a tool cannot have: {what}", path, remedy) from None
    return model


def given(arguments: pydantic.BaseModel) -> dict[str, Any]:
    """What an input gives of a function's arguments; what it leaves out is left to the function's own defaults."""
    fields = type(arguments).model_fields
    return {str(fields[name].alias): getattr(arguments, name) for name in fields if name in arguments.model_fields_set}


def _field(
    function: Callable[..., Any], parameter: inspect.Parameter, names: Mapping[str, Any], path: str
) -> tuple[Any, Any]:
    """Type and field of a parameter."""
    name = parameter.name
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise _misuse(function, f"takes {parameter}, which no input names", path, "Use parameters with names.")
    if parameter.annotation is parameter.empty:
        raise _misuse(function, f"has no type hint for {name}", path, f"Write one, such as `{name}: str`.")
    # One by one: what a function returns need not be known here.
    hints = SimpleNamespace(__annotations__={name: parameter.annotation})
    try:
        hint = typing.get_type_hints(hints, globalns=dict(names), include_extras=True)[name]
    except Exception as error:  # noqa: BLE001 - evaluating a text as Python may fail in any way
        remedy = "Import what it names at the top of the module, outside TYPE_CHECKING."
        what = f"has a type hint for {name} that cannot be resolved: {type(error).__name__}"
        raise _misuse(function, what, path, remedy) from None
    default = ... if parameter.default is parameter.empty else parameter.default
    return Annotated[hint, Field(alias=name)], default


def _misuse(function: Callable[..., Any], what: str, path: str, remedy: str) -> MisuseError:
    return MisuseError(f"the function {function.__name__} {what}.", path=path, remedy=remedy)


class _Schema(GenerateJsonSchema):
    """Without titles, which repeat the names; with defaults in an order that does not depend on the process."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 - pydantic's own declaration

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def encode_default(self, dft: Any) -> Any:
        try:
            return json.loads(as_json(dft))
        except (TypeError, ValueError, RecursionError):
            raise PydanticSerializationError("no JSON") from None  # which leaves the default out


_SECTION = re.compile(
    r"^(args|arguments|parameters|returns?|yields?|raises|examples?|notes?|warnings?|see also):\s*$", re.IGNORECASE
)
_ENTRY = re.compile(r"^(\s+)\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)$")


def _documented(text: str) -> tuple[str, dict[str, str]]:
    """The description, up to the first section of a docstring, and what it says of each parameter."""
    description: list[str] = []
    about: dict[str, list[str]] = {}
    section, indent, entry = None, None, None
    for line in text.splitlines():
        heading = _SECTION.match(line)
        if heading:
            section, indent, entry = heading[1].lower(), None, None
        elif section is None:
            description.append(line.rstrip())
        elif section in ("args", "arguments", "parameters"):
            found = _ENTRY.match(line)
            if found and (indent is None or found[1] == indent):
                indent, entry = found[1], found[2]
                about[entry] = [found[3].strip()]
            elif entry is not None and line.strip():
                about[entry].append(line.strip())
    return "\n".join(description).strip(), {name: " ".join(parts).strip() for name, parts in about.items()}
