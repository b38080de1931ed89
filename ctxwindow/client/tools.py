"""The tools of a session: what the API is told of them, and which of them run here.

A tool is a plain function; one of the SDK's runnable tools or toolsets; or a definition as the API takes it, whose calls
the API answers, or the caller.
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pydantic

from ctxwindow.client.defining import arguments_model, definition, given
from ctxwindow.client.results import Answer, WrongInputError, bounded, succeeded
from ctxwindow.errors import MisuseError
from ctxwindow.record import intake

__all__ = ["FunctionTool", "SdkTool", "SdkToolset", "Tool", "Toolbox"]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")  # MSG-18


class Tool:
    """A tool that runs here.

    Attributes:
        name: of the tool; of a toolset, the name of its family.
        definition: as the API takes it.
        path: where it stands among the session's tools, `tools.2`.
        is_async: whether it is to be awaited.
    """

    def __init__(self, name: str, definition: dict[str, Any], path: str, *, is_async: bool) -> None:
        self.name = name
        self.definition = definition
        self.path = path
        self.is_async = is_async

    def invoke(self, call: Mapping[str, Any]) -> Any:
        """What the tool returns for a `tool_use` block, or what to await for it."""
        raise NotImplementedError

    def run(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """The `tool_result` block of a call, where the tool is not async. What it raises is in the result."""
        with Answer(call) as answer:
            answer.value = self.invoke(call)
        return answer.block

    async def arun(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """The `tool_result` block of a call, where the tool is async. What it raises is in the result."""
        with Answer(call) as answer:
            value = self.invoke(call)
            # A decorator may have run the coroutine already.
            answer.value = await value if inspect.isawaitable(value) else value
        return answer.block


class FunctionTool(Tool):
    """A plain function."""

    def __init__(self, function: Callable[..., Any], path: str) -> None:
        if not inspect.isroutine(function):
            raise MisuseError(
                f"a {type(function).__name__} is no tool.",
                path=path,
                remedy="Pass a function, one of the SDK's tools, or a definition as a dict; wrap other callables in a function.",
            )
        self._function = function
        self._model = arguments_model(function, path)
        is_async = inspect.iscoroutinefunction(inspect.unwrap(function))
        super().__init__(function.__name__, definition(function, self._model), path, is_async=is_async)

    def validate(self, given_input: object) -> dict[str, Any]:
        """The function's arguments.

        Args:
            given_input: of a call.

        Raises:
            WrongInputError: it does not fit the function.
        """
        try:
            return given(self._model.model_validate(given_input))
        except pydantic.ValidationError as error:
            raise WrongInputError(f"Invalid input for {self.name}", error) from None

    def invoke(self, call: Mapping[str, Any]) -> Any:
        """What the function returns, or its coroutine. It gets a copy: what it changes is not the call."""
        return self._function(**self.validate(copy.deepcopy(call.get("input"))))


class SdkTool(Tool):
    """One of the SDK's: `beta_tool`, `beta_async_tool`, the memory tool, the tool of an MCP server."""

    def __init__(self, tool: Any, path: str) -> None:
        is_async = inspect.iscoroutinefunction(tool.call)
        if not is_async and inspect.iscoroutinefunction(getattr(tool, "func", None)):
            raise MisuseError(f"the tool {tool.name} is async.", path=path, remedy="Make it with beta_async_tool.")
        super().__init__(str(tool.name), intake(tool.to_dict(), path), path, is_async=is_async)
        self._tool = tool

    def invoke(self, call: Mapping[str, Any]) -> Any:
        """What the tool's `call` returns, or its coroutine. It gets a copy: what it changes is not the call."""
        return self._tool.call(copy.deepcopy(call.get("input")))


class SdkToolset(Tool):
    """One of the SDK's toolsets: a family of tools with one definition; its calls carry `toolset_name` (TOOL-13)."""

    def __init__(self, toolset: Any, path: str) -> None:
        is_async = inspect.iscoroutinefunction(toolset.tool_result)
        super().__init__(str(toolset.toolset_name), intake(toolset.to_dict(), path), path, is_async=is_async)
        self._toolset = toolset

    def run(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """As the SDK makes it. What it raises is a misuse of the SDK, and passes through."""
        return _from_sdk(call, self._toolset.tool_result(_sdk_call(call)))

    async def arun(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """The same, awaited."""
        return _from_sdk(call, await self._toolset.tool_result(_sdk_call(call)))


def _sdk_call(call: Mapping[str, Any]) -> Any:
    from anthropic.types.beta import BetaToolUseBlock  # noqa: PLC0415 - slow, and there already: its toolset is

    return BetaToolUseBlock.model_construct(**copy.deepcopy(dict(call)))


def _from_sdk(call: Mapping[str, Any], block: dict[str, Any]) -> dict[str, Any]:
    """The SDK says well what went wrong; what went right has our limits."""
    return block if block.get("is_error") is True else succeeded(call, block.get("content"))


class Toolbox:
    """The tools of a session.

    Args:
        tools: functions, the SDK's tools and toolsets, and definitions, in the order in which the API gets them.

    Raises:
        MisuseError: what cannot be a tool, two of one name, or a name that the API refuses; `path` is `tools.2`.
        InvalidRequest: a definition that is no JSON.
    """

    def __init__(self, tools: Sequence[object] = ()) -> None:
        if isinstance(tools, (str, bytes, Mapping)) or not isinstance(tools, Sequence):
            raise MisuseError("this must be a list.", path="tools", remedy="Put a single tool in a list.")
        self._tools: dict[str, Tool] = {}
        self._toolsets: dict[str, Tool] = {}
        self._callers: set[str] = set()
        self._callers_toolsets: set[str] = set()
        self._definitions: list[dict[str, Any]] = []
        for place, tool in enumerate(tools):
            self._add(tool, f"tools.{place}")

    @property
    def definitions(self) -> list[dict[str, Any]]:
        """What the API is told, in the order given; the same bytes for the same tools in every process."""
        return copy.deepcopy(self._definitions)

    @property
    def names(self) -> list[str]:
        """The names that a call may have, sorted; of toolsets the families."""
        return sorted({*self._tools, *self._callers, *self._toolsets, *self._callers_toolsets})

    def runnable(self, name: str, toolset_name: str | None = None) -> Tool | None:
        """The tool that runs here and is called so; None where there is none.

        Args:
            name: of the call.
            toolset_name: of the call, where it has one. Names in a toolset are its own: a tool may have the same.
        """
        return self._tools.get(name) if toolset_name is None else self._toolsets.get(toolset_name)

    def is_callers(self, call: Mapping[str, Any]) -> bool:
        """Whether a call is of a tool that is defined but does not run here: the caller has to answer it."""
        family = call.get("toolset_name")
        return call.get("name") in self._callers if family is None else family in self._callers_toolsets

    @property
    def first_async(self) -> Tool | None:
        """The first tool that has to be awaited; None where all run without an event loop."""
        return next((tool for tool in (*self._tools.values(), *self._toolsets.values()) if tool.is_async), None)

    def _add(self, given_tool: object, path: str) -> None:
        if isinstance(given_tool, Mapping):
            self._declare(intake(given_tool, path), path)
            return
        tool = _tool(given_tool, path)
        self._declare(tool.definition, path)
        family = _family(tool.definition)
        if family is None:
            self._callers.discard(tool.name)
            self._tools[tool.name] = tool
        else:
            self._callers_toolsets.discard(family)
            self._toolsets[family] = tool

    def _declare(self, definition: dict[str, Any], path: str) -> None:
        """Take a definition in. Until a tool that runs is known for it, its calls are the caller's."""
        name, family = definition.get("name"), _family(definition)
        known, what = (self._toolsets.keys() | self._callers_toolsets, family) if family else (self._taken, name)
        if what in known:
            raise MisuseError(
                f"there is another tool named {bounded(str(what), 80)}.",
                rule="SHAPE-11",
                path=path,
                remedy="Rename one.",
            )
        if isinstance(name, str) and definition.get("type") in (None, "custom") and not _NAME.fullmatch(name):
            remedy = "Use letters, digits, _ and -, at most 64; a function is named by `def`."
            raise MisuseError(f"{bounded(name, 80)!r} is no name of a tool.", rule="MSG-18", path=path, remedy=remedy)
        if family is not None:
            self._callers_toolsets.add(family)
        elif isinstance(name, str):
            self._callers.add(name)
        self._definitions.append(definition)

    @property
    def _taken(self) -> set[str]:
        return self._tools.keys() | self._callers


def _tool(given_tool: Any, path: str) -> Tool:
    """A tool that runs, by what it can do: the SDK is not imported to ask for its classes."""
    if not isinstance(given_tool, type) and callable(getattr(given_tool, "to_dict", None)):
        if callable(getattr(given_tool, "tool_result", None)) and hasattr(given_tool, "toolset_name"):
            return SdkToolset(given_tool, path)
        if callable(getattr(given_tool, "call", None)):
            return SdkTool(given_tool, path)
    return FunctionTool(given_tool, path)


def _family(definition: Mapping[str, Any]) -> str | None:
    """The `toolset_name` of a toolset's calls: its type without date and ending. None for a tool, and for the tools of an
    MCP server, which the API runs.
    """
    kind = definition.get("type")
    if not isinstance(kind, str) or kind == "mcp_toolset":
        return None
    name = re.sub(r"_\d{8}$", "", kind)
    return name.removesuffix("_toolset") if name.endswith("_toolset") else None
