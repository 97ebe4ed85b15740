"""JUnit XML, and the request for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ralph.verify.outcomes.model import Outcome, lower
from ralph.verify.outcomes.report import REPORT, read_junit, request

TESTS = """
import pytest

@pytest.mark.parametrize("case", [1, 2])
def test_good(case): pass

@pytest.mark.parametrize("case", [1, 2])
def test_half(case): assert case == 1

@pytest.mark.xfail(strict=True)
def test_mended(): pass

@pytest.mark.xfail
def test_known(): assert False

def test_skipped(): pytest.skip("not here")
"""


def test_pytest_writes_the_report_that_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    asked = request(["pytest"], str(tmp_path / "a folder"), {"PYTEST_ADDOPTS": "-p no:cacheprovider"})
    command = [sys.executable, "-m", "pytest", "-p", "no:terminal"]
    subprocess.run(command, cwd=tmp_path, env={"PATH": "/usr/bin:/bin", **asked}, capture_output=True, timeout=100)
    outcome = read_junit((tmp_path / "a folder" / REPORT).read_bytes())
    assert outcome is not None
    assert (outcome.passed, outcome.failed, outcome.skipped) == (3, 2, 2)
    assert outcome.passed_names == {"test_it::test_good"}
    assert outcome.failed_names == {"test_it::test_half", "test_it::test_mended"}
    assert outcome.mended_names == {"test_it::test_mended"}


HOSTILE = [
    b"",
    b"<",
    b"<a/>",
    b"\x00\xff",
    b"<testsuites>",
    b'<!DOCTYPE x [<!ENTITY a "b">]><testsuites/>',
    b"<!doctype x><testsuite/>",
]


@pytest.mark.parametrize("data", HOSTILE)
def test_what_is_no_report_has_no_count(data: bytes) -> None:
    assert read_junit(data) is None


def test_an_empty_report_is_an_outcome_without_tests() -> None:
    assert read_junit(b"<testsuites/>") == Outcome()


def test_the_lower_of_report_and_output_counts() -> None:
    report, output = Outcome(5, 0, 1, passed_names=frozenset("abcde")), Outcome(4, 1)
    both = lower(report, output)
    assert both is not None
    assert (both.passed, both.failed, both.passed_names) == (4, 1, frozenset("abcde"))
    assert lower(None, output) == output
    assert lower(report, None) == report


def test_other_runners_are_asked_by_their_own_variables() -> None:
    assert request(["go"], "/tmp/x", {"GOFLAGS": "-mod=vendor"}) == {"GOFLAGS": "-mod=vendor -v"}
    assert request(["jest"], "/tmp/x", {}) == {}
