"""A conversation with Claude that keeps itself inside its window, in a store, across faults and processes.

    session = ctxwindow.Session.open("agent.db", client=anthropic.Anthropic(), model="claude-opus-5-5")
    print(session.send("What is a monad?").text)

`Session` blocks and `AsyncSession` awaits. Both only carry out the steps of `rounds`, `opening` and `reopening`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from ctxwindow.catalog import ModelProfile
from ctxwindow.client.actions import Approval, drive
from ctxwindow.client.api import Surface
from ctxwindow.client.changing import changed, configured, finish
from ctxwindow.client.checking import LimitsLike, PolicyLike, as_limits, as_policy, check_opening, check_settings
from ctxwindow.client.opening import Opening, known_tools, open_talk
from ctxwindow.client.performing import ClientPerformer
from ctxwindow.client.reply import Reply
from ctxwindow.client.rounds import Interruption, converse, resume
from ctxwindow.client.running import Runner
from ctxwindow.client.seen import Seen, is_path
from ctxwindow.client.streams import SessionStream
from ctxwindow.client.tools import Toolbox
from ctxwindow.conversation import Conversation
from ctxwindow.recall import Recalled
from ctxwindow.record.log import Branch
from ctxwindow.stores import Store

if TYPE_CHECKING:
    from anthropic import Anthropic

__all__ = ["Session"]


class Session(Seen):
    """One conversation, kept in a store. Use `open`. One operation at a time; others wait, or are refused (`busy`)."""

    _performer: ClientPerformer

    @classmethod
    def open(
        cls,
        store: str | os.PathLike[str] | Store,
        *,
        client: Anthropic,
        model: str | ModelProfile | None = None,
        name: str = "main",
        system: Any = None,
        tools: Sequence[Any] = (),
        policy: PolicyLike | None = None,
        settings: Mapping[str, Any] | None = None,
        max_tokens: int = 8_000,
        surface: Surface = "beta",
        streaming: bool | None = None,
        limits: LimitsLike | None = None,
        approve: Approval | None = None,
        busy: Literal["wait", "raise"] = "wait",
        patience: float = 60.0,
        checkpoint: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> Self:
        """Open a conversation: a new one, or go on with the one that the store has under this name.

        Nothing is sent. What a process that died has left open, `resume` goes on with.

        Args:
            store: a file for an `SqliteStore`, or a store, which stays the caller's to close.
            client: of the SDK, with its key, retries and timeouts.
            model: an id the catalog knows, or a profile; needed for a new conversation. Another one is switched to.
            name: of the conversation in the store.
            system: as the API takes it. It, `tools` and `policy` stay for the life of a conversation (BIND-12).
            tools: plain functions, the SDK's `beta_tool`s, and definitions as dicts. `run` runs the first two kinds.
                Left out: those it began with, whose calls all come back to the caller.
            policy: how to keep it inside its window; its keys or the name of a preset will do.
            settings: other request fields that every send carries (`thinking`, `metadata`, ...).
            max_tokens: output to ask for, in tokens.
            surface: whether `client.beta.messages` or `client.messages` is called.
            streaming: whether `send` and `run` stream, so that what arrives is stored as it comes; None: where the SDK demands
                it (SDK-02).
            limits: of one operation, unless it has its own; their keys will do.
            approve: asked before a call runs, unless an operation has its own.
            busy: what an operation does while another one, of whatever process, is at this conversation.
            patience: seconds to wait for it.
            checkpoint: seconds of streaming after which what has arrived is stored.
            clock: seconds since the epoch.

        Raises:
            StoreUnavailable: the store cannot be opened.
            MisuseError: a new conversation without a model; system, tools or policy that are not those it began with; a client
                of the other kind; an option that is none.
            UnknownModel, PolicyError, InvalidRequest: as for `Conversation.start`.
        """
        check_opening(
            client,
            is_async=False,
            store=store,
            settings=settings,
            max_tokens=max_tokens,
            surface=surface,
            streaming=streaming,
            approve=approve,
            busy=busy,
            patience=patience,
            checkpoint=checkpoint,
            clock=clock,
        )
        bounds = as_limits(limits)
        toolbox = Toolbox(tools)
        Runner(toolbox)  # none of them is async
        performer = ClientPerformer(client, surface)
        given = Opening(
            store=store,
            name=name,
            model=model,
            system=system,
            toolbox=toolbox,
            policy=as_policy(policy),
            settings=settings,
            max_tokens=max_tokens,
            surface=surface,
            streaming=streaming,
            busy=busy,
            patience=patience,
            checkpoint=checkpoint,
            clock=clock,
        )
        talk = drive(open_talk(given), performer)
        session = cls(talk, known_tools(talk, toolbox), bounds, approve, owns_store=is_path(store))
        session._performer = performer
        return session

    def send(self, content: Any) -> Reply:
        """Say something, and get the reply. Calls of tools come back to the caller, but those of recall.

        Args:
            content: a text, a block, a list of blocks (results of calls, say), or a user message.

        Raises:
            MisuseError: an option is none; or dollars are limited, and no price is known. Nothing was stored.
            InvalidRequest: the API would refuse it here; nothing was stored.
            WindowOverflow: it cannot fit; nothing was stored.
            StoreConflict: somebody else is at the conversation, and stayed.
            StoreUnavailable: the store failed. A reply that had come is kept, and stored with what comes next.
            StreamCut, EndpointError, anthropic.APIError, httpx2.HTTPError: where no way out is known. The turn is in the
                record, unanswered: `resume` asks again.
        """
        return drive(converse(self._talk, content, self._how()), self._performer)

    def run(self, content: Any, *, limits: LimitsLike | None = None, approve: Approval | None = None) -> Reply:
        """Say something, and run the calls of tools until the model has said what it has to say.

        Args:
            content: as for `send`.
            limits: of rounds, time and money; what is reached stops it before the next round, and `resume` goes on. A dict
                will do.
            approve: asked before a call runs; False, or a string with the reason, is told to the model instead.

        Raises:
            As for `send`.
        """
        return drive(converse(self._talk, content, self._running(limits, approve)), self._performer)

    def stream(
        self, content: Any, *, run: bool = False, limits: LimitsLike | None = None, approve: Approval | None = None
    ) -> SessionStream:
        """Say something, and read the reply as it streams: events of the SDK's own types, live.

            with session.stream("Tell me a story.") as stream:
                for text in stream.text_stream:
                    print(text, end="", flush=True)

        Args:
            content: as for `send`.
            run: whether the calls of tools are run; their rounds' replies follow in the same stream.
            limits: as for `run`.
            approve: as for `run`.
        """
        how = self._running(limits, approve, live=True) if run else self._how(live=True)
        return SessionStream(converse(self._talk, content, how), self._performer)

    def resume(
        self, *, interrupted: Interruption = "tell", limits: LimitsLike | None = None, approve: Approval | None = None
    ) -> Reply | None:
        """Go on where a fault, a limit or the end of a process has left the conversation; None where nothing is open.

        A turn without a reply is sent, a reply that was cut off is gone on from, and half a round is finished: results that
        are known are kept, calls that the caller must answer are handed back.

        Args:
            interrupted: of calls that were running when the process died, `tell` the model that their outcome is unknown, or
                `run` them, perhaps again.
            limits: as for `run`; what was run before does not count.
            approve: as for `run`.

        Raises:
            As for `send`.
        """
        return drive(resume(self._talk, self._running(limits, approve), interrupted), self._performer)

    def recall(self, query: str = "", **filters: Any) -> list[Recalled]:
        """What was said about something, best first; see `Conversation.recall` for the filters and errors."""
        return self._talk.engine.recall(query, **filters)

    def configure(self, *, model: str | ModelProfile | None = None, settings: Mapping[str, Any] | None = None) -> None:
        """Switch the model, or replace the settings; see `Conversation.configure`."""
        check_settings(settings)
        drive(configured(self._talk, model, settings), self._performer)

    def pin(self, message: int) -> None:
        """Keep a message on the wire, word for word; see `Conversation.pin`."""
        self._change(lambda engine, now: engine.pin(message, now=now))

    def unpin(self, message: int) -> None:
        """Take a pin off; see `Conversation.unpin`."""
        self._change(lambda engine, now: engine.unpin(message, now=now))

    def rewind(self, to: int | Branch | None = None, *, send: int | None = None) -> None:
        """Go back, or over to another branch; see `Conversation.rewind`."""
        self._change(lambda engine, now: engine.rewind(to, send=send, now=now))

    def close(self) -> None:
        """Wait for an operation in progress and for what is prepared in the background, and close the store if the session opened it.

        Raises:
            MisuseError: an operation went on for longer than `patience`, or `busy` says not to wait; the session stays open.
            StoreError: what was still to be stored could not be; the session is closed.
        """
        if self._closed:
            return
        try:
            drive(finish(self._talk), self._performer)
        finally:
            if self._held.hold is None:
                self._performer.close()
                self._close_store()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _change(self, change: Callable[[Conversation, float], None]) -> None:
        drive(changed(self._talk, change), self._performer)
