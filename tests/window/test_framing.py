from __future__ import annotations

import pytest

from ctxwindow.catalog import models, resolve
from ctxwindow.window.framing import Frame, exactly, frame_of, packaged_framing, roughly

FRAMING = packaged_framing()


@pytest.mark.parametrize("profile", models(), ids=lambda profile: profile.id)
def test_every_model_has_a_frame(profile: object) -> None:
    frame = frame_of(profile)  # type: ignore[arg-type]
    assert frame.request > 0
    assert frame.user > 0


@pytest.mark.parametrize("name", Frame.__struct_fields__)
def test_every_constant_of_a_generation_has_evidence_or_a_note(name: str) -> None:
    if name in ("tool_prompt", "forced_tool_prompt", "patch_step", "unsure"):
        return  # per model alone
    for findings in FRAMING.tokenizers.values():
        finding = findings[name]
        assert finding.evidence is not None or finding.note


def test_evidence_adds_up() -> None:
    for findings in (*FRAMING.tokenizers.values(), *FRAMING.models.values()):
        for finding in findings.values():
            if finding.evidence is not None:
                assert 0 < finding.evidence.agree <= finding.evidence.pairs
                assert finding.evidence.clients
                assert finding.evidence.models


def test_models_differ_from_their_generation_where_they_are_listed() -> None:
    for model, findings in FRAMING.models.items():
        general = FRAMING.tokenizers[resolve(model).tokenizer]
        for name, finding in findings.items():
            assert name not in general or general[name].tokens != finding.tokens


def test_a_plain_message_costs_seven_and_six() -> None:
    """Every recorded request of plain text: text + 7 on Claude 3 to 4.6, + 6 since Opus 4.8."""
    for tokenizer, tokens in (("v3", 7), ("v4.7", 11), ("v4.8", 6)):
        frame = FRAMING.frame(tokenizer, "")  # type: ignore[arg-type]
        assert frame.request + frame.user == tokens


def test_doubt() -> None:
    assert exactly(-3).exact
    assert (exactly(5).low, exactly(5).high) == (5, 5)
    assert (roughly(100).low, roughly(100).high) == (83, 117)
    assert (roughly(-100).low, roughly(-100).high) == (-117, -83)
