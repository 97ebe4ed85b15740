"""The levels of proof of a tick, the strongest first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum


class Level(StrEnum):
    """How strongly a tick is proven."""

    RED_GREEN = "red-green"
    SELF_TESTED = "self-tested"
    TESTS = "tests"
    EXIT_CODE = "exit-code"
    NONE = "none"


ORDER = tuple(Level)
UNKNOWN = ""  # recorded before there were levels
WEAKEST_FIRST = (Level.NONE, UNKNOWN, *reversed(ORDER[:-1]))
SHOWN: Mapping[str, str] = {  # of one tick
    Level.RED_GREEN: "proven",
    Level.SELF_TESTED: "the agent's own test went from red to green",
    Level.TESTS: "nothing broke",
    Level.EXIT_CODE: "gates ended with 0",
    Level.NONE: "not proven",
    UNKNOWN: "",
}
PARENTS = "parents="  # the attribute with the levels of the parents ticked in the same commit, in their order
COUNTED: Mapping[str, str] = {
    Level.RED_GREEN: "proven",
    Level.SELF_TESTED: "proven by the agent's own tests",
    Level.TESTS: "with nothing broken",
    Level.EXIT_CODE: "by exit code",
    Level.NONE: "not proven",
    UNKNOWN: "of unknown strength (before 1.0)",
}


def reaches(level: str, required: str) -> bool:
    """Return whether a level is at least the required one. An unknown requirement is never reached."""
    if required not in ORDER:
        return not required
    return level in ORDER and ORDER.index(Level(level)) <= ORDER.index(Level(required))


def of_trailer(value: str) -> str:
    """Return the level of a `Ralph-Proof:` trailer, or "" if it has none that is known."""
    word = value.partition(";")[0].strip()
    return word if word in ORDER else UNKNOWN


def of_parents(value: str) -> tuple[str, ...]:
    """Return the levels of the parents that a `Ralph-Proof:` trailer names, in the order of `Ralph-Task`."""
    words = (word.strip() for word in value.split(";"))
    found = next((word.removeprefix(PARENTS) for word in words if word.startswith(PARENTS)), "")
    return tuple(of_trailer(word) for word in found.split(",")) if found else ()


def weakest(levels: Iterable[str]) -> str:
    """Return the weakest level: that of a parent whose subtasks have these. Without a level: none."""
    return min(levels, key=WEAKEST_FIRST.index, default=Level.NONE)


def counted(levels: Iterable[str]) -> str:
    """Return how many ticks have which level: `4 proven, 2 by exit code`."""
    known = list(levels)
    return ", ".join(f"{number} {shown}" for level, shown in COUNTED.items() if (number := known.count(level)))
