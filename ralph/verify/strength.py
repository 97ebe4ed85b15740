"""How strongly a tick is proven: the level of the trailer `Ralph-Proof:`, and its attributes. Pure.

Conditions that no one checks yet (the canary, the place control, tests that an attempt adds and that were red
before) are unknown, so the levels `self-tested` and `tests` are not granted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ralph import paths
from ralph.immutable import immutable
from ralph.verify import levels
from ralph.verify.content import thin_work
from ralph.verify.content.thin_work import Thin
from ralph.verify.levels import Level
from ralph.verify.model import Evidence, FindingKind, GateResult, Rules, Verdict
from ralph.verify.outcomes.model import Outcome

INTERPRETED = re.compile(
    r"\b(?:bash|sh|zsh|dash|python[\d.]*|node|ruby|perl|php|deno run|bun|tsx|ts-node)\s+(?:-\S+\s+)*([\w@.+/-]+)"
)
FIRST = re.compile(r"(?:^|[;&|]\s*)([\w@.+/-]+)")
WORD = re.compile(r"[\w@.+/-]+")


WEAK = frozenset({Thin.COMMENT, Thin.DOCUMENT, Thin.RENAME})


@immutable
class Strength:
    """The strongest level whose conditions all hold, and what is known beside it."""

    level: Level
    attributes: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()  # the levels of the parents that are ticked with the task

    def __str__(self) -> str:
        parents = [levels.PARENTS + ",".join(level or "unknown" for level in self.parents)] * bool(self.parents)
        return "; ".join((self.level, *self.attributes, *parents))


@immutable
class Circumstances:
    """Where an attempt was judged (`checkout`, `fresh`, `shared` for a worktree), in a sandbox or not, by whom."""

    place: str
    sandbox: str
    reviewer: str = ""


def strength(evidence: Evidence, rules: Rules, verdict: Verdict, judged: Circumstances) -> Strength:
    """Return how strongly an accepted attempt is proven."""
    level = _level(evidence, rules, verdict)
    author = "person" if level is Level.RED_GREEN or rules.may_change_tests else "agent"
    return Strength(level, (f"by={author}", *_attributes(evidence, rules, judged)))


def _level(evidence: Evidence, rules: Rules, verdict: Verdict) -> Level:
    good = [result for result in evidence.gates if result.ok and not result.flaky]
    if any(_went_green(result, evidence, rules) for result in good) and not _judge_changed(verdict):
        return Level.RED_GREEN
    own = [result for result in good if result.gate.command not in rules.checks]
    if not own or thin_work.kind(evidence.changes, evidence.contents, ()) in WEAK:
        return Level.NONE
    return Level.EXIT_CODE


def _went_green(result: GateResult, evidence: Evidence, rules: Rules) -> bool:
    """Return whether a judge that the attempt did not write was red on the base and is green now."""
    command, touched = result.gate.command, {change.path for change in evidence.changes}
    if command in rules.proving_checks:
        tests = {word for word in map(_plain, WORD.findall(command)) if paths.is_test(word)}
        return touched.isdisjoint(executed(command) | tests)
    red = rules.known_failures.get(command, frozenset())
    passed = result.outcome.passed_names if result.outcome else frozenset()
    return bool(red & passed) and not any(path in rules.tests_touched for path in touched)


def executed(command: str) -> frozenset[str]:
    """Return the files that a command executes: scripts of interpreters, and programs by their paths."""
    return frozenset(_plain(word) for word in (*INTERPRETED.findall(command), *FIRST.findall(command)))


def _plain(word: str) -> str:
    return word.removeprefix("./")


def _judge_changed(verdict: Verdict) -> bool:
    """Return whether the attempt changed what tests expect, or a file of the gates, as the task allows."""
    allowed = {finding.what for finding in verdict.findings if not finding.rejects}
    return bool(allowed & {FindingKind.EXPECTS, FindingKind.GATE_FILES})


def _attributes(evidence: Evidence, rules: Rules, judged: Circumstances) -> Iterator[str]:
    if counted := [text for result in evidence.gates if (text := _counted(result, rules.floors))]:
        yield f"counted={','.join(counted)}"
    yield "can-fail=unknown"
    yield "covers=unknown"
    yield f"place={judged.place}"
    yield f"sandbox={judged.sandbox}"
    if flaky := sum(result.flaky for result in evidence.gates):
        yield f"flaky={flaky}"
    if rules.tests_touched:
        yield f"tests-changed={len(rules.tests_touched)}"
    yield f"review={judged.reviewer or 'none'}"


def _counted(result: GateResult, floors: Mapping[str, Outcome]) -> str:
    """Return the tests that passed, with the change since the floor: `212(+3,-0)`."""
    now, floor = result.outcome, floors.get(result.gate.command)
    if now is None or not now.passed:
        return ""
    if floor is None:
        return f"{now.passed}"
    if floor.named and now.named:
        more, less = len(now.passed_names - floor.passed_names), len(floor.passed_names - now.passed_names)
    else:
        more, less = max(0, now.passed - floor.passed), max(0, floor.passed - now.passed)
    return f"{now.passed}(+{more},-{less})"
