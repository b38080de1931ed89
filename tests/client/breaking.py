"""What goes wrong between a client and the API, by a plan: errors, silence, and answers that break off at any byte.

    breaking = Breaking(seed=7, rate=0.3)
    with serving(emulator, log=log, breaking=breaking) as base_url:
        ...
    print(breaking.injected)

A plan follows from its seed and the order in which requests come; `Breaking.at({3: ...})` says it outright.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias
from unittest import mock

from ctxwindow.emulator.http import ApiError, Event, error_body
from ctxwindow.record import from_json
from ctxwindow.window import count
from tests.client.failures import FINAL, PASSING, REFUSED, STRANGE, Answer, too_long
from tests.client.loopback import HANG_UP, read_body, replayed

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = [
    "BROKEN",
    "FAULTS",
    "SILENT",
    "Break",
    "Breaking",
    "Fault",
    "Injected",
    "Silence",
    "TooLong",
    "quick_retries",
    "spots",
]

Way: TypeAlias = Literal["closed", "reset", "ended", "stalled", "error event"]
"""How an answer breaks off: the connection is closed, or reset; it ends as if this had been all of it; nothing more comes,
and the connection is closed in the end; an `error` event comes (of an answer that is no stream: an error instead)."""

Spot: TypeAlias = Literal[
    "any", "first byte", "inside a character", "inside a line", "between events", "after message_stop"
]


@dataclass(frozen=True)
class Break:
    """The emulator carries the request out, and its answer breaks off.

    Attributes:
        way: how.
        spot: where: a number of bytes of the body, or what stands there; in an answer that has no such spot: anywhere.
        seconds: how long `stalled` lasts, where the client does not give up before.
    """

    way: Way
    spot: Spot | int = "any"
    seconds: float = 5.0

    @property
    def name(self) -> str:
        """For the list of what was injected."""
        return f"{self.way}, {self.spot}"


@dataclass(frozen=True)
class Silence:
    """Nothing is answered, not even a status; the connection is closed when the time is over or the client has given up.

    Attributes:
        carried_out: whether the emulator sees the request nevertheless.
        seconds: 0: closed at once.
    """

    carried_out: bool = False
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """For the list of what was injected."""
        return f"silence of {self.seconds:g} s, {'carried out' if self.carried_out else 'not carried out'}"


@dataclass(frozen=True)
class TooLong:
    """A prompt that comes near to the budget is refused: the API counts more tokens than we do (CTX-08). Others pass.

    Attributes:
        budget: tokens.
    """

    budget: int

    @property
    def name(self) -> str:
        """For the list of what was injected."""
        return "prompt too long"

    def answer(self, body: bytes) -> Answer | None:
        """What is said to a request; None where it could not be true of it."""
        request = from_json(body)
        near = count(request, request["model"]).tokens > NEAR * self.budget
        return too_long(self.budget + 300, self.budget) if near else None


NEAR = 0.6
"""The share of a budget that a prompt has to take to be `TooLong`."""

Fault: TypeAlias = Answer | Break | Silence | TooLong

_WAYS: tuple[Way, ...] = ("closed", "reset", "ended", "error event")
_SPOTS: tuple[Spot, ...] = (
    "any", "any", "any", "first byte", "inside a character", "inside a line", "between events", "after message_stop"
)  # fmt: skip

BROKEN: tuple[Fault, ...] = tuple(Break(way, spot) for way in _WAYS for spot in _SPOTS)
"""Answers that break off. None of them takes time: `Break("stalled")` is for clients with a short timeout."""

SILENT: tuple[Fault, ...] = (Silence(), Silence(carried_out=True))
"""Connections that are closed without an answer. Longer silences are for clients with a short timeout."""

FAULTS: tuple[Fault, ...] = (*PASSING.values(), *FINAL.values(), *REFUSED.values(), *STRANGE.values(), *BROKEN, *SILENT)
"""Every fault that takes no time."""


@dataclass(frozen=True)
class Injected:
    """One fault as it was carried out.

    Attributes:
        number: of the request, from 1 on, in the order of arrival.
        fault: which.
        path: of the request.
        cut: bytes of the answer's body that were sent, of those that there were; None where nothing was cut.
    """

    number: int
    fault: Fault
    path: str
    cut: tuple[int, int] | None = None


class Breaking:
    """A layer round the emulator that injects faults, and remembers them.

    Attributes:
        injected: what was carried out so far, in the order in which it was done.
        requests: how many came.
    """

    def __init__(
        self, seed: int = 0, *, rate: float = 0.25, faults: Sequence[Fault] = FAULTS, in_a_row: int | None = None
    ) -> None:
        """A plan by a seed.

        Args:
            seed: the same one injects the same faults into the same order of requests.
            rate: share of the requests that fail.
            faults: of which one is drawn; name one twice and it comes twice as often.
            in_a_row: at most so many requests fail one after the other; None: any number.
        """
        self.injected: list[Injected] = []
        self.requests = 0
        self._seed, self._rate, self._faults, self._in_a_row = seed, rate, tuple(faults), in_a_row
        self._plan: dict[int, Fault] | None = None
        self._row = 0

    @classmethod
    def at(cls, plan: Mapping[int, Fault], *, seed: int = 0) -> Breaking:
        """A plan that names the request, from 1 on, and what becomes of it. The seed draws spots that are left open."""
        breaking = cls(seed)
        breaking._plan = dict(plan)
        return breaking

    def then(self, *faults: Fault) -> None:
        """Let the next requests fail, one after the other, in place of what was planned; later ones do not."""
        self._plan = {self.requests + place: fault for place, fault in enumerate(faults, 1)}

    def around(self, inner: ASGIApp) -> ASGIApp:
        """The application with these faults around it."""
        return functools.partial(self._handle, inner)

    def _next(self, chance: random.Random) -> Fault | None:
        if self._plan is not None:
            return self._plan.get(self.requests)
        full = self._in_a_row is not None and self._row >= self._in_a_row
        fault = chance.choice(self._faults) if chance.random() < self._rate and not full else None
        self._row = 0 if fault is None else self._row + 1
        return fault

    async def _handle(self, inner: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        self.requests += 1  # no await up to here: one thread, one request at a time
        number, chance = self.requests, random.Random(f"{self._seed}/{self.requests}")  # noqa: S311 - a plan, no secret
        fault = self._next(chance)
        again = replayed(body, receive)
        if isinstance(fault, TooLong):
            fault = fault.answer(body)
        if fault is None:
            await inner(scope, again, send)
            return
        if isinstance(fault, Break):
            answer = await _collected(inner, scope, again)
            place = _place(answer, fault, chance)
            # What a client does next may be looked at as soon as the fault is out.
            self.injected.append(Injected(number, fault, scope["path"], (place, len(answer.body))))
            if not await _begin(answer, place, fault, send):
                await _wait(fault.seconds if fault.way == "stalled" else 0.0, receive)
                await _hang_up(scope, reset=fault.way == "reset")
            return
        self.injected.append(Injected(number, fault, scope["path"]))
        if isinstance(fault, Answer):
            await _say(fault, send)
            return
        if fault.carried_out:
            await _collected(inner, scope, again)
        await _wait(fault.seconds, receive)
        await _hang_up(scope, reset=False)


@dataclass
class _Whole:
    """An answer before it is broken."""

    start: Message
    parts: list[bytes]

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)

    @property
    def streamed(self) -> bool:
        return any(
            name == b"content-type" and value.startswith(b"text/event-stream") for name, value in self.start["headers"]
        )

    def upto(self, place: int) -> Iterator[bytes]:
        """The first bytes of the body, in the pieces in which they came."""
        for part in self.parts:
            if place <= 0:
                return
            yield part[:place]
            place -= len(part)


async def _collected(inner: ASGIApp, scope: Scope, receive: Receive) -> _Whole:
    messages: list[Message] = []

    async def collect(message: Message) -> None:
        messages.append(message)

    await inner(scope, receive, collect)
    return _Whole(messages[0], [message.get("body", b"") for message in messages[1:]])


def spots(body: bytes, spot: Spot) -> Sequence[int]:
    """The places of a kind, as numbers of bytes before them. `after message_stop` is the end: all of the body is there,
    and what is missing is the end of the transfer."""
    inside = range(1, len(body))
    match spot:
        case "any":
            return range(len(body) + 1)
        case "first byte":
            return [0]
        case "inside a character":
            return [place for place in inside if body[place] & 0xC0 == 0x80]
        case "inside a line":
            return [place for place in inside if 0x0A not in (body[place - 1], body[place])]
        case "between events":
            return [place for place in inside if body[place - 2 : place] == b"\n\n"]
        case "after message_stop":
            return [len(body)]


def _place(answer: _Whole, fault: Break, chance: random.Random) -> int:
    """How many bytes of an answer are sent."""
    body = answer.body
    if fault.way == "error event" and not answer.streamed:
        return 0
    spot = fault.spot
    place = spot if isinstance(spot, int) else chance.choice(spots(body, spot) or spots(body, "any"))
    if fault.way == "error event":  # it comes behind a whole event
        place = body.rfind(b"\n\n", 0, place) + 2 if b"\n\n" in body[:place] else 0
    return min(place, len(body))


async def _begin(answer: _Whole, place: int, fault: Break, send: Send) -> bool:
    """Send the beginning of an answer, and what comes behind it.

    Returns:
        Whether the answer has an end, and the connection can stay.
    """
    if fault.way == "error event" and not answer.streamed:
        await _say(PASSING["529"], send)
        return True
    start = dict(answer.start)
    if fault.way == "ended":  # as long as it says it is
        start["headers"] = [
            (name, str(place).encode() if name == b"content-length" else value) for name, value in start["headers"]
        ]
    await send(start)
    for part in answer.upto(place):
        await send({"type": "http.response.body", "body": part, "more_body": True})
    if fault.way not in ("ended", "error event"):
        return False
    error = Event("error", error_body(ApiError(529, "Overloaded"), "req_broken")).encode()
    last = error if fault.way == "error event" else b""
    await send({"type": "http.response.body", "body": last, "more_body": False})
    return True


async def _say(answer: Answer, send: Send) -> None:
    headers = [("content-type", answer.content_type), ("content-length", str(len(answer.body))), *answer.headers]
    encoded = [(name.encode(), value.encode()) for name, value in (*headers, ("request-id", "req_broken"))]
    await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


async def _wait(seconds: float, receive: Receive) -> None:
    """Until the time is over or the client is gone."""
    if not seconds:
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass


async def _hang_up(scope: Scope, *, reset: bool) -> None:
    scope[HANG_UP](reset)
    for _ in range(3):  # the loop tells the server that the connection is lost, so that it answers nothing itself
        await asyncio.sleep(0)


@contextlib.contextmanager
def quick_retries() -> Iterator[None]:
    """The SDK waits a millisecond before a retry where no header says how long (SDK-01)."""
    with mock.patch.multiple("anthropic._base_client", INITIAL_RETRY_DELAY=0.001, MAX_RETRY_DELAY=0.001):
        yield
