"""Faults on request, by the header `x-emulate` or in a script.

`429;retry-after=1`, `529`, `500` or any other error status of ERR-02; `error-event` and `cut-stream` for a stream that
fails after its 200 (ERR-03); `html` for a proxy that answers in the API's place; `timeout` for no answer at all.
"""

from __future__ import annotations

import math
import re
from typing import Literal

import msgspec

from ctxwindow.emulator.http import ERROR_TYPES, ApiError
from ctxwindow.errors import MisuseError

__all__ = ["HEADER", "Fault", "ScriptedFault"]

HEADER = "x-emulate"

_TEXTS = {
    401: "invalid x-api-key",
    413: "Request exceeds the maximum size",
    500: "Internal server error",
    529: "Overloaded",
}
"""Texts that were recorded; for other statuses ours says so."""

_CODE = re.compile(r"[a-z_]{1,64}", re.ASCII)

_REMEDY = (
    "Write a status such as 429 or 529, `error-event`, `cut-stream`, `html` or `timeout`, and after it "
    "`;retry-after=SECONDS`, `;code=ERROR_CODE`, `;after-bytes=N` or `;seconds=S` where it applies."
)


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that goes wrong.

    Attributes:
        kind: `status` answers with an error; `error-event` and `cut-stream` fail in mid-stream, or, where the request
            asks for no stream, with a plain error and in the middle of the body; `html` is a page of a proxy, status
            502; `timeout` answers nothing.
        status: of the error; of `error-event`: whose type the event has.
        retry_after: seconds, for the header `retry-after`; None: no such header.
        after_bytes: of the body, after which `cut-stream` breaks the connection.
        code: `error.details.error_code`, such as `compaction_unavailable` (CMP-26); empty for none.
        seconds: how long `timeout` keeps a real connection waiting.
    """

    kind: Literal["status", "error-event", "cut-stream", "html", "timeout"] = "status"
    status: int = 529
    retry_after: float | None = None
    after_bytes: int = 200
    code: str = ""
    seconds: float = 30.0

    @classmethod
    def parse(cls, text: str) -> Fault:
        """The fault that a header or a script names.

        Raises:
            MisuseError: it names none.
        """
        name, *options = (
            part.strip() for part in text.replace("cut-stream=after-bytes:", "cut-stream;after-bytes=").split(";")
        )
        fault = cls()
        if name.isdecimal() and len(name) <= 3 and int(name) in ERROR_TYPES:  # noqa: PLR2004 - digits of a status
            fault = cls(status=int(name))
        elif name in ("error-event", "cut-stream", "html", "timeout"):
            fault = cls(kind=name)  # type: ignore[arg-type]
        else:
            raise MisuseError("no such fault can be emulated.", path=HEADER, remedy=_REMEDY)
        for option in options:
            fault = fault._with(*option.partition("="))
        return fault

    def _with(self, key: str, equals: str, value: str) -> Fault:
        """The fault with one option read."""
        if key == "code" and _CODE.fullmatch(value):
            return msgspec.structs.replace(self, code=value)
        try:
            number = float(value) if equals else math.nan
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number >= 0) or key not in ("retry-after", "after-bytes", "seconds"):
            raise MisuseError("no such option of a fault.", path=HEADER, remedy=_REMEDY)
        if key == "after-bytes":
            return msgspec.structs.replace(self, after_bytes=int(number))
        return msgspec.structs.replace(self, **{key.replace("-", "_"): number})

    def error(self) -> ApiError:
        """The error that it answers with."""
        text = _TEXTS.get(self.status, f"emulated {ERROR_TYPES.get(self.status, 'api_error')}")
        headers = {} if self.retry_after is None else {"retry-after": f"{self.retry_after:g}"}
        return ApiError(self.status, text, code=self.code or None, headers=headers)


class ScriptedFault(Exception):
    """A fault stands in the script in place of the reply.

    Attributes:
        fault: which.
    """

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        super().__init__(fault.kind)
