"""Conversing: a message goes in, replies and tool rounds follow, until the model has said what it has to say.

`send`, `run`, `stream` and `resume` are this one loop. The recall tool that the policy declares is answered here always; the
other tools where a toolbox is given.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from ctxwindow.client.actions import Approval, Approve, Blocking, NextResult, StartTools, Steps, StopTools
from ctxwindow.client.answering import answer
from ctxwindow.client.api import message_of
from ctxwindow.client.checking import check_choice
from ctxwindow.client.limits import Limits
from ctxwindow.client.preparing import collect
from ctxwindow.client.progress import Progress
from ctxwindow.client.reopening import claim
from ctxwindow.client.reply import Reply, text_of
from ctxwindow.client.results import failed
from ctxwindow.client.talk import Talk
from ctxwindow.client.tools import Toolbox
from ctxwindow.errors import InvalidRequest, MisuseError
from ctxwindow.recall.tool import TOOL_NAME
from ctxwindow.record import intake
from ctxwindow.record.blocks import blocks_of
from ctxwindow.record.events import Received

__all__ = ["How", "Interruption", "converse", "resume"]

Interruption = Literal["tell", "run"]

_WENT_ON = "Not run: the user went on without it."
_UNKNOWN = "This call was interrupted before its result was known. Whether it took effect, or still will, is unknown."
_NOT_REACHED = "Not executed: an action before it failed."
_DENIED = "The user did not approve this call."


@dataclass(frozen=True)
class How:
    """How the calls of a reply are treated."""

    toolbox: Toolbox | None = None
    """Runs the calls; None: they are handed back to the caller."""
    limits: Limits = field(default_factory=Limits)
    approve: Approval | None = None
    """Says whether a call may run."""
    live: bool = False
    """Whether somebody reads the replies as they stream."""


def converse(talk: Talk, content: Any, how: How) -> Steps[Reply]:
    """Append what the caller says, and get the reply.

    Raises:
        MisuseError: its dollars are limited, and no price is known; nothing was stored.
        InvalidRequest: the API would refuse it here; nothing was stored.
        WindowOverflow: it cannot fit; nothing was stored, unless a part of the operation was done before.
        StoreConflict: somebody else is at it.
    """
    yield from claim(talk)
    try:
        progress = Progress.begin(talk, how.limits)
        yield from _append(talk, content)
        return (yield from _go_on(talk, how, progress))
    finally:
        talk.release()


def resume(talk: Talk, how: How, interrupted: Interruption = "tell") -> Steps[Reply | None]:
    """Go on where a fault, a limit or the end of a process has left the conversation; None where nothing is open.

    Args:
        talk: the conversation.
        how: the calls. Those that nothing here runs are handed back.
        interrupted: of calls that were running when a process died, `tell` the model that their outcome is unknown, or `run`
            them (again, perhaps). Results that are known are kept.

    Raises:
        MisuseError: `interrupted` says neither; nothing was done.
    """
    check_choice("interrupted", interrupted, get_args(Interruption))
    yield from claim(talk)
    try:
        progress = Progress.begin(talk, how.limits)
        yield from collect(talk, max_tokens=talk.max_tokens)
        engine = talk.engine
        if not engine.unanswered or (engine.open_calls and not engine.due_calls):
            return None  # SDK-06: calls of a turn that has stopped are answered with what is said next
        if (message := engine.resumption) is not None:
            engine.append(message, now=talk.clock())
        elif engine.open_calls:
            waiting = [call for call in engine.open_calls if call["id"] not in engine.answers]
            if any(not _is_ours(talk, call, how) for call in waiting):
                yield from _answer_recall(talk)
                return _handed_back(talk)
            unknown = {call["id"] for call in waiting} - talk.idle if interrupted == "tell" else set[str]()
            yield from _run_round(talk, how, progress, unknown=unknown)
        return (yield from _go_on(talk, how, progress))
    finally:
        talk.release()


def _append(talk: Talk, content: Any) -> Steps[None]:
    """Append what the caller says. What is prepared beside the conversation is waited for where there is no room otherwise."""
    yield from collect(talk, max_tokens=talk.max_tokens)
    talk.engine.append(_outgoing(talk, content), now=talk.clock())
    if talk.aside is not None and talk.engine.is_pressed(max_tokens=talk.max_tokens):
        talk.forget()  # it is the caller's until it is planned and stored, and what was prepared is stored at once
        yield from collect(talk)
        talk.engine.append(_outgoing(talk, content), now=talk.clock())


def _go_on(talk: Talk, how: How, progress: Progress) -> Steps[Reply]:
    """Replies and rounds, from what was appended last."""
    while True:
        found = yield from answer(talk, live=how.live, spent=progress.spent)
        progress.messages += found.messages
        engine, stopped = talk.engine, progress.passed()
        calls = engine.due_calls
        reply = Reply(
            message=found.message,
            text=found.text,
            messages=tuple(progress.messages),
            stopped=found.stopped or "reply",
            rounds=progress.rounds,
            dollars=progress.dollars,
        )
        if found.stopped is not None or not calls:
            return reply
        if not all(_is_ours(talk, call, how) for call in calls):
            yield from _answer_recall(talk)
            return replace(reply, stopped="calls", answered=frozenset(engine.answers))
        if stopped is not None:
            return replace(reply, stopped=stopped)
        yield from _run_round(talk, how, progress)


def _run_round(talk: Talk, how: How, progress: Progress, unknown: Collection[str] = ()) -> Steps[None]:
    """Answer all open calls, and append the results in one message (TOOL-06), in the order of the calls.

    A result is stored as soon as it is there, while others still run: the process may die before they are.
    """
    engine = talk.engine
    calls, results, approved = engine.open_calls, dict(engine.answers), list[Mapping[str, Any]]()

    def know(block: dict[str, Any]) -> Steps[None]:
        results[block["tool_use_id"]] = block
        if len(results) < len(calls):
            engine.answered(block, now=talk.clock())
            yield Blocking(talk.try_to_keep)

    talk.idle = frozenset(call["id"] for call in calls) - results.keys() - set(unknown)
    stopped = set[Any]()
    for call in calls:
        if call["id"] in results:
            continue
        if call.get("toolset_name") is not None and call["toolset_name"] in stopped:
            results[call["id"]] = failed(call, _NOT_REACHED)
        elif call["id"] in unknown:
            results[call["id"]] = failed(call, _UNKNOWN)
            stopped.add(call.get("toolset_name"))
        elif call["name"] == TOOL_NAME and _recalls(talk):
            results[call["id"]] = engine.answer_recall(call)
        elif how.approve is not None and (verdict := _checked((yield Approve(call, how.approve)))) is not True:
            results[call["id"]] = failed(call, verdict or _DENIED)
            stopped.add(call.get("toolset_name"))
        else:
            approved.append(call)
    if approved:
        talk.idle -= {call["id"] for call in approved}
        yield from _run_calls(approved, how, know)
    yield Blocking(lambda: _append_results(talk, calls, results))
    progress.rounds += 1


def _run_calls(
    calls: Sequence[Mapping[str, Any]], how: How, know: Callable[[dict[str, Any]], Steps[None]]
) -> Steps[None]:
    """Run calls side by side, and `know` each result when it is there. Where that fails, what still runs is stopped."""
    assert how.toolbox is not None  # noqa: S101 - what is run is run by it
    try:
        yield StartTools(tuple(calls), how.toolbox, how.limits.tool_seconds)
        for _ in calls:
            yield from know((yield NextResult()))
    except GeneratorExit:
        raise  # nobody is there to perform anything
    except BaseException:
        yield StopTools()  # the model will be told that they were interrupted
        raise


def _checked(verdict: object) -> bool | str:
    """What a hook said of a call.

    Raises:
        MisuseError: neither yes, nor no, nor a reason. The call is not run; `resume` asks again.
    """
    if isinstance(verdict, bool):
        return verdict
    if isinstance(verdict, str):
        return verdict.strip()
    raise MisuseError(
        f"it returned {type(verdict).__name__}, for a call that was not run.",
        path="approve",
        remedy="Return True, False, or a string with the reason against it; `resume()` asks again.",
    )


def _append_results(talk: Talk, calls: Sequence[Mapping[str, Any]], results: Mapping[str, dict[str, Any]]) -> None:
    """Append the results of a round, and store them. One that the API would refuse is told to the model. Blocks."""
    engine = talk.engine

    def message(found: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
        return {"role": "user", "content": [found[call["id"]] for call in calls]}

    def taken(call: Mapping[str, Any]) -> dict[str, Any]:
        alone = {other["id"]: failed(other, _NOT_REACHED) for other in calls} | {call["id"]: results[call["id"]]}
        try:
            engine.check_next(message(alone))
        except InvalidRequest as error:
            return failed(call, f"The result cannot be sent: {error.reason}")
        return results[call["id"]]

    try:
        engine.append(message(results), now=talk.clock())
    except InvalidRequest:
        engine.append(message({call["id"]: taken(call) for call in calls}), now=talk.clock())
    talk.keep()


def _answer_recall(talk: Talk) -> Steps[None]:
    """Know the results of recall, where the other calls of the round are the caller's."""
    engine = talk.engine
    for call in engine.open_calls:
        if call["name"] == TOOL_NAME and _recalls(talk) and call["id"] not in engine.answers:
            engine.answered(engine.answer_recall(call), now=talk.clock())
    yield Blocking(talk.keep)


def _is_ours(talk: Talk, call: Mapping[str, Any], how: How) -> bool:
    """Whether a call is answered here."""
    if call["name"] == TOOL_NAME and _recalls(talk):
        return True
    return how.toolbox is not None and not how.toolbox.is_callers(call)


def _recalls(talk: Talk) -> bool:
    return bool(talk.engine.policy.recall)


def _handed_back(talk: Talk) -> Reply:
    """The open calls, for the caller: in their message, made anew from the record."""
    engine = talk.engine
    ids = {call["id"] for call in engine.open_calls}
    fields: dict[str, Any] = next(
        {"model": engine.model, "usage": None, **message}
        for message in reversed(engine.messages)
        if ids & {block.get("id") for block in blocks_of(message) if isinstance(block, Mapping)}
    )
    for event in reversed(engine.events):
        if isinstance(event, Received) and event.message.get("content") == fields["content"]:
            fields |= {**event.rest, "id": event.reply_id, "model": event.model, "usage": event.usage}
            break
    message = message_of({**fields, "stop_reason": "tool_use"}, talk.surface)
    return Reply(
        message=message,
        text=text_of(message),
        messages=(message,),
        stopped="calls",
        rounds=0,
        dollars=None,
        answered=frozenset(engine.answers),
    )


def _outgoing(talk: Talk, content: Any) -> Any:
    """The message for what the caller gives: a text, a block, a list of blocks, or a message.

    Results that are known of the open round join it. Where calls are open and the caller answers none of them, they get
    results that say so, before what he says (TOOL-05, TOOL-06).
    """
    taken = intake(content, "content")
    message = taken if isinstance(taken, dict) and "role" in taken else {"role": "user", "content": taken}
    if isinstance(message.get("content"), dict):
        message = {**message, "content": [message["content"]]}
    calls, known = talk.engine.open_calls, talk.engine.answers
    if not calls or message["role"] != "user":
        return message
    blocks = blocks_of(message)
    if not blocks or not all(isinstance(block, Mapping) for block in blocks):
        return message  # which `append` refuses
    results = [block for block in blocks if block.get("type") == "tool_result"]
    given = {block["tool_use_id"] for block in results if isinstance(block.get("tool_use_id"), str)}
    if not results:
        known = {call["id"]: failed(call, _WENT_ON) for call in calls} | dict(known)
    places = {call["id"]: place for place, call in enumerate(calls)}
    results += [block for call, block in known.items() if call in places and call not in given]
    # In the order of the calls (TOOL-06). Those that answer no call, or answer one again, are for `append` to refuse.
    results.sort(key=lambda block: places.get(str(block.get("tool_use_id")), len(places)))
    return {**message, "content": [*results, *(block for block in blocks if block.get("type") != "tool_result")]}
