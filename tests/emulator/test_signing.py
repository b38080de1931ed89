from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.emulator.signing import CompactionRecord, Signer, ThinkingRecord, digest

_text = st.text(max_size=30)
_thinking = st.builds(
    ThinkingRecord, model=_text, account=_text, system=_text, tools=_text, chain=_text, within=_text, predecessor=_text,
    compaction=_text, text=st.binary(max_size=50),
)  # fmt: skip
SUMMARY = CompactionRecord(content="a", tool_changes="", chain="c", role="user", preserves=True)


@given(_thinking)
def test_a_record_reads_back_equal(record: ThinkingRecord) -> None:
    signature = Signer(b"key").sign(record)
    assert signature.isascii()
    assert Signer(b"key").read(signature, ThinkingRecord) == record
    assert Signer(b"key").read(signature, CompactionRecord) is None
    assert Signer(b"other").read(signature, ThinkingRecord) is None


@given(_thinking, st.data())
def test_no_character_of_a_signature_can_be_changed(record: ThinkingRecord, data: st.DataObject) -> None:
    """A corrupted signature is rejected (REPLAY-04)."""
    signature = Signer(b"key").sign(record)
    place = data.draw(st.integers(0, len(signature) - 1))
    other = data.draw(st.characters().filter(lambda char: char != signature[place]))
    for changed in (signature[:place] + other + signature[place + 1 :], signature[:place], signature + other):
        assert Signer(b"key").read(changed, ThinkingRecord) is None


def test_a_record_of_a_compaction() -> None:
    signer = Signer(b"key")
    assert signer.read(signer.sign(SUMMARY), CompactionRecord) == SUMMARY
    assert signer.is_marked(signer.sign(SUMMARY))
    assert not signer.is_marked("EooCCkYICxgCKkDYW6Ka")


def test_digests() -> None:
    assert digest(None) == ""
    assert digest([]) != digest(None)
    assert digest({"a": 1}) == digest({"a": 1}) != digest({"a": 2})
