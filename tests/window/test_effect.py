from __future__ import annotations

import json

from ctxwindow import compare
from ctxwindow.catalog import resolve
from ctxwindow.window import serve
from tests.window.scenes import OPUS, assistant, body, clear_uses, keep, rounds, text, thinking, user

CONTROL = {"type": "ephemeral"}
SAID = [user("word " * 900), assistant(thinking("a"), text("Yes?")), user("Go on.")]


def test_an_effect_for_programs() -> None:
    before = body(SAID, cache_control=CONTROL)
    after = body([user("word"), *SAID[1:]], cache_control=CONTROL)
    effect = compare(before, after, at=1_796_000_000.0)
    form = effect.as_dict()
    assert json.loads(json.dumps(form)) == form
    assert form["rejected"]
    assert form["thinking_lost"] == ["messages.1.content.0"]
    assert form["cache_lost"] == effect.cache_lost == effect.cached > 900


def test_an_effect_for_people() -> None:
    before = body(SAID, cache_control=CONTROL)
    grown = compare(before, body([*SAID, assistant(text("Well.")), user("And?")], cache_control=CONTROL)).explain()
    assert "only grew" in grown
    assert "Thinking: 1 of 1 blocks survive." in grown
    assert "$" in grown
    edited = compare(before, body([user("A secret."), *SAID[1:]])).explain()
    assert "would reject" in edited
    assert "messages.0.content.0" in edited
    assert "secret" not in edited, "content does not appear"


def test_thinking_that_is_not_sent_is_told() -> None:
    without = body([SAID[0], assistant(text("Yes?")), SAID[2]])
    assert "1 of the request before are not sent" in compare(body(SAID), without).explain()


def test_of_cleared_results_the_whole_is_not_counted_and_what_stands_for_them_is() -> None:
    """EDIT-02, EDIT-05"""
    before, after = body(rounds(6)), body(rounds(6), clear_uses(keep=keep(2)))
    effect, served = compare(before, after), serve(after, resolve(OPUS))
    freed = served.applied_edits[0]["cleared_input_tokens"]
    assert freed == effect.tokens_before - effect.tokens
    assert effect.not_counted == {"EDIT-02": freed + served.window.overheads["placeholders"]}


def test_no_price_is_guessed() -> None:
    effect = compare(body(SAID, model="claude-mythos-preview"), body(SAID, model="claude-mythos-preview"))
    assert effect.cost_warm is effect.cost_cold is None
    assert "no price" in effect.explain()
