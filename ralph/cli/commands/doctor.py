"""`ralph doctor`: shows what is installed, logged in or missing, with cures."""

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
    """Show the findings. Return 1 if a problem would keep a run from working."""
    findings = list(examine(Path.cwd()))
    if as_json:
        say(json.dumps([asdict(finding) for finding in findings]))
    else:
        for line in finding_lines(findings):
            say(clean(line))
    return Exit.PARKED if any(finding.level == "problem" for finding in findings) else Exit.DONE


def finding_lines(findings: Sequence[DoctorFinding]) -> Iterator[str]:
    """Yield a line for each finding, with its cure below, then the counts."""
    width = max(len(finding.what) for finding in findings)
    for other_finding in findings:
        yield f"{other_finding.level:<8} {other_finding.what:<{width}}  {other_finding.said}"
        if other_finding.cure:
            yield f"{'':<8} {'':<{width}}  {other_finding.cure}"
    yield ""
    yield f"{_count(findings, 'problem')}, {_count(findings, 'warning')}."


def _count(findings: Sequence[DoctorFinding], level: str) -> str:
    number = sum(finding.level == level for finding in findings)
    return f"{number} {level}{'' if number == 1 else 's'}"
