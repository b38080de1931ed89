"""Drives a conversation through generated or recorded steps, and hands out everything that was sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from ctxwindow import Compact, Conversation, Count, Policy, Send, Summarize
from ctxwindow.catalog import resolve
from ctxwindow.errors import WindowOverflow
from ctxwindow.record.blocks import blocks_of, is_thinking
from ctxwindow.record.events import Compacted
from ctxwindow.summarize import Extractive
from ctxwindow.testing import SERVER_TOOLS, Step, conversations
from ctxwindow.transcripts.simulated import compaction_reply
from ctxwindow.window import Window, count_text

MAX_TOKENS = 500

FAMILIES = ("claude-haiku-4-5", "claude-opus-4-6", "claude-opus-5-5")
"""A model of each family: last-turn-only, keep-all, bound."""

MANUAL: dict[str, Any] = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
SCOPED: dict[str, Any] = {"betas": ["mid-conversation-system-clear-at-2026-08-21"]}
TOOLS: list[dict[str, Any]] = [
    {"name": name, "input_schema": {"type": "object"}} for name in ("read_file", "run_tests", "search")
]


def small(budget: int = 6_000, **settings: Any) -> Policy:
    """A policy that shrinks early, so that short conversations are shrunk."""
    return Policy(budget=budget, **{"high": 0.85, **settings})


@dataclass
class Shrunk:
    """One compaction as it was made."""

    edit: Compacted
    before: Window
    after: Window
    record: int
    """Length of the record."""


def plan(
    conversation: Conversation,
    *,
    now: float | None = None,
    max_tokens: int = MAX_TOKENS,
    watch: list[Shrunk] | None = None,
) -> Send:
    """Plan until there is something to send, with the offline summariser."""
    while True:
        decision = conversation.plan(max_tokens=max_tokens, now=now)
        match decision:
            case Send():
                return decision
            case Summarize():
                before = conversation.window
                conversation.summarized(summary(conversation, decision), by="extractive", now=now)
                edit, record = conversation.compactions[-1], len(conversation.messages)
                if watch is not None:
                    watch.append(Shrunk(edit, before, conversation.window, record))
            case Compact():
                before = conversation.window
                reply = compaction_reply(decision, conversation, Extractive(), counter(conversation))
                assert conversation.compacted(reply, now=now)
                if watch is not None:
                    edit = conversation.compactions[-1]
                    watch.append(Shrunk(edit, before, conversation.window, len(conversation.messages)))
            case Count():
                conversation.counted(None, now=now)


def summary(conversation: Conversation, decision: Summarize) -> str:
    return Extractive().summarize(decision.segment, counter(conversation))


def counter(conversation: Conversation) -> Callable[[str], int]:
    tokenizer = resolve(conversation.model).tokenizer
    return lambda text: count_text(text, tokenizer).tokens


def drive(conversation: Conversation, steps: Sequence[Step]) -> Iterator[Send]:
    """Feed the steps; yields each send before its reply is received."""
    for number, step in enumerate(steps):
        if step.kind == "append":
            conversation.append(step.message, now=float(number))
        else:
            send = plan(conversation, now=float(number))
            yield send
            conversation.receive(reply_of(step), now=float(number))


def reply_of(step: Step, usage: dict[str, Any] | None = None) -> dict[str, Any]:
    """The step's reply as the API gives it."""
    content = step.message["content"]
    called = any(block["type"] == "tool_use" for block in blocks_of(step.message))
    reason = step.stop_reason or ("tool_use" if called else "end_turn")
    return {"content": content, "stop_reason": reason, "usage": step.usage if step.usage is not None else usage}


def is_dead(step: Step) -> bool:
    """Whether a reply cannot go back: refused (FB-02), empty (MSG-07), cut in thinking (MSG-09) or a call (MSG-14)."""
    if step.kind == "append":
        return False
    blocks = blocks_of(step.message)
    cut = step.stop_reason in ("max_tokens", "model_context_window_exceeded")
    if step.stop_reason == "refusal" or not blocks:
        return True
    return is_thinking(blocks[-1]) or (cut and blocks[-1]["type"] == "tool_use")


LEARNED = ("unexplained", "correction", "learned")
"""Overheads that are no parts of a request, but what exact sizes have told of it."""

OUTPUT = 20
"""Tokens that the usage of every reply names, whatever the reply is."""

# -- generated cases --------------------------------------------------------------------------------------


@dataclass(repr=False)
class Case:
    """One conversation, the model it runs on and the policy it is kept by."""

    model: str
    policy: Policy
    steps: list[Step]
    tools: list[dict[str, Any]] | None
    settings: dict[str, Any]
    max_tokens: int
    factor: float | None
    """Exact sizes as a multiple of what the parts sum up to; None: replies tell no usage."""
    again: int
    """Where it is not 0, each request fails once, and is planned again with so many tokens more for output."""

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Short, for Hypothesis, which refuses to print whole conversations."""
        printer.text(repr(self))

    def __repr__(self) -> str:
        steps = [
            f"{step.kind[0]} {step.stop_reason or step.message['role'][0]} "
            + "+".join(block["type"] for block in blocks_of(step.message))
            for step in self.steps
        ]
        tools = len(self.tools or ())
        return (
            f"Case({self.model}, {self.policy!r}, {steps}, tools={tools}, settings={self.settings}, "
            f"max_tokens={self.max_tokens}, factor={self.factor}, again={self.again})"
        )


@dataclass
class Sent:
    """One send, with what could be seen at that moment."""

    send: Send
    hot: tuple[int, ...]
    record: int
    after: Window | None = None
    """The window when the reply had come."""
    exact: int | None = None
    """The exact size that the reply told."""


@dataclass
class Run:
    """What became of a case."""

    case: Case
    conversation: Conversation
    fixed: int
    """The most that what stands outside the messages may take."""
    sends: list[Sent] = field(default_factory=list)
    shrunk: list[Shrunk] = field(default_factory=list)
    overflow: WindowOverflow | None = None

    @property
    def live(self) -> list[int]:
        """Record indices of what can be sent, by the rules of the API."""
        return [index for index, step in enumerate(self.case.steps) if not is_dead(step)]


MODELS = (*((name, False) for name in reversed(FAMILIES)), (FAMILIES[0], True))
"""A model of each family, and whether it runs with manual thinking."""

METHODS: tuple[tuple[str, ...], ...] = (
    ("spill", "summarize_keep_tail", "summarize_all"),
    ("spill", "summarize_keep_tail", "summarize_all"),
    ("spill", "summarize_all"),
    ("summarize_keep_tail", "summarize_all"),
    ("spill", "summarize_keep_tail"),
)


@st.composite
def policies(draw: st.DrawFn, *, room: int) -> Policy:
    """Policies with some tokens more than `room`, marks near and far, and any set of methods."""
    return small(
        room + draw(st.integers(min_value=900, max_value=3_000)),
        high=draw(st.sampled_from([0.85, 0.7, 0.99])),
        low=draw(st.sampled_from([0.5, 0.3, 0.65])),
        min_gain=draw(st.sampled_from([0.1, 0.4, 0.6])),
        methods=draw(st.sampled_from(METHODS)),
        exact_counts=draw(st.booleans()),
    )


@st.composite
def cases(
    draw: st.DrawFn,
    *,
    max_turns: int = 6,
    max_rounds: int = 3,
    models: tuple[tuple[str, bool], ...] = MODELS,
    again: tuple[int, ...] = (0, 0, 400, 900),
) -> Case:
    """Cases of every family, and of manual thinking, with all that conversations of that family may hold."""
    model, manual = draw(st.sampled_from(models))
    system = resolve(model).features.mid_conversation_system
    # The tools of a request may be unknown. Server tools have wide bounds, and so have unread documents.
    kind = draw(st.sampled_from(["no tools", "tools", "no tools", "server tools", "unread"]))
    tools = {"tools": TOOLS, "server tools": [*TOOLS, *SERVER_TOOLS]}.get(kind)
    # Manual thinking needs max_tokens above its budget.
    max_tokens = 1_100 if manual else MAX_TOKENS
    room = {"tools": 1_200, "server tools": 7_000, "unread": 60_000}.get(kind, 200)
    steps = draw(
        conversations(
            max_turns=max_turns,
            max_rounds=max_rounds,
            manual=manual,
            system=system,
            # With thinking off a paused reply, which ends the request, holds none (THINK-08).
            server_tools=kind in ("no tools", "server tools") and (manual or model != FAMILIES[0]),
            waiting=kind == "server tools",
            interrupted=True,
            several=True,
            synthetic=True,
            imported=True,
            unread=kind == "unread",
            marked=True,
            usage=True,
        )
    )
    return Case(
        model=model,
        policy=draw(policies(room=max_tokens + room)),
        steps=steps,
        tools=tools,
        settings={**(MANUAL if manual else {}), **(SCOPED if system else {})},
        max_tokens=max_tokens,
        factor=draw(st.sampled_from([None, 1.0, 0.8, 1.05, 1.4])),
        again=draw(st.sampled_from(again)),
    )


def run(case: Case, start: float = 0.0) -> Run:
    """Carry a case out, a second for each step from `start` on, up to its end or to the first overflow."""
    conversation = Conversation.start(
        model=case.model, system="Be brief.", tools=case.tools, settings=case.settings, policy=case.policy
    )
    result = Run(case, conversation, conversation.window.high)
    carry_on(result, case.steps, start)
    return result


def carry_on(result: Run, steps: Sequence[Step], start: float) -> None:
    """Carry steps out, a second for each from `start` on, up to the last or to the first overflow."""
    try:
        for number, step in enumerate(steps):
            _step(result, step, start + number)
    except WindowOverflow as overflow:
        result.overflow = overflow


def _step(result: Run, step: Step, now: float) -> None:
    conversation, case = result.conversation, result.case
    if step.kind == "append":
        conversation.append(step.message, now=now)
        return
    sent = _send(result, case.max_tokens, now)
    if case.again:
        conversation.fail({"type": "overloaded_error", "message": "Overloaded"}, now=now)
        sent = _send(result, case.max_tokens + case.again, now)
    usage = None
    if case.factor is not None:
        usage = {"input_tokens": int(_parts(sent.send.window) * case.factor), "output_tokens": OUTPUT}
        sent.exact = usage["input_tokens"] if step.usage is None else None
    conversation.receive(reply_of(step, usage), now=now)
    sent.after = conversation.window


def _send(result: Run, max_tokens: int, now: float) -> Sent:
    conversation = result.conversation
    send = plan(conversation, now=now, max_tokens=max_tokens, watch=result.shrunk)
    sent = Sent(send, conversation.hot(), len(conversation.messages))
    result.sends.append(sent)
    return sent


def _parts(window: Window) -> int:
    """What the parts of a window sum up to, whatever exact sizes have told."""
    return window.tokens - sum(window.overheads.get(name, 0) for name in LEARNED)


def fixed_tokens(window: Window) -> int:
    """Tokens outside the messages."""
    apart = {
        name: tokens
        for name, tokens in window.overheads.items()
        if name not in ("messages", "unexplained", "correction")
    }
    return window.by["system"] + window.by["tools"] + sum(apart.values())
