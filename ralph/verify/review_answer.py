"""A reviewer's answer, parsed strictly: without a clear verdict it counts as no answer."""

from __future__ import annotations

import re

from ralph.immutable import immutable
from ralph.text import clean, one_line

VERDICT = re.compile(r"^\W*VERDICT\W+(ACCEPT|REFUSE)\w*\W*$", re.MULTILINE)
PROBLEM = re.compile(r"^\s*[-*+] +(\S.*)$", re.MULTILINE)
MET = re.compile(r"^[*_`]*CRITERIA:[*_` ]*(\d{1,4}(?:[ ,]+\d{1,4})*)[*_` .]*$", re.MULTILINE)
MOST = 20  # maximum number of problems


@immutable
class ReviewAnswer:
    """`ok` None: no readable answer. `problems` are one line each."""

    ok: bool | None
    problems: tuple[str, ...] = ()
    met: tuple[int, ...] = ()  # numbers of the met criteria, of accepted work only


def read_answer(text: str) -> ReviewAnswer:
    """Return the verdict that stands alone on a line, and the problems below it. Two different verdicts count as
    none."""
    text = clean(text)
    verdicts = list(VERDICT.finditer(text))
    if len({match[1] for match in verdicts}) != 1:
        return ReviewAnswer(None)
    below = text[verdicts[-1].end() :]
    problems = tuple(one_line(entry, 400) for entry in PROBLEM.findall(below)[:MOST])
    ok = verdicts[0][1] == "ACCEPT"
    return ReviewAnswer(ok, problems, _met(below) if ok else ())


def _met(text: str) -> tuple[int, ...]:
    """Return the numbers of one line without other text; two different such lines count as none."""
    lines = {tuple(sorted({int(entry) for entry in re.findall(r"\d+", line)})) for line in MET.findall(text)}
    return lines.pop() if len(lines) == 1 else ()
