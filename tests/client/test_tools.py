from __future__ import annotations

import asyncio
import datetime as dt
import functools
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from anthropic import beta_async_tool, beta_tool
from anthropic.lib.tools import BetaAbstractMemoryTool, BetaFunctionTool

from ctxwindow import InvalidRequest, MisuseError
from ctxwindow.client.results import MAX_ERROR_CHARS, WrongInputError
from ctxwindow.client.tools import FunctionTool, Tool, Toolbox


def call(name: str, **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": "toolu_1", "name": name, "input": given}


def add(a: int, b: int = 1) -> int:
    """Add."""
    return a + b


async def later(a: int) -> str:
    """Later."""
    await asyncio.sleep(0)
    return f"{a}"


@beta_tool
def sdk_add(a: int, b: int = 1) -> str:
    """Add.

    Args:
        a: One.
    """
    return str(a + b)


@beta_async_tool
async def sdk_later(a: int) -> str:
    """Later."""
    return str(a)


WEB = {"type": "web_search_20260318", "name": "web_search"}
OWN = {"name": "own", "input_schema": {"type": "object"}}
COMPUTER = {"type": "computer_toolset_20260801"}


def tool_of(box: Toolbox, name: str) -> Tool:
    tool = box.runnable(name)
    assert tool is not None
    return tool


def test_definitions_keep_their_order_and_are_not_shared() -> None:
    box = Toolbox([WEB, add, sdk_add, OWN, COMPUTER, later])
    names = [definition.get("name") for definition in box.definitions]
    assert names == ["web_search", "add", "sdk_add", "own", None, "later"]
    assert box.definitions[2] == sdk_add.to_dict()
    box.definitions[0]["name"] = "changed"
    assert box.definitions[0] == WEB
    assert box.names == ["add", "computer", "later", "own", "sdk_add", "web_search"]


def test_what_runs_here_and_what_is_the_callers() -> None:
    box = Toolbox([add, OWN, COMPUTER])
    assert tool_of(box, "add").path == "tools.0"
    assert box.runnable("own") is None
    assert box.runnable("nothing") is None
    assert box.is_callers(call("own"))
    assert not box.is_callers(call("add"))
    assert not box.is_callers(call("nothing"))
    assert box.is_callers({**call("left_click"), "toolset_name": "computer"})
    assert not box.is_callers({**call("own"), "toolset_name": "browser"})
    assert box.is_callers({**call("own"), "toolset_name": None})


def test_which_must_be_awaited() -> None:
    assert Toolbox([add, sdk_add, OWN]).first_async is None
    for tool in (later, sdk_later):
        first = Toolbox([add, tool]).first_async
        assert first is not None
        assert first.path == "tools.1"


@pytest.mark.parametrize("tool", [add, sdk_add], ids=["function", "beta_tool"])
def test_a_call_is_run(tool: Any) -> None:
    box = Toolbox([tool])
    name = box.names[0]
    answered = {"type": "tool_result", "tool_use_id": "toolu_1"}
    assert tool_of(box, name).run(call(name, a=2)) == {**answered, "content": "3"}
    assert tool_of(box, name).run(call(name, a=2, b=5)) == {**answered, "content": "7"}


@pytest.mark.parametrize("tool", [later, sdk_later], ids=["function", "beta_async_tool"])
def test_a_call_is_awaited(tool: Any) -> None:
    box = Toolbox([tool])
    name = box.names[0]
    assert asyncio.run(tool_of(box, name).arun(call(name, a=2)))["content"] == "2"
    assert asyncio.run(tool_of(box, name).arun(call(name, a="x")))["is_error"] is True


@pytest.mark.parametrize("tool", [add, sdk_add], ids=["function", "beta_tool"])
@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"a": "secret"}, "- a: Input should be a valid integer"),
        ({}, "- a: "),
        ({"a": 1, "c": 2}, "- c: "),
        (None, ""),
        ("secret", ""),
        ([1], ""),
    ],
)
def test_a_wrong_input_is_told_path_by_path(tool: Any, given: Any, told: str) -> None:
    box = Toolbox([tool])
    block = tool_of(box, box.names[0]).run({**call(box.names[0]), "input": given})
    assert block["is_error"] is True
    assert told in block["content"]
    assert "secret" not in block["content"]
    assert "Traceback" not in block["content"]


def test_many_mistakes_are_bounded() -> None:
    block = tool_of(Toolbox([add]), "add").run(
        call("add", **{f"key{number}" + "x" * 500: 1 for number in range(1_000)})
    )
    assert len(block["content"]) <= MAX_ERROR_CHARS


def test_an_input_becomes_what_the_hints_say() -> None:
    def when(day: dt.date, names: tuple[str, ...]) -> str:
        return f"{day.year} {names}"

    tool = tool_of(Toolbox([when]), "when")
    assert isinstance(tool, FunctionTool)
    assert tool.validate({"day": "2026-01-02", "names": ["a"]}) == {"day": dt.date(2026, 1, 2), "names": ("a",)}
    with pytest.raises(WrongInputError, match="- day: "):
        tool.validate({"day": "no day", "names": []})


def test_a_tool_that_changes_its_input_does_not_change_the_call() -> None:
    def spoil(items: list[Any]) -> str:
        items[0].clear()
        return "done"

    schema: Any = {"type": "object", "properties": {"items": {}}}
    for tool in (spoil, BetaFunctionTool(spoil, input_schema=schema)):
        asked = call("spoil", items=[{"a": 1}])
        assert tool_of(Toolbox([tool]), "spoil").run(asked)["content"] == "done"
        assert asked["input"] == {"items": [{"a": 1}]}


def test_what_a_tool_raises_is_its_result() -> None:
    def fail() -> str:
        raise LookupError("gone")

    assert tool_of(Toolbox([fail]), "fail").run(call("fail"))["content"] == "LookupError: gone"


def test_an_interrupt_passes_through() -> None:
    def stop() -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tool_of(Toolbox([stop]), "stop").run(call("stop"))


def test_a_decorated_coroutine_is_awaited() -> None:
    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inner(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return inner

    tool = tool_of(Toolbox([logged(later)]), "later")
    assert tool.is_async
    assert asyncio.run(tool.arun(call("later", a=1)))["content"] == "1"


def test_the_sdks_memory_tool() -> None:
    class Memory(BetaAbstractMemoryTool):
        def view(self, command: Any) -> str:
            return f"seen {command.path}"

        create = str_replace = insert = delete = rename = view

    box = Toolbox([Memory()])
    assert box.definitions == [{"type": "memory_20250818", "name": "memory"}]
    assert tool_of(box, "memory").run(call("memory", command="view", path="/memories"))["content"] == "seen /memories"


@pytest.mark.parametrize(
    ("tools", "path", "told"),
    [
        ([add, sdk_add, {**OWN, "name": "add"}], "tools.2", "another tool named add"),
        ([OWN, OWN], "tools.1", "another tool named own"),
        ([add, add], "tools.1", "SHAPE-11"),
        ([COMPUTER, {"type": "computer_toolset_20270101"}], "tools.1", "another tool named computer"),
        ([{**OWN, "name": "a b"}], "tools.0", "MSG-18"),
        ([{**OWN, "name": "x" * 65}], "tools.0", "MSG-18"),
        ([{**OWN, "name": ""}], "tools.0", "MSG-18"),
        ([add, 5], "tools.1", "a int is no tool"),
        ([BetaFunctionTool(later)], "tools.0", "beta_async_tool"),  # type: ignore[type-var]
        (add, "tools", "a list"),
        (OWN, "tools", "a list"),
        ("add", "tools", "a list"),
    ],
)
def test_mistakes_are_told_with_their_path(tools: Any, path: str, told: str) -> None:
    with pytest.raises(MisuseError) as caught:
        Toolbox(tools)
    assert caught.value.path == path
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_definition_that_is_no_json() -> None:
    with pytest.raises(InvalidRequest) as caught:
        Toolbox([{**OWN, "description": b"x"}])
    assert caught.value.path == "tools.0.description"


def test_mcp_toolsets_are_the_apis() -> None:
    servers = [{"type": "mcp_toolset", "mcp_server_name": name} for name in ("a", "b")]
    box = Toolbox(servers)
    assert box.definitions == servers
    assert box.names == []


def test_the_sdk_is_not_imported_for_tools() -> None:
    statement = "import sys, ctxwindow.client.running, ctxwindow.client.limits; print('anthropic' in sys.modules)"
    done = subprocess.run(  # noqa: S603 - our own statement
        [sys.executable, "-c", statement],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.strip() == "False"
