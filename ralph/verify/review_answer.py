"""What a reviewer answered, read strictly: no clear verdict is no answer."""

from __future__ import annotations

import re

from ralph.immutable import immutable
from ralph.text import clean, one_line

VERDICT = re.compile(r"^\W*VERDICT\W+(ACCEPT|REFUSE)\w*\W*$", re.MULTILINE)
PROBLEM = re.compile(r"^\s*[-*+] +(\S.*)$", re.MULTILINE)
MET = re.compile(r"^[*_`]*CRITERIA:[*_` ]*(\d{1,4}(?:[ ,]+\d{1,4})*)[*_` .]*$", re.MULTILINE)
MOST = 20  # problems


@immutable
class ReviewAnswer:
    """`ok` None: there was no readable answer. `problems` are one line each."""

    ok: bool | None
    problems: tuple[str, ...] = ()
    met: tuple[int, ...] = ()  # numbers of the criteria that are met, of accepted work only


def read_answer(text: str) -> ReviewAnswer:
    """The verdict that stands alone on a line; two different ones are none. What is below it are the problems."""
    text = clean(text)
    found = list(VERDICT.finditer(text))
    if len({match[1] for match in found}) != 1:
        return ReviewAnswer(None)
    below = text[found[-1].end() :]
    problems = tuple(one_line(entry, 400) for entry in PROBLEM.findall(below)[:MOST])
    ok = found[0][1] == "ACCEPT"
    return ReviewAnswer(ok, problems, _met(below) if ok else ())


def _met(text: str) -> tuple[int, ...]:
    """One line of numbers and nothing else; two different ones are none."""
    lines = {tuple(sorted({int(entry) for entry in re.findall(r"\d+", line)})) for line in MET.findall(text)}
    return lines.pop() if len(lines) == 1 else ()
