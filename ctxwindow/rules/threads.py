"""THR: message threads, whose conversation the server keeps for a while.

A thread changes what is sent, not what is read or billed (THR-07): the client keeps the whole conversation, sends the
new part of it while the thread lasts, and all of it when the thread is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctxwindow.rules.fields import extra, needs, one_of
from ctxwindow.rules.markers import markers
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import View, plain

__all__ = ["RULES", "UNSUPPORTED", "may_continue", "next_in_thread", "unthreaded"]

_BETA = "message-threads-2026-08-12"
_STORED = ("system", "tools")
"""What the server takes from the thread, and refuses when it is sent again (THR-02)."""
UNSUPPORTED = ("context_management", "fallbacks")
"""Fields that a thread does not take. Which settings of `cache_control` and `thinking` are meant is not documented."""
_MOST_MARKERS = 3


def _messages(request: Mapping[str, Any]) -> list[Any]:
    messages = request.get("messages")
    return list(messages) if isinstance(messages, (list, tuple)) else []


def may_continue(reply: Mapping[str, Any]) -> bool:
    """Whether the thread goes on behind a reply of the API: not behind one that was refused, cut, or made by a fallback
    model (THR-08).
    """
    iterations = plain(reply.get("usage")).get("iterations")
    fell_back = any(
        plain(entry).get("type") == "fallback_message" for entry in (iterations if isinstance(iterations, list) else ())
    )
    return isinstance(reply.get("id"), str) and reply.get("stop_reason") not in (None, "refusal") and not fell_back


def unthreaded(before: Mapping[str, Any], reply: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """The whole conversation of a request that continues a thread: what the server reads, and what is sent when the
    thread is lost (THR-03, THR-07).

    Args:
        before: the whole request before, as this function gave it or as it created the thread.
        reply: the API's message that answered it.
        request: a body with `thread.type` `continue`; it holds new messages only.
    """
    stored = {key: before[key] for key in _STORED if key in before}
    answer = (
        [{"role": "assistant", "content": reply["content"]}] if reply.get("content") else []
    )  # MSG-07: none is empty
    messages = [*_messages(before), *answer, *_messages(request)]
    return {**request, **stored, "messages": messages, "thread": {"type": "create"}}


def next_in_thread(before: Mapping[str, Any], reply: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """A request as it is sent in the thread of the one before: its new messages, or, where the thread cannot go on, all
    of it as a new thread (THR-02, THR-08, THR-09).

    Args:
        before: the whole request before.
        reply: the API's message that answered it.
        request: the whole next request.
    """
    messages = _messages(request)
    answered = [*_messages(before), {"role": "assistant", "content": reply.get("content")}]
    kept = ("output_config", *_STORED)
    appended = messages[: len(answered)] == answered and all(before.get(key) == request.get(key) for key in kept)
    if not (appended and may_continue(reply)):
        return {**request, "thread": {"type": "create"}}
    new = {key: value for key, value in request.items() if key not in _STORED}
    thread = {"type": "continue", "previous_message_id": reply["id"]}
    return {**new, "messages": messages[len(answered) :], "thread": thread}


def shape(view: View) -> Iterator[Finding]:
    """THR-01."""
    given = view.frame.settings.get("thread")
    if given is None:
        return
    yield from needs(view.frame, "thread", _BETA)
    thread = plain(given)
    kind = thread.get("type")
    if kind not in ("create", "continue"):
        yield one_of("thread.type", ("create", "continue"))
        return
    named = isinstance(thread.get("previous_message_id"), str)
    if kind == "continue" and not named:
        yield Finding(
            path="thread.continue.previous_message_id",
            message="thread.continue.previous_message_id: Field required",
            remedy="Name the response that the thread goes on from.",
        )
    if kind == "create" and "previous_message_id" in thread:
        yield extra("thread.create.previous_message_id", "A new thread goes on from no response.")


def _mismatch(field: str, remedy: str) -> Finding:
    return Finding(
        path=field, message=f"thread_fingerprint_mismatch: {field} is not what the thread has stored.", remedy=remedy
    )


def stored_fields(view: View) -> Iterator[Finding]:
    """THR-02. That a field is stored is documented of these, and against the request before of output_config."""
    if not view.frame.continues:
        return
    for field, value in (("system", view.frame.system), ("tools", view.frame.tools)):
        if value is not None:
            yield _mismatch(field, "Leave it out: the thread keeps what it was created with.")
    before = plain(view.previous)
    changed = before.get("output_config") != view.frame.settings.get("output_config")
    if before.get("thread") is not None and changed:
        yield _mismatch("output_config", "Keep it for the whole thread, or create a new thread with all messages.")


def continued_once(view: View) -> Iterator[Finding]:
    """THR-04, against the request before."""
    if view.frame.continues and plain(view.previous).get("thread") == view.frame.settings.get("thread"):
        yield Finding(
            path="thread.continue.previous_message_id",
            message="thread_already_continued: the request before went on from this response already.",
            remedy="Go on from the newest response, or create a new thread with all messages.",
        )


def supported(view: View) -> Iterator[Finding]:
    """THR-05, of the fields that are excluded as such."""
    if view.frame.settings.get("thread") is None:
        return
    for field in UNSUPPORTED:
        if view.frame.settings.get(field) is not None:
            yield Finding(
                path=field,
                message=f"thread_unsupported_request: {field} is not supported together with `thread`.",
                remedy="Leave it out, or send the whole conversation without `thread`.",
            )


def few_markers(view: View) -> Iterator[Finding]:
    """THR-06. Of the API's text the beginning is documented."""
    found = markers(view) if view.frame.settings.get("thread") is not None else []
    if len(found) > _MOST_MARKERS:
        yield Finding(
            path=found[_MOST_MARKERS].field,
            message="thread: a maximum of 3 blocks with cache_control may be provided when `thread` is set",
            remedy="Keep the breakpoints at the end of `system` and on the latest messages; drop the older ones.",
        )


_NOTES = "platform.claude.com release notes and the page on message threads"
_SDK = "anthropic 2.12.0"
_READ = "2026-11-20"

RULES = (
    Rule(
        id="THR-01",
        sentence="thread is create, or continue with the id of a response; then only new messages are sent. It takes a beta.",
        source=f"{_SDK} types/beta/beta_thread_create_params.py, beta_thread_continue_params.py; {_NOTES}",
        date=_READ,
        check=shape,
    ),
    Rule(
        id="THR-02",
        sentence="A continued thread takes no system and no tools, and the other fields that it stores stay as they were.",
        source=f"{_NOTES}; {_SDK} types/thread_fingerprint_mismatch_error.py, lib/threads",
        date=_READ,
        check=stored_fields,
    ),
    Rule(
        id="THR-03",
        sentence="A thread is lost 5 minutes after its last request at the latest; then the whole conversation is sent again.",
        source=f"{_NOTES}; {_SDK} types/thread_not_found_error.py",
        date=_READ,
        modelled="emulator.threads.Threads",
    ),
    Rule(
        id="THR-04",
        sentence="A thread goes on from each response once.",
        source=f"{_SDK} types/thread_already_continued_error.py, thread_continue_in_flight_error.py",
        date=_READ,
        check=continued_once,
    ),
    Rule(
        id="THR-05",
        sentence="context_management and fallbacks are not supported in a thread; of some others it is not said which values.",
        source=f"{_SDK} types/thread_unsupported_feature_name.py; {_NOTES}",
        date=_READ,
        check=supported,
    ),
    Rule(
        id="THR-06",
        sentence="A request in a thread holds at most three explicit cache markers.",
        source=_NOTES,
        date="2026-11-22",
        conflict="A blog counts four, the top-level one included; three cannot break a request.",
        check=few_markers,
    ),
    Rule(
        id="THR-07",
        sentence="A thread changes neither price nor window nor caching; the client still keeps the whole conversation.",
        source=_NOTES,
        date="2026-11-22",
        modelled="emulator.threads.Threads.whole",
    ),
    Rule(
        id="THR-08",
        sentence="A new thread starts behind a refusal, a fallback or a cut stream; a paused turn goes on without messages.",
        source=f"{_SDK} lib/threads, lib/tools/_beta_runner.py",
        date=_READ,
        modelled="rules.threads.may_continue",
    ),
    Rule(
        id="THR-09",
        sentence="A change of the history that only appends goes on with the thread; any other starts a new one.",
        source=f"{_SDK} lib/threads/_params.py, _thread_state.py",
        date=_READ,
        modelled="rules.threads.next_in_thread",
    ),
)
