"""Each case of fixtures/verdicts gets the verdict it asks for, and each rule is needed by one of them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from ralph.agents.model import Signal, SignalKind, Stopped, StopReason
from ralph.git.model import Change, Commit, StashChange, StashEntry, StashMatch
from ralph.verify import exceptions as named
from ralph.verify import rules as verdict
from ralph.verify.content.added_content import Added
from ralph.verify.model import Evidence, Finding, FindingKind, Gate, GateResult, PrdEdit, Rules, Verdict
from ralph.verify.outcomes.model import Outcome, of_names

FIXTURES = Path(__file__).parents[2] / "fixtures" / "verdicts" / "cases.toml"
CASES: list[dict[str, Any]] = tomllib.loads(FIXTURES.read_text())["case"]
ENDINGS = {
    "well": Stopped(StopReason.EXITED, 0, ended=True),
    "exit 1": Stopped(StopReason.EXITED, 1, tail="oops\n"),
    "signal 9": Stopped(StopReason.EXITED, -9),
    "without a word": Stopped(StopReason.EXITED, 0),
    "said it failed": Stopped(
        StopReason.EXITED, 1, ended=False, failure=Signal(SignalKind.ERROR, "Prompt is too long.")
    ),
    "silent": Stopped(StopReason.SILENT, -15),
    "over its time": Stopped(StopReason.OVERRAN, -15),
}
PAPERS = {
    "": PrdEdit(),
    "by the agent": PrdEdit(by_agent=True),
    "rewritten by the agent": PrdEdit(by_agent=True, rewrote=True, diff="-- [ ] T9 hard\n"),
    "rewritten by somebody": PrdEdit(rewrote=True, diff="+- [ ] T10 new\n"),
}


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_verdict_is_what_the_case_asks_for(case: dict[str, Any]) -> None:
    found = judge(case)
    assert [one.what.value for one in found.reasons] == case.get("rejected", [])
    assert [one.what.value for one in found.findings if not one.rejects] == case.get("told", [])
    assert found.accepted is not bool(case.get("rejected"))


def test_the_sentences_that_people_read(snapshot: SnapshotAssertion) -> None:
    assert "\n".join(f"# {case['name']}\n{told(judge(case).findings)}" for case in CASES) == snapshot


@pytest.mark.parametrize("rule", verdict.RULES, ids=[rule.__name__ for rule in verdict.RULES])
def test_no_rule_can_be_left_out(rule: verdict.Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [judge(case) for case in CASES]
    monkeypatch.setattr(verdict, "RULES", tuple(one for one in verdict.RULES if one is not rule))
    assert [judge(case) for case in CASES] != before


def test_every_kind_of_finding_occurs_but_those_that_others_find() -> None:
    """Recording finds that a task is gone, the door that work clashes, a second agent what it finds."""
    occurring = {one.what for case in CASES for one in judge(case).findings}
    others = {FindingKind.GONE, FindingKind.CLASH, FindingKind.REVIEW, FindingKind.UNREVIEWED, FindingKind.WEAK}
    assert set(FindingKind) - occurring == others


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_what_is_known_before_the_gates_is_part_of_the_verdict(case: dict[str, Any]) -> None:
    early = verdict.before_gates(evidence_of(case), rules_of(case)).findings
    assert early == judge(case).findings[: len(early)]


@given(case=st.sampled_from(CASES), path=st.sampled_from(["tests/test_a.py", "a_test.go", "__tests__/x.ts"]))
def test_a_red_gate_never_gets_through(case: dict[str, Any], path: str) -> None:
    red = {"gates": {"make check": "red"}, "changed": [*case.get("changed", []), f"M {path}"]}
    assert not judge({**case, **red}).accepted


def test_tests_to_restore_are_those_that_the_task_does_not_name() -> None:
    changed = ["A tests/test_new.py", "M tests/test_old.py", "D spec/b_spec.rb", "T c.test.ts", "M src/d.py"]
    case = {"changed": changed, "text": "Repair test_old.py"}
    restored = ("tests/test_new.py", "spec/b_spec.rb", "c.test.ts")
    assert named.tests_to_restore(evidence_of(case), rules_of(case)) == restored


def test_files_that_name_one_test_name_no_other() -> None:
    case = {"changed": ["M tests/test_old.py", "M tests/test_new.py"], "files": ["src/", "tests/test_new.py"]}
    assert named.tests_to_restore(evidence_of(case), rules_of(case)) == ("tests/test_old.py",)


def test_only_what_is_called_like_a_test_is_named_without_its_ending() -> None:
    case = {
        "changed": ["M tests/data.json", "M tests/run", "M tests/test_a.py"],
        "text": "Run the data through test_a",
    }
    assert named.tests_to_restore(evidence_of(case), rules_of(case)) == ("tests/data.json",)


def test_a_name_inside_another_word_names_nothing() -> None:
    case = {"changed": ["M tests/test_old.py"], "text": "See my_test_old.py and test_old_ones"}
    assert named.tests_to_restore(evidence_of(case), rules_of(case)) == ("tests/test_old.py",)


# ---------------------------------------------------------------- reading a case


def judge(case: dict[str, Any]) -> Verdict:
    return verdict.judge(evidence_of(case), rules_of(case))


def evidence_of(case: dict[str, Any]) -> Evidence:
    changes = (line.split(" ", 1) for line in case.get("changed", ["A src/new.py"]))
    ended = ENDINGS[case.get("ended", "well")]
    paper = PAPERS[case.get("prd", "")]
    return Evidence(
        base="b" * 40,
        work="c" * 40,
        stopped=Stopped(
            ended.why,
            ended.code,
            ended=ended.ended,
            failure=ended.failure,
            tail=ended.tail,
            output=case.get("printed", 100),
        ),
        changes=tuple(Change(path, status) for status, path in changes),
        commits=tuple(Commit("abcdef0123456789", subject) for subject in case.get("commits", ())),
        prd=PrdEdit(paper.by_agent, tuple(case.get("ticked", ())), paper.rewrote, paper.diff),
        memory_changed=case.get("memory", False),
        memory_dropped=tuple(case.get("memory_dropped", ())),
        rewritten=case.get("rewritten", ""),
        hidden=tuple(case.get("hidden", ())),
        ignored=case.get("ignored", {}),
        bent={path: tuple(lines) for path, lines in case.get("bent", {}).items()},
        programs=tuple(case.get("programs", ())),
        protected_ignored=tuple(case.get("protected ignored", ())),
        without_ignored=results(case, "without ignored", "reported"),
        obstacles=tuple(case.get("obstacles", ())),
        config=tuple(case.get("git_config", ())),
        refs=tuple(case.get("refs", ())),
        untracked=tuple(case.get("untracked", ())),
        texts={path: (base.encode(), work.encode()) for path, (base, work) in case.get("config", {}).items()},
        gates=results(case, "gates", "reported"),
        base_tests=results(case, "base tests", "base reported" if "base reported" in case else "reported"),
        contents={path: (base.encode(), work.encode()) for path, (base, work) in case.get("contents", {}).items()},
        added=tuple(Added(path, "holds the value of a secret variable") for path in case.get("added", ())),
        gate_wrote=tuple(case.get("gate_wrote", ())),
        stash=stash_of(case),
    )


def stash_of(case: dict[str, Any]) -> StashChange:
    entry = StashEntry("d" * 40, "WIP on main: 1234567 base")
    matches = {
        "popped": StashMatch(entry, ("src/new.py",), whole=False, gone=True),
        "applied": StashMatch(entry, ("src/new.py",), whole=True, gone=False),
        "in part": StashMatch(entry, ("src/new.py",), whole=False, gone=False),
    }
    match = matches.get(case.get("stash", ""))
    return StashChange(new=(entry,) if case.get("stashed") else (), matches=(match,) if match else ())


def rules_of(case: dict[str, Any]) -> Rules:
    return Rules(
        scope=tuple(case.get("files", ())),
        protected=tuple(case.get("protected", ())),
        prd="PRD.md",
        memory="CLAUDE.md",
        text=case.get("text", ""),
        tracked=frozenset(case.get("scripts", ())),
        read_by_gates=frozenset(case.get("read", ())),
        baseline=frozenset(case.get("red before", ())),
        checks=frozenset(case.get("checks", ())),
        standing=frozenset(case["standing"]) if "standing" in case else None,
        floors={command: outcome(text) for command, text in case.get("floors", {}).items()},
        known_failures={command: frozenset(text.split()) for command, text in case.get("known", {}).items()},
        may_change_tests=case.get("confirmed", False),
        missing=tuple(case.get("missing", ())),
        named_tests=frozenset(case.get("named tests", ())),
        strict=case.get("strict", False),
        only_checked=case.get("only checked", False),
    )


def results(case: dict[str, Any], name: str, reported: str) -> tuple[GateResult, ...]:
    return tuple(result(case, command, how, reported) for command, how in case.get(name, {}).items())


def result(case: dict[str, Any], command: str, how: str, reported: str) -> GateResult:
    gate = Gate(command, "Check of T3" if command in case.get("checks", ()) else "found")
    code = {"green": 0, "red": 1, "none": 5, "timed out": -9}[how]
    text = case.get(reported, {}).get(command)
    return GateResult(
        gate, how == "green", code, 900.4, f"the tail of {command}\n", how == "timed out", how == "none",
        outcome(text) if text else None, command in case.get("flaky", ()),
    )  # fmt: skip


def outcome(text: str) -> Outcome:
    """`3 passed 1 failed`, or the names of tests: `a b !c`."""
    if counts := {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped)", text)}:
        return Outcome(counts.get("passed", 0), counts.get("failed", 0), counts.get("skipped", 0))
    names = text.split()
    return of_names([name for name in names if name[0] != "!"], [name[1:] for name in names if name[0] == "!"])


def told(findings: tuple[Finding, ...]) -> str:
    lines = []
    for one in findings:
        lines.append(f"{'rejects' if one.rejects else 'told':8}{one.what.value}: {one.text}")
        lines += [f"          {line}" for line in one.detail.splitlines()]
    return "\n".join(lines or ["accepted"]) + "\n"
