"""Whether two scopes may match the same path, existing or not.

A pattern is a sequence of names, and a name is a sequence of characters; in both, a wildcard matches any run. Two
sequences overlap if one string matches both. A pattern that such sequences can't express (`!`, a character set with
a slash) is widened: a wrong yes costs time, a wrong no would cost work.

One case is left out on purpose. `docs/` and `src/` may be at any depth, so both cover `src/docs/a`, and `*.py` and
`*.md` both cover `a.py/b.md`. That is never meant: two folders, or two files, at any depth overlap only if their
names do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import product
from typing import TypeVar

from ralph.immutable import immutable

_One = TypeVar("_One")
_Row = tuple[_One | None, ...]  # None: any run of names, or of characters


@immutable
class _Set:
    """One character: one of these ranges or, if negated, any other."""

    ranges: tuple[tuple[str, str], ...]
    others: bool = False

    def holds(self, character: str) -> bool:
        return any(low <= character <= high for low, high in self.ranges) is not self.others

    def overlaps(self, other: _Set) -> bool:
        """Return whether a character may be in both. For a range, and for two negated sets, return True."""
        if self.others and other.others:
            return True
        if self.others or other.others:
            few, many = (other, self) if self.others else (self, other)
            return any(low != high or many.holds(low) for low, high in few.ranges)
        return any(a <= d and c <= b for (a, b), (c, d) in product(self.ranges, other.ranges))


_ANY = _Set((("/", "/"),), others=True)


def clash(value: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Return whether both scopes may cover one path. An empty scope overlaps with nothing."""
    return bool(common(value, other))


@lru_cache(maxsize=1 << 16)
def common(value: tuple[str, ...], other: tuple[str, ...]) -> str:
    """Return the first pattern of `value` that may cover a path of `other`; "" if there is none."""
    return next((pattern for pattern in value if any(_patterns_meet(pattern, its) for its in other)), "")


@lru_cache(maxsize=1 << 16)
def _patterns_meet(text: str, other: str) -> bool:
    if (kind := _kind(text)) and kind == _kind(other):
        return _names_meet(text.strip("/"), other.strip("/"))
    return any(_meet(row, its, _names_meet) for row, its in product(_rows(text), _rows(other)))


def _kind(pattern: str) -> str:
    """Return the kind of thing that a name at any depth names; "" for another pattern, or if it may be either."""
    if (
        pattern in _EVERYTHING
        or "/" in pattern[:-1]
        or pattern.startswith(("/", "!"))
        or set(pattern) & set("[\\ ")
    ):
        return ""
    if re.fullmatch(r"[^/]+\.[^./]+", pattern):
        return "file"
    return "" if set(pattern) & set("*?") else "folder"


# ---------------------------------------------------------------- rows that meet


def _meet(value: _Row[_One], other: _Row[_One], alike: Callable[[_One, _One], bool]) -> bool:
    """Return whether one walk leads through both sequences from start to end."""
    end = (len(value), len(other))
    todo = [(0, 0)]
    seen = set(todo)
    while todo:
        here = todo.pop()
        if here == end:
            return True
        new = [step for step in _steps(value, other, here, alike) if step not in seen]
        seen.update(new)
        todo += new
    return False


def _steps(
    value: _Row[_One], other: _Row[_One], here: tuple[int, int], alike: Callable[[_One, _One], bool]
) -> Iterator[tuple[int, int]]:
    """Yield the next positions in both sequences: past a run, along it, or past two equal elements."""
    n, m = here
    mine, its = value[n : n + 1], other[m : m + 1]
    if mine == (None,) or its == (None,):
        if mine:
            yield n + 1, m
        if its:
            yield n, m + 1
    elif mine and its and mine[0] is not None and its[0] is not None and alike(mine[0], its[0]):
        yield n + 1, m + 1


@lru_cache(maxsize=1 << 16)
def _names_meet(text: str, other: str) -> bool:
    """Return whether two parts of patterns may match one name. Most are plain names."""
    return text == other or _meet(_marks(text), _marks(other), _Set.overlaps)


# ---------------------------------------------------------------- a pattern, read

_EVERYTHING = frozenset({".", "./", "/"})


@lru_cache(maxsize=1 << 14)
def _rows(pattern: str) -> tuple[_Row[str], ...]:
    """Return what `matches` lets a pattern cover: as a glob, and as a literal name."""
    if pattern in _EVERYTHING:
        return ((None,),)
    glob = (pattern[1:] if pattern.startswith("./") else pattern).rstrip()
    plain = glob == pattern and not set(pattern) & set("[\\")
    rows = () if not glob or glob.startswith("!") else (_glob(glob),)
    return rows if rows and plain else (*rows, _literal(pattern))


def _glob(pattern: str) -> _Row[str]:
    """Return the sequence of a glob. It also covers what is below it; without an inner slash it may be at any
    depth."""
    names = pattern.strip("/").split("/")
    floating = len(names) == 1 and not pattern.startswith("/")
    row = (None if name == "**" or _holds_slash(name) else name for name in names)
    return (*((None,) if floating else ()), *row, None)


def _literal(pattern: str) -> _Row[str]:
    names = pattern.removeprefix("./").removeprefix("/").rstrip("/").split("/")
    return (*("".join(f"\\{character}" for character in name) for name in names), None)


def _holds_slash(name: str) -> bool:
    """Return whether a character set matches a slash: `a[!b]c` covers `a/c` with the matchers used so far."""
    return any(mark and mark.holds("/") for mark in _marks(name))


@lru_cache(maxsize=1 << 14)
def _marks(name: str) -> _Row[_Set]:
    """Return a part of a pattern, character by character."""
    marks: list[_Set | None] = []
    at = 0
    while at < len(name):
        mark, at = _mark(name, at)
        marks.append(mark)
    return tuple(marks)


def _mark(name: str, at: int) -> tuple[_Set | None, int]:
    """Return the element at this index and the index of the next. A bracket that is never closed is literal."""
    match name[at]:
        case "*":
            return None, at + 1
        case "?":
            return _ANY, at + 1
        case "\\" if at + 1 < len(name):
            return _only(name[at + 1]), at + 2
        case "[" if (end := _closing(name, at)) > 0:
            return _set(name[at + 1 : end]), end + 1
    return _only(name[at]), at + 1


def _only(character: str) -> _Set:
    return _Set(((character, character),))


def _closing(name: str, at: int) -> int:
    """Return the index at which the set closes; a bracket at its very beginning belongs to it. -1: never closed."""
    first = at + 1 + (name[at + 1 : at + 2] in {"!", "^"})
    return name.find("]", first + 1)


def _set(text: str) -> _Set:
    others = text[0] in "!^"
    rest, ranges = text[others:], list[tuple[str, str]]()
    while rest:
        ranged = len(rest) > 2 and rest[1] == "-"
        ranges.append((rest[0], rest[2] if ranged else rest[0]))
        rest = rest[3:] if ranged else rest[1:]
    return _Set(tuple(ranges), others)
