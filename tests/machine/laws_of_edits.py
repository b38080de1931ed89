"""Laws 6, 7 and 10, of every edit that the engine asks for or makes."""

from __future__ import annotations

from collections import Counter

from ctxwindow import Compact, Summarize
from ctxwindow.record.events import Compacted, Edited
from ctxwindow.window import Window
from tests.driver import fixed_tokens
from tests.machine.known import Known
from tests.machine.laws_of_requests import pairs_of


class EditLaws:
    """What each edit is held to."""

    tally: Counter[str]

    def law_6_no_round_is_split(self, edit: Compacted, known: Known) -> None:
        """What a summary stands for holds whole rounds; so does what is kept."""
        assert edit.first <= edit.end <= edit.tail <= len(known.record)
        live = {index: message for index, message in enumerate(known.record) if index not in known.dead}
        gone, kept = (
            pairs_of(message for index, message in live.items() if (index < edit.end) is before)
            for before in (True, False)
        )
        assert not gone[0] & kept[1], "a call was cut off from its result"
        assert {call for call in gone[0] if not call.startswith("srv")} <= gone[1], "an open round was compacted"

    def law_7_progress(self, edit: Compacted, after: Window, before: Window, limit: int, gain: float) -> None:
        """After an edit usage is at or under the target; it freed what the policy asks for, or was needed."""
        assert after.tokens <= edit.target, f"{edit.method}: {after.tokens} tokens after it, not {edit.target} or fewer"
        self._freed(before, after, limit, gain)

    def law_7_the_server_clears_enough(
        self, edit: Edited, after: Window, before: Window, limit: int, gain: float
    ) -> None:
        """The same of an edit that the server makes on its copy."""
        if edit.trigger is not None:
            return  # what comes of it the reply says
        assert after.tokens <= edit.target, f"{edit.method}: {after.tokens} tokens after it, not {edit.target} or fewer"
        self._freed(before, after, limit, gain)

    def _freed(self, before: Window, after: Window, limit: int, gain: float) -> None:
        freed = before.tokens - after.tokens
        assert freed > 0
        needed = before.high > limit
        if not needed:
            least = int((limit - fixed_tokens(before)) * gain)
            assert freed >= least, f"an edit that nobody needs frees {freed}, less than {least}"
        self.tally["law 7, needed" if needed else "law 7, at a mark"] += 1

    def law_7_no_edit_without_new_content(self, known: Known) -> None:
        """Between two edits something was said."""
        assert known.fresh or known.edit is None, "two edits in a row with nothing new"
        self.tally["law 7, another edit"] += known.edit is not None

    def law_10_nothing_is_paid_twice(self, due: Summarize | Compact, known: Known) -> None:
        """No summary is asked for that stands already."""
        end = due.segment.end if isinstance(due, Summarize) else due.end
        assert known.edit is None or end > known.edit.end, "what is summarised already is to be summarised again"
