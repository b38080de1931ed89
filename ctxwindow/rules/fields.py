"""What is wrong with one field of a request, in the words of the API's own schema errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ctxwindow.rules.exchange import plain
from ctxwindow.rules.frame import Frame
from ctxwindow.rules.rule import Finding

__all__ = ["absent", "extra", "fault", "needs", "number_of", "one_of"]


def absent(path: str, remedy: str) -> Finding:
    """A field that must be there."""
    return Finding(path=path, message=f"{path}: Field required", remedy=remedy)


def extra(path: str, remedy: str) -> Finding:
    """A field that the API does not know (VER-08)."""
    return Finding(path=path, message=f"{path}: Extra inputs are not permitted", remedy=remedy)


def needs(frame: Frame, path: str, *betas: str) -> Iterator[Finding]:
    """What is wrong with a field that the API takes only with one of these values of the `anthropic-beta` header.

    Without it the API does not know the field. An error where all headers are known; else a warning, because the beta
    may have been sent.
    """
    if frame.betas.isdisjoint(betas):
        yield Finding(
            path=path,
            message=f"{path}: Extra inputs are not permitted",
            remedy=f"Send {' or '.join(betas)} in the `anthropic-beta` header.",
            severity="error" if frame.betas_known else "warning",
        )


def one_of(path: str, values: Sequence[str]) -> Finding:
    """A value that is none of those that the API knows."""
    listed = ", ".join(f"'{value}'" for value in values[:-1])
    return Finding(
        path=path,
        message=f"{path}: Input should be {listed} or '{values[-1]}'",
        remedy="Use one of these values, or leave the field out.",
    )


def number_of(value: object, *kinds: str, least: int = 0) -> str | None:
    """What is wrong with `{"type": kind, "value": number}`; None when nothing is."""
    given = plain(value)
    if given.get("type") not in kinds:
        return f".type: Input should be {' or '.join(repr(kind) for kind in kinds)}"
    number = given.get("value")
    if not isinstance(number, int) or isinstance(number, bool):
        return ".value: Input should be a valid integer"
    return f".value: Input should be greater than or equal to {least}" if number < least else None


def fault(path: str, text: str, remedy: str) -> Finding:
    """What `number_of` says of the field at `path`, or any text of that form: `.inner: what is wrong`."""
    field, _, wrong = f"{path}{text}".partition(": ")
    return Finding(path=field, message=f"{field}: {wrong}", remedy=remedy)
