r"""Regular expressions that cannot blow up: the part of Python's that finite automata can do, in linear time.

A pattern comes from a model and is matched against whatever a tool once returned, so `re`, which backtracks and can
take exponential time, is not asked. As in RE2, a line is read once, with the set of all states that the pattern may be
in; sets that were met are remembered with where each character leads from them. Working out a new one takes as long as
it has states, so a pattern does so much of it and no more.

Taken: literals, `.`, classes, `\d \w \s` and their opposites, `\b \B`, `^ $`, groups (capturing or not), `|`, `* + ?`
and `{m,n}`, lazy or not (for whether a line matches, that is no difference), and `(?i)` at the start. Not taken:
back-references, look-around, possessive and atomic forms, inline flags further in, and more than 500 states.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["LONGEST_PATTERN", "MOST_WORK", "Pattern", "parse"]

LONGEST_PATTERN = 500
"""Characters."""
_MOST_STATES = 500
_MOST_REMEMBERED = 50_000
"""Moves remembered at once; then they are forgotten."""

MOST_WORK = 1_000_000
"""States that a pattern visits while it works out where characters lead, before it gives up: a second or two."""

_REPEAT = re.compile(r"\{(?:(\d{1,3})|(\d{0,3}),(\d{0,3}))\}")
_ESCAPE = re.compile(r"\\(?:[dDwWsSntrfva]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|[^A-Za-z0-9])", re.DOTALL)
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_NESTED = re.compile(
    r"\[\^?(?:\[|.*(?:--|&&|~~|\|\|))", re.DOTALL
)  # `re` warns that these may come to mean something else

_START, _WORD, _OTHER, _END = range(4)
"""What stands before or after a place in a line."""


class _Unsupported(Exception):
    """The pattern is not of the kind that is taken."""


class _Step(NamedTuple):
    """One instruction: take a character, check the place, fork, or match."""

    takes: Callable[[str], object] | None = None
    where: str = ""
    forks: tuple[int, ...] = ()
    matches: bool = False


class _State:
    """A set of instructions that may come next, not yet followed to where a character is taken."""

    __slots__ = ("before", "ends", "moves", "places")

    def __init__(self, places: frozenset[int], before: int) -> None:
        self.places = places
        self.before = before
        self.moves: dict[str, _State | None] = {}  # None: the line matches already before that character
        self.ends: bool | None = None  # whether it matches at the end of the line, once known


class Pattern:
    """A pattern that was taken."""

    def __init__(self, steps: list[_Step]) -> None:
        self._steps = steps
        self._states: dict[tuple[frozenset[int], int], _State] = {}
        self._remembered = 0
        self._work = 0

    def finds(self, line: str) -> bool | None:
        """Whether the pattern matches anywhere in a line, as `re.search` would say; None when it has given up."""
        state = self._state(frozenset({0}), _START)
        for character in line:
            try:
                following = state.moves[character]
            except KeyError:
                if self._work > MOST_WORK:
                    return None
                following = self._move(state, character)
            if following is None:
                return True
            state = following
        if state.ends is None:
            state.ends = self._matching(self._reached(state, _END))
        return state.ends

    def _move(self, state: _State, character: str) -> _State | None:
        after = _kind(character)
        reached = self._reached(state, after)
        following = None
        if not self._matching(reached):
            taken = {
                place + 1 for place in reached if (takes := self._steps[place].takes) is not None and takes(character)
            }
            following = self._state(frozenset(taken | {0}), after)  # a match may begin anywhere
        state.moves[character] = following
        self._remembered += 1
        if self._remembered > _MOST_REMEMBERED:
            self._states.clear()
            self._remembered = 0
        return following

    def _state(self, places: frozenset[int], before: int) -> _State:
        return self._states.setdefault((places, before), _State(places, before))

    def _reached(self, state: _State, after: int) -> set[int]:
        """The instructions that are reached without taking a character, between what stands before and after."""
        reached: set[int] = set()
        stack = list(state.places)
        while stack:
            place = stack.pop()
            if place in reached:
                continue
            reached.add(place)
            step = self._steps[place]
            stack.extend(place + fork for fork in step.forks)
            if step.where and _holds(step.where, state.before, after):
                stack.append(place + 1)
        self._work += len(reached)
        return reached

    def _matching(self, reached: set[int]) -> bool:
        return any(self._steps[place].matches for place in reached)


def parse(text: str) -> Pattern | None:
    """The pattern that a text stands for; None when it is not of the kind that is taken."""
    if len(text) > LONGEST_PATTERN:
        return None
    flags = re.IGNORECASE if text.startswith("(?i)") else re.NOFLAG
    parser = _Parser(text.removeprefix("(?i)"), flags)
    try:
        steps = parser.choice()
        if parser.at < len(parser.text):
            return None  # a parenthesis that nothing opened
    except (_Unsupported, re.error, RecursionError):
        return None
    return Pattern([*steps, _Step(matches=True)])


class _Parser:
    """Reads a pattern into instructions; `forks` are relative to their place, so that parts can be put together."""

    def __init__(self, text: str, flags: re.RegexFlag) -> None:
        self.text = text
        self.flags = flags
        self.at = 0

    def choice(self) -> list[_Step]:
        """`a|b`: fork to either, and leave the first one over the second."""
        steps = self._sequence()
        while self._next("|"):
            other = self._sequence()
            steps = [_Step(forks=(1, len(steps) + 2)), *steps, _Step(forks=(len(other) + 1,)), *other]
        return _small(steps)

    def _sequence(self) -> list[_Step]:
        steps: list[_Step] = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            steps += self._repeated(self._atom())
        return _small(steps)

    def _atom(self) -> list[_Step]:
        character = self.text[self.at]
        if character == "(":
            self.at += 1
            if not self._next("?:") and self._next("?"):
                raise _Unsupported
            steps = self.choice()
            if not self._next(")"):
                raise _Unsupported
            return steps
        if character in "*+?":
            raise _Unsupported
        if character in "^$":
            self.at += 1
            return [_Step(where=character)]
        for place in (r"\b", r"\B"):
            if self._next(place):
                return [_Step(where=place)]
        return [_Step(takes=re.compile(self._one(character), self.flags).fullmatch)]

    def _one(self, character: str) -> str:
        """The source of what takes one character."""
        if character not in "[\\":
            self.at += 1
            return character if character == "." else re.escape(character)
        found = (_CLASS if character == "[" else _ESCAPE).match(self.text, self.at)
        if found is None or (character == "[" and _NESTED.match(found.group())):
            raise _Unsupported
        self.at = found.end()
        return found.group()

    def _repeated(self, steps: list[_Step]) -> list[_Step]:
        least, most = 1, 1
        found = _REPEAT.match(self.text, self.at)
        if found is not None:
            least, most = int(found[1] or found[2] or 0), int(found[1] or found[3] or -1)
            self.at = found.end()
        elif self._next("*"):
            least, most = 0, -1
        elif self._next("+"):
            least, most = 1, -1
        elif self._next("?"):
            least, most = 0, 1
        else:
            return steps
        self._next("?")  # lazy: the same lines match
        if self.text[self.at : self.at + 1] in tuple("*+?") or _REPEAT.match(self.text, self.at):
            raise _Unsupported  # possessive, or repeated twice
        if 0 <= most < least or (len(steps) == 1 and steps[0].where):
            raise _Unsupported
        out = _small(steps * least)
        if most < 0:
            return _small([*out, _Step(forks=(1, len(steps) + 2)), *steps, _Step(forks=(-len(steps) - 1,))])
        for _ in range(most - least):
            out = _small([*out, _Step(forks=(1, len(steps) + 1)), *steps])
        return out

    def _next(self, token: str) -> bool:
        found = self.text.startswith(token, self.at)
        self.at += len(token) if found else 0
        return found


def _small(steps: list[_Step]) -> list[_Step]:
    if len(steps) > _MOST_STATES:
        raise _Unsupported
    return steps


def _kind(character: str) -> int:
    return _WORD if character.isalnum() or character == "_" else _OTHER


def _holds(where: str, before: int, after: int) -> bool:
    """Whether an anchor holds at a place."""
    if where == "^":
        return before == _START
    if where == "$":
        return after == _END
    at_edge = (before == _WORD) != (after == _WORD)
    return at_edge if where == r"\b" else not at_edge
