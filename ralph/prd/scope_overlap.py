"""Whether two scopes may name the same path, one that is there or one that is not there yet.

A pattern is a row of names, and a name is a row of characters; in both, a wildcard may stand for any run. Two rows
meet if one walk leads through both. Where a pattern says more than such rows can tell (`!`, a set of characters
with a slash in it), it is taken to name more than it does: a wrong yes costs time, a wrong no would cost work.

One thing is left out on purpose. `docs/` and `src/` may stand at any depth, so both cover `src/docs/a`, and `*.py`
and `*.md` both cover `a.py/b.md`. Nobody means that: two folders, or two files, at any depth meet only where their
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
    """One character: of these ranges, or of all others."""

    ranges: tuple[tuple[str, str], ...]
    others: bool = False

    def holds(self, character: str) -> bool:
        return any(low <= character <= high for low, high in self.ranges) is not self.others

    def overlaps(self, other: _Set) -> bool:
        """Is there a character in both? Of a range, and of what two sets leave out, nobody looks closer: yes."""
        if self.others and other.others:
            return True
        if self.others or other.others:
            few, many = (other, self) if self.others else (self, other)
            return any(low != high or many.holds(low) for low, high in few.ranges)
        return any(a <= d and c <= b for (a, b), (c, d) in product(self.ranges, other.ranges))


_ANY = _Set((("/", "/"),), others=True)


def clash(value: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """May both scopes cover one path? An empty scope declares nothing, and clashes with nothing."""
    return bool(common(value, other))


@lru_cache(maxsize=1 << 16)
def common(value: tuple[str, ...], other: tuple[str, ...]) -> str:
    """The first pattern of the one scope that may cover a path of the other; "" where none does."""
    return next((mine for mine in value if any(_patterns_meet(mine, its) for its in other)), "")


@lru_cache(maxsize=1 << 16)
def _patterns_meet(text: str, other: str) -> bool:
    if (kind := _kind(text)) and kind == _kind(other):
        return _names_meet(text.strip("/"), other.strip("/"))
    return any(_meet(mine, its, _names_meet) for mine, its in product(_rows(text), _rows(other)))


def _kind(pattern: str) -> str:
    """What a name that may stand at any depth is the name of. Empty: no such name, or it may be either."""
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
    """Does one walk lead through both rows, from their beginnings to their ends?"""
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
    """Where a walk may go from a place in both rows: past a run, along it, or past two that are alike."""
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
    """May two parts of patterns stand for one name? Most are plain names."""
    return text == other or _meet(_marks(text), _marks(other), _Set.overlaps)


# ---------------------------------------------------------------- a pattern, read

_EVERYTHING = frozenset({".", "./", "/"})


@lru_cache(maxsize=1 << 14)
def _rows(pattern: str) -> tuple[_Row[str], ...]:
    """What `sensitive.matches` lets a pattern cover: what it says as a glob, and what is literally called so."""
    if pattern in _EVERYTHING:
        return ((None,),)
    glob = (pattern[1:] if pattern.startswith("./") else pattern).rstrip()
    plain = glob == pattern and not set(pattern) & set("[\\")
    rows = () if not glob or glob.startswith("!") else (_glob(glob),)
    return rows if rows and plain else (*rows, _literal(pattern))


def _glob(pattern: str) -> _Row[str]:
    """Each pattern covers what is below it, too; one without a slash inside may stand at any depth."""
    names = pattern.strip("/").split("/")
    floating = len(names) == 1 and not pattern.startswith("/")
    row = (None if name == "**" or _holds_slash(name) else name for name in names)
    return (*((None,) if floating else ()), *row, None)


def _literal(pattern: str) -> _Row[str]:
    names = pattern.removeprefix("./").removeprefix("/").rstrip("/").split("/")
    return (*("".join(f"\\{character}" for character in name) for name in names), None)


def _holds_slash(name: str) -> bool:
    """`a[!b]c` covers `a/c`, too: whoever reads it so far lets a set of characters hold a slash."""
    return any(mark and mark.holds("/") for mark in _marks(name))


@lru_cache(maxsize=1 << 14)
def _marks(name: str) -> _Row[_Set]:
    """A part of a pattern, character by character."""
    marks: list[_Set | None] = []
    at = 0
    while at < len(name):
        mark, at = _mark(name, at)
        marks.append(mark)
    return tuple(marks)


def _mark(name: str, at: int) -> tuple[_Set | None, int]:
    """What stands at this place, and where the next begins. A bracket that nobody closes is a bracket."""
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
    """Where the set that opens there is closed; a bracket at its very beginning is in it. -1: nowhere."""
    first = at + 1 + (name[at + 1 : at + 2] in {"!", "^"})
    return name.find("]", first + 1)


def _set(said: str) -> _Set:
    others = said[0] in "!^"
    rest, ranges = said[others:], list[tuple[str, str]]()
    while rest:
        ranged = len(rest) > 2 and rest[1] == "-"
        ranges.append((rest[0], rest[2] if ranged else rest[0]))
        rest = rest[3:] if ranged else rest[1:]
    return _Set(tuple(ranges), others)
