"""What is wrong with one field of a request, in the words of the API's own schema errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ctxwindow.rules.frame import Frame
from ctxwindow.rules.rule import Finding

__all__ = ["extra", "needs", "one_of"]


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
