"""What can be seen of a session, and how its operations treat calls: the same for sessions that block and that await."""

from __future__ import annotations

import os
from typing import Any

from ctxwindow.client.actions import Approval
from ctxwindow.client.checking import LimitsLike, as_limits, check_approval
from ctxwindow.client.limits import Limits
from ctxwindow.client.report import SessionReport, report
from ctxwindow.client.rounds import How
from ctxwindow.client.talk import Talk
from ctxwindow.client.tools import Toolbox
from ctxwindow.conversation import Conversation
from ctxwindow.errors import MisuseError
from ctxwindow.window import Spending, Window

__all__ = ["Seen"]


class Seen:
    """The face of a conversation in a session."""

    def __init__(
        self, talk: Talk, toolbox: Toolbox, limits: Limits | None, approve: Approval | None, *, owns_store: bool
    ) -> None:
        self._held = talk
        self._toolbox = toolbox
        self._limits = limits or Limits()
        self._approve = approve
        self._owns_store = owns_store
        self._closed = False

    @property
    def name(self) -> str:
        """Of the conversation in the store."""
        return self._held.name

    @property
    def conversation(self) -> Conversation:
        """The engine, to look at: its record, wire, events, branches. Change it by the session only."""
        return self._held.engine

    @property
    def cost(self) -> Spending:
        """What the conversation has cost so far, in dollars: by send, turn, tool, kind of block, and block."""
        return self._held.engine.spending

    @property
    def window(self) -> Window:
        """The window that the next request would occupy as things stand, in tokens, block by block."""
        return self._held.engine.window

    @property
    def open_calls(self) -> tuple[dict[str, Any], ...]:
        """The calls that wait for their results. What is known of their round already, they are sent with."""
        engine = self._held.engine
        return tuple(call for call in engine.due_calls if call["id"] not in engine.answers)

    def report(self) -> SessionReport:
        """Where the conversation stands, what it cost, what was done to it, and what went wrong."""
        return report(self._held)

    @property
    def _talk(self) -> Talk:
        if self._closed:
            raise MisuseError("the session is closed.", remedy="Open it again with `open`.")
        return self._held

    def _how(self, *, live: bool = False) -> How:
        """Calls go to the caller."""
        return How(limits=self._limits, live=live)

    def _running(self, limits: LimitsLike | None, approve: Approval | None, *, live: bool = False) -> How:
        """Calls are run here.

        Raises:
            MisuseError: these are no limits, or no hook.
        """
        check_approval(approve)
        return How(
            toolbox=self._toolbox,
            limits=as_limits(limits) or self._limits,
            approve=approve or self._approve,
            live=live,
        )

    def _close_store(self) -> None:
        self._closed = True
        if self._owns_store:
            self._held.store.close()


def is_path(store: object) -> bool:
    """Whether a session that is given this opens a store of its own."""
    return isinstance(store, (str, os.PathLike))
