"""What must hold after a conversation that went through faults: its record, against the logs of both ends of the wire.

found = audit(Told(...))
assert found.violations == []
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ctxwindow import Conversation
from ctxwindow.record import decode_event, encode_event, from_json
from ctxwindow.record.blocks import blocks_of
from ctxwindow.record.events import Answered, Appended, Compacted, Counted, Declined, Event, Received
from ctxwindow.record.streamed import Streamed
from ctxwindow.stores import SqliteStore
from ctxwindow.summarize.chain import TRIES
from ctxwindow.summarize.instruction import ASKED
from tests.client.agents import Agent
from tests.client.breaking import Break, Injected, Silence
from tests.client.loopback import Exchange, Log

__all__ = ["Audit", "Told", "audit", "is_summary", "message_of"]


@dataclass(frozen=True)
class Told:
    """What is known of a conversation from outside.

    Attributes:
        database: of the session.
        agent: who it was, with its parts.
        turns: what the user says, in order.
        client: requests as the client sent them, and what came to it.
        emulator: requests as they came to the emulator, and what it answered.
        injected: faults between the two.
        interrupts: times that the process was killed, or an operation cancelled.
        ran: calls as they were run, as (number, lane).
        reruns: whether calls of which the outcome is unknown are run again.
        budget: tokens.
    """

    database: Path
    agent: Agent
    turns: Sequence[str]
    client: Log
    emulator: Log
    injected: Sequence[Injected]
    interrupts: int
    ran: Sequence[tuple[int, int]]
    reruns: bool
    budget: int
    parallel: int = 1


@dataclass
class Audit:
    """What was found."""

    violations: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def expect(self, holds: bool, what: str) -> None:
        """Note a violation."""
        if not holds:
            self.violations.append(what)


def audit(told: Told) -> Audit:
    """Hold a record against what happened."""
    found = Audit()
    conversation = _reopened(told, found)
    if conversation is None:
        return found
    whole = [event for event in found.events if isinstance(event, Received) and not event.cut]
    _check_turns(told, found)
    _check_replies(told, found)
    _check_calls(told, found, whole)
    _check_shrinking(told, found)
    _check_requests(told, found, whole)
    found.counts.update(
        replies=len(whole),
        cut=sum(isinstance(event, Received) and event.cut for event in found.events),
        compactions=len(conversation.compactions),
        declined=sum(isinstance(event, Declined) for event in found.events),
        counted=sum(isinstance(event, Counted) for event in found.events),
        resumed=sum(isinstance(event, Appended) and event.resumes for event in found.events),
    )
    return found


def _reopened(told: Told, found: Audit) -> Conversation | None:
    """The conversation as the store has it; free, whole, and the same when it is encoded again."""
    with SqliteStore(told.database) as store:
        rows = list(store.read("main"))
        hold = store.hold("main")
        found.expect(hold is not None, "the hold is not free")
        if hold is not None:
            hold.release()
    found.expect([row.seq for row in rows] == list(range(1, len(rows) + 1)), "rows are missing")
    found.events = [decode_event(row.payload) for row in rows]
    found.expect(all(encode_event(e) == row.payload for e, row in zip(found.events, rows, strict=True)), "not lossless")
    conversation = Conversation.fold(found.events)
    found.expect(not conversation.awaiting, "a reply is still awaited")
    found.expect(not conversation.unanswered, "something is still open")
    found.expect(not conversation.open_calls, "calls are still open")
    last = conversation.messages[-1] if conversation.messages else {}
    found.expect("is done: " in str(last.get("content")), "the agent did not come to its end")
    return conversation


def _check_turns(told: Told, found: Audit) -> None:
    """What the user said is in the record once, in order."""
    said = [
        block["text"]
        for event in found.events
        if isinstance(event, Appended) and event.message["role"] == "user" and not event.resumes
        for block in blocks_of(event.message)
        if block.get("type") == "text"
    ]
    wanted = list(told.turns)
    # A turn is not asked for where a reply that was cut off made the agent go on by itself.
    found.expect(said == wanted[: len(said)], f"user turns: {said}")


def message_of(exchange: Exchange) -> dict[str, Any] | None:
    """The message that the emulator answered with, as far as it came to send it; None where it did not, or refused."""
    if exchange.status != 200 or not exchange.response:  # where the client has died there is no body
        return None
    if not exchange.response.startswith(b"event:"):
        answer: dict[str, Any] = exchange.answer
        return answer
    streamed = Streamed()
    for line in exchange.response.splitlines():
        if line.startswith(b"data: "):
            streamed.feed(from_json(line[6:]))
    return streamed.message


def is_summary(body: Mapping[str, Any]) -> bool:
    """Whether a request asks for a summary."""
    return any(str(block.get("text", "")).startswith(ASKED[:60]) for block in blocks_of(body["messages"][-1]))


def _reached(told: Told) -> Iterator[tuple[Exchange, Injected | None]]:
    """The requests that came to the emulator, each with what was done to its answer."""
    faults = {one.number: one for one in told.injected}
    inner = iter(told.emulator.exchanges)
    for outer in told.client.exchanges:
        fault = faults.get(outer.number)
        kind = fault.fault if fault is not None else None
        if kind is None or isinstance(kind, Break) or (isinstance(kind, Silence) and kind.carried_out):
            exchange = next(inner)
            assert exchange.body == outer.body, "the logs are not of the same requests"
            yield exchange, fault


def _check_replies(told: Told, found: Audit) -> None:
    """Every reply that came is in the record once; none is there that did not come."""
    recorded = [event for event in found.events if isinstance(event, Received)]
    times = Counter(event.reply_id for event in recorded)
    doubled = [name for name, number in times.items() if number > 1]
    found.expect(not doubled, f"replies recorded twice: {doubled}")
    said: dict[str, dict[str, Any]] = {}
    missing, broken = 0, set[str]()
    for exchange, fault in _reached(told):
        message = message_of(exchange) if exchange in told.emulator.created else None
        body = exchange.json
        if message is None or body.get("compaction") or is_summary(body):
            continue
        said[message["id"]] = message
        if fault is not None:
            broken.add(message["id"])
        elif not any(event.reply_id == message["id"] and not event.cut for event in recorded):
            missing += 1
    found.expect(missing <= told.interrupts, f"{missing} replies that came are not in the record")
    for event in recorded:
        message = said.get(str(event.reply_id))
        if message is None:
            found.violations.append(f"a reply that nobody gave: {event.reply_id}")
        elif event.cut:
            found.expect(_begins(event.message["content"], message["content"]), f"not as it came: {event.reply_id}")
        else:
            found.expect(event.message["content"] == message["content"], f"not as it came: {event.reply_id}")
    found.counts["replies lost on the way"] = len(broken)
    found.counts["replies lost by the process"] = missing


def _begins(part: Sequence[Mapping[str, Any]], whole: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the text of a reply that was cut is the beginning of what was said."""
    if len(part) > len(whole):
        return False
    return all(
        str(mine.get("text", "")) == str(given.get("text", ""))[: len(str(mine.get("text", "")))]
        for mine, given in zip(part, whole, strict=False)
    )


def _check_calls(told: Told, found: Audit, whole: Sequence[Received]) -> None:
    """Every call was asked once, run once, and answered once, with what its tool returned."""
    calls = {
        block["id"]: (block["input"]["number"], block["input"]["lane"])
        for event in whole
        if event.stop_reason == "tool_use"
        for block in event.message["content"]
        if block["type"] == "tool_use"
    }
    asked = Counter(calls.values())
    found.expect(asked == Counter(told.agent.asked), f"calls asked: {_unlike(asked, Counter(told.agent.asked))}")
    results = [
        block
        for event in found.events
        if isinstance(event, Appended)
        for block in blocks_of(event.message)
        if block.get("type") == "tool_result"
    ]
    answered = Counter(block["tool_use_id"] for block in results)
    found.expect(answered == Counter(list(calls)), f"results: {_unlike(answered, Counter(list(calls)))}")
    by_call = {block["tool_use_id"]: block for block in results}
    unknown = 0
    for block in results:
        part = calls.get(block["tool_use_id"])
        if block.get("is_error"):
            unknown += 1
        elif part is not None:
            texts = "".join(one.get("text", "") for one in blocks_of(block))
            found.expect(texts == told.agent.result(*part), f"result of {part} is not what the tool returned")
            found.expect(part in told.ran, f"a result of {part}, which was not run")
    found.expect(unknown <= told.parallel * told.interrupts, f"{unknown} calls told as failed")
    found.expect(not (unknown and told.reruns), f"{unknown} calls told as unknown, and not run again")
    for event in found.events:
        if isinstance(event, Answered):
            found.expect(by_call.get(event.block["tool_use_id"]) == event.block, "a result that was known is not sent")
    ran = Counter(told.ran)
    most = 1 + (told.interrupts if told.reruns else 0)
    found.expect(all(number <= most for number in ran.values()), f"calls run more than {most} times: {ran}")
    repeated = sum(ran.values()) - len(ran)
    found.expect(repeated <= told.parallel * told.interrupts, f"{repeated} calls were run again")
    found.expect(set(ran) <= set(asked), f"calls run that are not in the record: {set(ran) - set(asked)}")
    found.counts["calls"] = len(calls)
    found.counts["calls told as unknown"] = unknown
    found.counts["calls run again"] = repeated


def _unlike(one: Counter[Any], other: Counter[Any]) -> str:
    return f"too many {dict(one - other)}, too few {dict(other - one)}"


def _check_shrinking(told: Told, found: Audit) -> None:
    """No summary, and no compaction, is paid for twice: what came of one is in the record, or the process died before."""
    paid = Counter[bytes]()
    for exchange, fault in _reached(told):
        if exchange not in told.emulator.created or exchange.status != 200 or fault is not None:
            continue
        body = exchange.json
        if body.get("compaction") or is_summary(body):
            paid[exchange.body] += 1
    twice = sum(paid.values()) - len(paid)
    # A process that dies while a summary is written loses what it was told of it: by the last try, of both.
    found.expect(twice <= TRIES * told.interrupts, f"{twice} summaries or compactions were paid for twice")
    ended = sum(isinstance(event, (Compacted, Declined)) for event in found.events)
    found.expect(
        len(paid) <= TRIES * (ended + told.interrupts), f"{len(paid)} were paid for, {ended} are in the record"
    )
    found.counts["summaries and compactions paid"] = sum(paid.values())


def _check_requests(told: Told, found: Audit, whole: Sequence[Received]) -> None:
    """No request is refused that was not broken on purpose; none is too large; and there are no more than must be."""
    found.expect(not told.emulator.refused, f"refused: {told.emulator.refused[:3]}")
    for exchange in told.emulator.created:
        message, body = message_of(exchange), exchange.json
        if message is None or body.get("compaction") or is_summary(body):
            continue
        usage = message["usage"]
        prompt = sum(
            usage.get(key) or 0 for key in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        )
        tokens = prompt + body["max_tokens"]
        found.expect(tokens <= told.budget, f"request {exchange.number} takes {tokens:,} of {told.budget:,} tokens")
    replies = [
        one
        for one in told.client.created
        if not (body := one.json).get("compaction") and not is_summary(body)
    ]  # fmt: skip
    # Each brings a reply that is recorded, or a fault, or an interrupt, has befallen it.
    most = len(whole) + len(told.injected) + told.interrupts
    found.expect(len(replies) <= most, f"{len(replies)} requests, where {most} do")
    found.counts["requests"] = len(told.client.exchanges)
