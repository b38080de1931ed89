from __future__ import annotations

from typing import get_args

import pytest

from ctxwindow.catalog import models, resolve
from ctxwindow.tiers.available import lacking
from ctxwindow.tiers.policy import Method, Platform

EVERYWHERE = {"spill", "summarize_keep_tail", "summarize_all", "drop"}


@pytest.mark.parametrize("platform", get_args(Platform))
def test_what_the_client_does_alone_works_everywhere(platform: Platform) -> None:
    for profile in models():
        for method in get_args(Method):
            if method in EVERYWHERE:
                assert lacking(method, profile, platform) is None


@pytest.mark.parametrize(
    ("method", "model", "platform", "rule"),
    [
        ("compact", "claude-opus-5-5", "bedrock", "CMP-16"),
        ("compact", "claude-opus-4-5", "claude_api", "CMP-16"),
        ("compact_threshold", "claude-haiku-4-5", "claude_api", "CMP-01"),
        ("clear_tool_uses", "claude-3-7-sonnet-20250219", "claude_api", "EDIT-01"),
        ("clear_thinking", "claude-3-haiku-20240307", "claude_api", "EDIT-01"),
        ("clear_thinking", "claude-haiku-4-5", "claude_api", "RET-02"),
    ],
)
def test_what_is_lacking_names_its_rule(method: Method, model: str, platform: Platform, rule: str) -> None:
    why = lacking(method, resolve(model), platform)
    assert why is not None
    assert why.endswith(f"[{rule}]")


@pytest.mark.parametrize("platform", ["claude_api", "aws", "google_cloud", "foundry"])
def test_a_new_model_has_every_method_but_on_bedrock(platform: Platform) -> None:
    profile = resolve("claude-opus-5-5")
    assert [method for method in get_args(Method) if lacking(method, profile, platform)] == []
    assert [method for method in get_args(Method) if lacking(method, profile, "bedrock")] == ["compact"]
