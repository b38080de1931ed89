"""Fields that the API takes only with a value of the `anthropic-beta` header."""

from __future__ import annotations

from collections.abc import Iterator

from ctxwindow.rules.rule import Finding
from ctxwindow.rules.view import Frame

__all__ = ["needs"]


def needs(frame: Frame, path: str, *names: str) -> Iterator[Finding]:
    """What is wrong with a field at `path` that takes one of the betas `names`.

    The API does not know the field without the beta, and says so as of any field that it does not know (VER-08). An
    error where all headers are known; else a warning, because the beta may have been sent.
    """
    if frame.betas.isdisjoint(names):
        yield Finding(
            path=path,
            message=f"{path}: Extra inputs are not permitted",
            remedy=f"Send the value {' or '.join(names)} in the `anthropic-beta` header.",
            severity="error" if frame.betas_known else "warning",
        )
