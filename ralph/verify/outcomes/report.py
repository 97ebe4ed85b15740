"""Reports that a runner writes to a file: JUnit XML, and the variables that ask for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from xml.etree.ElementTree import Element, ParseError, XMLParser

from ralph.verify.outcomes.model import Outcome, of_names, without_parameters

LARGEST = 50_000_000  # bytes
REPORT = "pytest.xml"  # in the folder of the report
DOCTYPE = b"<!DOCTYPE"


def request(runners: Sequence[str], folder: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that ask these runners for names, added to what the user set."""
    asked = {}
    if "pytest" in runners:
        asked["PYTEST_ADDOPTS"] = f"{environment.get('PYTEST_ADDOPTS', '')} --junitxml='{folder}/{REPORT}'".strip()
    if "go" in runners:
        asked["GOFLAGS"] = f"{environment.get('GOFLAGS', '')} -v".strip()
    return asked


def read_junit(data: bytes) -> Outcome | None:
    """Read JUnit XML. Return None if it is no such report, or too large, or has a document type."""
    if len(data) > LARGEST or DOCTYPE in data[:4096].upper():
        return None
    parser = XMLParser()  # noqa: S314 - no document type, so no entities
    try:
        parser.feed(data)
        root = parser.close()
    except ParseError:
        return None
    return _outcome(root.iter("testcase")) if root.tag in ("testsuites", "testsuite") else None


def _outcome(cases: Iterable[Element]) -> Outcome:
    kinds: dict[str, list[str]] = {"passed": [], "failed": [], "skipped": []}
    mended = set()
    for case in cases:
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        kinds[_kind(case)].append(name)
        failure = case.find("failure")
        if failure is not None and failure.get("message", "").startswith("[XPASS(strict)]"):
            mended.add(without_parameters(name))
    outcome = of_names(kinds["passed"], kinds["failed"], kinds["skipped"])
    return Outcome(
        outcome.passed, outcome.failed, outcome.skipped, outcome.unit,
        outcome.passed_names, outcome.failed_names, outcome.skipped_names, frozenset(mended),
    )  # fmt: skip


def _kind(case: Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "skipped" if case.find("skipped") is not None else "passed"
