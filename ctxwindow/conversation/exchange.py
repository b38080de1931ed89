"""What comes in from outside: messages, replies, errors of the API, other settings, pins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.conversation.core import Core
from ctxwindow.errors import InvalidRequest, MisuseError, ProtocolError
from ctxwindow.record import intake
from ctxwindow.record.events import Appended, Configured, Declined, Failed, Pinned
from ctxwindow.rules import View
from ctxwindow.tiers import Recovery
from ctxwindow.tiers.intake import (
    changes_tools,
    check_fixed,
    check_tool_changes,
    checked_settings,
    checked_time,
    fewer_betas,
    raise_errors,
)
from ctxwindow.tiers.pressure import too_long
from ctxwindow.tiers.recovery import recover
from ctxwindow.tiers.restarts import check_kept, messages_after, restart, taken_out
from ctxwindow.tiers.resuming import resumption

__all__ = ["Exchange"]


class Exchange(Core):
    """What is said on either side, and under what settings."""

    def append(self, message: Any, *, now: float | None = None) -> int:
        """Add a message: a user message, tool results, or a mid-conversation system message.

        A request that is still out counts as given up from here on: its reply, which this message does not answer,
        is no longer taken. Receive it first. What had the model go on from a reply that was cut off (`resumption`), and was
        not answered, leaves the wire when something else is said.

        Returns:
            Its index in the record.

        Raises:
            InvalidRequest: the API would refuse it here; nothing was stored. The error names the rule, the path
                and the way out; further problems of the same message are in its notes.
        """
        taken = self._checked_message(message)
        index = self.recorded
        self._record(Appended(at=checked_time(now), message=taken, resumes=taken == resumption(self._state)))
        return index

    def check_next(self, message: Any) -> None:
        """Whether `append` would take a message as things stand. Nothing is stored.

        Raises:
            InvalidRequest: as for `append`.
        """
        self._checked_message(message)

    def _checked_message(self, message: Any) -> dict[str, Any]:
        """A message that may come next, as JSON."""
        state = self._state
        index = len(state.messages)
        taken: dict[str, Any] = intake(message, f"messages.{index}")
        violations = self._broken_by(taken)
        if changes_tools(taken):
            # Tools that were not given are none, unless there are some that are only known by their size.
            tools = state.base.get("tools", None if state.unseen_tokens else [])
            wire = View([*state.wire.messages, taken], tools=tools, settings=state.settings)
            violations += check_tool_changes(wire, index)
        raise_errors(violations)
        return taken

    def receive(self, reply: Any, *, now: float | None = None) -> int:
        """Record the reply to the request that `plan` handed out.

        A reply is never refused for what it says, because it is paid for: one that cannot be sent back (empty, refused,
        cut inside thinking or a call, or broken in shape) stays in the record as evidence and off the wire, and so
        does thinking without a signature (REPLAY-04).

        Args:
            reply: the SDK's message object, or a dict with `content` and, where known, `usage`, `stop_reason`,
                `model` and `id`; `max_tokens`, where its request did not ask for what was planned (None: not known).
            now: the caller's clock.

        Returns:
            The reply's index in the record.

        Raises:
            ProtocolError: no reply is due.
        """
        if self._state.awaiting is None:
            raise ProtocolError(
                "no reply is due: no request is out, or a message was appended or a setting changed since.",
                remedy="Call `plan` and send its request; receive its reply before anything is appended.",
            )
        taken = intake(reply, "reply")
        content = taken.get("content") if isinstance(taken, dict) else None
        if not isinstance(content, (list, str)):
            raise InvalidRequest("a reply needs content.", path="reply.content", remedy="Pass the message as it came.")
        return self._take_reply(taken, checked_time(now))

    def fail(self, error: Any, *, now: float | None = None) -> Recovery:
        """What to do after an error of the API, as the rulebook documents it.

        Args:
            error: an SDK exception, or an error body.
            now: the caller's clock.

        Raises:
            ProtocolError: no request is out.
            MisuseError: nothing that can be done here would help; the error says what would.
            WindowOverflow: the request was shrunk already, and is too long all the same; it names its parts.
        """
        state = self._state
        if state.awaiting is None:
            raise ProtocolError("no request is out that could have failed.", remedy="Call `plan` first.")
        at, awaiting = checked_time(now), state.awaiting
        edit = taken_out(state, at)
        recovery = recover(
            error,
            dropping=state.dropping,
            stripped=not state.strippable,
            shrunk=state.shrunk,
            blocked=edit is not None,
            thinking=state.settings.get("thinking"),
        )
        self._record(
            Failed(
                at=at,
                send=awaiting.send,
                status=recovery.status,
                kind=recovery.kind,
                rule=recovery.rule,
                recovery=recovery.action,
                tokens=recovery.tokens,
                limit=recovery.limit,
                strip_thinking=recovery.strip_thinking,
            )
        )
        if recovery.settings is not None:
            self.configure(settings=recovery.merged(state.settings), now=now)
        if recovery.unblock and edit is not None:
            method = state.edits[-1].method
            self._record(edit)
            self._record(Declined(at=at, method=method, why=f"{recovery.status}, the API does not take its block"))
        if recovery.action == "give_up" and recovery.tokens is not None:
            raise too_long(state, awaiting.max_tokens, limit=self._limit(awaiting.max_tokens))
        recovery.raise_if_final()
        return recovery

    def configure(
        self,
        *,
        model: str | ModelProfile | None = None,
        settings: Mapping[str, Any] | None = None,
        platform: str | None = None,
        now: float | None = None,
    ) -> None:
        """Switch the model or the platform, or replace the settings that every send carries. System and tools stay (BIND-12).

        All thinking stays in the history across switches: the API drops what the next model cannot read (BIND-21). A
        compaction block of the server that the next model or platform does not take is replaced by its text: a new epoch.
        The next `Send` says so among its edits.

        Raises:
            UnknownModel: the id is not in the catalog.
            PolicyError: there is no such platform, or the budget leaves no room in the window of the model.
            InvalidRequest: the settings, or the history on that model, break a rule; nothing was changed.
        """
        state, at = self._state, checked_time(now)
        profile = resolve(model) if model is not None else None
        given = checked_settings(settings) if settings is not None else None
        policy = state.policy if platform is None else state.policy.on(platform)
        following = profile or state.profile
        policy.budget_of(following.window)
        edit = restart(state, following, policy.platform, at)
        check_kept(state, following)
        check_fixed(
            following,
            state.settings if given is None else given,
            system=state.base.get("system"),
            tools=state.base.get("tools"),
            # What stands in the history may need the model or a beta that is taken away.
            messages=messages_after(state, edit) if profile is not None or fewer_betas(state.settings, given) else (),
        )
        self._record(
            Configured(
                at=at,
                model=profile.id if profile else None,
                profile=msgspec.to_builtins(profile) if isinstance(model, ModelProfile) else None,
                settings=given,
                platform=policy.platform if platform is not None else None,
            )
        )
        if edit is not None:
            self._record(edit)

    def pin(self, message: int, *, now: float | None = None) -> None:
        """Pin a message: whatever is summarised, its content stays on the wire, word for word, as long as there is room.

        All pins together take `policy.pins.share` of the room at most, the newest first. One that has no share any more
        leaves the wire as anything else does, and `Send.edits` says so, by an edit of the method `pin`.

        Raises:
            MisuseError: there is no such message.
        """
        self._pin(message, pinned=True, now=now)

    def unpin(self, message: int, *, now: float | None = None) -> None:
        """Take a pin off that `pin` has set; those of the policy stay.

        Raises:
            MisuseError: there is no such message.
        """
        self._pin(message, pinned=False, now=now)

    def _pin(self, message: int, *, pinned: bool, now: float | None) -> None:
        if type(message) is not int or not 0 <= message < self.recorded:
            raise MisuseError(f"the record has the messages 0 to {self.recorded - 1}.", path="message")
        self._record(Pinned(at=checked_time(now), message=message, pinned=pinned))
