"""The floor: the outcome below which a gate must not fall. Pure.

It starts with the outcome before the first agent and is replaced by the outcome of each accepted task. Where names
are known, each test that passed has to pass; else not fewer may pass.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ralph.text import count_noun, join_names
from ralph.verify.expectations import belongs
from ralph.verify.model import GateResult, Rules
from ralph.verify.outcomes.model import Outcome

KEPT = ("passed_names", "skipped_names")


def shortfall(result: GateResult, rules: Rules) -> str:
    """Return why the outcome of a gate that ended well is less than its floor, as the end of a sentence, or ""."""
    floor, now = rules.floors.get(result.gate.command), result.outcome
    if failed := new_failures(result, rules):
        return failed
    if floor is None:
        return ""
    if now is None or (now.unit != floor.unit and floor.passed):
        return f"reported no {floor.unit}: {_count(floor)} before"
    if floor.passed and not now.passed:
        return f"passed no {floor.unit}: {_count(floor)} before"
    if lost := [name for name in sorted(lost_names(floor, now)) if not _may_go(name, rules)]:
        return f"does not pass {count_noun(lost, 'test')} any more: {join_names(lost)}"
    if not (floor.named and now.named) and now.passed < floor.passed and not rules.named_tests:
        return f"passed {now.passed} {floor.unit}: {_count(floor)} before"
    return ""


def as_floors(results: Iterable[GateResult], rules: Rules) -> Rules:
    """Return the rules with the outcomes of these results as the floors: another run must report no less."""
    return replace(rules, floors={result.gate.command: result.outcome for result in results if result.outcome},
                   named_tests=frozenset())  # fmt: skip


def _may_go(name: str, rules: Rules) -> bool:
    """Return whether a test is in a file that the task names and the attempt changed."""
    return any(belongs(name, path) for path in rules.named_tests)


def falls_short(result: GateResult, rules: Rules) -> bool:
    """Return whether a gate is red, or reports less than its floor."""
    return is_red(result, rules) or (result.ok and bool(shortfall(result, rules)))


def is_red(result: GateResult, rules: Rules) -> bool:
    """Return whether a gate failed, and not only as it did at the start."""
    return not (result.ok or result.none or is_excused(result, rules))


def is_excused(result: GateResult, rules: Rules) -> bool:
    """Return whether a red gate was red at the start, too, and no test fails that passed then."""
    command, outcome = result.gate.command, result.outcome
    if command not in rules.baseline - rules.checks:
        return False
    known = rules.known_failures.get(command)
    return not known or outcome is None or not outcome.failures_named or outcome.failed_names <= known


def new_failures(result: GateResult, rules: Rules) -> str:
    """Return that tests failed which did not fail at the start, although the gate ended well, or ""."""
    now = result.outcome
    if now is None or not now.failed:
        return ""
    known = rules.known_failures.get(result.gate.command, frozenset())
    if known and now.failures_named and now.failed_names <= known:
        return ""
    fresh = sorted(now.failed_names - known)
    return f"reported {now.failed} failed {'test' if now.failed == 1 else 'tests'}" + (
        f": {join_names(fresh)}" if fresh else ""
    )


def lost_names(floor: Outcome, now: Outcome) -> frozenset[str]:
    """Return the tests that passed at the floor and do not pass now: gone, skipped, deselected or failed."""
    return floor.passed_names - now.passed_names if floor.named and now.named else frozenset()


def _count(floor: Outcome) -> str:
    return f"it passed {floor.passed}"


def dump(floors: Mapping[str, Outcome]) -> str:
    """Return the floors as text."""
    return json.dumps({
        command: {
            "passed": floor.passed, "failed": floor.failed, "skipped": floor.skipped, "unit": floor.unit,
            **{key: sorted(getattr(floor, key)) for key in KEPT},
        }
        for command, floor in floors.items()
    })  # fmt: skip


def load(text: str) -> dict[str, Outcome]:
    """Return floors from text; none if it can't be read. Ignore fields of later versions."""
    try:
        items = json.loads(text).items()
        return {
            command: Outcome(
                int(value["passed"]), int(value["failed"]), int(value["skipped"]), str(value["unit"]),
                **{key: frozenset(map(str, value.get(key, ()))) for key in KEPT},
            )
            for command, value in items
        }  # fmt: skip
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return {}
