"""The levels of proof: their order, their trailer, and when each is granted."""

from __future__ import annotations

import pytest

from ralph.agents.model import Stopped, StopReason
from ralph.git.model import Change
from ralph.verify.levels import Level, counted, of_parents, of_trailer, reaches, weakest
from ralph.verify.model import Evidence, Finding, FindingKind, Gate, GateResult, Rules, Verdict
from ralph.verify.outcomes.model import of_names
from ralph.verify.strength import Circumstances, Strength, executed, strength

CHECK = "bash check.sh"
GATE = GateResult(Gate("pytest"), True)
OWN = GateResult(Gate(CHECK), True)


def proof(
    *results: GateResult,
    rules: Rules | None = None,
    changed: tuple[str, ...] = ("src/a.py",),
    allowed: FindingKind | None = None,
) -> Strength:
    changes = tuple(Change(path, "A") for path in changed)
    evidence = Evidence("b", "w", Stopped(StopReason.EXITED, 0), changes, gates=results)
    found = (Finding(allowed, "", rejects=False),) if allowed else ()
    return strength(evidence, rules or Rules(), Verdict(found), Circumstances("checkout", "no"))


def level(*results: GateResult, rules: Rules | None = None, changed: tuple[str, ...] = ("src/a.py",)) -> Level:
    return proof(*results, rules=rules, changed=changed).level


RED = Rules(checks=frozenset({CHECK}), proving_checks=frozenset({CHECK}))


def test_a_check_that_was_red_and_is_green_proves_it() -> None:
    assert level(OWN, rules=RED) is Level.RED_GREEN


def test_a_check_that_was_green_before_proves_nothing() -> None:
    assert level(OWN, rules=Rules(checks=frozenset({CHECK}))) is Level.NONE


def test_a_check_that_the_work_wrote_does_not_prove_it() -> None:
    assert level(OWN, GATE, rules=RED, changed=("check.sh",)) is Level.EXIT_CODE


def test_a_flaky_check_does_not_prove_it() -> None:
    flaky = GateResult(Gate(CHECK), True, flaky=True)
    assert level(flaky, rules=RED) is Level.NONE


@pytest.mark.parametrize("kind", [FindingKind.EXPECTS, FindingKind.GATE_FILES])
def test_a_task_that_may_change_its_judge_is_not_proven_by_it(kind: FindingKind) -> None:
    assert proof(OWN, GATE, rules=RED, allowed=kind).level is Level.EXIT_CODE


def test_the_author_of_the_judge_is_a_person_for_a_check_and_for_what_a_person_accepts() -> None:
    """Of the gates alone an attempt may have written the tests."""
    assert proof(OWN, rules=RED).attributes[0] == "by=person"
    assert proof(GATE, rules=Rules(may_change_tests=True)).attributes[0] == "by=person"
    assert proof(GATE).attributes[0] == proof().attributes[0] == "by=agent"


def test_a_test_of_the_base_that_was_red_proves_it_unless_it_was_touched() -> None:
    result = GateResult(Gate("pytest"), True, outcome=of_names(["t::a", "t::b"], []))
    known = {"pytest": frozenset({"t::b"})}
    assert level(result, rules=Rules(known_failures=known)) is Level.RED_GREEN
    touched = Rules(known_failures=known, tests_touched=frozenset({"t.py"}))
    assert level(result, rules=touched, changed=("t.py",)) is Level.EXIT_CODE


def test_gates_alone_are_exit_codes_and_no_gate_is_nothing() -> None:
    assert level(GATE) is Level.EXIT_CODE
    assert level() is Level.NONE


@pytest.mark.parametrize(
    ("got", "required", "enough"),
    [("red-green", "exit-code", True), ("exit-code", "exit-code", True), ("exit-code", "tests", False),
     ("none", "", True), ("", "none", False), ("red-green", "nonsense", False)],
)  # fmt: skip
def test_a_level_is_required(got: str, required: str, enough: bool) -> None:
    assert reaches(got, required) is enough


def test_a_trailer_is_read_and_an_unknown_word_is_no_level() -> None:
    assert of_trailer("red-green; by=agent; review=none") == "red-green"
    assert of_trailer("platinum; by=agent") == of_trailer("") == ""


def test_a_trailer_holds_the_levels_of_parents_in_their_order() -> None:
    value = str(Strength(Level.RED_GREEN, ("by=agent",), (Level.EXIT_CODE, "")))
    assert value == "red-green; by=agent; parents=exit-code,unknown"
    assert of_trailer(value) == "red-green"
    assert of_parents(value) == ("exit-code", "")
    assert of_parents("red-green; by=agent") == ()


@pytest.mark.parametrize(
    ("levels", "least"),
    [(["red-green", "exit-code"], "exit-code"), (["red-green", ""], ""), (["", "none"], "none"), ([], "none"),
     (["red-green", "red-green"], "red-green")],
)  # fmt: skip
def test_a_parent_is_as_strong_as_its_weakest_subtask(levels: list[str], least: str) -> None:
    assert weakest(levels) == least


def test_ticks_are_counted_strongest_first() -> None:
    assert counted(["exit-code", "red-green", "", "exit-code"]) == (
        "1 proven, 2 by exit code, 1 of unknown strength (before 1.0)"
    )


def test_what_a_command_executes() -> None:
    assert executed("bash -e scripts/check.sh && ./run src/x.txt") == {"bash", "scripts/check.sh", "run"}
    assert "src/x.txt" not in executed("test -f src/x.txt; grep -q a src/x.txt")
