"""What the SDK returns, for tests of callers that send it back as it came: `"content": reply.content`."""

from __future__ import annotations

from typing import Any

import pytest

__all__ = ["sdk_message", "with_objects"]


def sdk_message(content: list[dict[str, Any]], model: str) -> Any:
    """The SDK's message of this content; the test is skipped where there is no SDK."""
    types = pytest.importorskip("anthropic.types.beta")
    models = pytest.importorskip("anthropic._models")
    data = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    return models.construct_type(type_=types.BetaMessage, value=data)


def with_objects(request: dict[str, Any]) -> dict[str, Any]:
    """The request with every reply in it as the SDK returned it."""
    messages = [
        {**message, "content": sdk_message(message["content"], request["model"]).content}
        if message["role"] == "assistant" and isinstance(message["content"], list)
        else message
        for message in request["messages"]
    ]
    return {**request, "messages": messages}
