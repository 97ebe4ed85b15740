"""Readers of Python's runners: pytest, unittest and nose2, doctest."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ralph.verify.outcomes.model import Outcome, of_names, plausible, without_parameters

PYTEST_SUMMARY = re.compile(
    r"^(?:=+ )?((?:\d+ [a-z]+(?: passed)?(?:, )?)+|no tests ran) in [\d.]+s(?: \([\d:]+\))?(?: =+)?$"
)
PYTEST_COUNT = re.compile(r"(\d+) (subtests )?([a-z]+)")
PYTEST_RUN = re.compile(r"^=+ test session starts =+$")
PYTEST_END = re.compile(r"\[100%\]$")
PYTEST_VERBOSE = re.compile(
    r"^(?:\[gw\d+\] \[ *\d+%\] )?(?:(\S+::.+?) )?(PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)"
    r"(?: (\S+::.+?))?(?: +\(.*\))?(?: +\[ *\d+%\])?(?: - .*)?$"
)
SUGAR_COUNT = re.compile(r"^ {2,}(\d+) (passed|failed|skipped|xfailed|xpassed|error|errors|rerun|deselected)$")
PASSED = {"passed", "xpassed"}
FAILED = {"failed", "error", "errors"}
SKIPPED = {"skipped", "xfailed"}

RAN = re.compile(r"^Ran (\d+) tests? in [\d.]+s$")
UNITTEST_END = re.compile(r"^(OK|FAILED|NO TESTS RAN)(?: \((.*)\))?$")

DOCTEST = re.compile(r"^(\d+) passed(?: and (\d+) failed|\.$)")


def read_pytest(lines: Sequence[str]) -> Outcome | None:
    """Read pytest: its last lines, of one or several runs, and names if it is verbose. Read pytest-sugar, too."""
    summaries = [_pytest_counts(match[1]) for line in lines if (match := PYTEST_SUMMARY.match(line))]
    if not summaries:
        return _sugar(lines)
    headers = sum(bool(PYTEST_RUN.match(line)) for line in lines)
    counts = plausible(summaries, max(headers, sum(bool(PYTEST_END.search(line)) for line in lines)))
    return counts and _with_pytest_names(counts, lines)


def _pytest_counts(text: str) -> Outcome:
    counts: dict[str, int] = {}
    for number, subtests, word in PYTEST_COUNT.findall(text):
        if not subtests:
            counts[word] = counts.get(word, 0) + int(number)
    return _outcome(counts)


def _sugar(lines: Sequence[str]) -> Outcome | None:
    start = next((number for number, line in enumerate(lines) if line.startswith("Results (")), None)
    if start is None:
        return None
    return _outcome({match[2]: int(match[1]) for line in lines[start:] if (match := SUGAR_COUNT.match(line))})


def _outcome(counts: dict[str, int]) -> Outcome:
    passed, failed, skipped = (sum(counts.get(word, 0) for word in words) for words in (PASSED, FAILED, SKIPPED))
    return Outcome(passed, failed, skipped)


def _with_pytest_names(counts: Outcome, lines: Sequence[str]) -> Outcome:
    names: dict[str, str] = {}
    for line in lines:
        if match := PYTEST_VERBOSE.match(line):
            names[(match[1] or match[3] or "").partition(" - ")[0]] = match[2]
    names.pop("", None)
    cases = of_names(*([name for name, word in names.items() if word in words] for words in (
        ("PASSED", "XPASS"), ("FAILED", "ERROR"), ("SKIPPED", "XFAIL"))))  # fmt: skip
    strict = re.compile(r"^FAILED (\S+::\S+) - \[XPASS\(strict\)\]")
    mended = {without_parameters(match[1]) for line in lines if (match := strict.match(line))}
    return Outcome(
        counts.passed, counts.failed, counts.skipped, counts.unit,
        cases.passed_names if cases.passed == counts.passed else frozenset(),
        cases.failed_names if cases.failed == counts.failed else frozenset(),
        cases.skipped_names, frozenset(mended),
    )  # fmt: skip


def read_unittest(lines: Sequence[str]) -> Outcome | None:
    """Read unittest and nose2. `Ran N tests` includes skipped ones."""
    summaries = []
    for number, line in enumerate(lines):
        if match := RAN.match(line):
            end = next(
                (end for after in lines[number + 1 : number + 4] if (end := UNITTEST_END.match(after))), None
            )
            if end:
                summaries.append(_unittest_counts(int(match[1]), end[2] or ""))
    return plausible(summaries, sum(line == "-" * 70 for line in lines))


def _unittest_counts(ran: int, details: str) -> Outcome:
    counts = {name: int(number) for name, number in re.findall(r"([a-z ]+)=(\d+)", details)}
    counts = {name.strip(): number for name, number in counts.items()}
    failed = sum(counts.get(name, 0) for name in ("failures", "errors", "unexpected successes"))
    skipped = counts.get("skipped", 0) + counts.get("expected failures", 0)
    return Outcome(max(0, ran - failed - skipped), failed, skipped)


def read_doctest(lines: Sequence[str]) -> Outcome | None:
    """Read doctest -v. Without -v it prints nothing."""
    found = [Outcome(int(match[1]), int(match[2] or 0)) for line in lines if (match := DOCTEST.match(line))]
    return plausible(found, len(found))
