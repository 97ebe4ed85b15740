"""The outcome of a test run: how many tests passed, failed and were skipped, and their names if known."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from ralph.immutable import immutable

TESTS = "tests"
PACKAGES = "packages"  # Go without -v
RESULTS = "results"  # prove counts skipped tests as passed


@immutable
class Outcome:
    """What a run reported. Skipped tests include todo, pending, ignored and expected failures.

    Names are empty where the output has none. A parametrised test has one name, without its parameters: it passed
    if one case passed and none failed.
    """

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    unit: str = TESTS
    passed_names: frozenset[str] = frozenset()
    failed_names: frozenset[str] = frozenset()
    skipped_names: frozenset[str] = frozenset()
    mended_names: frozenset[str] = frozenset()  # of failed_names: failed only because they were expected to fail

    @property
    def named(self) -> bool:
        """Whether the names of all tests that passed are known."""
        return bool(self.passed_names) or not self.passed

    @property
    def failures_named(self) -> bool:
        """Whether the names of all tests that failed are known."""
        return bool(self.failed_names) or not self.failed

    def plus(self, other: Outcome) -> Outcome:
        """Return the sum of two runs. Packages do not add to tests."""
        if self.unit != other.unit:
            return min(self, other, key=lambda outcome: outcome.unit != TESTS)
        failed = self.failed_names | other.failed_names
        known = self.named and other.named
        return Outcome(
            self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped, self.unit,
            (self.passed_names | other.passed_names) - failed if known else frozenset(), failed,
            self.skipped_names | other.skipped_names, self.mended_names | other.mended_names,
        )  # fmt: skip


def total(outcomes: Iterable[Outcome]) -> Outcome | None:
    """Return the sum of several runs, or None if there is none."""
    known = list(outcomes)
    return reduce(Outcome.plus, known) if known else None


def plausible(outcomes: list[Outcome], runs: int) -> Outcome | None:
    """Return the sum of the summaries of this many runs.

    The product under test can print a summary, too. If there are more summaries than runs, the lowest count.
    """
    if len(outcomes) <= max(runs, 1):
        return total(outcomes)
    worst = sorted(outcomes, key=lambda outcome: (outcome.passed, -outcome.failed))
    return total(worst[: max(runs, 1)])


def lower(report: Outcome | None, output: Outcome | None) -> Outcome | None:
    """Return the lower of what a report and the output say. The names are the report's."""
    if report is None or output is None or report.unit != output.unit:
        return report or output
    failed = max(report.failed, output.failed)
    passed = min(report.passed, output.passed)
    names = report if report.passed_names or report.failed_names else output
    return Outcome(
        passed, failed, max(report.skipped, output.skipped), report.unit,
        names.passed_names, names.failed_names, names.skipped_names, names.mended_names,
    )  # fmt: skip


def without_parameters(name: str) -> str:
    """Return the name of a test without the parameters of its case: their texts may differ in each run."""
    return name.partition("[")[0].rstrip() or name


def of_names(passed: Iterable[str], failed: Iterable[str], skipped: Iterable[str] = ()) -> Outcome:
    """Return the outcome of cases, each listed once."""
    good, bad, rest = list(passed), list(failed), list(skipped)
    failed_names = frozenset(map(without_parameters, bad))
    passed_names = frozenset(map(without_parameters, good)) - failed_names
    skipped_names = frozenset(map(without_parameters, rest)) - failed_names - passed_names
    return Outcome(
        len(good), len(bad), len(rest), TESTS, passed_names, failed_names, skipped_names
    )  # fmt: skip
