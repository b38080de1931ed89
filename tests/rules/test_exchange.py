from __future__ import annotations

from typing import Any

from ctxwindow.rules.exchange import Exchange, plain

HI = {"role": "user", "content": "hi"}
REQUEST: dict[str, Any] = {"model": "claude-opus-5-5", "messages": [HI]}
RESPONSE: dict[str, Any] = {
    "model": "claude-opus-5",
    "content": [{"type": "text", "text": "Hello."}],
    "stop_reason": "end_turn",
}
REPLY = {"role": "assistant", "content": RESPONSE["content"]}


class Message:
    """What the SDK returns, as far as it matters here."""

    def model_dump(self, **_options: Any) -> dict[str, Any]:
        return RESPONSE


def exchange(previous: Any) -> Exchange:
    found = Exchange.of(previous)
    assert found is not None
    return found


def test_plain_stands_in_for_what_is_no_object() -> None:
    assert plain(HI) is HI
    assert plain(None) == plain("x") == plain([1]) == {}


def test_a_request_alone_has_no_reply() -> None:
    found = exchange(REQUEST)
    assert (found.messages, found.reply, found.history) == ([HI], None, [HI])
    assert (found.asked, found.answered) == ("claude-opus-5-5", "claude-opus-5-5")
    assert Exchange.of(None) is None
    assert Exchange.of(found) is found


def test_a_pair_knows_the_reply_and_who_made_it() -> None:
    for response in (RESPONSE, Message()):
        found = exchange((REQUEST, response))
        assert (found.reply, found.history) == (REPLY, [HI, REPLY])
        assert (found.asked, found.answered) == ("claude-opus-5-5", "claude-opus-5")


def test_a_refusal_without_content_is_no_message() -> None:
    """FB-02."""
    assert exchange((REQUEST, {**RESPONSE, "content": []})).history == [HI]


def test_the_block_of_an_on_demand_compaction_is_not_appended() -> None:
    """CMP-28: it takes the place of messages when it is adopted."""
    block = {"type": "compaction", "content": "So far.", "signature": "c"}
    found = exchange(({**REQUEST, "compaction": {"type": "summarize"}}, {"content": [block]}))
    assert found.history == [HI]
    assert found.reply == {"role": "assistant", "content": [block]}


def test_nothing_is_raised_for_what_is_no_exchange() -> None:
    odd: Any
    for odd in ("x", 7, [], [1], [REQUEST, 3], ([], {}), {"messages": 3, "model": 4}):
        found = exchange(odd)
        assert found.reply is None
        assert found.asked in (None, "claude-opus-5-5")
