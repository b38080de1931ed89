from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.errors import MisuseError, ProtocolError
from ctxwindow.recall import opening, pattern
from ctxwindow.record.blocks import blocks_of
from tests.recall.scenes import opened, working

SPILLED: dict[str, Any] = {"budget": 40_000}


def test_any_block_can_be_opened_as_it_was_recorded() -> None:
    conversation = working(**SPILLED)
    assert list(conversation.spilled) == ["m4.0"]
    for handle, message, block in (("m4.0", 4, 0), ("m2.0", 2, 0), ("m1.1", 1, 1), ("m0.0", 0, 0)):
        whole = conversation.open(handle)
        assert whole == blocks_of(conversation.messages[message])[block]
        whole["type"] = "changed"
        assert conversation.open(handle)["type"] != "changed"


@pytest.mark.parametrize(
    "handle", ["m1.0", "m0", "m0.1", "m99.0", "s0-3", "", "m4.0 ", "x" * 200, "m04.0", "m4.00", "m1.01"]
)
def test_what_is_no_block_or_is_thinking_cannot_be_opened(handle: str) -> None:
    with pytest.raises(ProtocolError, match="no block of this conversation has the handle") as error:
        working(**SPILLED).open(handle)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("handle", ["m04.0", "m4.00", "m1.01", "m04"])
def test_a_text_has_one_handle(handle: str) -> None:
    """However it is opened."""
    conversation = working(**SPILLED)
    with pytest.raises(ProtocolError):
        conversation.open(handle)
    with pytest.raises(ProtocolError):
        conversation.open_lines(handle, 1, 2)
    with pytest.raises(ProtocolError):
        conversation.open_matches(handle, "x")
    with pytest.raises(ProtocolError):
        conversation.recall(handle=handle)


def test_lines_are_counted_from_one_with_both_ends() -> None:
    conversation = working(**SPILLED)
    excerpt = conversation.open_lines("m4.0", 120, 122)
    assert [(line.number, line.text) for line in excerpt.lines] == [
        (number, f"line {number} of lib/config.py, value_{number}") for number in (120, 121, 122)
    ]
    assert excerpt.total == 3_000
    assert [line.number for line in conversation.open_lines("m4.0", -5, 2).lines] == [1, 2]
    assert [line.number for line in conversation.open_lines("m4.0", 2_999, 10**9).lines] == [2_999, 3_000]
    assert conversation.open_lines("m4.0", 5, 4).lines == conversation.open_lines("m4.0", 4_000, 5_000).lines == ()
    with pytest.raises(ProtocolError):
        conversation.open_lines("m99.0", 1, 2)
    with pytest.raises(MisuseError):
        conversation.open_lines("m4.0", "1", 2)  # type: ignore[arg-type]


def test_matches_come_with_lines_around() -> None:
    conversation = working(**SPILLED)
    excerpt = conversation.open_matches("m4.0", r"value_(17|18)$", context=1)
    assert [(line.number, line.matches) for line in excerpt.lines] == [(16, False), (17, True), (18, True), (19, False)]
    assert (excerpt.matching, excerpt.literal, excerpt.read) == (2, False, None)
    many = conversation.open_matches("m4.0", "value", context=0, most=3)
    assert (len(many.lines), many.matching) == (3, 3_000)
    assert conversation.open_matches("m4.0", "nothing like it").lines == ()


def test_a_pattern_that_is_not_taken_is_looked_for_letter_for_letter() -> None:
    conversation = working(**SPILLED)
    excerpt = conversation.open_matches("m2.0", "parse_config(path", context=0)
    assert (excerpt.literal, [line.number for line in excerpt.lines]) == (True, [1])


def test_a_summary_and_a_message_can_be_opened_by_lines() -> None:
    conversation = opened(*(f"Look at src/part_{n}.py. {'And some more. ' * 40}" for n in range(12)), budget=3_000)
    edit = conversation.compactions[-1]
    excerpt = conversation.open_lines(f"s{edit.first}-{edit.end}", 1, 10**6)
    assert "\n".join(line.text for line in excerpt.lines) == edit.summary
    assert "hidden_thought" not in str(working(**SPILLED).open_lines("m1", 1, 10))


def test_only_so_much_of_a_text_is_matched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MOST_MATCHED", 1_000)
    excerpt = working(**SPILLED).open_matches("m4.0", "value_[0-9]")
    assert excerpt.read is not None
    assert excerpt.matching == excerpt.read < excerpt.total
    assert working(**SPILLED).open_matches("m4.0", "value_29[").matching == 0  # plain text is looked for in all of it
    assert working(**SPILLED).open_matches("m4.0", "(value_29").literal


def test_what_a_pattern_that_gave_up_has_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pattern, "MOST_WORK", 20)
    excerpt = working(**SPILLED).open_matches("m4.0", "value_[0-9]+$")
    assert excerpt.read == excerpt.matching == 0


@pytest.mark.parametrize("handle", [None, 5, [], b"m4.0"])
def test_a_handle_is_a_string(handle: Any) -> None:
    conversation = working(**SPILLED)
    asked = (
        lambda: conversation.open(handle),
        lambda: conversation.open_lines(handle, 1, 2),
        lambda: conversation.open_matches(handle, "x"),
    )
    for ask in asked:
        with pytest.raises(MisuseError, match="a handle is a string") as error:
            ask()
        assert error.value.path == "handle"


@pytest.mark.parametrize("wrong", [{"pattern": 3}, {"pattern": "x", "context": "1"}, {"pattern": "x", "most": 1.5}])
def test_arguments_of_the_wrong_type_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(MisuseError):
        working(**SPILLED).open_matches("m4.0", **wrong)
