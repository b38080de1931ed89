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


def test_when_an_edit_pays_back() -> None:
    """Opus 5.5: what is left is written at 5 dollars per million, against 0.2 for each token that was read."""
    long = [
        user("word " * 9_000),
        assistant(text("Yes?")),
        user("more " * 1_500),
        assistant(text("Well?")),
        user("Go."),
    ]
    before, after = body(long, cache_control=CONTROL), body(long[2:], cache_control=CONTROL)
    effect = compare(before, after, at=1_796_000_000.0)
    kept, all_of_it = effect.warm.written_5m, effect.tokens_before
    more_at_first, less_then = kept * 5 - all_of_it * 0.2, (all_of_it - kept) * 0.2
    assert effect.pays_back is not None
    assert abs(effect.pays_back - (1 + more_at_first / less_then)) <= 1
    assert effect.pays_back > 2
    assert f"it pays back after {effect.pays_back} of such sends." in effect.explain()
    cold = compare(before, after, at=1_796_000_000.0, age=600.0)
    assert cold.pays_back == 1, "the cache is gone either way"
    assert "pays back" not in compare(after, before).explain(), "it is no saving"
    assert compare(before, body([user("Other."), *long[1:]], model="claude-mythos-preview")).pays_back is None


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
