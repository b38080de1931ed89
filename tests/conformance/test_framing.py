"""The constants of the API's framing are what the recordings say: derived anew, they are those that are shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.framing import derive
from ctxwindow.window.framing import packaged_framing
from ctxwindow.window.tokens import have_exact


@pytest.mark.recorded
@pytest.mark.skipif(not have_exact(), reason="needs ctok")
def test_the_constants_are_derived_from_the_recordings(recordings: Path) -> None:
    derived, shipped = (
        derive(recordings / "usage_pairs.jsonl", recordings / "session_steps.jsonl.gz"),
        packaged_framing(),
    )
    assert derived.tokenizers == shipped.tokenizers
    assert derived.models == shipped.models
    assert derived.tools == shipped.tools
