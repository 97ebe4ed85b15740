"""Readers of rspec, minitest and test-unit, phpunit and ExUnit."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ralph.verify.outcomes.javascript import read_json
from ralph.verify.outcomes.model import Outcome, plausible

RSPEC = re.compile(
    r"^(\d+) examples?, (\d+) failures?(?:, (\d+) pending)?(?:, (\d+) errors? occurred outside of examples)?$"
)
MINITEST = re.compile(
    r"^(\d+) (?:runs|tests), \d+ assertions, (\d+) failures, (\d+) errors, (\d+) (?:skips|pendings)"
    r"(?:, (\d+) omissions)?"
)
FINISHED = re.compile(r"^Finished in [\d.]+")
PHPUNIT_OK = re.compile(r"^OK \((\d+) tests?, \d+ assertions?\)$")
PHPUNIT = re.compile(r"^Tests: (\d+), Assertions: \d+(.*?)\.?$")
PHPUNIT_COUNT = re.compile(r"(Failures|Errors|Skipped|Incomplete|Risky): (\d+)")
EXUNIT = re.compile(
    r"^(?:(\d+) doctests?, )?(?:(\d+) propert(?:y|ies), )?(?:(\d+) tests?, )?(\d+) failures?"
    r"(?:, (\d+) excluded)?(?:, (\d+) invalid)?(?:, (\d+) skipped)?$"
)


def read_rspec(lines: Sequence[str]) -> Outcome | None:
    found = []
    for line in lines:
        if match := RSPEC.match(line):
            ran, failed, pending, errors = (int(number or 0) for number in match.groups())
            found.append(Outcome(ran - failed - pending, failed + errors, pending))
    return plausible(found, sum(bool(FINISHED.match(line)) for line in lines)) or read_json(lines)


def read_minitest(lines: Sequence[str]) -> Outcome | None:
    found = []
    for line in lines:
        if match := MINITEST.match(line):
            ran, failed, errors, skipped, omitted = (int(number or 0) for number in match.groups())
            found.append(Outcome(ran - failed - errors - skipped - omitted, failed + errors, skipped + omitted))
    return plausible(found, sum(bool(FINISHED.match(line)) for line in lines))


def read_phpunit(lines: Sequence[str]) -> Outcome | None:
    """Read PHPUnit and Pest's summary. A risky test made no assertion, so it counts as skipped."""
    found = []
    for line in lines:
        if match := PHPUNIT_OK.match(line):
            found.append(Outcome(int(match[1])))
        elif match := PHPUNIT.match(line):
            counts = {word: int(number) for word, number in PHPUNIT_COUNT.findall(match[2])}
            failed = counts.get("Failures", 0) + counts.get("Errors", 0)
            skipped = sum(counts.get(word, 0) for word in ("Skipped", "Incomplete", "Risky"))
            found.append(Outcome(max(0, int(match[1]) - failed - skipped), failed, skipped))
        elif line.startswith("No tests executed!"):
            found.append(Outcome())
    return plausible(found, sum(line.startswith("PHPUnit ") for line in lines))


def read_exunit(lines: Sequence[str]) -> Outcome | None:
    found = []
    for line in lines:
        if (match := EXUNIT.match(line)) and (match[1] or match[2] or match[3]):
            doctests, properties, tests, failed, _, invalid, skipped = (
                int(number or 0) for number in match.groups()
            )
            ran = doctests + properties + tests
            found.append(Outcome(max(0, ran - failed - invalid - skipped), failed + invalid, skipped))
    return plausible(found, sum(bool(FINISHED.match(line)) for line in lines))
