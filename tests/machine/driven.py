"""One conversation in a store, driven as an agent drives it, and held to the laws at every step."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable
from typing import Any

from ctxwindow import Conversation, Count, Policy, Send, Summarize
from ctxwindow.catalog import resolve
from ctxwindow.emulator.faults import Fault
from ctxwindow.emulator.replies import thinks
from ctxwindow.errors import CtxwindowError, MisuseError, ProtocolError, WindowOverflow
from ctxwindow.record.blocks import blocks_of
from ctxwindow.record.events import Sent, Spilled
from ctxwindow.rules.frame import Frame
from ctxwindow.stores import Store, keep, load
from ctxwindow.testing.content import server_result
from tests.driver import summary
from tests.machine.known import JSON, Known
from tests.machine.laws import Laws, again
from tests.machine.scenes import Scene, Shape, content
from tests.machine.world import Refused, World

PRICE = 0.01
"""Dollars for each summary."""

MOST_DECISIONS = 12
"""More than any plan takes: spills come inside of one, and no edit follows another (law 7)."""


class Driven:
    """A driver of one conversation.

    Attributes:
        known: what the driver knows, which a crash sets back to what was kept.
        lazy: how many times the driver will not keep what is new.
    """

    def __init__(self, scene: Scene, policy: Policy, tools: list[JSON] | None, world: World, store: Store) -> None:
        self.scene, self.policy, self.tools, self.world, self.store = scene, policy, tools, world, store
        self.laws: Laws
        self.number = 0
        self.lazy = 0
        self.narrow = False
        self.tell = True

    def start(self, name: str, laws: Laws) -> None:
        """Begin a conversation under a name of its own."""
        self.name, self.laws = name, laws
        self.overflowed = False
        self.known = Known(settings=dict(self.scene.settings), model=self.scene.model)
        self.conversation = Conversation.start(
            model=self.scene.model,
            system="Be brief.",
            tools=self.tools,
            settings=self.scene.settings,
            policy=self.policy,
            now=self.world.now,
        )
        self.save(must=True)

    # -- keeping, and what is left after a crash ----------------------------------------------------------------

    def save(self, *, must: bool = False) -> None:
        """Keep what is new, unless the driver is lazy. Before a request goes out it must be kept."""
        if self.lazy and not must:
            self.lazy -= 1
            return
        keep(self.store, self.name, self.conversation)
        self.kept, self.kept_events = self.known.copy(), self.conversation.events

    def crash(self, *, remembers: bool) -> None:
        """The process ends here. `remembers`: the request that is out is still known to the one that takes over."""
        lost = len(self.conversation.events) - len(self.kept_events)
        self.laws.tally["crash, with events lost" if lost else "crash"] += 1
        self.conversation = load(self.store, self.name)
        self.known = self.kept.copy()
        self.laws.law_10_what_was_kept_is_there(self.conversation, self.known, self.kept_events)
        if not (remembers and isinstance(self.known.due, Send)):
            self.known.due = None

    def attempt(self, call: Callable[[], Any]) -> bool:
        """Whether the engine took something. Only errors of ours are raised, and what is refused changes nothing."""
        before = self.conversation.events
        try:
            call()
        except MisuseError:
            assert self.conversation.events == before, "refused, and something changed"
            self.laws.tally["refused by the engine"] += 1
            return False
        return True

    # -- the caller ---------------------------------------------------------------------------------------------

    def take(self, message: JSON) -> bool:
        """Append a message; False where the engine refuses it."""
        given = copy.deepcopy(message)
        due, late = self.known.due, isinstance(self.known.due, (Summarize, Count))
        if not self.attempt(lambda: self.conversation.append(given, now=self.world.now)):
            return False
        assert given == message, "what was given was mutated"
        self.known.takes(message)
        if late:
            self.known.due = due  # a summary that is being written, and a count, are of what came before
        self.save()
        return True

    def configure(self, model: str | None, settings: JSON | None) -> bool:
        """Switch the model or the settings."""
        if not self.attempt(lambda: self.conversation.configure(model=model, settings=settings, now=self.world.now)):
            return False
        self.known.due = None
        if settings is not None:
            self.known.settings = settings
        if model is not None:
            self.known.model = model
            if self.bound:
                # Made before the edits that began this epoch, so that no bound model takes it (BIND-22).
                epoch = self.conversation.epoch
                self.known.gone |= {index for index, made in self.known.made.items() if made < epoch}
        self.save()
        return True

    @property
    def bound(self) -> bool:
        """Whether thinking is checked against the conversation before it."""
        return resolve(self.known.model).bound and self.policy.assume_binding

    # -- planning -----------------------------------------------------------------------------------------------

    def decide(self, more: int = 0) -> None:
        """One decision of the engine; it is then due. None is where there is nothing to decide, or an overflow."""
        asked = self.scene.max_tokens + more
        before, twin = self.conversation, again(self.conversation)
        events, due = before.events, self.known.due
        expected = _outcome(twin, asked, self.world.now)
        found = _outcome(before, asked, self.world.now)
        new = before.events[len(events) :]
        if isinstance(found, Send) and not any(isinstance(event, Sent) for event in new):
            assert isinstance(due, Send)
            assert found is due, "nothing has happened, and another request is planned"
            return
        assert _plain(found) == _plain(expected), "law 8: the same events give another plan"
        assert twin.events == before.events
        self.laws.tally["law 8"] += 1
        self.laws.tally["spill"] += sum(isinstance(event, Spilled) for event in new)
        self._decided(found, new)
        self.save()

    def _decided(self, found: Any, new: tuple[Any, ...]) -> None:
        self.known.due = found if isinstance(found, (Send, Summarize, Count)) else None
        match found:
            case Send():
                assert not self.known.calls
                self._look_at(found)
            case Summarize():
                self.laws.law_10_nothing_is_paid_twice(found, self.conversation)
                self.before, self.limit = self.conversation.window, self._limit(found)
            case WindowOverflow():
                self.overflowed = True
                self.laws.law_3_overflow(found, self.policy.budget or 0, new)
            case MisuseError():
                assert not new, "refused, and something changed"

    def _look_at(self, send: Send) -> None:
        """Every law that speaks of requests."""
        known, request = self.known, send.request
        before = known.accepted
        previous = before.request if before is not None and before.epoch == send.epoch else None
        assert send.number == known.sends + 1
        known.sends += 1
        self.laws.law_2_the_wire_is_valid(request, previous)
        self.laws.law_3_the_wire_fits(send, self.policy.budget or 0)
        self.laws.law_4_append_only(send, known)
        self.laws.law_5_no_thinking_is_stale(send, known, resolve(known.model))
        self.laws.law_5_what_is_valid_stays(self.conversation, send, known)
        self.laws.law_6_rounds_are_whole(request)
        self.laws.law_11_isolated(request, self.name, self.store)

    def _limit(self, due: Summarize) -> int:
        return (self.policy.budget or 0) - self.scene.max_tokens

    def until_send(self) -> bool:
        """Plan, and do what is asked for in the usual way, up to a request; False where none can be had."""
        for _ in range(MOST_DECISIONS):
            match self.known.due:
                case Send():
                    return True
                case Summarize():
                    self.summarize("good")
                case Count():
                    self.count("exact")
                case _:
                    self.decide()
                    if self.known.due is None:
                        return False
        raise AssertionError("law 7: planning does not come to an end")

    # -- summaries and counts -----------------------------------------------------------------------------------

    def summarize(self, kind: str) -> None:
        """Hand back a summary of a kind."""
        due = self.known.due
        assert isinstance(due, Summarize)
        if kind == "raises":
            self.known.due = None  # it is asked for again
            return
        texts = {"blank": " ", "long": "word and word " * 2_000}
        text = texts.get(kind) or summary(self.conversation, due)
        late = self.conversation.recorded, self.conversation.window.tokens
        if not self.attempt(
            lambda: self.conversation.summarized(text, by="test", cost=PRICE, now=self.world.now)
        ):
            assert kind == "long"
            return
        assert kind != "long"
        self.known.summaries += PRICE
        self._edited(due, late)
        self.save()

    def _edited(self, due: Summarize, late: tuple[int, int]) -> None:
        """Every law that speaks of edits."""
        edit = self.conversation.compactions[-1]
        self.laws.tally[edit.method] += 1
        self.known.due = None
        if edit.strip_thinking:
            self.known.forgets_thinking()
        self.laws.law_6_no_round_is_split(edit, self.known)
        self.laws.law_7_no_edit_without_new_content(self.conversation)
        after = self.conversation.window
        if late[1] == self.before.tokens:
            self.laws.law_7_progress(edit, after, due, self.before, self.limit, self.policy.min_gain)

    def count(self, kind: str) -> None:
        """Hand back a count: the exact one, or none."""
        due = self.known.due
        assert isinstance(due, Count)
        tokens = self.world.count(due.request) if kind == "exact" else None
        self.conversation.counted(tokens, now=self.world.now)
        self.laws.tally[f"count, {kind}"] += 1
        self.known.due = None
        self.save()

    # -- the API ------------------------------------------------------------------------------------------------

    def say(self, shape: Shape) -> list[JSON]:
        """The blocks of the next reply, as the request that is due allows them."""
        assert isinstance(self.known.due, Send)
        self.number += 1
        request = self.known.due.request
        frame = Frame(profile=resolve(request["model"]), settings=request, tools=request.get("tools"))
        off = (request.get("tool_choice") or {}).get("type") == "none"
        said = content(shape, self.number, thinks=thinks(frame), tools=set() if off else _tools(request))
        last = request["messages"][-1]
        waiting = blocks_of(last)[-1] if last["role"] == "assistant" else {}
        # A turn that was paused in a call of the server's goes on with its result (MSG-13).
        return [server_result(waiting["id"]), *said] if waiting.get("type") == "server_tool_use" else said

    def send(self, says: Any) -> None:
        """Send the request that is due; what comes back is what the model says, or what goes wrong."""
        send = self.known.due
        assert isinstance(send, Send)
        self.save(must=True)
        self.world.says = says
        try:
            reply = self.world.create(send.request)
        except Refused as error:
            self.laws.law_2_refusals_are_injected(error, injected=isinstance(says, Fault), narrow=self.narrow)
            self.fail(error)
        except ConnectionError as error:
            self.fail(error)
        else:
            self.receive(send, reply)

    def receive(self, send: Send, reply: JSON) -> None:
        """A reply came."""
        self.laws.law_5_nothing_is_dropped(reply, resolve(self.known.model))
        told = reply if self.tell else {key: reply[key] for key in reply if key != "input_transformations"}
        self.conversation.receive(told, now=self.world.now)
        self.known.accepted = send
        self.known.hears(told, send)
        self.laws.tally[f"reply, {reply['stop_reason']}"] += 1
        self.laws.law_12_honest_forecasts(
            self.conversation, send, told, exact=self.world.share == 1.0, now=self.world.now
        )
        self.save()

    def receive_again(self) -> None:
        """The last reply is handed in once more: it is not taken twice (law 10)."""
        if self.known.exchange is None or isinstance(self.known.due, Send):
            return
        reply = self.known.exchange[1]
        with contextlib.suppress(ProtocolError):
            self.conversation.receive(reply, now=self.world.now)
            raise AssertionError("law 10: a reply was recorded twice")

    def fail(self, error: Exception) -> None:
        """The request that is out came to nothing."""
        send = self.known.due
        assert isinstance(send, Send)
        self.known.due = None
        recovery = None
        with contextlib.suppress(MisuseError):  # final: the record says so, the conversation goes on
            recovery = self.conversation.fail(error, now=self.world.now)
        self.laws.tally[f"recovery, {recovery.action if recovery else 'give_up'}"] += 1
        if recovery is None or recovery.tokens is None:
            self.known.accepted = send
        if recovery is not None and recovery.settings is not None:
            self.known.settings = recovery.merged(self.known.settings)
            self.laws.tally["recovery, thinking dropped"] += 1
        if recovery is not None and recovery.strip_thinking:
            self.known.forgets_thinking()
            self.laws.tally["recovery, thinking stripped"] += 1
        self.save()

    # -- what always holds --------------------------------------------------------------------------------------

    def check(self) -> None:
        """The laws that hold between any two steps."""
        self.laws.law_1_nothing_is_lost(self.conversation, self.known)
        self.laws.law_8_the_fold_is_the_conversation(self.conversation)
        self.laws.law_9_the_books_balance(self.conversation, self.known)


def _outcome(conversation: Conversation, max_tokens: int, now: float) -> Any:
    """The decision, or the error in its place."""
    try:
        return conversation.plan(max_tokens=max_tokens, now=now)
    except (MisuseError, WindowOverflow) as error:
        return error


def _plain(found: Any) -> Any:
    """A decision or an error as what it is compared by, byte for byte."""
    if isinstance(found, Exception):
        return type(found).__name__, json.dumps(found.as_dict()) if isinstance(found, CtxwindowError) else str(found)
    request = getattr(found, "request", None)
    return found, json.dumps(request)


def _tools(request: JSON) -> set[str]:
    """Names of the tools that the model knows; without a list of tools they are not known, and there is one."""
    if request.get("tools") is None:
        return {"read_file"}
    names = {tool["name"] for tool in request["tools"] if not tool.get("defer_loading")}
    for message in request["messages"]:
        names |= {block["tool"]["name"] for block in blocks_of(message) if block["type"] == "tool_addition"}
    return names
