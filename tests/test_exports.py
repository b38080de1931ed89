from __future__ import annotations

import importlib
import pkgutil

import pytest

import ctxwindow

PACKAGES = [
    "record", "catalog", "rules", "window", "repairs", "recall", "tiers", "conversation", "summarize", "stores", "client", "transcripts", "emulator", "cli", "testing",
]  # fmt: skip


@pytest.mark.parametrize("package", ["ctxwindow", *(f"ctxwindow.{name}" for name in PACKAGES)])
def test_every_exported_name_is_there_once_and_in_order(package: str) -> None:
    module = importlib.import_module(package)
    assert len(module.__all__) == len(set(module.__all__))
    assert list(module.__all__) == sorted(
        module.__all__, key=lambda name: (not name.isupper(), name.islower(), name)
    ) or list(module.__all__) == sorted(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_every_module_says_what_it_exports_and_what_it_is() -> None:
    for info in pkgutil.walk_packages(ctxwindow.__path__, "ctxwindow."):
        if info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        assert module.__doc__, info.name
        assert hasattr(module, "__all__"), info.name


def test_public_names_are_documented() -> None:
    for name in ctxwindow.__all__:
        if name != "Decision":  # a union of documented types
            assert getattr(ctxwindow, name).__doc__, name
