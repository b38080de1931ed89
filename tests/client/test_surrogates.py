"""Halves of characters, which JSON can say and no request can: the conversation goes on, whoever has brought them."""

from __future__ import annotations

from typing import Any

import pytest

from ctxwindow import InvalidRequest
from ctxwindow.testing import FakeClaude
from tests.client.driven import Open, call

HALF = "\ud83d"


def test_a_message_with_one_is_sent_with_a_sign_in_its_place(opened: Open) -> None:
    """The record has it as it came (law 1); the same is sent every time."""
    fake = FakeClaude(["One.", "Two."])
    driven = opened(fake)
    assert driven.send(f"hey {HALF}").text == "One."
    assert driven.send("And now?").text == "Two."
    assert driven.stored().messages[0]["content"] == f"hey {HALF}"
    assert ["hey \ufffd" in str(request.json["messages"][0]["content"]) for request in fake.requests] == [True, True]


@pytest.mark.parametrize("streaming", [False, True])
def test_the_model_may_write_one(opened: Open, streaming: bool) -> None:
    fake = FakeClaude([f"A smile: {HALF}", "Bye."])
    driven = opened(fake, streaming=streaming)
    assert driven.send("Smile.").text == f"A smile: {HALF}"
    assert driven.send("Bye.").text == "Bye."
    assert "A smile: \ufffd" in str(fake.requests[-1].json["messages"][1])


def test_the_model_may_write_one_into_a_call(opened: Open) -> None:
    """The tool gets it as it came; its result brings it back."""

    def look(product: str) -> str:
        """Look for a product."""
        return f"no {product}, {product == HALF}"

    fake = FakeClaude([[call(product=HALF)], "Done.", "Bye."])
    driven = opened(fake, tools=[look])
    assert driven.run("Look.").text == "Done."
    assert driven.send("Bye.").text == "Bye."
    sent = fake.requests[-1].json["messages"]
    assert sent[1]["content"][0]["input"] == {"product": "\ufffd"}
    assert sent[2]["content"][0]["content"] == "no \ufffd, True"


def test_a_streamed_call_with_one_is_made_anew(opened: Open) -> None:
    """The SDK does not read it (its JSON reader refuses it), so it counts as cut off."""
    fake = FakeClaude([[call(product=HALF)], "Nothing.", "Bye."])
    driven = opened(fake, tools=[{"name": "look", "input_schema": {"type": "object"}}], streaming=True)
    assert driven.send("Look.").text == "Nothing."
    assert driven.send("Bye.").text == "Bye."


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("system", {"system": f"You are {HALF}"}),
        ("tools", {"tools": [{"name": "f", "description": HALF, "input_schema": {"type": "object"}}]}),
        ("settings", {"settings": {"metadata": {"user_id": HALF}}}),
    ],
)
def test_what_every_request_carries_must_be_sendable(opened: Open, path: str, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="half of a character") as caught:
        opened(FakeClaude(), **given)
    assert caught.value.path == path
    assert HALF not in str(caught.value)


def test_settings_with_one_are_refused_later_too(opened: Open) -> None:
    driven = opened(FakeClaude())
    with pytest.raises(InvalidRequest, match="half of a character"):
        driven.configure(settings={"metadata": {"user_id": HALF}})
    assert driven.send("Hello.").text
