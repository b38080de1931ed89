"""Which conversation a request belongs to, and what of it is new: the record is brought to where the caller's list is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ctxwindow.catalog import resolve
from ctxwindow.client.actions import Blocking, Steps
from ctxwindow.client.incidents import log
from ctxwindow.client.middleware.aligning import continued, has_reply
from ctxwindow.client.middleware.appending import append
from ctxwindow.client.middleware.asking import Asked, without_markers
from ctxwindow.client.middleware.following import end_left
from ctxwindow.client.middleware.lines import Line
from ctxwindow.client.middleware.managed import Managed, Registry, family_of, keys_of, newest, numbered
from ctxwindow.client.middleware.unbinding import binding_of
from ctxwindow.client.reopening import catch_up
from ctxwindow.client.report import SessionReport, report
from ctxwindow.client.talk import Talk
from ctxwindow.conversation import Conversation
from ctxwindow.errors import InvalidRequest
from ctxwindow.record.log import Branch
from ctxwindow.stores import Store, load
from ctxwindow.tiers import Policy

__all__ = ["Recogniser"]

_TOLD = 1_000
"""Keys of what was told that are remembered."""

_UNKNOWN = (
    "a list with replies that are not known begins a record of its own: its first message, system or tools are others than "
    "those of what is known, or its head is trimmed."
)
_FRAMED_OTHERWISE = "system or tools have changed, and they are the prefix: another record is begun [BIND-12]."
_ADVICE = (
    "If it is so for every request, keep what changes out of the beginning, or say which conversation it is with "
    "ctxwindow.conversation(). This is told once."
)


@dataclass
class Recogniser:
    """Finds the conversation of a request, in memory or in the store, or begins one."""

    store: Store
    policy: Policy
    registry: Registry
    clock: Callable[[], float]
    checkpoint: float
    patience: float = 60.0
    """Seconds that a request under a name waits for another one."""
    _told: set[str] = field(default_factory=set)

    def claim(self, asked: Asked) -> Steps[Managed | None]:
        """The conversation of a request, held, with all in its record that the request says; None where it is a thread
        that nothing is known of. Whoever calls this must release it.

        Raises:
            CtxwindowError: it cannot be managed; nothing is held, and nothing of it is in the record.
        """
        managed = yield from self._find(asked)
        if managed is not None:
            try:
                if (yield from self.align(managed, asked, continued(managed.line, asked))):
                    return managed
            except BaseException:
                managed.talk.release()
                raise
            managed.talk.release()
        return None if asked.previous is not None else (yield from self._begin(asked))

    def report(self, name: str) -> SessionReport:
        """The report of a conversation as it is stored, with what this process knows of its faults. Blocks."""
        talk = self.talk(name, load(self.store, name))
        known = self.registry.get(name)
        if known is not None:
            talk.incidents.extend(known.talk.incidents.copy())
        return report(talk)

    # -- finding ---------------------------------------------------------------------------------------------

    def _find(self, asked: Asked) -> Steps[Managed | None]:
        """A conversation that the request goes on with, held; None where a new one must be begun."""
        found, framed_otherwise = self._best(asked)
        if found is not None:
            return found if (yield from self._hold(found, asked)) else None
        if asked.previous is not None or not has_reply(asked.messages):
            return None  # a first question asks for no look at what was said in other processes
        family = family_of(asked)  # it tells of system and tools, too
        names, _ = yield Blocking(lambda: newest(self.store, family))
        best, most = None, (0, False)
        for name in names:
            if self.registry.get(name) is not None:
                continue
            managed = yield Blocking(partial(self.stored, name, family))
            if (common := _common(managed.line, asked)) is None:
                continue
            # The newest is not the one just because it fits: another that began alike fits as one that is edited would.
            rank = (common, common == len(managed.line.sent))
            best, most = (managed, rank) if rank > most else (best, most)
            if most >= (len(asked.messages) - 1, True):
                break
        if best is not None:
            return best if (yield from self._hold(best, asked)) else None
        self._tell_unknown(asked, framed_otherwise=framed_otherwise)
        return None

    def _best(self, asked: Asked) -> tuple[Managed | None, bool]:
        """The conversation in memory that the request goes on with: of those that it fits, that with the most in common, and of
        these one that it leaves nothing of. And whether it fits one with other system or tools.
        """
        best, most, framed_otherwise = None, (0, False), False
        for managed in self.registry.recent():
            common = _common(managed.line, asked)
            if common is None:
                continue
            if not managed.is_framed_by(asked):
                framed_otherwise = True
            elif not _is_alive_elsewhere(managed, asked, common):
                rank = (common, common == len(managed.line.sent))
                best, most = (managed, rank) if rank > most else (best, most)
        return best, framed_otherwise

    def stored(self, name: str, family: str) -> Managed:
        """A conversation as the store has it. Blocks."""
        return Managed.stored(self.talk(name, load(self.store, name)), family)

    def _hold(self, managed: Managed, asked: Asked) -> Steps[bool]:
        """Claim it, if nobody else is at it, and if it still is what was found when it has caught up."""
        talk = managed.talk
        yield from end_left(managed)
        line = managed.line
        hold = yield Blocking(lambda: talk.store.hold(talk.name))
        if hold is None:
            log.info("another request of the same conversation is in flight: this one goes as one of its own")
            return False
        talk.hold = hold
        try:
            yield from catch_up(talk)
            managed.follow()
            if managed.line is line or _common(managed.line, asked) is not None:
                return True
        except BaseException:
            talk.release()
            raise
        talk.release()
        log.info("somebody else has gone on with the conversation: this request goes as one of its own")
        return False

    def tell_once(self, keys: set[str], text: str) -> None:
        """Log what may be so for every request from now on; once for what these keys tell."""
        if not keys & self._told:
            log.warning(text)
        if len(self._told) > _TOLD:
            self._told.clear()
        self._told |= keys

    def _tell_unknown(self, asked: Asked, *, framed_otherwise: bool) -> None:
        """A record of its own for every request is no record at all, and costs the length of the history each time."""
        self.tell_once(keys_of(asked), f"{_FRAMED_OTHERWISE if framed_otherwise else _UNKNOWN} {_ADVICE}")

    # -- what is new -----------------------------------------------------------------------------------------

    def align(self, managed: Managed, asked: Asked, messages: list[dict[str, Any]]) -> Steps[bool]:
        """Have the record of a conversation that is held say what the caller says; False where it cannot, and another one must
        be begun: then it is as it was.

        Args:
            managed: the conversation.
            asked: the request.
            messages: the caller's whole list.
        """
        try:
            yield from self._align(managed, asked, messages)
        except BaseException as error:
            managed.take_back()
            if not isinstance(error, InvalidRequest) or asked.previous is not None:
                raise
            log.warning("what the caller has changed cannot be put into the record; another one is begun: %s", error)
            return False
        return True

    def _align(self, managed: Managed, asked: Asked, messages: list[dict[str, Any]]) -> Steps[None]:
        engine, line, tip = managed.talk.engine, managed.line, len(managed.talk.engine.events)
        binding = binding_of(engine.settings)
        match = line.against(messages)
        if (left := managed.left_behind(messages, match.common)) is not None:
            yield Blocking(lambda: engine.rewind(_branch(engine, left.tip), now=self.clock()))
            line = left.line
            match = line.against(messages)
        common = match.common
        if common < len(line.sent):
            yield Blocking(lambda: self._go_back(engine, line, common))
        edited = common < len(line.sent)
        managed.talk.changed = f"the caller's list parts from what was sent at messages.{common}" if edited else None
        self._configure(engine, asked, binding)
        following = line.cut(match)
        stale = edited or self._is_of_another_frame(managed, asked, messages[common:])
        append(engine, asked, following, messages[common:], self.clock(), stale_from=0 if stale else None)
        if line is not managed.line or common < len(line.sent):
            managed.leave(managed.line, tip)
        managed.line = following
        if asked.previous is None:
            managed.system, managed.tools = asked.system, asked.tools

    def _is_of_another_frame(self, managed: Managed, asked: Asked, messages: list[dict[str, Any]]) -> bool:
        """Whether new messages hold thinking that was made behind other system or tools."""
        before = self.registry.ancestor(messages)
        return before is not None and before is not managed and not before.is_framed_by(asked)

    def _go_back(self, engine: Conversation, line: Line, common: int) -> None:
        """Leave what the caller has left, as a branch. Blocks: it costs the length of the history."""
        place = line.places[common] if common else 0
        if place is None:
            raise InvalidRequest("this was mended when it came, so that nothing goes back to it.")
        engine.rewind(place, now=self.clock())

    def _configure(self, engine: Conversation, asked: Asked, binding: Any) -> None:
        """Switch to another model or other settings, if the request has others.

        Args:
            engine: the conversation.
            asked: the request.
            binding: what the API is to do with bound thinking, as was found out on any branch (BIND-26).
        """
        model = asked.model if asked.model != engine.model and resolve(asked.model).id != engine.model else None
        settings = asked.settings_on({"thinking": {"block_binding": binding}})
        changed = settings if settings != engine.settings else None
        if model is not None or changed is not None:
            engine.configure(model=model, settings=changed, now=self.clock())

    # -- beginnings ------------------------------------------------------------------------------------------

    def _begin(self, asked: Asked) -> Steps[Managed]:
        """A new conversation with the caller's whole list, held, under a name that nobody has."""
        family = family_of(asked)
        _, number = yield Blocking(lambda: newest(self.store, family))
        while True:
            name = numbered(family, number)
            hold = yield Blocking(partial(self.store.hold, name))
            if hold is not None:
                if not (yield Blocking(partial(self.store.version, name))):
                    break
                hold.release()
            number += 1  # somebody else has begun it just now
        try:
            managed = yield Blocking(lambda: self.started(asked, asked.messages, name, family))
        except BaseException:
            hold.release()
            raise
        managed.talk.hold = hold
        return managed  # type: ignore[no-any-return]

    def started(self, asked: Asked, messages: list[dict[str, Any]], name: str, family: str) -> Managed:
        """A new conversation, of the caller's whole list. Blocks: it costs the length of what he brings."""
        marks = self.policy.cache is not None
        before = self.registry.ancestor(messages)
        binding = binding_of(before.talk.engine.settings) if before is not None else None
        engine = Conversation.start(
            model=asked.model,
            system=without_markers(asked.system) if marks else asked.system,
            tools=without_markers(asked.tools) if marks else asked.tools,
            policy=self.policy,
            settings=asked.settings_on({"thinking": {"block_binding": binding}}),
            now=self.clock(),
        )
        managed = Managed(self.talk(name, engine), asked.system, asked.tools, family)
        stale_from = None
        if before is not None:
            framed = before.is_framed_by(asked)
            stale_from = before.known(messages) if framed else 0
            where = f"the caller's list at messages.{stale_from}" if framed else "system or tools"
            managed.talk.changed = f"the record before differs from this one in {where}"
            managed.talk.previous = before.talk.previous
        append(engine, asked, managed.line, messages, self.clock(), stale_from=stale_from)
        return managed

    def talk(self, name: str, engine: Conversation) -> Talk:
        """What the steps that drive a conversation need to know."""
        return Talk(
            engine=engine, store=self.store, name=name, max_tokens=1, clock=self.clock, checkpoint=self.checkpoint
        )


def _common(line: Line, asked: Asked) -> int | None:
    """How many messages a request has in common with a conversation, if it is of it."""
    if asked.previous is not None:
        return line.following(asked.previous)
    match = line.against(asked.messages)
    fits = line.fits(asked.messages, match.common)
    if not fits:
        line.match = None  # it will not be asked for again, and would keep the list
    return match.common if fits else None


def _is_alive_elsewhere(managed: Managed, asked: Asked, common: int) -> bool:
    """Whether a request goes on with a branch that was left for another user message: then these are two conversations whose
    beginnings were the same, and not one that is edited. For another reply it is one: the caller has chosen among replies.
    """
    if asked.previous is not None:
        return False
    left = managed.left_behind(asked.messages, common)
    return left is not None and common not in left.line.replies


def _branch(engine: Conversation, tip: int) -> Branch:
    """The branch that ends with an event."""
    return next(branch for branch in engine.branches if branch.tip == tip)
