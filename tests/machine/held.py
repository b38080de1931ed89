"""One conversation in a store, with all that its driver knows of it: what the caller does, crashes, and time travel."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from ctxwindow import Compact, Conversation, Count, Policy, Send, Summarize
from ctxwindow.catalog import resolve
from ctxwindow.errors import MisuseError
from ctxwindow.record.events import Compacted
from ctxwindow.stores import Store, keep, load
from tests.machine.known import JSON, Known, Money
from tests.machine.laws import Laws
from tests.machine.scenes import Scene, results
from tests.machine.world import World


class Held:
    """A conversation and what is known of it.

    Attributes:
        known: what the driver knows of the current branch, which a crash sets back to what was kept.
        money: what it knows of all branches.
        lazy: how many times the driver will not keep what is new.
        narrow: whether the API has a smaller window than the catalog knows.
        tell: whether the API tells of thinking that it drops (BIND-17).
    """

    def __init__(
        self, scene: Scene, policy: Policy, tools: list[JSON] | None, *, world: World, store: Store, laws: Laws
    ) -> None:
        self.scene, self.policy, self.tools, self.world, self.store, self.laws = (
            *(scene, policy, tools),
            *(world, store, laws),
        )
        assert isinstance(policy.budget, int)
        self.budget: int = policy.budget
        self.number = 0
        self.narrow = False
        self.tell = True

    def start(self, name: str) -> None:
        """Begin a conversation under a name of its own."""
        self.name, self.lazy, self.folded, self.overflowed = name, 0, 0, False
        self.known = Known(settings=dict(self.scene.settings), model=self.scene.model, platform=self.policy.platform)
        self.money = Money()
        self.everything: list[JSON] = []
        self.at_send: dict[int, Known] = {}
        self.requests: dict[int, JSON] = {}
        self.left: dict[int, Known] = {}
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
        self.kept = self.known.copy(), self.money.copy(), list(self.everything)
        self.kept_events = self.conversation.events

    def crash(self, *, remembers: bool) -> None:
        """The process ends here. `remembers`: the request that is out is still known to the one that takes over."""
        lost = len(self.conversation.events) - len(self.kept_events)
        self.laws.tally["crash, with events lost" if lost else "crash"] += 1
        self.conversation, self.folded = load(self.store, self.name), 0
        known, money, everything = self.kept
        self.known, self.money, self.everything = known.copy(), money.copy(), list(everything)
        self.laws.law_10_what_was_kept_is_there(self.conversation, self.kept_events)
        self.known.aside = None
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

    def take(self, message: JSON, *, resumes: bool = False) -> bool:
        """Append a message; False where the engine refuses it. `resumes`: it has the model go on from a reply that was cut."""
        given = copy.deepcopy(message)
        due = self.known.due
        if not self.attempt(lambda: self.conversation.append(given, now=self.world.now)):
            return False
        assert given == message, "what was given was mutated"
        self.known.takes(message, resumes=resumes)
        self.everything.append(message)
        if isinstance(due, (Summarize, Compact, Count)):
            self.known.due = due  # what is being written or counted is of what came before
        self.save()
        return True

    def answers(self, calls: tuple[str, ...], kinds: list[str], *, words: bool = False) -> JSON:
        """The answers to calls; those to the recall tool are the engine's own."""
        message = results(calls, kinds, words=words)
        made = {block["id"]: block for block in self.known.record[-1]["content"] if block["type"] == "tool_use"}
        for place, call in enumerate(calls):
            if made.get(call, {}).get("name") == "recall":
                message["content"][place] = self.conversation.answer_recall(made[call])
                self.laws.tally["recall answered"] += 1
        return message

    def configure(self, model: str | None = None, settings: JSON | None = None, platform: str | None = None) -> bool:
        """Switch the model, the settings or the platform."""
        events, now = len(self.conversation.events), self.world.now
        if not self.attempt(
            lambda: self.conversation.configure(model=model, settings=settings, platform=platform, now=now)
        ):
            return False
        self.known.due = self.known.aside = None
        if settings is not None:
            self.known.settings = settings
        self.known.platform = platform or self.known.platform
        self.known.model = model or self.known.model
        for event in self.conversation.events[events:]:
            if isinstance(event, Compacted):  # the next model or platform cannot take the server's block (CMP-16)
                self.laws.tally[event.method] += 1
                assert event.method == "restart"
                assert self.known.edit is not None
                assert event.end == self.known.edit.end
                self.known.edited(event, preserved=False)
        if model is not None and resolve(model).bound and self.policy.assume_binding:
            self.known.gone |= self.known.loose
        self.save()
        return True

    # -- time travel --------------------------------------------------------------------------------------------

    def _went(self, there: Known) -> None:
        self.known = there.idle()
        self.save()

    def _leave(self) -> None:
        tip = next(branch.tip for branch in self.conversation.branches if branch.current)
        self.left[tip] = self.known

    def rewind(self, to: int) -> None:
        """Go back to how things were just before message `to` came."""
        self._leave()
        there = self.known.past[to] if to < len(self.known.record) else self.known
        self.conversation.rewind(to=to, now=self.world.now)
        self.laws.tally["rewind, to a message"] += 1
        self._went(there)

    def rewind_to_send(self, send: int) -> None:
        """Go back to how things were when a request had been handed out."""
        self._leave()
        self.conversation.rewind(send=send, now=self.world.now)
        self.laws.tally["rewind, to a send"] += 1
        self._went(self.at_send[send])

    def go_over(self, number: int) -> None:
        """Go over to another branch."""
        others = [branch for branch in self.conversation.branches if not branch.current]
        if others:
            branch = others[number % len(others)]
            self._leave()
            self.conversation.rewind(to=branch, now=self.world.now)
            self.laws.tally["rewind, to a branch"] += 1
            self._went(self.left[branch.tip])

    def look_back(self, send: int) -> None:
        """See a request as it was handed out."""
        assert self.conversation.at(send=send).request == self.requests[send]
        self.laws.tally["looked back"] += 1

    # -- what always holds --------------------------------------------------------------------------------------

    def check(self) -> None:
        """The laws that hold between any two steps."""
        self.laws.law_1_nothing_is_lost(self.conversation, self.known, self.everything)
        if len(self.conversation.events) != self.folded:
            self.laws.law_8_the_fold_is_the_conversation(self.conversation)
            self.folded = len(self.conversation.events)
        self.laws.law_9_the_books_balance(self.conversation, self.money)
