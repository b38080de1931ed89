"""Message batches: created, looked up, and their results (RATE-08).

A batch is worked off when it is created, and is shown as in progress in that answer alone. Each item is judged by
itself: what a body breaks is an errored item, not an error of the batch.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ctxwindow.emulator.faults import ScriptedFault
from ctxwindow.emulator.http import ApiError, error_body
from ctxwindow.emulator.service import Answer, Setting
from ctxwindow.record import to_json
from ctxwindow.rules.view import plain

__all__ = ["Batches"]

_MOST = 100_000
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}", re.ASCII)
_DAY = 86_400
_UNSUPPORTED = ("stream", "speed", "fallbacks")


class _Batch(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    created: float
    rows: list[dict[str, Any]]
    version: str


class Batches:
    """Every batch of one emulator."""

    def __init__(self, create: Callable[[dict[str, Any], Setting], Answer]) -> None:
        self._create = create
        self._batches: dict[str, _Batch] = {}

    def create(self, body: Mapping[str, Any], setting: Setting) -> dict[str, Any]:
        """Take a batch in.

        Raises:
            ApiError: it is not a list of items with ids of their own.
        """
        requests = body.get("requests")
        if not isinstance(requests, list) or not requests:
            raise ApiError(400, "requests: Input should be a non-empty list")
        if len(requests) > _MOST:
            raise ApiError(400, f"requests: List should have at most {_MOST} items")
        seen: set[str] = set()
        for index, item in enumerate(requests):
            name = plain(item).get("custom_id")
            if not (isinstance(name, str) and _CUSTOM_ID.fullmatch(name)):
                raise ApiError(
                    400, f"requests.{index}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'"
                )
            if name in seen:
                raise ApiError(400, f"requests.{index}.custom_id: each custom_id must be unique in a batch")
            if not isinstance(plain(item).get("params"), dict):
                raise ApiError(400, f"requests.{index}.params: Input should be a valid object")
            seen.add(name)
        identity = f"msgbatch_{len(self._batches) + 1:024}"
        item_setting = msgspec.structs.replace(setting, batch=True)
        rows = [self._row(identity, item, item_setting) for item in requests]
        batch = _Batch(id=identity, created=setting.at, rows=rows, version=setting.version)
        self._batches[identity] = batch
        return _shown(batch, ended=False)

    def _row(self, batch: str, item: Mapping[str, Any], setting: Setting) -> dict[str, Any]:
        """One line of the results."""
        try:
            _check_params(item["params"])
            message = self._create(item["params"], setting).message
            message["usage"]["service_tier"] = "batch"
            result: dict[str, Any] = {"type": "succeeded", "message": message}
        except ApiError as error:
            result = {"type": "errored", "error": error_body(error, batch)}
        except ScriptedFault as scripted:
            result = {"type": "errored", "error": error_body(scripted.fault.error(), batch)}
        return {"custom_id": item["custom_id"], "result": result}

    def retrieve(self, identity: str) -> dict[str, Any]:
        """A batch, worked off.

        Raises:
            ApiError: there is no such batch (404).
        """
        return _shown(self._find(identity), ended=True)

    def results(self, identity: str) -> bytes:
        """A line of JSON for each item.

        Raises:
            ApiError: there is no such batch (404).
        """
        return b"".join(to_json(row) + b"\n" for row in self._find(identity).rows)

    def _find(self, identity: str) -> _Batch:
        if identity not in self._batches:
            raise ApiError(404, "there is no such batch")
        return self._batches[identity]


def _check_params(params: Mapping[str, Any]) -> None:
    """See that an item asks for nothing that a batch cannot do.

    Raises:
        ApiError: it does.
    """
    for field in _UNSUPPORTED:
        if params.get(field):
            raise ApiError(400, f"{field}: not supported in a batch")
    if params.get("max_tokens") == 0:  # MSG-17
        raise ApiError(400, "max_tokens: 0 is not supported in a batch")


def _time(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, tz=datetime.UTC).isoformat()


def _shown(batch: _Batch, *, ended: bool) -> dict[str, Any]:
    kinds = [row["result"]["type"] for row in batch.rows]
    done = {"succeeded": kinds.count("succeeded"), "errored": kinds.count("errored"), "processing": 0}
    counts = done if ended else {"succeeded": 0, "errored": 0, "processing": len(kinds)}
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": "ended" if ended else "in_progress",
        "request_counts": {**counts, "canceled": 0, "expired": 0},
        "created_at": _time(batch.created),
        "ended_at": _time(batch.created) if ended else None,
        "expires_at": _time(batch.created + _DAY),
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": f"/v1/messages/batches/{batch.id}/results" if ended else None,
    }
