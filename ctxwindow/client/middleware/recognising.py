"""Which conversation a request belongs to, and what of it is new: the record is brought to where the caller's list is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ctxwindow.catalog import resolve
from ctxwindow.client.actions import Blocking, Steps
from ctxwindow.client.incidents import log
from ctxwindow.client.middleware.appending import append
from ctxwindow.client.middleware.asking import Asked, without_markers
from ctxwindow.client.middleware.following import caller
from ctxwindow.client.middleware.lines import Line
from ctxwindow.client.middleware.managed import Managed, Registry, family_of, is_numbered, newest, numbered
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


@dataclass
class Recogniser:
    """Finds the conversation of a request, in memory or in the store, or begins one."""

    store: Store
    policy: Policy
    registry: Registry
    clock: Callable[[], float]
    checkpoint: float

    def claim(self, asked: Asked, name: str | None) -> Steps[Managed | None]:
        """The conversation of a request, held, with all in its record that the request says; None where it is a thread
        that nothing is known of. Whoever calls this must release it.

        Args:
            asked: the request.
            name: the conversation's, where the caller has said so.

        Raises:
            CtxwindowError: it cannot be managed; nothing is held, and nothing of it is in the record.
        """
        managed = yield from self._find(asked, name)
        if managed is not None:
            try:
                yield from self._align(managed, asked, pinned=name is not None)
            except BaseException as error:
                managed.take_back()
                managed.talk.release()
                if not isinstance(error, InvalidRequest) or asked.previous is not None:
                    raise
                log.warning(
                    "what the caller has changed cannot be put into the record; another one is begun: %s", error
                )
            else:
                return managed
        if asked.previous is not None:
            return None
        return (yield from self._begin(asked, name or family_of(asked)))

    def report(self, name: str) -> SessionReport:
        """The report of a conversation as it is stored, with what this process knows of its faults. Blocks."""
        talk = self._talk(name, load(self.store, name))
        known = self.registry.get(name)
        if known is not None:
            talk.incidents.extend(known.talk.incidents.copy())
        return report(talk)

    # -- finding ---------------------------------------------------------------------------------------------

    def _find(self, asked: Asked, name: str | None) -> Steps[Managed | None]:
        """A conversation that the request goes on with, held; None where a new one must be begun."""
        found = self._best(asked) if name is None else self._named(name, asked)
        if found is not None:
            return found if (yield from self._hold(found, asked, name)) else None
        if asked.previous is not None or (name is None and not _has_reply(asked)):
            return None  # a first question asks for no look at what was said in other processes
        names, _ = yield Blocking(lambda: newest(self.store, name or family_of(asked)))
        for stored in names:
            if self.registry.get(stored) is not None:
                continue
            managed = yield Blocking(partial(self._stored, stored))
            if not managed.is_framed_by(asked) or (name is None and _common(managed.line, asked) is None):
                continue
            return managed if (yield from self._hold(managed, asked, name)) else None
        return None

    def _best(self, asked: Asked) -> Managed | None:
        """The conversation in memory that the request goes on with: of those that it fits, that with the most in common, and of
        these one that it leaves nothing of.
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
        if framed_otherwise and best is None and _has_reply(asked):
            log.warning("system or tools have changed, and they are the prefix: another record is begun [BIND-12]")
        return best

    def _named(self, name: str, asked: Asked) -> Managed | None:
        """The conversation of this name in memory that was used last."""
        for managed in self.registry.recent():
            if not is_numbered(managed.talk.name, name) or not managed.is_framed_by(asked):
                continue
            if asked.previous is None or _common(managed.line, asked) is not None:
                return managed
        return None

    def _stored(self, name: str) -> Managed:
        """A conversation as the store has it. Blocks."""
        return Managed.stored(self._talk(name, load(self.store, name)))

    def _hold(self, managed: Managed, asked: Asked, name: str | None) -> Steps[bool]:
        """Claim it, if nobody else is at it, and if it still is what was found when it has caught up."""
        talk = managed.talk
        left = managed.following() if managed.following is not None else None
        if left is not None and left.is_left_by(caller()):
            yield Blocking(
                left.end
            )  # he has stopped in the middle of a stream and goes on: what arrived is evidence (MSG-16)
        line = managed.line
        hold = yield Blocking(lambda: talk.store.hold(talk.name))
        if hold is None:
            return False
        talk.hold = hold
        try:
            yield from catch_up(talk)
            managed.follow()
            if managed.line is line or name is not None or _common(managed.line, asked) is not None:
                return True
        except BaseException:
            talk.release()
            raise
        talk.release()
        return False

    # -- what is new -----------------------------------------------------------------------------------------

    def _align(self, managed: Managed, asked: Asked, *, pinned: bool) -> Steps[None]:
        """Have the record say what the request says."""
        engine, line, tip = managed.talk.engine, managed.line, len(managed.talk.engine.events)
        binding = binding_of(engine.settings)
        messages = _whole(line, asked, pinned=pinned)
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
        append(engine, asked, following, messages[common:], self.clock(), stale_from=0 if edited else None)
        if line is not managed.line or common < len(line.sent):
            managed.leave(managed.line, tip)
        managed.line = following
        if asked.previous is None:
            managed.system, managed.tools = asked.system, asked.tools

    def _go_back(self, engine: Conversation, line: Line, common: int) -> None:
        """Leave what the caller has left, as a branch. Blocks: it costs the length of the history."""
        place = line.places[common]
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

    def _begin(self, asked: Asked, family: str) -> Steps[Managed]:
        """A new conversation with the caller's whole list, held, under a name that nobody has."""
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
            managed = yield Blocking(lambda: self._started(asked, name))
        except BaseException:
            hold.release()
            raise
        managed.talk.hold = hold
        return managed  # type: ignore[no-any-return]

    def _started(self, asked: Asked, name: str) -> Managed:
        """A new conversation. Blocks: it costs the length of what the caller brings."""
        marks = self.policy.cache is not None
        before = self.registry.ancestor(asked.messages)
        binding = binding_of(before.talk.engine.settings) if before is not None else None
        engine = Conversation.start(
            model=asked.model,
            system=without_markers(asked.system) if marks else asked.system,
            tools=without_markers(asked.tools) if marks else asked.tools,
            policy=self.policy,
            settings=asked.settings_on({"thinking": {"block_binding": binding}}),
            now=self.clock(),
        )
        managed = Managed(self._talk(name, engine), asked.system, asked.tools)
        stale_from = None
        if before is not None:
            framed = before.is_framed_by(asked)
            stale_from = before.known(asked.messages) if framed else 0
            where = f"the caller's list at messages.{stale_from}" if framed else "system or tools"
            managed.talk.changed = f"the record before differs from this one in {where}"
            managed.talk.previous = before.talk.previous
        append(engine, asked, managed.line, asked.messages, self.clock(), stale_from=stale_from)
        return managed

    def _talk(self, name: str, engine: Conversation) -> Talk:
        return Talk(
            engine=engine, store=self.store, name=name, max_tokens=1, clock=self.clock, checkpoint=self.checkpoint
        )


def _has_reply(asked: Asked) -> bool:
    """Whether something was said already."""
    return any(message.get("role") == "assistant" for message in asked.messages)


def _common(line: Line, asked: Asked) -> int | None:
    """How many messages a request has in common with a conversation, if it is of it."""
    if asked.previous is not None:
        return line.following(asked.previous)
    match = line.against(asked.messages)
    fits = line.fits(asked.messages, match.common)
    line.match = match if fits else None  # it may be asked for again
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


def _whole(line: Line, asked: Asked, *, pinned: bool) -> list[dict[str, Any]]:
    """The caller's whole list, where he sends a part of it: of a thread, or of what is too long for him."""
    if asked.previous is not None:
        length = line.following(asked.previous)
        assert length is not None  # noqa: S101 - it was found by this id
        return [*line.sent[:length], *asked.messages]
    if pinned and line.sent and not line.common(asked.messages[:1]):
        start = line.overlap(asked.messages)
        return [*line.sent[:start], *asked.messages]
    return asked.messages
