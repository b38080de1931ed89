"""A Messages API that enforces the rules: in-process, or on loopback with `ctxwindow emulate`.

`Emulator` is the whole of it and does no I/O. `ctxwindow.emulator.asgi.app` puts it behind a server (needs the extra
`server`), `ctxwindow.testing.FakeClaude` behind the client of the SDK.
"""

from ctxwindow.emulator.engine import Emulator
from ctxwindow.emulator.faults import Fault
from ctxwindow.emulator.http import ApiError, Event, Request, Response
from ctxwindow.emulator.limits import Limits
from ctxwindow.emulator.replies import Recorded, Reply, ReplyLike, Scripted

__all__ = [
    "ApiError",
    "Emulator",
    "Event",
    "Fault",
    "Limits",
    "Recorded",
    "Reply",
    "ReplyLike",
    "Request",
    "Response",
    "Scripted",
]
