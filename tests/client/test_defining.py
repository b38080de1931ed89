from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from ctxwindow import MisuseError, check
from ctxwindow.client.tools import Toolbox

if TYPE_CHECKING:
    from decimal import Decimal


def definition(function: Callable[..., Any]) -> dict[str, Any]:
    return Toolbox([function]).definitions[0]


class Place(pydantic.BaseModel):
    city: str
    zip: str | None = None


def weather(place: Place, unit: Literal["c", "f"] = "c", *, days: Annotated[int, Field(ge=1, le=7)] = 1) -> Decimal:
    """Look up the weather.

    Slow on Mondays.

    Args:
        place: Where to look,
            as exactly as can be.
        unit (str): Celsius or
            Fahrenheit: the usual ones.

    Returns:
        Degrees.
    """
    raise NotImplementedError(place, unit, days)


def test_a_function_defines_a_tool() -> None:
    assert definition(weather) == {
        "name": "weather",
        "description": "Look up the weather.\n\nSlow on Mondays.",
        "input_schema": {
            "type": "object",
            "properties": {
                "place": {"$ref": "#/$defs/Place", "description": "Where to look, as exactly as can be."},
                "unit": {
                    "type": "string",
                    "enum": ["c", "f"],
                    "default": "c",
                    "description": "Celsius or Fahrenheit: the usual ones.",
                },
                "days": {"type": "integer", "minimum": 1, "maximum": 7, "default": 1},
            },
            "required": ["place"],
            "additionalProperties": False,
            "$defs": {
                "Place": {
                    "type": "object",
                    "title": "Place",
                    "properties": {
                        "city": {"type": "string"},
                        "zip": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
                    },
                    "required": ["city"],
                }
            },
        },
    }


def test_a_function_of_nothing() -> None:
    def now() -> str:
        return "now"

    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    assert definition(now) == {"name": "now", "input_schema": schema}


def test_a_description_in_the_hint_goes_first() -> None:
    def find(words: Annotated[str, Field(description="From the hint.")]) -> str:
        """Find.

        Args:
            words: From the docstring.
        """
        return words

    assert definition(find)["input_schema"]["properties"]["words"]["description"] == "From the hint."


def test_parameters_may_have_any_name() -> None:
    def odd(copy: str, _x: int, schema: str, title: str, model_config: bool = True, self: str = "s") -> str:
        return f"{copy} {_x} {schema} {title} {model_config} {self}"

    box = Toolbox([odd])
    properties = box.definitions[0]["input_schema"]["properties"]
    assert list(properties) == ["copy", "_x", "schema", "title", "model_config", "self"]
    tool = box.runnable("odd")
    assert tool is not None
    given_input = {"copy": "a", "_x": 1, "schema": "b", "title": "c"}
    assert tool.run({"id": "toolu_1", "name": "odd", "input": given_input})["content"] == "a 1 b c True s"


def test_methods_and_decorated_functions() -> None:
    class Shop:
        def price(self, item: str) -> str:
            """Tell a price."""
            return item

    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inner(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return inner

    assert list(definition(Shop().price)["input_schema"]["properties"]) == ["item"]
    assert definition(logged(weather)) == definition(weather)


def test_a_default_that_is_no_json_is_not_told() -> None:
    def run(bytes_: bytes = b"\xff", flag: bool = True) -> None:
        """Run."""

    properties = definition(run)["input_schema"]["properties"]
    assert "default" not in properties["bytes_"]
    assert properties["flag"]["default"] is True


_SCRIPT = """
import json
from typing import Literal
from ctxwindow.client.tools import Toolbox

def pick(colours: dict[str, set[str]] = {"of": {"red", "green", "blue", "black", "white"}}, how: Literal["a", "b"] = "a") -> str:
    '''Pick.

    Args:
        colours: Of these.
    '''
    return ""

print(json.dumps(Toolbox([pick]).definitions))
"""


def test_the_same_function_gives_the_same_bytes_in_any_process() -> None:
    """BIND-12, CACHE-02: a prefix that moves unbinds thinking and is paid for again."""
    outputs = {
        subprocess.run(  # noqa: S603 - our own statement
            [sys.executable, "-c", _SCRIPT],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(outputs) == 1
    properties = json.loads(outputs.pop())[0]["input_schema"]["properties"]
    assert properties["colours"]["default"] == {"of": ["black", "blue", "green", "red", "white"]}


def positional(x: int, /) -> None: ...
def star(*xs: int) -> None: ...
def keywords(**xs: int) -> None: ...
def untyped(x) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001
def alien(x: subprocess.Popen[bytes]) -> None: ...
def function_taking(x: Callable[[int], int]) -> None: ...
def unresolved(x: Decimal) -> None: ...


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (positional, "takes x"),
        (star, "takes *xs"),
        (keywords, "takes **xs"),
        (untyped, "has no type hint for x"),
        (alien, "has a type hint that a tool cannot have"),
        (function_taking, "has a type hint that a tool cannot have"),
        (unresolved, "cannot be resolved: NameError"),
        (lambda: "x", "'<lambda>' is no name of a tool"),
        (functools.partial(weather, unit="c"), "a partial is no tool"),
        (Place, "a ModelMetaclass is no tool"),
        ("weather", "a str is no tool"),
        (dict.fromkeys, "takes"),
        (print, "takes *args"),
    ],
)
def test_what_no_tool_can_be_made_of(function: Any, told: str) -> None:
    with pytest.raises(MisuseError) as caught:
        Toolbox([weather, function])
    assert caught.value.path == "tools.1"
    assert told in str(caught.value)
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


@given(st.text())
def test_any_docstring_will_do(text: str) -> None:
    def run(x: int) -> None: ...

    run.__doc__ = text
    told = definition(run)
    assert told.get("description", "x").strip()
    body = {
        "model": "claude-opus-5-5",
        "max_tokens": 9,
        "tools": [told],
        "messages": [{"role": "user", "content": "go"}],
    }
    assert [found for found in check(body).violations if found.severity == "error"] == []
