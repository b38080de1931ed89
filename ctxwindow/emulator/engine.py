"""The emulated API as one object: a request and the time go in, a response comes out. No socket, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

import msgspec

from ctxwindow.catalog import ModelProfile, models
from ctxwindow.emulator.admission import BATCH_BYTES, Head, admit, read_body
from ctxwindow.emulator.batches import Batches
from ctxwindow.emulator.binding import Binder
from ctxwindow.emulator.compaction import DefaultSummary
from ctxwindow.emulator.faults import HEADER, Fault, ScriptedFault
from ctxwindow.emulator.http import ApiError, Request, Response, error_body
from ctxwindow.emulator.limits import Limits, Meter
from ctxwindow.emulator.models import model_info, model_list
from ctxwindow.emulator.replies import RepliesLike, as_replies
from ctxwindow.emulator.service import Answer, Service, Setting
from ctxwindow.emulator.signing import Signer
from ctxwindow.emulator.stream import events_of, with_error
from ctxwindow.emulator.threads import Threads, tell_unsupported
from ctxwindow.errors import MisuseError
from ctxwindow.record import to_json

__all__ = ["Emulator"]

_JSON = "application/json"


class Emulator:
    """A Messages API that enforces the rules.

    The same requests at the same times get the same responses, in any process.
    """

    def __init__(
        self,
        replies: RepliesLike = None,
        *,
        summaries: RepliesLike = None,
        profiles: Iterable[ModelProfile] = (),
        api_key: str | None = None,
        account: str = "org-emulated",
        new_account: bool = True,
        accept_foreign: bool = False,
        secret: bytes = b"ctxwindow emulator",
        limits: Limits | None = None,
    ) -> None:
        """An emulator with an empty cache.

        Args:
            replies: what the model says: None for short replies of its own, a list of replies (each a string, a list
                of blocks, a dict, a `Reply` or a `Fault`), or a function of the request's body.
            summaries: what it says when it compacts, in the same forms; an empty string is a compaction that failed.
            profiles: profiles of your own, next to those of the catalog.
            api_key: the one key that is accepted; None: any.
            account: thinking of Sonnet 5.5 and Haiku 5.5 is read in the account that produced it only (BIND-19).
            new_account: whether it was created on or after 2026-08-31, so that the prefix check is on (BIND-04).
            accept_foreign: let signatures pass that no emulator made, such as those of recorded sessions. Nothing is
                known about such blocks, so the prefix check does not look at them.
            secret: the key of all signatures.
            limits: of each model, in a minute; None: there are none, and no header tells of them.

        Raises:
            MisuseError: the replies are none of these.
        """
        known = [*models(), *profiles]
        self._count = 0
        self._listed = list({profile.id: profile for profile in known}.values())
        self._api_key = api_key
        self._account = account
        self._limits = limits
        self._meters: dict[str, Meter] = {}
        self._service = Service(
            profiles={name: profile for profile in known for name in (profile.id, *profile.aliases)},
            replies=as_replies(replies),
            summaries=DefaultSummary() if summaries is None else as_replies(summaries),
            binder=Binder(Signer(secret), account, accept_foreign=accept_foreign),
            new_account=new_account,
        )
        self._threads = Threads()
        self._batches = Batches(self._create)

    def handle(self, request: Request, *, at: float) -> Response:
        """Answer a request.

        Args:
            request: as it came.
            at: seconds since the epoch.
        """
        self._count += 1
        headers = {"request-id": f"req_{self._count:024}", "anthropic-organization-id": self._account}
        try:
            return self._answer(request, headers, at)
        except ApiError as error:
            return _failed(error, headers)
        except ScriptedFault as scripted:
            return _faulty(scripted.fault, headers, None)
        except RecursionError:
            return _failed(ApiError(400, "The content is nested too deep."), headers)

    def _answer(self, request: Request, headers: dict[str, str], at: float) -> Response:
        """Find the endpoint.

        Raises:
            ApiError: it is refused.
        """
        head = admit({name.lower(): value for name, value in request.headers.items()}, self._api_key)
        fault = _fault_of(head)
        if fault is not None and fault.kind in ("status", "html", "timeout"):
            return _faulty(fault, headers, None)
        path, _, query = request.path.partition("?")
        setting = Setting(at=at, version=head.version, betas=head.betas)
        parts = [unquote(part) for part in path.strip("/").split("/")]
        match (request.method.upper(), parts):
            case ("POST", ["v1", "messages"]):
                return self._messages(request, setting, headers, fault)
            case ("POST", ["v1", "messages", "count_tokens"]):
                return _ok(self._service.count_tokens(read_body(request), setting), headers)
            case ("POST", ["v1", "messages", "batches"]):
                return _ok(self._batches.create(read_body(request, BATCH_BYTES), setting), headers)
            case ("GET", ["v1", "messages", "batches", identity]):
                return _ok(self._batches.retrieve(identity), headers)
            case ("GET", ["v1", "messages", "batches", identity, "results"]):
                found = self._batches.results(identity)
                return Response(status=200, headers={**headers, "content-type": "application/x-jsonl"}, body=found)
            case ("GET", ["v1", "models"]):
                return _ok(model_list(self._listed, query), headers)
            case ("GET", ["v1", "models", identity]):
                return _ok(model_info(self._service.profile(identity)), headers)
        raise ApiError(404, "Not found")

    def _messages(self, request: Request, setting: Setting, headers: dict[str, str], fault: Fault | None) -> Response:
        """`POST /v1/messages`."""
        body = read_body(request)
        meter = self._meter(body.get("model"))
        if meter is not None:
            meter.admit(setting.at)
        try:
            answer = self._create(body, setting)
        except ScriptedFault as scripted:
            if scripted.fault.kind not in ("error-event", "cut-stream"):
                raise
            # In mid-stream there was something to be cut: the reply that comes next in the script.
            fault, answer = scripted.fault, self._create(body, setting)
        if meter is not None:
            meter.charge(input_tokens=answer.input_tokens, output_tokens=answer.output_tokens)
            headers.update(meter.headers(setting.at))
        if fault is not None:
            return _faulty(fault, headers, answer.message, stream=body.get("stream") is True)
        if body.get("stream") is True:
            return _streamed(answer.message, headers)
        return _ok(answer.message, headers)

    def _create(self, body: dict[str, Any], setting: Setting) -> Answer:
        """The message that a body is answered with, with what a thread keeps around it."""
        whole = self._threads.whole(body, betas=setting.betas, at=setting.at)
        try:
            answer = self._service.create(whole, setting)
        except ApiError as error:
            tell_unsupported(error, body)
            raise
        self._threads.keep(body, whole, answer.message, at=setting.at)
        return answer

    def _meter(self, model: object) -> Meter | None:
        """The rate limits of a model; None where there are none."""
        if self._limits is None or not isinstance(model, str) or model not in self._service.profiles:
            return None
        return self._meters.setdefault(self._service.profiles[model].id, Meter(self._limits))


def _fault_of(head: Head) -> Fault | None:
    """The fault that a header asks for."""
    try:
        return Fault.parse(head.fault) if head.fault else None
    except MisuseError as error:
        raise ApiError(400, f"{HEADER}: {error.reason} {error.remedy}") from None


def _ok(body: Any, headers: dict[str, str]) -> Response:
    return Response(status=200, headers={**headers, "content-type": _JSON}, body=to_json(body))


def _streamed(message: dict[str, Any], headers: dict[str, str]) -> Response:
    """A reply as events."""
    typed = {**headers, "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
    return Response(status=200, headers=typed, events=events_of(message))


def _failed(error: ApiError, headers: dict[str, str]) -> Response:
    body = error_body(error, headers["request-id"])
    return Response(
        status=error.status, headers={**headers, "content-type": _JSON, **error.headers}, body=to_json(body)
    )


def _faulty(fault: Fault, headers: dict[str, str], message: dict[str, Any] | None, *, stream: bool = False) -> Response:
    """A response with a fault in it. `message`: the reply that was on its way, for faults in the middle of it."""
    match fault.kind:
        case "html":
            page = b"<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>"
            return Response(status=502, headers={"content-type": "text/html"}, body=page)
        case "timeout":
            return Response(status=504, headers=headers, silent=fault.seconds)
        case "cut-stream" if message is not None:
            whole = _streamed(message, headers) if stream else _ok(message, headers)
            return msgspec.structs.replace(whole, cut_after=fault.after_bytes)
        case "error-event" if message is not None and stream:
            whole = _streamed(message, headers)
            events = with_error(whole.events or (), fault.error(), headers["request-id"])
            return msgspec.structs.replace(whole, events=events)
        case _:
            return _failed(fault.error(), headers)
