"""Outcomes of several runs, and summaries that are more than the runs."""

from __future__ import annotations

from ralph.verify.outcomes.model import PACKAGES, Outcome, of_names, plausible, total


def test_several_runs_are_added() -> None:
    assert total([Outcome(2, 1, 0), Outcome(3, 0, 1)]) == Outcome(5, 1, 1)
    assert total([]) is None


def test_packages_are_not_added_to_tests() -> None:
    assert total([Outcome(7, unit=PACKAGES), Outcome(3)]) == Outcome(3)


def test_of_more_summaries_than_runs_the_lowest_count() -> None:
    assert plausible([Outcome(500), Outcome(1)], 1) == Outcome(1)
    assert plausible([Outcome(1), Outcome(500, 0), Outcome(0, 1)], 1) == Outcome(0, 1)
    assert plausible([Outcome(1), Outcome(2)], 2) == Outcome(3)


def test_cases_of_a_parametrised_test_are_one_name() -> None:
    outcome = of_names(["t[1]", "t[2]", "u[a]"], ["u[b]"], ["v[1]"])
    assert (outcome.passed, outcome.failed, outcome.skipped) == (3, 1, 1)
    assert outcome.passed_names == {"t"}
    assert outcome.failed_names == {"u"}
    assert outcome.skipped_names == {"v"}


def test_names_are_known_only_if_all_are() -> None:
    assert of_names(["a"], []).plus(Outcome(3)).passed_names == frozenset()
    assert of_names(["a"], []).plus(of_names(["b"], ["a"])).passed_names == {"b"}
