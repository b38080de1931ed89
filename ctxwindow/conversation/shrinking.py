"""What comes back of the work that the planner asked for: a summary, a compaction block, or neither."""

from __future__ import annotations

from typing import Any

import msgspec

from ctxwindow.conversation.core import Core
from ctxwindow.errors import ProtocolError
from ctxwindow.record import identifiers_of, intake
from ctxwindow.record.events import Compacted, Declined
from ctxwindow.tiers import Compact, Recovery, Summarize
from ctxwindow.tiers.compaction import Adopted, read_compaction
from ctxwindow.tiers.intake import checked_failure, checked_summary, checked_time
from ctxwindow.tiers.recovery import recover
from ctxwindow.window import count_text

__all__ = ["Shrinking"]


class Shrinking(Core):
    """Summaries and compactions, handed back."""

    def summarized(
        self, text: str, *, by: str, cost: float = 0.0, of: Summarize | None = None, now: float | None = None
    ) -> None:
        """Hand back the summary that `Summarize` asked for, at once or in the background. A new epoch starts.

        Messages may be appended in the meantime: they stay after the summary, word for word.

        Args:
            text: the summary. It may be empty: then the wire only says which messages can be recalled.
            by: who wrote it, told to the model: a line of 100 characters at most.
            cost: what it cost, in dollars.
            of: the decision that asked for it. It may be left out as long as nothing that was prepared in the background
                has been overtaken: then nobody can tell which of two has come.
            now: the caller's clock.

        Raises:
            ProtocolError: no summary is due, or not this one; it is longer than asked, cannot be sent, or `by` or `cost`
                cannot be told; nothing was changed.
        """
        state = self._state
        checked_summary(text, by, cost)
        edit = self._asked_for("summary", of, server=False)
        tokens = count_text(text, state.profile.tokenizer).tokens
        if tokens > edit.tokens:
            raise ProtocolError(
                f"the summary has {tokens:,} tokens and may have {edit.tokens:,}.",
                rule="law 7",
                remedy="Shorten it, or summarise with `ctxwindow.summarize.Extractive`.",
            )
        at, names = checked_time(now), identifiers_of(text)
        self._adopt(edit, at=at, summary=text, by=by, tokens=tokens, cost=float(cost), names=names)

    def summary_failed(
        self, why: str, *, cost: float = 0.0, of: Summarize | None = None, now: float | None = None
    ) -> None:
        """Say that the summary which is due will not come. The planner takes another method for a while.

        Args:
            why: in a few words, without content of the conversation.
            cost: what was paid for it all the same, in dollars.
            of: the decision that asked for it, as for `summarized`.
            now: the caller's clock.

        Raises:
            ProtocolError: no summary is due.
        """
        checked_failure(why, cost)
        self._decline(self._asked_for("summary", of, server=False), why, cost, now)

    def compacted(self, reply: Any, *, of: Compact | None = None, now: float | None = None) -> bool:
        """Hand back the reply to a `Compact` request, at once or in the background. With a block in it a new epoch starts.

        Messages may be appended, sent and received in the meantime: they stay behind the block (CMP-28, CMP-34).

        Args:
            reply: the SDK's message object, or a dict with `content`, `stop_reason` and `usage`.
            of: the decision that asked for it, as for `summarized`.
            now: the caller's clock.

        Returns:
            Whether it brought a summary. One without (CMP-27) is recorded with what it cost; the history stays as it is,
            and the planner takes another method for a while.

        Raises:
            ProtocolError: no compaction is due, or not this one.
        """
        edit = self._asked_for("compaction", of, server=True)
        at = checked_time(now)
        found = read_compaction(intake(reply, "reply"), self._state.profile, at)
        if not isinstance(found, Adopted):
            self._decline(edit, found.why, found.cost, now)
            return False
        self._adopt(
            edit,
            at=at,
            summary=found.summary,
            block=found.block,
            by=found.by or self.model,
            tokens=count_text(found.summary, self._state.profile.tokenizer).tokens,
            cost=found.cost,
            names=identifiers_of(found.summary),
        )
        return True

    def compaction_failed(self, error: Any, *, of: Compact | None = None, now: float | None = None) -> Recovery:
        """What an error in answer to a `Compact` request means. The planner takes another method for a while.

        Raises:
            ProtocolError: no compaction is due.
        """
        edit = self._asked_for("compaction", of, server=True)
        recovery = recover(error)
        self._decline(edit, f"{recovery.status or 'no status'}, {recovery.kind}", 0.0, now)
        return recovery

    def wasted(self, cost: float, *, now: float | None = None) -> None:
        """Say what was paid for a summary or a compaction that `summarized` or `compacted` did not want any more.

        Args:
            cost: in dollars.
            now: the caller's clock.

        Raises:
            ProtocolError: it is no amount of money; nothing was changed.
        """
        why = "it came too late"
        checked_failure(why, cost)
        self._record(Declined(at=checked_time(now), method="overtaken", why=why, cost=float(cost)))

    def _asked_for(self, what: str, of: Summarize | Compact | None, *, server: bool) -> Compacted:
        """The edit that is due, or is prepared in the background."""
        asked = (self._due, self._aside, *self._overtaken)
        known = [edit for edit in asked if edit is not None and (edit.method == "compact") == server]
        open_ = [edit for edit in known if edit not in self._overtaken]
        if of is not None:
            found = next((edit for edit in open_ if _is_of(edit, of)), None)
            if found is None:
                self._overtaken = [edit for edit in self._overtaken if not _is_of(edit, of)]
                raise ProtocolError(f"this {what} is not wanted any more.", remedy="Leave it, and call `plan`.")
            return found
        if not open_:
            raise ProtocolError(f"no {what} is due.", remedy="Call `plan` first.")
        if len(known) > 1:
            raise ProtocolError(
                f"more than one {what} was asked for.", remedy="Say which this is: hand it back with `of=decision`."
            )
        return open_[0]

    def _adopt(self, edit: Compacted, **found: Any) -> None:
        """Take a summary in. What came after its range since it was asked for stays as it is."""
        if edit is self._aside:
            self._aside = None  # it has come
        self._record(msgspec.structs.replace(edit, **found))

    def _decline(self, edit: Compacted, why: str, cost: float, now: float | None) -> None:
        if edit is self._aside:
            self._aside = None
        self._record(Declined(at=checked_time(now), method=edit.method, why=why, cost=float(cost)))


def _is_of(edit: Compacted, decision: Summarize | Compact) -> bool:
    """Whether a decision asked for this edit."""
    place = decision.segment if isinstance(decision, Summarize) else decision
    return (edit.method, edit.first, edit.end) == (decision.method, place.first, place.end)
