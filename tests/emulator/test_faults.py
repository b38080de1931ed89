from __future__ import annotations

import pytest

from ctxwindow.emulator import Fault
from ctxwindow.errors import MisuseError


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("429;retry-after=1", Fault(status=429, retry_after=1.0)),
        (" 529 ", Fault(status=529)),
        ("529;code=compaction_unavailable", Fault(status=529, code="compaction_unavailable")),
        ("cut-stream=after-bytes:70", Fault(kind="cut-stream", after_bytes=70)),
        ("cut-stream; after-bytes=70", Fault(kind="cut-stream", after_bytes=70)),
        ("error-event", Fault(kind="error-event")),
        ("html", Fault(kind="html")),
        ("timeout;seconds=0.5", Fault(kind="timeout", seconds=0.5)),
    ],
)
def test_faults_are_read(text: str, fault: Fault) -> None:
    assert Fault.parse(text) == fault


@pytest.mark.parametrize(
    "text",
    ["", "200", "999", "4290", "²²²", "earthquake", "429;retry-after", "429;retry-after=soon", "429;retry-after=-1",
     "429;retry-after=nan", "429;colour=1", "529;code=No Code", "cut-stream;after-bytes=inf"],
)  # fmt: skip
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(MisuseError) as refusal:
        Fault.parse(text)
    assert refusal.value.path == "x-emulate"


def test_recorded_texts() -> None:
    assert Fault(status=529).error().message == "Overloaded"
    assert Fault(status=500).error().message == "Internal server error"
    assert Fault(status=429, retry_after=1.5).error().headers == {"retry-after": "1.5"}
