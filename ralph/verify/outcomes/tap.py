"""Readers of TAP, and of the runners that print it: node --test, tap, bats, prove."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ralph.verify.outcomes.model import RESULTS, Outcome, of_names, plausible, without_parameters

LINE = re.compile(r"^( *)(not )?ok\b(?: (\d+))?(?: -)? ?(.*)$")
SUBTEST = re.compile(r"^( *)# Subtest: (.*)$")
DIRECTIVE = re.compile(r"#\s*(skip|todo)\b", re.IGNORECASE)
ATTRIBUTE = re.compile(r"\s*#\s*(time=.*|skip.*|todo.*)?$|\s*\{$", re.IGNORECASE)
NODE_COUNT = re.compile(r"^(?:#|ℹ) (tests|suites|pass|fail|cancelled|skipped|todo) (\d+)$")
NODE_SPEC = re.compile(r"^( *)(✔|✖|﹣|⚠) (.+?) \([\d.]+ms\)(?: # (SKIP|TODO).*)?$")
FILE = re.compile(r"^/.+\.[cm]?[jt]sx?$")  # a test file that reported no test
PLAN = re.compile(r"^1\.\.0\b")
PROVE = re.compile(r"^Files=\d+, Tests=(\d+),")
PROVE_FAILED = re.compile(r"\(Wstat: \d+.*? Tests: \d+ Failed: (\d+)\)")
BATS = re.compile(r"^(\d+) tests?, (\d+) failures?(?:, (\d+) skipped)?")


def read_tap(lines: Sequence[str]) -> Outcome | None:
    """Read TAP, nested or flat: the innermost results count. A plan without tests is an outcome without tests."""
    cases = list(_leaves(lines))
    if not cases:
        return Outcome() if any(PLAN.match(line) for line in lines) else None
    return of_names(
        *([name for name, kind in cases if kind == wanted] for wanted in ("passed", "failed", "skipped"))
    )


def _leaves(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the name and result of each result line that has no deeper ones."""
    parents: dict[int, str] = {}  # indent -> the name of the subtest that is open there
    results = [match for line in lines if (match := LINE.match(line) or SUBTEST.match(line))]
    depth = 0  # of the last result line
    for number, match in enumerate(results):
        indent, name = len(match[1]), ATTRIBUTE.sub("", match[match.lastindex or 0]).strip()
        parents = {column: parent for column, parent in parents.items() if column < indent}
        path = " > ".join((*parents.values(), name))
        opens = match.re is SUBTEST or (match[4].endswith("{") and _indent(results, number + 1) > indent)
        if opens:
            parents[indent] = name
        elif depth <= indent:
            yield path, _kind(match)
        depth = depth if match.re is SUBTEST else indent


def _indent(results: Sequence[re.Match[str]], number: int) -> int:
    return len(results[number][1]) if number < len(results) else 0


def _kind(match: re.Match[str]) -> str:
    if DIRECTIVE.search(match[4]):
        return "skipped"
    return "failed" if match[2] else "passed"


def read_node(lines: Sequence[str]) -> Outcome | None:
    """Read node --test. A file that ends with 0 without a test is counted by node as passed, but not here."""
    blocks: list[dict[str, int]] = []
    for line in lines:
        if match := NODE_COUNT.match(line):
            if match[1] == "tests":
                blocks.append({})
            if blocks:
                blocks[-1][match[2 - 1]] = int(match[2])
    counts = plausible([_node_counts(block) for block in blocks if "pass" in block], 1)
    if counts is None:
        return None
    names = _spec(lines) or read_tap(lines)
    files = [match[4] for line in lines if (match := LINE.match(line)) and FILE.match(match[4]) and not match[2]]
    passed = max(0, counts.passed - len(files))
    if names is None or (names.passed, names.failed) != (counts.passed, counts.failed):
        return Outcome(passed, counts.failed, counts.skipped)
    known = names.passed_names - {without_parameters(file) for file in files}
    return Outcome(
        passed, counts.failed, counts.skipped, counts.unit, known, names.failed_names, names.skipped_names
    )


def _node_counts(block: dict[str, int]) -> Outcome:
    failed = block.get("fail", 0) + block.get("cancelled", 0)
    return Outcome(block["pass"], failed, block.get("skipped", 0) + block.get("todo", 0))


def _spec(lines: Sequence[str]) -> Outcome | None:
    """Read the names of node's spec reporter. The failures are listed once more at its end."""
    cases: dict[str, str] = {}
    for line in lines:
        if line.startswith("✖ failing tests:"):
            break
        if match := NODE_SPEC.match(line):
            cases[f"{len(match[1])} {match[3]}"] = (
                "skipped" if match[4] else {"✔": "passed", "✖": "failed"}.get(match[2], "skipped")
            )
    if not cases:
        return None
    return of_names(
        *([name for name, kind in cases.items() if kind == wanted] for wanted in ("passed", "failed", "skipped"))
    )


def read_bats(lines: Sequence[str]) -> Outcome | None:
    """Read bats: TAP, or its pretty form."""
    summaries = [
        Outcome(int(match[1]) - int(match[2]) - int(match[3] or 0), int(match[2]), int(match[3] or 0))
        for line in lines
        if (match := BATS.match(line))
    ]
    return plausible(summaries, 1) or read_tap(lines)


def read_prove(lines: Sequence[str]) -> Outcome | None:
    """Read prove. Without -v it does not tell skipped tests from passed ones."""
    results = read_tap([line for line in lines if line.rstrip() != "ok"])
    if results is not None:
        return results
    found = [(int(match[1])) for line in lines if (match := PROVE.match(line))]
    if not found:
        return None
    failed = sum(int(match[1]) for line in lines if (match := PROVE_FAILED.search(line)))
    return Outcome(max(0, min(found) - failed), failed, 0, RESULTS)
