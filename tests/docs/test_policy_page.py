"""The page on policies names every key, method and preset, and shows the errors as they are."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from ctxwindow import Policy, PolicyError
from ctxwindow.tiers import Method
from ctxwindow.tiers.presets import PRESETS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "policy.md").read_text(encoding="utf-8")


def _keys() -> list[str]:
    found = []
    for name, field in Policy.model_fields.items():
        inner = type(field.default).model_fields if isinstance(field.default, BaseModel) else None
        found += [f"{name}.{key}" for key in inner] if inner is not None else [name]
    return found


@pytest.mark.parametrize("key", _keys())
def test_every_key_is_on_the_page(key: str) -> None:
    assert f"`{key}`" in PAGE


@pytest.mark.parametrize("method", get_args(Method))
def test_every_method_is_in_the_table(method: str) -> None:
    assert f"| `{method}` |" in PAGE


def test_every_preset_is_told_in_its_own_words() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `") and line.count("|") == 4]
    told = [row.split(" | ")[:2] for row in rows]
    assert [[f"| `{name}`", preset.what] for name, preset in PRESETS.items()] == told[: len(PRESETS)]


def test_the_errors_are_those_that_are_raised() -> None:
    block = PAGE.split("for written in (")[1].split("):\n")[0]
    examples = ast.literal_eval(f"({block})")
    shown = PAGE.split("```text\n")[1].split("\n```")[0].splitlines()
    for written, line in zip(examples, shown, strict=True):
        with pytest.raises(PolicyError) as caught:
            Policy.from_json(written)
        assert str(caught.value) == line
