"""What does ctxwindow add to a call of the SDK? A long conversation in a SQLite file on disk, and an API that answers at once.

    python -m benchmarks.overhead [--messages N] [--sends N] [--kind turn|round] [--profile] [--check]

Measured, in wall time, for it is a user who waits: the bare `client.beta.messages.create` with the request of the plan,
and the same call with all that the engine and the store do around it, one after the other, so that both see the same
machine; then the same for `session.send` as a whole, less the call inside it and less a bare call after it, and for a
call with the middleware, less what comes after the middleware and less a bare call. The API is a transport that returns
one fixed reply and looks at nothing. Compare the difference, not the digits.

`--check` fails where the median of what is added is over its limit; `--profile` tells where the time goes.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import functools
import gc
import os
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import anthropic
import httpx2

from benchmarks.planning import WIDE, send
from ctxwindow import Conversation, Middleware, Policy, Send, Session
from ctxwindow.client.naming import conversation as naming
from ctxwindow.record import to_json
from ctxwindow.stores import SqliteStore, keep, load

MAX_TOKENS = 1_000
NAME = "overhead"
ENGINE = "engine and store"
SESSION, PAIRED = "session.send less its call", "session.send less a bare call"
SYNC = "an fsync of 8 kB"
MANAGED, INSIDE = "a call with the middleware less a bare one", "middleware less the rest of the chain"
LIMITS = {SESSION: 0.003, INSIDE: 0.005}
"""Seconds of the median of what is added."""

STEPS = ("append", "plan", "keep what is sent", "receive", "keep the reply")

Kind: TypeAlias = Literal["turn", "round"]

_LINE = "def test_parser_{0}(): assert parse('a={0}') == {{'a': {0}}}\n"


def _reply(number: int, kind: Kind) -> dict[str, Any]:
    """A reply that calls a tool, or ends the turn."""
    call = {"type": "tool_use", "id": f"toolu_{number}", "name": "read", "input": {"path": f"tests/test_{number}.py"}}
    text = {"type": "text", "text": f"Test {number} fails because a default changed; the fix is one line."}
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-6",
        "content": [
            {"type": "thinking", "thinking": "Read it.", "signature": "s" * 80},
            call if kind == "round" else text,
        ],
        "stop_reason": "tool_use" if kind == "round" else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 40},
    }


def _said(last: dict[str, Any], number: int) -> dict[str, Any]:
    """What comes behind a reply: the result of its call, or the next turn of the user."""
    block = last["content"][-1]
    if block["type"] != "tool_use":
        return {"role": "user", "content": f"And why does test {number} fail? Have a look at what it imports."}
    text = "".join(_LINE.format(number + line) for line in range(20))
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": block["id"], "content": text}]}


def client(kind: Kind, *middleware: anthropic.Middleware) -> anthropic.Anthropic:
    """A client whose every call is answered at once."""
    numbers = count(10_000_000)

    def answer(request: httpx2.Request) -> httpx2.Response:
        del request
        content = to_json(_reply(next(numbers), kind))
        return httpx2.Response(200, content=content, headers={"content-type": "application/json"})

    transport = httpx2.Client(transport=httpx2.MockTransport(answer))
    return anthropic.Anthropic(
        api_key="k", base_url="http://emulator.invalid", http_client=transport, middleware=middleware
    )


def build(messages: int, store: SqliteStore, kind: Kind) -> Conversation:
    """A conversation of that many messages, nearly all of them rounds, kept in the store; the last is a reply."""
    conversation = Conversation.start(model=WIDE, system="You are a coding agent.", policy=Policy(), now=0.0)
    conversation.append({"role": "user", "content": "Fix every failing test."}, now=0.0)
    number = 0
    while conversation.recorded < messages:
        send(conversation)
        conversation.receive(_reply(number, "round"), now=0.0)
        conversation.append(_said(conversation.messages[-1], number), now=0.0)
        number += 1
    send(conversation)
    conversation.receive(_reply(number, kind), now=0.0)
    keep(store, NAME, conversation)
    return conversation


def one_send(
    conversation: Conversation, store: SqliteStore, api: anthropic.Anthropic, profile: cProfile.Profile | None = None
) -> dict[str, float]:
    """Carry one send out as a driver does, and the bare call with the same request; seconds of each step.

    Args:
        conversation: it is longer by two messages afterwards.
        store: where it is kept.
        api: what is called.
        profile: of everything but the calls.
    """
    message = _said(conversation.messages[-1], conversation.recorded)
    now = time.time()
    clock = _Clock(profile)
    conversation.append(message, now=now)
    clock.lap("append")
    decision = conversation.plan(max_tokens=MAX_TOKENS, now=now)
    clock.lap("plan")
    assert isinstance(decision, Send), "nothing is to be shrunk here"
    keep(store, NAME, conversation)
    clock.lap("keep what is sent")
    with clock.aside("the call"):
        reply = api.beta.messages.create(**decision.request)
    conversation.receive(reply, now=now)
    clock.lap("receive")
    keep(store, NAME, conversation)
    clock.lap("keep the reply")
    with clock.aside("the bare call"):
        api.beta.messages.create(**decision.request)
    if profile is not None:
        profile.disable()
    return clock.laps


class Watched:
    """The `create` of a client, timed, with what it was given last."""

    def __init__(self, api: anthropic.Anthropic) -> None:
        self.bare = create = api.beta.messages.create
        self.seconds = 0.0
        self.given: dict[str, Any] = {}

        @functools.wraps(create)
        def watched(**given: Any) -> Any:
            start = time.perf_counter()
            reply = create(**given)
            self.seconds, self.given = time.perf_counter() - start, given
            return reply

        api.beta.messages.create = watched  # type: ignore[method-assign]


def session_send(session: Session, watched: Watched, number: int) -> dict[str, float]:
    """Say something in a session, and make the bare call with the same request."""
    text = f"And why does test {number} fail? Have a look at what it imports."
    start = time.perf_counter()
    session.send(text)
    whole = time.perf_counter() - start
    start = time.perf_counter()
    watched.bare(**watched.given)
    bare = time.perf_counter() - start
    return {"session.send": whole, SESSION: whole - watched.seconds, PAIRED: whole - bare}


class _Clock:
    """Seconds from one lap to the next."""

    def __init__(self, profile: cProfile.Profile | None) -> None:
        self.laps: dict[str, float] = {}
        self._profile = profile
        if profile is not None:
            profile.enable()
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """End a lap."""
        now = time.perf_counter()
        self.laps[name] = now - self._last
        self._last = now

    @contextlib.contextmanager
    def aside(self, name: str) -> Iterator[None]:
        """A lap that is not profiled."""
        if self._profile is not None:
            self._profile.disable()
        self._last = time.perf_counter()
        yield
        self.lap(name)
        if self._profile is not None:
            self._profile.enable()


def sync_to_disk(file: BinaryIO) -> float:
    """Seconds that this disk takes to make a few kilobytes durable: what each of the two keeps waits for at least."""
    file.write(bytes(8_192))
    start = time.perf_counter()
    os.fsync(file.fileno())
    return time.perf_counter() - start


def measure(messages: int, sends: int, kind: Kind, *, folder: Path | None, profiled: bool) -> dict[str, list[float]]:
    """Seconds of each step, send by send."""
    times: dict[str, list[float]] = {}
    with (
        tempfile.TemporaryDirectory(dir=folder) as here,
        SqliteStore(Path(here) / "agent.db") as store,
        client(kind) as api,
        (Path(here) / "plain").open("wb", buffering=0) as plain,
    ):
        conversation = build(messages, store, kind)
        for _ in range(5):
            one_send(conversation, store, api)
        gc.collect()
        for _ in range(sends):
            found = one_send(conversation, store, api)
            for name, seconds in {**found, SYNC: sync_to_disk(plain)}.items():
                times.setdefault(name, []).append(seconds)
        times[ENGINE] = [sum(row) for row in zip(*(times[step] for step in STEPS), strict=True)]
        if profiled:
            _profile(conversation, store, api, sends)
        if kind == "turn":  # last: afterwards the store is ahead of this conversation
            _sessions(store, api, sends, times, profiled=profiled)
            _managed(store, api, sends, times)
    return times


def _sessions(
    store: SqliteStore, api: anthropic.Anthropic, sends: int, times: dict[str, list[float]], *, profiled: bool
) -> None:
    """Go on with the same conversation in a session."""
    watched = Watched(api)
    with Session.open(store, client=api, name=NAME, max_tokens=MAX_TOKENS) as session:
        for number in range(sends + 5):
            found = session_send(session, watched, number)
            if number < 5:
                continue
            for name, seconds in found.items():
                times.setdefault(name, []).append(seconds)
        if profiled:
            profile = cProfile.Profile()
            for number in range(sends):
                profile.runcall(session.send, f"And test {number}?")
            _print(profile)


class Chain(anthropic.Middleware):
    """Stands behind the middleware that is measured, and times what comes after that."""

    seconds = 0.0

    def handle(self, request: anthropic.APIRequest, call_next: anthropic.CallNext) -> anthropic.APIResponse[Any]:
        """See `anthropic.Middleware`."""
        start = time.perf_counter()
        response = call_next(request)
        self.seconds = time.perf_counter() - start
        return response


class Outside(Middleware):
    """The middleware, timed with all that comes after it."""

    seconds = 0.0

    def handle(self, request: anthropic.APIRequest, call_next: anthropic.CallNext) -> anthropic.APIResponse[Any]:
        """See `Middleware`."""
        start = time.perf_counter()
        response = super().handle(request, call_next)
        self.seconds = time.perf_counter() - start
        return response


def _managed(store: SqliteStore, bare: anthropic.Anthropic, sends: int, times: dict[str, list[float]]) -> None:
    """Go on with the same conversation as code that keeps its own list does, below which there is a middleware."""
    loaded = load(store, NAME)
    given: dict[str, Any] = {"model": WIDE.id, "max_tokens": MAX_TOKENS, "system": "You are a coding agent."}
    messages: list[Any] = list(loaded.messages)
    outside, chain = Outside(store), Chain()
    with client("turn", outside, chain) as api, naming(NAME):
        for number in range(sends + 5):
            messages.append({"role": "user", "content": f"And why does test {number} fail?"})
            start = time.perf_counter()
            reply = api.beta.messages.create(messages=messages, **given)
            whole = time.perf_counter() - start
            start = time.perf_counter()
            bare.beta.messages.create(messages=messages, **given)
            plain = time.perf_counter() - start
            messages.append({"role": "assistant", "content": reply.content})
            if number >= 5:
                times.setdefault(MANAGED, []).append(whole - plain)
                times.setdefault(INSIDE, []).append(outside.seconds - chain.seconds)
        if store.version(NAME) == len(loaded.events):
            raise AssertionError("the middleware did not manage the calls that were measured")


def _profile(conversation: Conversation, store: SqliteStore, api: anthropic.Anthropic, sends: int) -> None:
    """Print where the time of the engine and the store goes."""
    profile = cProfile.Profile()
    for _ in range(sends):
        one_send(conversation, store, api, profile)
    _print(profile)


def _print(profile: cProfile.Profile) -> None:
    pstats.Stats(profile).strip_dirs().sort_stats("tottime").print_stats(20).sort_stats("cumulative").print_stats(40)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 where `--check` finds something too slow."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=2_000, help="length of the conversation")
    parser.add_argument("--sends", type=int, default=50, help="how many sends are measured")
    parser.add_argument(
        "--kind", choices=("turn", "round"), default="turn", help="send what a user says, or the result of a call"
    )
    parser.add_argument("--folder", type=Path, help="where the database is made; by default where temporary files are")
    parser.add_argument("--profile", action="store_true", help="tell where the time goes")
    parser.add_argument("--check", action="store_true", help="fail where a limit is passed")
    options = parser.parse_args(arguments)
    times = measure(options.messages, options.sends, options.kind, folder=options.folder, profiled=options.profile)
    print(f"{options.messages:,} messages, {options.sends} sends of a {options.kind}; milliseconds\n")
    print(f"{'':<32}{'median':>10}{'fastest':>10}{'95th %':>10}")
    for name, seconds in times.items():
        slow = sorted(seconds)[int(len(seconds) * 0.95)]
        print(f"{name:<32}{statistics.median(seconds) * 1e3:>10.3f}{min(seconds) * 1e3:>10.3f}{slow * 1e3:>10.3f}")
    late = [name for name, limit in LIMITS.items() if name in times and statistics.median(times[name]) > limit]
    for name in late if options.check else ():
        print(f"too slow: {name}, over {LIMITS[name] * 1e3:g} ms")
    return 1 if late and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
