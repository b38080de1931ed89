"""From a turn that is not answered to its reply: plan, do what the plan needs first, send, receive, and recover.

The faults and stop reasons that the rulebook knows a way out of are gone through here, for every kind of driver. Errors of
the API with a status were tried again by the SDK before they come here, and are never tried again as they were; what the SDK
does not try again, a stream that broke off, is gone on with a few times (MSG-16).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeAlias

from ctxwindow.client.actions import Blocking, Create, Pause, Steps
from ctxwindow.client.api import message_of
from ctxwindow.client.faults import is_api_error, was_tried_again, went_wrong
from ctxwindow.client.incidents import ARRIVED, Incident, tell
from ctxwindow.client.preparing import collect, prepare, start_aside
from ctxwindow.client.reply import stop_reason_of, text_of
from ctxwindow.client.talk import Talk
from ctxwindow.client.watching import Watch
from ctxwindow.errors import EndpointError, StoreError
from ctxwindow.record import intake
from ctxwindow.record.events import Received
from ctxwindow.record.streamed import is_whole
from ctxwindow.tiers import Decision, Send
from ctxwindow.tiers.replies import repeats_a_call, usable

__all__ = ["Answer", "answer"]

RESUMPTIONS = 3
"""Times in a row that a reply is gone on with after its stream broke off, before the fault is the caller's."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
"""Seconds before a stream is asked for again that failed before anything had arrived: the SDK's own waits (SDK-01)."""

PAUSES = 50
"""Times in a row that a paused turn is sent back (MSG-13): each is up to ten steps of the server's tools."""

GROWTH = 4
"""How much larger `max_tokens` becomes for a reply that it cut inside a call or inside thinking (MSG-14)."""

NONSTREAMING = 21_333
"""`max_tokens` above which the SDK wants a stream (SDK-02); for the oldest Opus models it does from 8,192 on."""

_OLD_NONSTREAMING = 8_192
_OLD = ("claude-opus-4-2025", "claude-opus-4-0", "claude-opus-4-1", "claude-4-opus")


Spent: TypeAlias = "Literal['rounds', 'seconds', 'dollars'] | None"


@dataclass
class Answer:
    """A reply, whole, and what it took to get it."""

    message: Any = None
    """As the SDK gave it."""
    text: str = ""
    messages: list[Any] = field(default_factory=list)
    stopped: Spent = None
    """The limit that was reached before the reply was whole; `resume` goes on."""


def answer(talk: Talk, *, live: bool = False, spent: Callable[[], Spent] = lambda: None) -> Steps[Answer]:
    """The reply to what was appended last.

    Args:
        talk: held by the caller.
        live: somebody reads the reply as it streams.
        spent: the limit that is reached, asked for before a reply that has come costs more: a paused turn, one that a limit
            on the output cut.

    Raises:
        WindowOverflow: what must be sent cannot fit.
        EndpointError: two calls of the reply have one id.
        StoreError: the store failed. Where the reply had come it is kept in memory, and stored with what comes next.
        Exception: the error of the SDK, where the rules know no way out of it.
    """
    found = Answer()
    max_tokens, cuts, pauses = talk.max_tokens, 0, 0
    while True:
        if not talk.engine.unkept:  # what the caller has just given is still his, until it is planned and stored
            yield from collect(talk, max_tokens=max_tokens)
        decision = yield Blocking(partial(_plan, talk, max_tokens))
        if not isinstance(decision, Send):
            yield from prepare(talk, decision)
            continue
        message = yield from _send(talk, decision, live=live, cuts=cuts)
        if decision.aside is not None and (message is not None or talk.cut_off is not None):
            yield from start_aside(talk, decision.aside)
        if message is None:
            arrived = talk.cut_off
            if arrived is not None:
                cuts, talk.cut_off = cuts + 1, None
            if arrived:
                found.messages.append(arrived)
            continue
        found.message, cuts = message, 0
        found.messages.append(message)
        _check_ids(message)
        reason = stop_reason_of(message)
        is_paused = reason == "pause_turn" and pauses < PAUSES
        larger = _larger(talk, max_tokens) if _cut_short(message, reason) else None
        if is_paused or larger is not None:
            found.stopped = spent()
        if is_paused and found.stopped is None:
            pauses += 1
            continue
        if larger is not None and found.stopped is None:
            _note(talk, str(reason), "MSG-14", f"cut inside a call or thinking; asked again with max_tokens {larger:,}")
            max_tokens = larger
            continue
        parts = [text_of(part).rstrip() for part in talk.engine.continued]  # as the model was told of them
        found.text = "".join([*parts, text_of(message)])
        return found


def _plan(talk: Talk, max_tokens: int) -> Decision:
    """What comes next. What is intended is stored before it is done. Blocks."""
    try:
        decision = talk.engine.plan(max_tokens=max_tokens, now=talk.clock())
        talk.keep()
    except BaseException:
        talk.forget()  # nothing was sent: what the caller gave is his to give again
        raise
    return decision


def _send(talk: Talk, decision: Send, *, live: bool, cuts: int) -> Steps[Any]:
    """The reply to one request, stored; None where another one is to be planned."""
    engine, request = talk.engine, decision.request
    streams = live or (talk.streaming if talk.streaming is not None else _must_stream(request))
    watch = Watch(talk.store_events, talk.clock, talk.checkpoint) if streams else None
    try:
        message = yield Create(talk.addressed(request), "reply", watch)
        engine.receive(watch.end() if watch is not None else message, now=talk.clock())
        talk.begin_none()
    except BaseException as error:
        came = watch.streamed.message if watch is not None else None
        if not isinstance(error, Exception):
            if engine.awaiting:  # an interrupt, or a reader who has left
                engine.cut(came, now=talk.clock())
                talk.begin_none()
            if not isinstance(error, GeneratorExit):  # otherwise nobody is there to perform anything
                yield Blocking(talk.try_to_keep)
            raise
        if came is None or not is_whole(came):
            yield from _recover(talk, error, request, watch, cuts)
            return None
        engine.cut(came, now=talk.clock())  # only its last event did not come: it is received as it is
        talk.begin_none()
        message = message_of(came, talk.surface)
    talk.previous = request
    try:
        yield Blocking(talk.keep)
    except StoreError as error:
        error.add_note("ctxwindow: the reply has come, and is the last of `session.conversation.messages`.")
        raise
    return message


def _recover(talk: Talk, error: Exception, request: dict[str, Any], watch: Watch | None, cuts: int) -> Steps[None]:
    """Make another request possible, or raise."""
    engine = talk.engine
    is_final = not is_api_error(error)  # somebody's mistake: a client without a key, say
    if watch is None or (watch.streamed.message is None and (is_final or was_tried_again(error))):
        final = went_wrong(talk, error, request)
        yield Blocking(talk.keep)
        if final is not None:
            raise final
        return
    now = talk.clock()
    message = engine.cut(watch.streamed.message, now=now)
    cut = isinstance(engine.events[-1], Received)
    done = ARRIVED if cut else "nothing of the reply had arrived"
    if cuts < RESUMPTIONS and not is_final:
        done += f"; {'the model is asked to go on' if message is not None else 'the request is sent again'}"
    _note(talk, "cut" if cut else "interrupted", "MSG-16", done, error, at=now)
    if cuts >= RESUMPTIONS or is_final:
        yield Blocking(talk.keep)
        error.add_note("ctxwindow: what arrived is in the record, as evidence; `resume()` asks the model to go on.")
        raise error
    if message is not None:
        engine.append(message, now=talk.clock())
    yield Blocking(talk.keep)
    talk.cut_off = watch.streamed.message or {}
    if not talk.cut_off:
        yield Pause(min(FIRST_PAUSE * 2**cuts, LONGEST_PAUSE))


def _check_ids(message: Any) -> None:
    """Refuse a reply that no request could carry back, as a proxy makes it that numbers the calls itself (TOOL-04)."""
    if repeats_a_call(intake(message, "reply")):
        raise EndpointError(
            "two calls of the reply have one id; it is in the record as evidence, and cannot be answered.",
            rule="TOOL-04",
            path="base_url",
            remedy="Check the proxy behind the client's base_url; `resume()` asks again.",
        )


def _cut_short(message: Any, reason: str | None) -> bool:
    """Whether a limit on the output cut a reply where it cannot be sent back (MSG-09, MSG-14)."""
    if reason not in ("max_tokens", "model_context_window_exceeded"):
        return False
    content = intake(message, "reply").get("content")
    return bool(content) and not usable({"role": "assistant", "content": content}, reason)


def _larger(talk: Talk, max_tokens: int) -> int | None:
    """A larger `max_tokens` to ask again with; None where there is none. The window is shrunk for it, if need be."""
    profile = talk.engine.profile
    most = min(profile.max_output, talk.engine.policy.budget_of(profile.window) // 2)
    larger = min(most, max_tokens * GROWTH)
    return larger if larger > max_tokens else None


def _must_stream(request: dict[str, Any]) -> bool:
    old = str(request.get("model")).startswith(_OLD)
    return bool(request["max_tokens"] > (_OLD_NONSTREAMING if old else NONSTREAMING))


def _note(
    talk: Talk, kind: str, rule: str, done: str, error: Exception | None = None, *, at: float | None = None
) -> None:
    cause = type(error).__name__ if error is not None else None
    incident = Incident(
        at=talk.clock() if at is None else at,
        send=talk.engine.sends,
        kind=kind,
        status=None,
        rule=rule,
        done=done,
        cause=cause,
    )
    tell(talk.incidents, incident)
