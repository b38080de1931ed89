"""docs/api.md names everything that the package exports, and every public member of a conversation."""

from __future__ import annotations

from pathlib import Path

import pytest

import ctxwindow
from ctxwindow import Conversation

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
MEMBERS = [name for name in dir(Conversation) if not name.startswith("_")]


@pytest.mark.parametrize("name", [*ctxwindow.__all__, *MEMBERS])
def test_every_public_name_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE
