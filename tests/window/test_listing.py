from __future__ import annotations

from ctxwindow.catalog import resolve
from ctxwindow.window import count, entry_for, open_ledger
from tests.window.scenes import HAIKU, OPUS, assistant, body, clear_uses, keep, rounds, text, thinking, user

FORMAT = {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {}}}}


def test_blank_text_never_counts() -> None:
    """MSG-06: the API refuses whitespace-only text; nothing is lost without it."""
    request = body([user([text("Hello."), text(" \n")])])
    assert [(block.disposition, block.rule) for block in count(request).blocks] == [
        ("counted", "CTX-01"), ("dropped", "MSG-06"),
    ]  # fmt: skip


def test_a_listing_is_of_the_moment_it_was_asked_for() -> None:
    messages = rounds(4)
    request = body(messages, clear_uses(keep=keep(3)), system="Be brief.")
    listed = count(request, OPUS).blocks
    assert [block.path for block in listed] == [
        "system.0", *(f"messages.{index}.content.0" for index in range(len(messages))),
    ]  # fmt: skip
    assert [block.path for block in listed if block.disposition == "cleared"] == ["messages.2.content.0"]
    assert next(block for block in listed if block.path == "messages.2.content.0").rule == "EDIT-02"


def test_blocks_from_a_message_on_are_the_end_of_all_blocks() -> None:
    window = count(body(rounds(4), clear_uses(keep=keep(3)), system="Be brief."), OPUS)
    assert window.blocks_from(3) == window.blocks[4:]
    assert window.blocks_from(99) == ()


def test_a_window_that_only_grew_and_one_that_changed_within() -> None:
    """RET-02: the thinking of the turn before does not count any more."""
    for model, grew in ((OPUS, True), (HAIKU, False)):
        ledger = open_ledger(resolve(model), {})
        for message in (user("Hi."), assistant(thinking("a"), text("Yes."))):
            ledger.add(entry_for(message, resolve(model)))
        before = ledger.window()
        ledger.add(entry_for(user("And?"), resolve(model)))
        assert ledger.window().grew_from(before) is grew
        assert not ledger.window().grew_from(count(body([user("Hi.")], model=model)))


def test_a_window_that_somebody_kept_lists_the_blocks_of_its_time() -> None:
    """TOK-23: what the server drops later leaves the books of earlier windows alone."""
    ledger = open_ledger(resolve(OPUS), {})
    for message in (user("Hi."), assistant(thinking("a"), text("Yes.")), user("And?")):
        ledger.add(entry_for(message, resolve(OPUS)))
    before = ledger.window()
    listed = before.blocks
    ledger.drop({1: {0: "BIND-08"}})
    assert before.blocks == listed
    after = ledger.window()
    assert [block.disposition for block in after.blocks] == ["counted", "dropped", "counted", "counted"]
    assert not after.grew_from(before)


def test_a_window_with_other_settings_did_not_only_grow() -> None:
    ledger = open_ledger(resolve(OPUS), {})
    ledger.add(entry_for(user("Hi."), resolve(OPUS)))
    before = ledger.window()
    ledger.refit(open_ledger(resolve(OPUS), {"output_config": FORMAT}).fixed)
    assert ledger.window() == count(body([user("Hi.")], output_config=FORMAT))
    assert not ledger.window().grew_from(before)
