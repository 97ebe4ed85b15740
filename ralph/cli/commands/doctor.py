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
        say(json.dumps([asdict(finding) for finding in found]))
    else:
        for line in finding_lines(found):
            say(clean(line))
    return Exit.PARKED if any(finding.level == "problem" for finding in found) else Exit.DONE


def finding_lines(found: Sequence[DoctorFinding]) -> Iterator[str]:
    """A line for each, the cure below it; then what it comes to."""
    width = max(len(finding.what) for finding in found)
    for other_finding in found:
        yield f"{other_finding.level:<8} {other_finding.what:<{width}}  {other_finding.said}"
        if other_finding.cure:
            yield f"{'':<8} {'':<{width}}  {other_finding.cure}"
    yield ""
    yield f"{_count(found, 'problem')}, {_count(found, 'warning')}."


def _count(found: Sequence[DoctorFinding], level: str) -> str:
    number = sum(finding.level == level for finding in found)
    return f"{number} {level}{'' if number == 1 else 's'}"
