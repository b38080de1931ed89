"""What stops halfway: a reply that is still streaming, or was cut off; a round some of whose calls have their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ctxwindow.conversation.core import Core
from ctxwindow.errors import ProtocolError
from ctxwindow.record import block_type, intake
from ctxwindow.record.blocks import blocks_of, call_id, result_id
from ctxwindow.record.events import Answered, Arrived, Failed
from ctxwindow.record.streamed import Streamed, is_whole
from ctxwindow.tiers.intake import checked_time
from ctxwindow.tiers.resuming import resumption

__all__ = ["Interrupted"]


class Interrupted(Core):
    """What a process that dies would lose, and how another one goes on from it."""

    @property
    def awaiting(self) -> bool:
        """Whether a request is out whose reply, or error, has not been handed back."""
        return self._state.awaiting is not None

    @property
    def unanswered(self) -> bool:
        """Whether something waits for the model, or for results: a turn, a round, a paused turn, a reply that was cut off."""
        state = self._state
        wire = state.wire.messages
        prefilled = next(reversed(state.forms), None) in state.resumes  # a reply goes on from that (MSG-16)
        ended = not wire or (wire[-1].get("role") == "assistant" and not prefilled)
        return bool(not ended or state.paused or state.outline.open_calls or self.resumption is not None)

    @property
    def open_calls(self) -> tuple[dict[str, Any], ...]:
        """The calls on the wire whose results have not been appended, in order. Do not mutate."""
        state = self._state
        return tuple(
            block
            for message in sorted(set(state.outline.open_calls.values()))
            for block in blocks_of(state.messages[message])
            if block_type(block).family == "call" and call_id(block) in state.outline.open_calls
        )

    @property
    def due_calls(self) -> tuple[dict[str, Any], ...]:
        """The open calls that are to be run: none where their reply stopped for another reason than them (SDK-06). Do not mutate.

        Those have to be answered all the same, with what comes next (TOOL-01).
        """
        return () if self._state.stopped else self.open_calls

    @property
    def answers(self) -> Mapping[str, dict[str, Any]]:
        """The results that `answered` has taken and that no message has brought yet, by id of their call. Do not mutate."""
        return MappingProxyType(self._state.answers)

    @property
    def resumption(self) -> dict[str, Any] | None:
        """The message to append, so that the model goes on from the text of a reply that was cut off; None where nothing is
        to be gone on from, something was appended since, or the message cannot stand there.
        """
        message = resumption(self._state)
        if message is None or any(broken.severity == "error" for broken in self._broken_by(message)):
            return None  # a system message at the end has to stay there (SYS-04): the text is written again
        return message

    @property
    def continued(self) -> tuple[dict[str, Any], ...]:
        """The replies that were cut off and that the reply which came last goes on from (MSG-16), oldest first. Do not mutate."""
        state, parts = self._state, list[dict[str, Any]]()
        index = len(state.messages) - 2
        while index > 0:
            if index in state.resumes:  # it stands right behind the reply that it has the model go on from
                parts.append(state.messages[index - 1])
                index -= 2
            elif state.messages[index].get("role") == "assistant" and index not in state.forms:
                index -= 1  # evidence of a try of which nothing could be gone on from
            else:
                break
        return tuple(reversed(parts))

    def arrived(self, events: Sequence[Any], *, now: float | None = None) -> None:
        """Keep what has arrived of the reply while the rest still streams. `receive` or `cut` ends it.

        Args:
            events: raw events of the stream since the last call; see `ctxwindow.record.streamed.Streamed.taken`.
            now: the caller's clock.

        Raises:
            ProtocolError: no reply is due.
            InvalidRequest: the events are not JSON.
        """
        awaiting = self._state.awaiting
        if awaiting is None:
            raise ProtocolError("no reply is due.", remedy="Call `plan`, and send its request.")
        taken = [event for event in intake(list(events), "events") if isinstance(event, dict)]
        if taken:
            self._record(Arrived(at=checked_time(now), send=awaiting.send, events=taken))

    def cut(self, reply: Any = None, *, now: float | None = None) -> dict[str, Any] | None:
        """The reply that is due will not come whole: the stream broke off, or the process died that waited for it.

        What arrived stays in the record as evidence and off the wire, thinking included (MSG-16). A reply whose
        `stop_reason` has arrived lacks nothing: it is paid for, and received as it is.

        Args:
            reply: as far as it arrived, a message; None: as `arrived` was told.
            now: the caller's clock.

        Returns:
            The message to append, so that the model goes on from the text that arrived; None where there is none, or where
            none can stand. Then what was asked is still to be answered, and `plan` sends it again, unless the reply was
            whole.

        Raises:
            ProtocolError: no reply is due.
            InvalidRequest: the reply is not JSON.
        """
        state = self._state
        if state.awaiting is None:
            raise ProtocolError("no reply is due.", remedy="There is nothing to cut: call `plan`.")
        taken = intake(reply, "reply") if reply is not None else Streamed(state.arrived).message
        at, found = checked_time(now), taken if isinstance(taken, dict) else {}
        content = found.get("content")
        if not isinstance(content, (list, str)) or not (content or isinstance(found.get("usage"), dict)):
            kind, send = "interrupted", state.awaiting.send
            self._record(Failed(at=at, send=send, status=None, kind=kind, recovery="send_again"))
            return None
        if is_whole(found):
            self._take_reply(found, at)
            return None
        self._take_reply(found, at, cut=True)
        return self.resumption

    def answered(self, block: Any, *, now: float | None = None) -> None:
        """Keep the result of one call, while others of its round still run. It is sent once all are appended together.

        Raises:
            ProtocolError: it answers no open call, or one that has its result.
            InvalidRequest: it is not JSON.
        """
        taken = intake(block, "block")
        call = result_id(taken) if isinstance(taken, Mapping) and block_type(taken).family == "result" else None
        if call is None or call not in self._state.outline.open_calls or call in self._state.answers:
            raise ProtocolError(
                "this answers no call that is open.", rule="TOOL-02", remedy="See `open_calls` and `answers`."
            )
        self._record(Answered(at=checked_time(now), block=taken))
