"""`ralph doctor`: what is installed, logged in, missing; each with its cure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from ralph.cli.output import say
from ralph.engine.doctor import DoctorFinding, examine
from ralph.errors import Exit
from ralph.text import clean


def doctor(*, as_json: bool) -> int:
    """Show it; exit code 1 where something keeps a run from working."""
    found = list(examine(Path.cwd()))
    if as_json:
        say(json.dumps([asdict(one) for one in found]))
    else:
        for line in as_lines(found):
            say(clean(line))
    return Exit.PARKED if any(one.level == "problem" for one in found) else Exit.DONE


def as_lines(found: Sequence[DoctorFinding]) -> Iterator[str]:
    """A line for each, the cure below it; then what it comes to."""
    width = max(len(one.what) for one in found)
    for one in found:
        yield f"{one.level:<8} {one.what:<{width}}  {one.said}"
        if one.cure:
            yield f"{'':<8} {'':<{width}}  {one.cure}"
    yield ""
    yield f"{_count(found, 'problem')}, {_count(found, 'warning')}."


def _count(found: Sequence[DoctorFinding], level: str) -> str:
    number = sum(one.level == level for one in found)
    return f"{number} {level}{'' if number == 1 else 's'}"
