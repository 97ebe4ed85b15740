"""Readers of JavaScript's runners: jest, vitest, mocha, ava, playwright, bun, deno, and their JSON reports."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ralph.verify.outcomes.model import Outcome, plausible
from ralph.verify.outcomes.tap import read_tap

JEST = re.compile(r"^Tests: +(.*\d+ total)$")
JEST_COUNT = re.compile(r"(\d+) (passed|failed|skipped|todo)")
VITEST = re.compile(r"^ *Tests +(.*) \((\d+)\)$")
MOCHA = re.compile(r"^ *(\d+) (passing|pending|failing)\b")
AVA = re.compile(
    r"^ +(\d+) (?:tests?|known failures?) (passed|failed|skipped|todo)$"
    r"|^ +(\d+) (uncaught exceptions?|unhandled rejections?)$"
)
PLAYWRIGHT = re.compile(
    r"^ +(\d+) (passed|failed|skipped|flaky|did not run|interrupted|timed out)(?: \([\d.]+m?s?\))?$"
)
BUN = re.compile(r"^ *(\d+) (pass|fail|skip|todo)$")
DENO = re.compile(
    r"^(?:ok|FAILED) \| (\d+) passed(?: \(\d+ steps?\))? \| (\d+) failed(?: \(\d+ steps?\))?(?: \| (\d+) ignored)?"
)


def read_jest(lines: Sequence[str]) -> Outcome | None:
    """Read jest: the block of totals. With --bail jest prints it twice; `No tests found` is an outcome."""
    blocks: list[Outcome] = []
    fresh = True
    for before, line in zip(("", *lines), lines, strict=False):
        fresh = fresh or line.startswith(("PASS ", "FAIL ", " PASS", " FAIL"))
        if (match := JEST.match(line)) and before.startswith("Test Suites:"):
            counts = _words(JEST_COUNT.findall(match[1]))
            if fresh or counts != blocks[-1]:
                blocks.append(counts)
            fresh = False
    if not blocks and any(line.startswith("No tests found") for line in lines):
        return Outcome()
    return plausible(blocks, len(blocks)) or read_json(lines)


def read_vitest(lines: Sequence[str]) -> Outcome | None:
    """Read vitest: the totals after `Test Files`, TAP, or JSON."""
    found = [
        _words(JEST_COUNT.findall(match[1]))
        for before, line in zip(("", *lines), lines, strict=False)
        if (match := VITEST.match(line)) and before.lstrip().startswith("Test Files")
    ]
    if not found and any(line.startswith("No test files found") for line in lines):
        return Outcome()
    return plausible(found, len(found)) or read_tap(lines) or read_json(lines)


def read_mocha(lines: Sequence[str]) -> Outcome | None:
    """Read mocha: `N passing`, then `N pending` and `N failing`; TAP, or JSON."""
    blocks: list[dict[str, int]] = []
    for line in lines:
        if match := MOCHA.match(line):
            if match[2] == "passing":
                blocks.append({})
            if blocks:
                blocks[-1].setdefault(match[2], int(match[1]))
    found = [Outcome(block["passing"], block.get("failing", 0), block.get("pending", 0)) for block in blocks]
    if not found and any(line.startswith("Error: No test files found") for line in lines):
        return Outcome()
    return plausible(found, 1) or read_tap(lines) or read_json(lines)


def read_ava(lines: Sequence[str]) -> Outcome | None:
    counts = [(match[2] or "failed", match[1] or match[3]) for line in lines if (match := AVA.match(line))]
    return _words([(number, word) for word, number in counts]) if counts else read_tap(lines)


def read_playwright(lines: Sequence[str]) -> Outcome | None:
    """Read playwright: the counts at its end. A flaky test passed in the end."""
    starts = [number for number, line in enumerate(lines) if re.match(r"Running \d+ tests? using", line)]
    if not starts:
        return Outcome() if "Error: No tests found" in lines else read_json(lines)
    counts = {match[2]: int(match[1]) for line in lines[starts[-1] :] if (match := PLAYWRIGHT.match(line))}
    failed = sum(counts.get(word, 0) for word in ("failed", "interrupted", "timed out"))
    skipped = counts.get("skipped", 0) + counts.get("did not run", 0)
    return Outcome(counts.get("passed", 0) + counts.get("flaky", 0), failed, skipped)


def read_bun(lines: Sequence[str]) -> Outcome | None:
    counts = [
        (match[1], {"pass": "passed", "fail": "failed"}.get(match[2], "skipped"))
        for line in lines
        if (match := BUN.match(line))
    ]
    return _words(counts) if counts else None


def read_deno(lines: Sequence[str]) -> Outcome | None:
    found = [
        Outcome(int(match[1]), int(match[2]), int(match[3] or 0)) for line in lines if (match := DENO.match(line))
    ]
    return plausible(found, 1)


def _words(counts: Sequence[tuple[str, str]]) -> Outcome:
    """Return the outcome of pairs of a number and a word."""
    numbers: dict[str, int] = {}
    for number, word in counts:
        numbers[word] = numbers.get(word, 0) + int(number)
    return Outcome(
        numbers.get("passed", 0), numbers.get("failed", 0), numbers.get("skipped", 0) + numbers.get("todo", 0)
    )


# ---------------------------------------------------------------- JSON reports


def read_json(lines: Sequence[str]) -> Outcome | None:
    """Read the JSON report of jest, vitest, mocha or playwright: the only object in the output."""
    start = next((number for number, line in enumerate(lines) if line.startswith("{")), None)
    if start is None:
        return None
    try:
        report, _ = json.JSONDecoder().raw_decode("\n".join(lines[start:]))
    except (ValueError, RecursionError):
        return None
    return _of_report(report) if isinstance(report, dict) else None


def _of_report(report: Mapping[str, Any]) -> Outcome | None:
    stats = report.get("stats")
    if isinstance(report.get("numPassedTests"), int):
        skipped = report.get("numPendingTests", 0) + report.get("numTodoTests", 0)
        return Outcome(report["numPassedTests"], report.get("numFailedTests", 0), skipped)
    if isinstance(stats, dict) and isinstance(stats.get("passes"), int):
        return Outcome(stats["passes"], stats.get("failures", 0), stats.get("pending", 0))
    if isinstance(stats, dict) and isinstance(stats.get("expected"), int):
        return Outcome(
            stats["expected"] + stats.get("flaky", 0), stats.get("unexpected", 0), stats.get("skipped", 0)
        )
    summary = report.get("summary")
    if isinstance(summary, dict) and isinstance(summary.get("example_count"), int):
        failed, skipped = summary.get("failure_count", 0), summary.get("pending_count", 0)
        return Outcome(summary["example_count"] - failed - skipped, failed, skipped)
    return None
