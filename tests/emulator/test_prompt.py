from __future__ import annotations

import copy

from ctxwindow.catalog import resolve
from ctxwindow.emulator.binding import Binder, Chain
from ctxwindow.emulator.prompt import prompt_of, with_reasoning
from ctxwindow.emulator.signing import Signer
from ctxwindow.emulator.verdict import Verdict
from ctxwindow.window import count

PROFILE = resolve("claude-opus-5-5")
SIGNER = Signer(b"key")
HELLO = {"role": "user", "content": "Hello."}


def conversation() -> dict[str, object]:
    """A conversation whose thinking is not displayed."""
    chain = Chain({"messages": [HELLO]}, SIGNER)
    thought = {"type": "thinking", "thinking": "What may that mean? \ud800 Let me think about it."}
    signed = Binder(SIGNER, "a", accept_foreign=False).sign(
        [thought, {"type": "text", "text": "Hi."}], chain.end, PROFILE
    )
    hidden = [{**signed[0], "thinking": ""}, signed[1]]
    return {"model": PROFILE.id, "messages": [HELLO, {"role": "assistant", "content": hidden}, HELLO]}


def test_the_reasoning_is_what_the_signature_holds() -> None:
    """TOK-03, THINK-11: text put into the empty field is ignored."""
    request = conversation()
    before = copy.deepcopy(request)
    whole = with_reasoning(request, SIGNER)
    block = whole["messages"][1]["content"][0]
    assert block == {
        "type": "thinking",
        "thinking": "What may that mean? \ud800 Let me think about it.",
        "signature": "",
    }
    assert request == before
    filled = copy.deepcopy(request)
    filled["messages"][1]["content"][0]["thinking"] = "Something else, and much longer than what was thought."  # type: ignore[index]
    assert with_reasoning(filled, SIGNER) == whole


def test_thinking_of_others_is_left_as_it_is() -> None:
    foreign = {"type": "thinking", "thinking": "x", "signature": "abc"}
    request = {"messages": [HELLO, {"role": "assistant", "content": [foreign]}]}
    assert with_reasoning(request, SIGNER) == request


def test_tok_23_what_is_dropped_does_not_count() -> None:
    request = conversation()
    path = "messages.1.content.0"
    bare = {"messages": [HELLO, {"role": "assistant", "content": "Hi."}, HELLO]}
    wanted = count(bare, PROFILE).tokens
    for verdict in (Verdict(dropped=frozenset({path})), Verdict(unreadable=frozenset({path}))):
        assert prompt_of(request, PROFILE, verdict=verdict, signer=SIGNER).window.tokens == wanted
    assert prompt_of(request, PROFILE, verdict=Verdict(), signer=SIGNER).window.tokens > wanted
