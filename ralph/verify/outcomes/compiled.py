"""Readers of the runners of compiled languages: go, cargo, nextest, ctest, dotnet, maven, swift, dart."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from ralph.verify.outcomes.model import PACKAGES, Outcome, of_names, plausible, total

GO_CASE = re.compile(r"^ *--- (PASS|FAIL|SKIP): (\S+) \([\d.]+s\)$")
GO_PACKAGE = re.compile(r"^(ok|FAIL) +\t?(\S+)\t?(.*)$|^(ok|FAIL)\s+(\S+)\s(.*)$")
CARGO = re.compile(
    r"^test result: (?:ok|FAILED)\. (\d+) passed; (\d+) failed; (\d+) ignored; \d+ measured; \d+ filtered out"
)
CARGO_CASE = re.compile(r"^test (.+?)(?: - should panic)? \.\.\. (ok|FAILED|ignored)\b")
CARGO_RUN = re.compile(r"^running \d+ tests?$")
NEXTEST = re.compile(r"^ *Summary \[.*?\] +\d+(?:/\d+)? tests? run: (\d+) passed(?:.*?, )?(?: ?\(.*?\))?(.*)$")
NEXTEST_REST = re.compile(r"(\d+) (failed|timed out|skipped|exec failed)")
CTEST = re.compile(r"^(\d+)% tests passed, (\d+) tests? failed out of (\d+)$")
CTEST_CASE = re.compile(r"^ *\d+/\d+ +Test +#\d+: (.+?) \.+ *(Passed|\*\*\*Not Run|\*\*\*\S+.*|Skipped) ")
DOTNET = re.compile(r"^(?:Passed|Failed|Skipped)! +- Failed: +(\d+), Passed: +(\d+), Skipped: +(\d+), Total: +\d+")
MAVEN = re.compile(r"^(?:\[\w+\] )?Tests run: (\d+), Failures: (\d+), Errors: (\d+), Skipped: (\d+)$")
SWIFT = re.compile(r"^\s*Executed (\d+) tests?, with (?:(\d+) tests? skipped and )?(\d+) failures?")
SWIFT_TESTING = re.compile(r"Test run with (\d+) tests?.* (passed|failed) after")
DART = re.compile(
    r"^\d\d:\d\d \+(\d+)(?: ~(\d+))?(?: -(\d+))?: (?:All tests passed!|Some tests failed\.|No tests ran\.)"
)


def read_go(lines: Sequence[str]) -> Outcome | None:
    """Read go test. Without -v it reports packages only; a package without tests to run does not count."""
    lines = list(_plain(lines))
    cases: dict[tuple[str, str], str] = {}
    pending: list[tuple[str, str]] = []
    packages = []
    for line in lines:
        if match := GO_CASE.match(line):
            pending.append((match[2], match[1]))
        elif match := GO_PACKAGE.match(line):
            state, package, rest = (match[1] or match[4], match[2] or match[5], match[3] or match[6] or "")
            cases.update({(package, name): word for name, word in pending})
            pending = []
            packages.append((state, "[no tests to run]" in rest))
    cases.update({("", name): word for name, word in pending})
    if cases and any(word == "PASS" for word in cases.values()):
        names = {
            kind: [f"{package} {name}" for (package, name), word in cases.items() if word == kind]
            for kind in ("PASS", "FAIL", "SKIP")
        }
        return of_names(names["PASS"], names["FAIL"], names["SKIP"])
    if not packages:
        return Outcome() if any("[no test files]" in line for line in lines) else None
    passed = sum(state == "ok" and not empty for state, empty in packages)
    return Outcome(passed, sum(state == "FAIL" for state, _ in packages), 0, PACKAGES)


def _plain(lines: Sequence[str]) -> Iterator[str]:
    """Yield the output in the events of `go test -json`, and other lines as they are."""
    for line in lines:
        if not line.startswith('{"'):
            yield line
            continue
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and isinstance(event.get("Output"), str):
            yield event["Output"].rstrip("\n")


def read_cargo(lines: Sequence[str]) -> Outcome | None:
    """Read cargo test: one result for each target, and the names of its cases."""
    found = [Outcome(int(match[1]), int(match[2]), int(match[3])) for line in lines if (match := CARGO.match(line))]
    counts = plausible(found, sum(bool(CARGO_RUN.match(line)) for line in lines))
    if counts is None:
        return None
    names = [(match[1], match[2]) for line in lines if (match := CARGO_CASE.match(line))]
    cases = of_names(*([name for name, word in names if word == kind] for kind in ("ok", "FAILED", "ignored")))
    if (cases.passed, cases.failed) != (counts.passed, counts.failed):
        return counts
    return cases


def read_nextest(lines: Sequence[str]) -> Outcome | None:
    found = []
    for line in lines:
        if match := NEXTEST.match(line):
            rest = {word: int(number) for number, word in NEXTEST_REST.findall(line)}
            failed = rest.get("failed", 0) + rest.get("timed out", 0) + rest.get("exec failed", 0)
            found.append(Outcome(int(match[1]), failed, rest.get("skipped", 0)))
    return plausible(found, 1)


def read_ctest(lines: Sequence[str]) -> Outcome | None:
    """Read ctest. `No tests were found` is an outcome without tests."""
    found = [
        Outcome(int(match[3]) - int(match[2]), int(match[2])) for line in lines if (match := CTEST.match(line))
    ]
    counts = plausible(found, 1)
    if counts is None:
        return Outcome() if any(line.startswith("No tests were found") for line in lines) else None
    names = [(match[1], match[2]) for line in lines if (match := CTEST_CASE.match(line))]
    passed = [name for name, word in names if word == "Passed"]
    failed = [name for name, word in names if word.startswith("***") and word != "***Skipped"]
    return of_names(passed, failed) if (len(passed), len(failed)) == (counts.passed, counts.failed) else counts


def read_dotnet(lines: Sequence[str]) -> Outcome | None:
    """Read dotnet test: a line for each test project."""
    return total(
        Outcome(int(match[2]), int(match[1]), int(match[3])) for line in lines if (match := DOTNET.match(line))
    )


def read_maven(lines: Sequence[str]) -> Outcome | None:
    """Read surefire and failsafe: a line for each module. The lines of classes have a time."""
    found = [tuple(map(int, match.groups())) for line in lines if (match := MAVEN.match(line))]
    return total(
        Outcome(ran - bad - errors - skipped, bad + errors, skipped) for ran, bad, errors, skipped in found
    )


def read_swift(lines: Sequence[str]) -> Outcome | None:
    """Read XCTest, which prints a sum for each suite: the last is that of all. Add swift-testing's."""
    old = [(int(match[1]), int(match[2] or 0), int(match[3])) for line in lines if (match := SWIFT.match(line))]
    new = [(int(match[1]), match[2]) for line in lines if (match := SWIFT_TESTING.search(line))]
    sums = [Outcome(ran - skipped - bad, bad, skipped) for ran, skipped, bad in old[-1:]]
    sums += [Outcome(ran) if word == "passed" else Outcome(0, 1) for ran, word in new]
    return total(sums)


def read_dart(lines: Sequence[str]) -> Outcome | None:
    found = [
        Outcome(int(match[1]), int(match[3] or 0), int(match[2] or 0))
        for line in lines
        if (match := DART.match(line))
    ]
    return plausible(found, 1)
