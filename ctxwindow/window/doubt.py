"""Whether a reported size can be that of the request: what contradicts it is not learnt from.

A proxy may drop tools, sum up requests, count cached tokens twice, or make numbers up. The thresholds are what
recordings bear (docs/how-it-works.md): of 645 exchanges and 3,522 requests of sessions none that is in order is doubted.

A report that is not believed may be right all the same (a gateway that adds a prompt of its own). So the window is taken
to have the estimated or the reported size, whichever is worse for the question asked, until the next report: one that is
off by the same confirms it. A source that contradicts itself too is not heeded any further.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ctxwindow.rules.view import plain
from ctxwindow.window.tokens import Count
from ctxwindow.window.usage import MOST_WINDOWS

__all__ = ["Suspicion", "contradiction", "is_open_ended"]

_LEAST = 0.5
"""Share of its lower bound that a request has at least. Clients shorten old results without telling: down to 0.64 of it,
in 3,522 recorded requests."""
_LEAST_SLACK = 50

_MOST = 1.5
"""Of its upper bound a request has at most so much, and `_MOST_SLACK` tokens: the largest step recorded is 1.42 times."""
_MOST_SLACK = 500

_ROUND = 50
"""Both numbers are multiples of that in 2 of 836 recorded exchanges, and made up in both."""


_NEAR_PART, _NEAR_SLACK = 100, 5
"""What is called the same size: within a hundredth of it, or 5 tokens."""


class Suspicion(msgspec.Struct, frozen=True, kw_only=True):
    """A report that was not believed."""

    reported: int
    """Tokens."""
    expected: int
    """Tokens of the estimate at that time."""

    def confirmed_by(self, reported: int, expected: int) -> bool:
        """Whether the next report is off by the same: it grew by what the estimate grew, within a third.

        Twice the size, or the same size twice, is off by as much as the estimate grew. So nothing is confirmed before
        that is enough to tell.
        """
        grown = abs(expected - self.expected)
        off = abs((reported - expected) - (self.reported - self.expected))
        return grown >= 12 and off <= grown // 3 + 3  # noqa: PLR2004 - then the slack is less than what tells


def contradiction(
    reported: int,
    expected: Count,
    *,
    window: int,
    tools: int = 0,
    cached: int = 0,
    output: int | None = None,
    open_ended: bool = True,
) -> str | None:
    """Why a reported size cannot be that of the request, or None.

    Args:
        reported: tokens of the prompt.
        expected: the estimate.
        window: tokens of the model's context window.
        tools: tokens of the tool definitions, with the prompt that they bring.
        cached: tokens of the report that were read from the cache or written to it.
        output: tokens of the reply.
        open_ended: whether the request may hold what the client does not know of: a prompt that a gateway adds, before
            there is an exact size; the tools of a server.
    """
    if reported > MOST_WINDOWS * window:
        return f"{reported:,} tokens are more than {MOST_WINDOWS} windows of the model (CTX-08)"
    if reported <= 0:
        return "no request has no tokens"
    if expected.low <= reported <= expected.high:
        return None
    if cached and _near(reported - cached, expected):
        return f"{reported:,} tokens are what the request has if its {cached:,} cached tokens are counted twice"
    if tools > _LEAST_SLACK and reported < expected.low and _near(reported + tools, expected):
        return f"{reported:,} tokens are what the request has without its tools"
    if reported < _LEAST * expected.low - _LEAST_SLACK:
        return f"{reported:,} tokens are less than half of what the request has ({expected.low:,} or more)"
    if not open_ended and reported > _MOST * expected.high + _MOST_SLACK:
        return f"{reported:,} tokens are far more than the request has ({expected.high:,} at most)"
    if output and not reported % _ROUND and not output % _ROUND:
        return f"{reported:,} and {output:,} tokens are round numbers, and not what was counted"
    return None


def _near(tokens: int, expected: Count) -> bool:
    slack = max(_NEAR_SLACK, expected.tokens // _NEAR_PART)
    return expected.low - slack <= tokens <= expected.high + slack


def is_open_ended(request: Mapping[str, Any]) -> bool:
    """Whether the server adds to a request what the client cannot count: tools of its own, or of an MCP server."""
    tools = request.get("tools")
    typed = [plain(tool).get("type") for tool in tools] if isinstance(tools, list) else []
    return bool(request.get("mcp_servers") or request.get("container")) or any(
        kind not in (None, "custom") for kind in typed
    )
