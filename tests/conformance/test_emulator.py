"""The emulator against what was recorded: it accepts what the API answered, and refuses what it refused, in its words."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks.accuracy import pairs_of
from ctxwindow.catalog import resolve
from ctxwindow.emulator import Emulator, Request, Response
from ctxwindow.errors import CtxwindowError
from ctxwindow.record import to_json
from ctxwindow.rules import API_VERSION
from tests.conformance.refused import DOCUMENTED, RECORDED, Refused

SHIPPED = Path(__file__).parents[1] / "data" / "usage_pairs.jsonl.gz"
OLD = "2023-06-01"
"""The version of all recordings."""

SCRUBBED = (
    "compact-2026-01-12", "context-management-2025-06-27", "mid-conversation-tool-changes-2026-07-01",
    "task-budgets-2026-03-13", "advisor-tool-2026-03-01",
)  # fmt: skip
"""Betas that recorded bodies cannot do without; their recordings hold no headers."""

ELSEWHERE = {
    "user messages must have non-empty content": "quoted in part from counting tokens; MSG-07 has the whole text",
    "cache_control: Extra inputs are not permitted": "said by Bedrock, whose bodies the first-party API does not take",
}
"""Texts that this API does not say."""


def send(emulator: Emulator, body: dict[str, Any], betas: tuple[str, ...], version: str, endpoint: str) -> Response:
    headers = {"x-api-key": "k", "anthropic-version": version, "anthropic-beta": ",".join(betas)}
    path = "/v1/messages/count_tokens" if endpoint == "count_tokens" else "/v1/messages"
    return emulator.handle(Request(method="POST", path=path, headers=headers, body=to_json(body)), at=0.0)


def replayed(pair: dict[str, Any], emulator: Emulator) -> Response:
    """A recorded exchange, as far as it can be sent to the first-party API: the model is named in the body there."""
    body = {key: value for key, value in pair["request"].items() if key not in ("anthropic_version", "anthropic_beta")}
    try:
        body["model"] = resolve(pair["model"]).id
    except CtxwindowError:
        body["model"] = pair["model"]
    if pair["endpoint"] == "messages":
        body.setdefault("max_tokens", 4_096)
    betas = (*pair["betas"], *(body.pop("betas", None) or ()), *SCRUBBED)
    return send(emulator, body, betas, OLD, pair["endpoint"])


def judged(pairs: list[dict[str, Any]]) -> Counter[str]:
    """How many recorded exchanges go as they went, and what became of the others."""
    found: Counter[str] = Counter()
    for pair in pairs:
        said = (pair.get("error") or {}).get("message", "")
        # A recorded 401 says that the key was wrong; which one it was is not recorded.
        key = "another" if pair["http_status"] == 401 else None
        response = replayed(pair, Emulator(accept_foreign=True, api_key=key))
        if response.status == pair["http_status"] == 200:
            found["answered"] += 1
        elif response.status == pair["http_status"] and response.json["error"] == pair["error"]:
            found["refused"] += 1
        elif pair["http_status"] == 200 and response.status == 404:
            found["the model is not in the catalog"] += 1
        elif said.startswith("prompt is too long"):
            found["the recording does not hold the whole prompt"] += 1
        else:
            found[f"{pair['http_status']} became {response.status}: {response.body[:200]!r}"] += 1
    return found


def test_shipped_exchanges_go_as_they_went() -> None:
    found = judged(list(pairs_of(SHIPPED)))
    assert found.keys() <= {"answered", "refused", "the model is not in the catalog"}
    assert found["answered"] >= 57
    assert found["refused"] >= 3


@pytest.mark.recorded
def test_recorded_exchanges_go_as_they_went(recordings: Path) -> None:
    assert judged(list(pairs_of(recordings / "usage_pairs.jsonl"))) == {
        "answered": 846,
        "refused": 15,
        "the model is not in the catalog": 4,
        "the recording does not hold the whole prompt": 1,
    }


def texts(refused: Refused) -> str:
    """What the emulator says to the request of a case; its status is checked."""
    body = {key: value for key, value in refused.request.items() if key != "betas"}
    body.setdefault("max_tokens", 4_096)
    named = refused.request.get("betas") or refused.options.get("betas")
    betas = SCRUBBED if named is None else tuple(named)
    version = refused.options.get("api_version", API_VERSION)
    response = send(Emulator(accept_foreign=True), body, betas, version, "messages")
    assert response.status == 400, response.body
    error = response.json["error"]
    assert error["type"] == "invalid_request_error"
    code = error.get("details", {}).get("error_code")
    told: str = f"{code}: {error['message']}" if code and code != "image_dimensions_too_large" else error["message"]
    return told.replace("`", "")


def cases(table: dict[str, Refused]) -> list[str]:
    """The cases without those that the request before tells; of the emulator's own thinking tests/emulator has them."""
    return [said for said, refused in table.items() if "previous" not in refused.options and said not in ELSEWHERE]


@pytest.mark.parametrize("start", cases(RECORDED), ids=lambda start: start[:40])
def test_a_recorded_error_is_said_again(start: str) -> None:
    told = texts(RECORDED[start])
    assert told.startswith(start.replace("`", "").replace("messages.N.", "messages.7."))


@pytest.mark.parametrize("said", cases(DOCUMENTED), ids=lambda said: said[-40:])
def test_a_documented_error_is_said_again(said: str) -> None:
    assert texts(DOCUMENTED[said]) == said.replace("`", "")
