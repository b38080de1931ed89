"""How far a tool loop may go on its own. Pydantic, because people write it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from ctxwindow.errors import MisuseError
from ctxwindow.tiers.mistakes import mistake

__all__ = ["Limits"]

# Strict: neither "20" nor true is a number.
Rounds = Annotated[int, Field(strict=True, gt=0)]
Amount = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]


class Limits(BaseModel):
    """Where a tool loop stops. What is left out has no limit.

    Raises:
        MisuseError: a key is wrong or unknown; `path` names it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rounds: Rounds | None = None
    """Replies with tool calls that are carried out."""
    seconds: Amount | None = None
    """From the start of the operation. Looked at between rounds, and before a paused turn, or a reply that `max_tokens` cut, costs
    another request: a reply that has begun, and a round, are finished."""
    dollars: Amount | None = None
    """Spent by the operation, with its summaries and compactions. Looked at when `seconds` is; refused where no price is known."""
    tool_seconds: Amount | None = None
    """For one call of a tool."""

    @pydantic.model_validator(mode="wrap")
    @classmethod
    def _one_line(cls, settings: Any, validate: pydantic.ModelWrapValidatorHandler[Self]) -> Self:
        """No ValidationError leaves: it has many lines, and shows what was written."""
        try:
            return validate(settings)
        except pydantic.ValidationError as error:
            wrong = mistake(error, cls, "limits")
        raise MisuseError(wrong.reason, path=wrong.path, remedy=wrong.remedy)

    def passed(self, rounds: int, seconds: float, dollars: float) -> Literal["rounds", "seconds", "dollars"] | None:
        """The first limit that is reached, in this order; None while none is.

        Args:
            rounds: carried out so far.
            seconds: since the start of the operation.
            dollars: spent since then.
        """
        if self.rounds is not None and rounds >= self.rounds:
            return "rounds"
        if self.seconds is not None and seconds >= self.seconds:
            return "seconds"
        if self.dollars is not None and dollars >= self.dollars:
            return "dollars"
        return None
