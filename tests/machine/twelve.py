"""The state machine: everything that a caller, the model, the API and a crash may do, in any order."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ctxwindow import Compact, Conversation, Count, Policy, Send, Summarize
from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.emulator.faults import Fault
from ctxwindow.stores import Store, keep
from ctxwindow.testing.content import server_use
from tests.machine.driven import COMPACTIONS, SUMMARIES
from tests.machine.halfway import Halfway
from tests.machine.laws import Laws
from tests.machine.laws_of_requests import MARKER
from tests.machine.scenes import (
    JSON,
    NEXT,
    ORDINARY,
    SCENES,
    SHAPES,
    TOOLSETS,
    WORDS,
    Scene,
    Shape,
    policies,
    system,
    text,
    user,
)
from tests.machine.world import Refused, World

HOW = st.sampled_from(["good", "good", "good", *SUMMARIES, *COMPACTIONS])
"""What comes of the first summary or compaction on the way to a request."""

FAULTS = ("529", "429", "500", "401", "html", "timeout", "cut-stream")
"""What goes wrong at the API, by the names that the emulator has for it."""

BOUND_ELSEWHERE = {
    "type": "error",
    "error": {
        "type": "invalid_request_error",
        "message": "messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to a different conversation.",
    },
}


def seen(act: Callable[..., None]) -> Callable[..., None]:
    """Counts what the machine did."""

    @functools.wraps(act)
    def counted(self: TwelveLaws, *given: Any, **named: Any) -> None:
        self.tally[f"rule, {act.__name__}"] += 1
        act(self, *given, **named)

    return counted


class TwelveLaws(RuleBasedStateMachine):
    """One conversation, and another one beside it in the same store."""

    tally: ClassVar[Counter[str]] = Counter()
    store: ClassVar[Store]
    names: ClassVar[Any] = itertools.count()

    @initialize(
        data=st.data(),
        scene=st.sampled_from(SCENES),
        tools=st.sampled_from(TOOLSETS),
        share=st.sampled_from([1.0, 1.0, 0.9, 1.15]),
        ways=st.tuples(st.sampled_from([False, False, False, True]), st.booleans()),
    )
    def begin(
        self, data: st.DataObject, scene: Scene, tools: list[JSON] | None, share: float, ways: tuple[bool, bool]
    ) -> None:
        """`ways`: whether the window is smaller than the catalog knows, and whether the API tells what it drops."""
        narrow, tell = ways
        policy = data.draw(policies(scene, tools))
        profiles: tuple[ModelProfile, ...] = ()
        if narrow:  # the window is smaller than the catalog knows
            window = (policy.budget or 0) * 9 // 10
            names = {scene.model, *(model for model, _ in NEXT)}
            profiles = tuple(
                msgspec.structs.replace(resolve(name), window=window, max_output=window) for name in sorted(names)
            )
        world = World(profiles, new_account=scene.new_account, share=share)
        laws = Laws(self.tally, enforced=scene.new_account)
        self.driven = Halfway(scene, policy, tools, world=world, store=self.store, laws=laws)
        self.driven.narrow, self.driven.tell = narrow, tell
        self.tally[f"scene, {scene.model}"] += 1
        self.driven.start(f"one-{next(self.names)}")
        self.another = Conversation.start(model="claude-opus-5-5", system=MARKER, policy=Policy(budget=4_000))
        self.other_name = f"other-{next(self.names)}"

    # -- what is usual ------------------------------------------------------------------------------------------

    @rule(
        words=st.sampled_from(sorted(WORDS)),
        kinds=st.lists(st.sampled_from(ORDINARY), min_size=1, max_size=3),
        shape=SHAPES,
        how=HOW,
    )
    @seen
    def exchange(self, words: str, kinds: list[str], shape: Shape, how: str) -> None:
        """Something is said or answered, the request is planned and sent, the model replies."""
        driven = self.driven
        if driven.known.calls:
            driven.take(driven.answers(driven.known.calls, kinds))
        elif not isinstance(driven.known.due, Send):
            driven.take(user(words))
        if driven.until_send(how):
            driven.send(driven.say(shape))
        self.over()

    @rule(
        shapes=st.lists(SHAPES, min_size=2, max_size=5),
        kinds=st.lists(st.sampled_from(ORDINARY), min_size=1, max_size=3),
    )
    @seen
    def rounds(self, shapes: list[Shape], kinds: list[str]) -> None:
        """Several rounds of calls in one turn."""
        for shape in shapes:
            self.exchange("middling", kinds, shape._replace(calls=max(1, shape.calls)), "good")

    def over(self) -> None:
        """Behind an overflow nothing fits any more: the agent begins again."""
        if self.driven.overflowed:
            self.driven.start(f"one-{next(self.names)}")

    # -- the caller ---------------------------------------------------------------------------------------------

    @rule(words=st.sampled_from(sorted(WORDS)))
    @seen
    def user_speaks(self, words: str) -> None:
        taken = self.driven.take(user(words))
        assert not (taken and self.driven.known.calls), "open calls come first (TOOL-01)"

    @precondition(lambda self: self.driven.known.calls)
    @rule(
        kinds=st.lists(st.sampled_from(ORDINARY), min_size=1, max_size=3),
        words=st.booleans(),
        apart=st.booleans(),
    )
    @seen
    def results_come(self, kinds: list[str], words: bool, apart: bool) -> None:
        driven, calls = self.driven, self.driven.known.calls
        if not apart or len(calls) == 1:
            assert driven.take(driven.answers(calls, kinds, words=words))
            return
        first, rest = (driven.answers(some, kinds) for some in (calls[:1], calls[1:]))
        assert driven.take(first)
        driven.known.calls = calls[1:]
        assert not driven.take(user("short")), "open calls come first (TOOL-01)"
        assert driven.take(rest)

    @precondition(lambda self: self.driven.known.calls)
    @rule(
        kinds=st.lists(st.sampled_from(ORDINARY), min_size=1, max_size=3),
        number=st.integers(1, 3),
        crash=st.booleans(),
    )
    @seen
    def some_results_come(self, kinds: list[str], number: int, crash: bool) -> None:
        self.driven.answer_some(kinds, number)
        if crash:
            self.driven.crash(remembers=False)

    @rule(kind=st.sampled_from(["scoped", "standing", "tool", "effort"]))
    @seen
    def system_reminds(self, kind: str) -> None:
        if not self.driven.known.calls and self.driven.take(system(kind)):
            self.tally[f"system message, {kind}"] += 1

    @rule(model=st.sampled_from(NEXT))
    @seen
    def switch_model(self, model: tuple[str, JSON | None]) -> None:
        if self.driven.configure(*model):
            self.tally["model switched"] += 1

    @rule(platform=st.sampled_from(["claude_api", "bedrock", "foundry"]))
    @seen
    def switch_platform(self, platform: str) -> None:
        if self.driven.configure(platform=platform):
            self.tally["platform switched"] += 1

    @rule(choice=st.sampled_from(["auto", "none", "any"]))
    @seen
    def choose_tools(self, choice: str) -> None:
        if self.driven.configure(settings={**self.driven.known.settings, "tool_choice": {"type": choice}}):
            self.tally[f"tool choice, {choice}"] += 1

    @rule()
    @seen
    def forget_betas(self) -> None:
        """Settings without the headers that the history may need."""
        if self.driven.configure(settings={**self.driven.known.settings, "betas": []}):
            self.tally["betas forgotten"] += 1

    @rule(seconds=st.sampled_from([1.0, 200.0, 4_000.0]))
    @seen
    def time_passes(self, seconds: float) -> None:
        self.driven.world.now += seconds

    # -- planning, step by step ---------------------------------------------------------------------------------

    @precondition(lambda self: not self.driven.known.calls)
    @rule(more=st.sampled_from([0, 0, 300]))
    @seen
    def plan(self, more: int) -> None:
        self.driven.decide(more)
        self.over()

    @precondition(lambda self: isinstance(self.driven.known.due, Summarize))
    @rule(kind=st.sampled_from(["good", "blank", "long", "raises"]), late=st.booleans())
    @seen
    def summary_comes(self, kind: str, late: bool) -> None:
        if late:
            self.driven.take(user("short"))
        self.driven.summarize(kind)

    @precondition(lambda self: isinstance(self.driven.known.due, Compact))
    @rule(kind=st.sampled_from(["good", *COMPACTIONS]), late=st.booleans())
    @seen
    def compaction_comes(self, kind: str, late: bool) -> None:
        if late:
            self.driven.take(user("short"))
        self.driven.compact(kind)

    @precondition(lambda self: self.driven.known.aside and not isinstance(self.driven.known.due, (Summarize, Compact)))
    @rule(kind=st.sampled_from(["good", "good", "raises", "null"]))
    @seen
    def aside_comes(self, kind: str) -> None:
        """What was prepared in the background is handed in, sooner or later (CMP-34)."""
        driven = self.driven
        if isinstance(driven.known.aside, Compact):
            driven.compact("null" if kind == "null" else "529" if kind == "raises" else "good", aside=True)
        else:
            driven.summarize("blank" if kind == "null" else kind, aside=True)

    @precondition(lambda self: isinstance(self.driven.known.due, Count))
    @rule(kind=st.sampled_from(["exact", "none"]), late=st.booleans())
    @seen
    def count_comes(self, kind: str, late: bool) -> None:
        if late:
            self.driven.take(user("short"))
        self.driven.count(kind)

    # -- the API ------------------------------------------------------------------------------------------------

    @precondition(lambda self: not self.driven.known.calls)
    @rule(shape=SHAPES)
    @seen
    def reply_comes(self, shape: Shape) -> None:
        if self.driven.until_send():
            self.driven.send(self.driven.say(shape))
        self.over()

    @rule(
        end=st.sampled_from(["refusal", "empty", "thinking", "call", "text", "pause", "pause in a call"]), shape=SHAPES
    )
    @seen
    def reply_is_cut(self, end: str, shape: Shape) -> None:
        """A reply that does not end well (FB-02, MSG-07, MSG-09, MSG-13, MSG-14)."""
        driven = self.driven
        if driven.known.calls or not driven.until_send():
            return self.over()
        blocks = driven.say(shape._replace(calls=0, thoughts=shape.thoughts or ("short",)))
        thoughts = [block for block in blocks if "thinking" in block["type"]]
        searches = any(tool["name"] == "web_search" for tool in driven.tools or ())
        match end:
            case "refusal":
                driven.send({"content": blocks, "stop_reason": "refusal"})
            case "empty":
                driven.send({"content": [], "stop_reason": "refusal"})
            case "thinking" if thoughts:
                driven.send({"content": thoughts, "stop_reason": "max_tokens"})
            case "call":
                call = {"type": "tool_use", "id": f"toolu_cut_{driven.number}", "name": "read_file", "input": {}}
                driven.send({"content": [*blocks, call], "stop_reason": "max_tokens"})
            case "pause" | "pause in a call" if searches:
                blocks = driven.say(shape._replace(calls=0, searched=True))
                waits = [server_use(f"srvtoolu_w{driven.number}")] if end != "pause" else []
                driven.send({"content": [*blocks, *waits], "stop_reason": "pause_turn"})
            case _:
                driven.send({"content": [*thoughts, text("As far as I")], "stop_reason": "max_tokens"})
        return None

    @rule(
        shape=SHAPES,
        share=st.sampled_from([0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.99, 1.0]),
        every=st.integers(1, 12),
        ends=st.tuples(st.booleans(), st.booleans()),
    )
    @seen
    def reply_streams(self, shape: Shape, share: float, every: int, ends: tuple[bool, bool]) -> None:
        """A reply streams, and may be cut at any event (MSG-16). `ends`: by a crash, and with what came in hand."""
        driven, (crash, tells) = self.driven, ends
        if driven.known.calls:
            driven.take(driven.answers(driven.known.calls, ["text"]))
        elif not isinstance(driven.known.due, Send):
            driven.take(user("short"))
        if driven.until_send():
            driven.stream(driven.say(shape), share=share, every=every, crash=crash, tells=tells)
        self.over()

    @precondition(lambda self: not self.driven.known.calls)
    @rule(kind=st.sampled_from(FAULTS))
    @seen
    def request_fails(self, kind: str) -> None:
        if self.driven.until_send():
            self.tally[f"fault, {kind}"] += 1
            self.driven.send(Fault.parse(kind))
        self.over()

    @precondition(lambda self: not self.driven.known.calls)
    @rule()
    @seen
    def thinking_is_refused(self) -> None:
        """An error that the API has no reason for."""
        if self.driven.until_send():
            self.driven.save(must=True)
            self.driven.fail(Refused(400, BOUND_ELSEWHERE))
        self.over()

    @precondition(lambda self: not self.driven.known.calls)
    @rule(over=st.sampled_from([1, 400]))
    @seen
    def prompt_is_too_long(self, over: int) -> None:
        if self.driven.until_send():
            self.tally["too long, as told"] += 1
            self.driven.too_long(over)
        self.over()

    # -- time travel, pins ------------------------------------------------------------------------------------------

    @precondition(lambda self: self.driven.known.record)
    @rule(back=st.integers(0, 6))
    @seen
    def go_back(self, back: int) -> None:
        self.driven.rewind(max(0, len(self.driven.known.record) - back))

    @precondition(lambda self: self.driven.requests)
    @rule(number=st.integers(0, 50))
    @seen
    def go_back_to_a_send(self, number: int) -> None:
        sends = sorted(self.driven.requests)
        self.driven.rewind_to_send(sends[-1 - number % len(sends)])

    @rule(number=st.integers(0, 5))
    @seen
    def go_over(self, number: int) -> None:
        self.driven.go_over(number)

    @precondition(lambda self: self.driven.requests)
    @rule(number=st.integers(0, 50))
    @seen
    def look_back(self, number: int) -> None:
        sends = sorted(self.driven.requests)
        self.driven.look_back(sends[number % len(sends)])

    # -- a crash, and what is beside ----------------------------------------------------------------------------

    @rule(remembers=st.booleans())
    @seen
    def crash(self, remembers: bool) -> None:
        self.driven.crash(remembers=remembers)

    @rule(times=st.integers(1, 4))
    @seen
    def be_lazy(self, times: int) -> None:
        self.driven.lazy = times

    @rule()
    @seen
    def reply_comes_again(self) -> None:
        self.driven.receive_again()

    @rule()
    @seen
    def another_speaks(self) -> None:
        """The other conversation goes on, and is kept in the same store."""
        now = self.driven.world.now
        self.another.append(user("short") | {"content": f"{MARKER} in src/app/main.py"}, now=now)
        decision = self.another.plan(max_tokens=300, now=now)
        if isinstance(decision, Send):
            assert "parse_config" not in str(decision.request), "law 11: another conversation's content"
            self.driven.world.says = f"{MARKER}, again."
            self.another.receive(self.driven.world.create(decision.request), now=now)
        keep(self.store, self.other_name, self.another)

    # -- what always holds --------------------------------------------------------------------------------------

    @invariant()
    def laws_hold(self) -> None:
        if hasattr(self, "driven"):
            self.driven.check()

    def teardown(self) -> None:
        if hasattr(self, "driven"):
            self.driven.laws.law_9_every_block_has_its_price(self.driven.conversation)
