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


def counted(levels: Iterable[str]) -> str:
    """Return how many ticks have which level: `4 proven, 2 by exit code`."""
    known = list(levels)
    return ", ".join(f"{number} {shown}" for level, shown in COUNTED.items() if (number := known.count(level)))
