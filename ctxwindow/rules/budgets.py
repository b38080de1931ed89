"""TB: task budgets, which tell the model how many tokens a task may take. They are advice: nothing is cut by them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ctxwindow.rules.fields import needs
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import View, plain

__all__ = ["RULES", "remaining"]

_BETA = "task-budgets-2026-03-13"
_PATH = "output_config.task_budget"
_LEAST = 20_000


def remaining(total: int, replies: Iterable[tuple[int, int]]) -> int:
    """Tokens that are left of a budget (TB-02).

    Args:
        total: tokens of the whole budget.
        replies: of each reply of the task, tokens of the tool results that it saw for the first time, and tokens that it
            generated. What is sent again is not counted again.
    """
    return total - sum(seen + generated for seen, generated in replies)


def _budget(request: Mapping[str, Any]) -> Any:
    return plain(request.get("output_config")).get("task_budget")


def allowed(view: View) -> Iterator[Finding]:
    """TB-01. The API's own texts are not known. A model of which it is not known is not judged."""
    given, profile = _budget(view.frame.settings), view.frame.profile
    if given is None:
        return
    if profile is not None and profile.features.task_budgets is False:
        yield Finding(
            path=_PATH, message=f"{_PATH}: task budgets are not supported on this model.", remedy="Leave it out."
        )
        return
    yield from needs(view.frame, _PATH, _BETA)
    budget = plain(given)
    total, left = budget.get("total"), budget.get("remaining")
    wrong = {
        "type": None if budget.get("type") == "tokens" else "Input should be 'tokens'",
        "total": None if type(total) is int and total >= _LEAST else f"Input should be at least {_LEAST}",
        "remaining": None if left is None or type(left) is int else "Input should be a valid integer",
    }
    for field, text in wrong.items():
        if text is not None:
            yield Finding(
                path=f"{_PATH}.{field}",
                message=f"{_PATH}.{field}: {text}",
                remedy="A budget has type tokens, a total of at least 20,000 tokens, and perhaps what remains of it.",
            )


def unchanged(view: View) -> Iterator[Finding]:
    """TB-04, against the request before."""
    if view.previous is not None and _budget(view.previous) != _budget(view.frame.settings):
        yield Finding(
            path=_PATH,
            message=f"{_PATH} differs from the request before: what is rendered behind it is not read from the cache.",
            remedy="Keep the budget as it is for the whole task.",
        )


_PAGE = "platform.claude.com/docs/en/build-with-claude/task-budgets"
_READ = "2026-08-22"

RULES = (
    Rule(
        id="TB-01",
        sentence="A task budget has type tokens and a total of at least 20,000, with a beta and on some models.",
        source=f"{_PAGE}; anthropic 2.12.0 types/beta/beta_token_task_budget_param.py",
        date="2026-11-20",
        models="Opus 4.7 and later, Sonnet 5.5, Haiku 5.5, Fable and Mythos 5 and later",
        conflict="One older list has Sonnet 5, its own page has not: a budget is reported there.",
        check=allowed,
    ),
    Rule(
        id="TB-02",
        sentence="It counts what the model generates and the tool results that it sees, each once.",
        source=_PAGE,
        date=_READ,
        modelled="rules.budgets.remaining",
    ),
    Rule(
        id="TB-03",
        sentence="remaining is for histories that the client rewrote; with on-demand compaction it is rejected.",
        source=f"{_PAGE}; platform.claude.com/docs/en/build-with-claude/compaction-on-demand",
        date="2026-09-26",
        modelled="rules.compaction_requests.alone",
    ),
    Rule(
        id="TB-04",
        sentence="Another budget is another prompt: what stands behind it is not read from the cache.",
        source=_PAGE,
        date=_READ,
        severity="warning",
        check=unchanged,
    ),
)
