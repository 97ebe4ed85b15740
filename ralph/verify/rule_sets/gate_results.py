"""Rules about what the gates said: red, fewer tests, green only with the changed tests, flaky."""

from __future__ import annotations

from collections.abc import Iterator

from ralph.text import count_noun, join_names, list_lines
from ralph.verify import exceptions as named
from ralph.verify import expectations, floor
from ralph.verify import wording as words
from ralph.verify.model import Evidence, Finding, FindingKind, GateResult, Rules


def a_gate_failed(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    for result in evidence.gates:
        if not result.ok and not result.none:
            yield _red(result, excused=floor.is_excused(result, rules))


def a_gate_has_nothing_to_run_any_more(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    """Reject a loss of tests: "no tests" is neither green nor red before the first test exists, but a loss after
    it."""
    for result in evidence.gates:
        if result.none and result.gate.command in (rules.standing or frozenset()) | rules.checks:
            text = f"{words.gate(result)} found nothing to run."
            yield Finding(FindingKind.GATE, text, result.tail)


def fewer_tests_passed(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    """Reject a green gate that reports less than its floor. If tests changed, the run with the base's decides."""
    changed = bool(named.tests_to_restore(evidence, rules)) and bool(evidence.base_tests)
    for result in evidence.gates:
        less = floor.shortfall(result, rules) if result.ok else ""
        if less and (not changed or floor.new_failures(result, rules)):
            yield Finding(FindingKind.FEWER, f"{words.gate(result)} {less}.", result.tail)


def tests_are_gone(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    """Report the tests that the work took out while the base's tests passed."""
    for result in evidence.gates if evidence.base_tests or rules.named_tests else ():
        base = rules.floors.get(result.gate.command)
        lost = floor.lost_names(base, result.outcome) if base and result.ok and result.outcome else frozenset()
        if lost:
            text = f"{count_noun(sorted(lost), 'test')} of before no longer counted: {join_names(sorted(lost))}."
            yield Finding(FindingKind.FEWER, text, list_lines(sorted(lost)), rejects=False)


def it_passes_only_with_the_changed_tests(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    changed = named.tests_to_restore(evidence, rules)
    for result in evidence.base_tests:
        if not changed or result.none or floor.is_excused(result, rules):
            continue
        less = floor.shortfall(result, rules) if result.ok else "fails"
        if less:
            yield _with_base_tests(result, less, evidence, rules, changed)


def _with_base_tests(
    result: GateResult, less: str, evidence: Evidence, rules: Rules, changed: tuple[str, ...]
) -> Finding:
    gate, names = words.gate(result), join_names(changed)
    if not expectations.only_changed_tests_fail(result, changed):
        text = f"{gate} {less} with the tests as they were before: {names}."
        cure = "Tests may change only where the task's Files or text name them."
        return Finding(FindingKind.TESTS, f"{text} {cure}", result.tail)
    if expectations.is_licensed(result, evidence, rules):
        return Finding(
            FindingKind.EXPECTS, f"The work changes what tests expect: {names}.", result.tail, rejects=False
        )
    text = f"The work changes what tests expect, which the task does not ask for: {names}."
    before = f"{gate} {less} with the tests as they were before."
    return Finding(FindingKind.EXPECTS, f"{text} {before} {words.CONFIRM}", result.tail)


def a_gate_is_flaky(evidence: Evidence, _: Rules) -> Iterator[Finding]:
    for result in evidence.gates:
        if result.flaky:
            text = f"{words.gate(result)} is flaky: it was red, and green on the same tree."
            yield Finding(FindingKind.FLAKY, text, rejects=False)


def the_gates_wrote_files(evidence: Evidence, _: Rules) -> Iterator[Finding]:
    work = {change.path for change in evidence.changes}
    if (healed := [path for path in evidence.gate_wrote if path in work]) and not evidence.gates_format:
        text = f"The gates wrote files that the work changed, so they did not test it: {join_names(healed)}."
        yield Finding(FindingKind.GATE_WROTE, text, list_lines(healed))
    elif evidence.gate_wrote:
        files = count_noun(evidence.gate_wrote, "file")
        text = f"The gates wrote {files}, not committed: {join_names(evidence.gate_wrote)}."
        yield Finding(FindingKind.GATE_WROTE, text, list_lines(evidence.gate_wrote), rejects=False)


def _red(result: GateResult, *, excused: bool) -> Finding:
    how = f"ran over its time ({result.seconds:.0f} s)" if result.timed_out else f"failed (exit code {result.code})"
    before = "; it was red before the run, too" if excused else ""
    return Finding(FindingKind.GATE, f"{words.gate(result)} {how}{before}.", result.tail, rejects=not excused)
