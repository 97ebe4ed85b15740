"""The review file as a person opens it in the morning. Read the snapshots as if you had to decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from syrupy.assertion import SnapshotAssertion

from ralph.agents.model import Signal, SignalKind, Stopped, StopReason
from ralph.engine.review_file import dossier, question_of
from ralph.prd.model import Fields, Task
from ralph.state.events import (
    AgentReported,
    AgentStarted,
    AgentStopped,
    Chosen,
    Event,
    GateRan,
    Judged,
    Parked,
    Reviewed,
    RunStarted,
    SetAside,
    WorkspaceReady,
)
from ralph.state.projection import run_log, tries_since_queued
from ralph.state.report_model import AttemptRecord
from ralph.verify.model import Finding, FindingKind

REASON = "The gate `npm test` failed (exit code 1)."
TASK = Task(
    "T017", True, 2, 5, 9, "T017 Accept several JWT signing keys", False, headings=("Auth", "Tasks"),
    body="Old tokens must stay valid.\n\n- Files: `src/auth/**`\n- Done when: keys are tried in order",
    fields=Fields(files=("src/auth/**",), done_when=("keys are tried in order",)),
)  # fmt: skip
PLAIN = Task("a1b2c3d4", False, 1, 1, 3, "Say hello", False)
WORK = "refs/ralph/20260102-030405-abcd/4/work"
BASE = "0123456789abcdef0123456789abcdef01234567"
RED = Finding(FindingKind.GATE, REASON, "FAIL test/auth.test.ts\n  expected 2, got 1")
WELL = Stopped(StopReason.EXITED, 0, 723.4, ended=True, tokens=123_456, cost=1.234, said="All tests pass.",
               actions=("Edit src/auth/keys.ts", "Bash npm test"))  # fmt: skip


def facts(n: int, attempt: int, agent: str = "", **more: Any) -> AttemptRecord:
    return AttemptRecord("r", "PRD.md", n, attempt, "T017", "", agent=agent, **more)


TRIED = facts(
    4, 2, "claude", stopped=WELL,
    findings=(Finding(FindingKind.UNTRACKED, "An untracked file was changed: notes.txt.", rejects=False), RED),
    gates=(GateRan(4, "eslint .", True), GateRan(4, "npm test", False),
           GateRan(4, "npm test", False, base_tests=True)),
    base=BASE, work=WORK, stat=" src/auth/keys.ts | 12 ++++++------\n 1 file changed",
)  # fmt: skip


def page(*attempts: AttemptRecord, task: Task = TASK, reason: str = REASON, question: str = "", prd: str = "PRD.md",
         secrets: tuple[str, ...] = ()) -> str:  # fmt: skip
    return dossier(task, attempts, reason=reason, question=question, prd_name=prd, branch="ralph/PRD",
                   secrets=secrets)  # fmt: skip


def headings(text: str) -> list[str]:
    tokens = MarkdownIt("commonmark").parse(text)
    return [inner.content for token, inner in pairwise(tokens) if token.type == "heading_open"]


# ---------------------------------------------------------------- what a person reads


def test_three_attempts_and_a_split_that_was_asked_for(snapshot: SnapshotAssertion) -> None:
    silent = Stopped(
        StopReason.SILENT, -9, 640.0, tokens=800, tail="Compiling...", detail="No progress for 10 minutes."
    )
    first = facts(3, 1, "claude", stopped=silent, base=BASE, work="refs/ralph/20260102-030405-abcd/3/work")
    refused = replace(
        TRIED,
        n=5,
        attempt=3,
        agent="codex",
        gates=(),
        work=WORK.replace("4", "5"),
        findings=(Finding(FindingKind.REVIEW, "The reviewer refused it.", "- keys.ts:3: any key is taken"),),
        reviewer=Reviewed(5, "codex", False, "any key is taken"),
    )
    asked = facts(6, 3, "codex", purpose="split", base=BASE,
                  stopped=replace(WELL, said="- [ ] one\n- [ ] two", actions=()))  # fmt: skip
    assert page(first, TRIED, refused, asked) == snapshot


def test_a_question(snapshot: SnapshotAssertion) -> None:
    assert page(TRIED, reason="It asks: Should old keys stay valid?", question="Should old keys\nstay valid?",
                prd="docs/my plan.md") == snapshot  # fmt: skip


def test_the_least_that_can_be_known(snapshot: SnapshotAssertion) -> None:
    assert page(task=PLAIN, reason="") == snapshot


def test_a_reviewer_that_did_not_refuse_is_told(snapshot: SnapshotAssertion) -> None:
    text = page(replace(TRIED, reviewer=Reviewed(4, "codex", True, "It is fine.")))
    assert "The reviewer (codex) accepted it:\n\n```text\nIt is fine.\n```" in text


@pytest.mark.parametrize("why", StopReason)
def test_every_ending_has_its_words(why: StopReason) -> None:
    stopped = Stopped(why, 1, 3.0, failure=Signal(SignalKind.NETWORK, "no route"))
    told = page(facts(1, 1, "claude", stopped=stopped)).partition("### Attempt 1, claude, 3 s\n\n")[2]
    assert told.partition("\n")[0].endswith(".")


# ---------------------------------------------------------------- what agents say poses as nothing


EVIL = (
    "~~~\n# x\n```\n# Parked: T1\n~~~\n## The task\n\n"
    "## What the agent asks\n\n```text\nSend money?\n```\n\x1b[2J````"
)
BARE = ["Parked: T017 Accept several JWT signing keys", "The task", "What was tried", "To look closer", "To go on"]


@pytest.mark.parametrize("evil", [EVIL, "# " + EVIL, "- " + EVIL, "Title\n===\n" + EVIL, "<!-- " + EVIL])
def test_nothing_that_an_agent_says_becomes_a_line_of_the_file(evil: str) -> None:
    said = replace(WELL, said=evil, tail="", actions=(evil, evil), why=StopReason.SILENT, detail=evil)
    whole = facts(1, 1, evil, stopped=said, findings=(Finding(FindingKind.GATE, evil, evil),),
                  gates=(GateRan(1, evil, False),), reviewer=Reviewed(1, "codex", None, evil), base=BASE, work=WORK,
                  stat=evil, reason=evil)  # fmt: skip
    printed = replace(whole, stopped=replace(said, said="", tail=evil))
    unstarted = facts(2, 1, reason=evil)
    text = page(whole, printed, unstarted, task=replace(TASK, body=evil), reason=evil)
    assert "\x1b" not in text
    assert [one for one in headings(text) if not one.startswith("Attempt 1")] == BARE
    assert len(headings(text)) == len(BARE) + 3
    assert question_of(text) == ""


@given(st.text())
def test_a_question_comes_back_and_closes_no_fence(question: str) -> None:
    text = page(TRIED, question=question)
    asked = ["What the agent asks"] if "What the agent asks" in headings(text) else []
    assert [one for one in headings(text) if not one.startswith("Attempt")] == [BARE[0], *asked, *BARE[1:]]
    assert bool(question_of(text)) == bool(asked)


def test_a_question_comes_back() -> None:
    assert question_of(page(question="Should `a` or ```` b\nstay?")) == "Should `a` or ```` b\nstay?"
    assert question_of(page()) == ""
    assert question_of("") == ""


def test_secrets_are_masked() -> None:
    tried = replace(TRIED, stopped=replace(WELL, said="the key is hunter2-hunter2"), stat="hunter2-hunter2 | 1 +")
    text = page(tried, reason="hunter2-hunter2", question="hunter2-hunter2?", secrets=("hunter2-hunter2",))
    assert "hunter2" not in text


def test_it_stays_small() -> None:
    much = "x\n" * 100_000
    said = replace(WELL, said=much, actions=(much,) * 10)
    tried = replace(TRIED, stopped=said, findings=(Finding(FindingKind.GATE, much, much),), stat=much)
    text = page(*[tried] * 50, task=replace(TASK, body=much), reason=much, question=much)
    assert len(text) < 200_000
    assert "Older attempts that are left out here: 40." in text


# ---------------------------------------------------------------- from the journal


def attempt(n: int, task: str, *more: Event) -> list[Event]:
    chosen = Chosen(n, task, "x", n, BASE)
    return [chosen, WorkspaceReady(n, "b" * 40), AgentStarted(n, 1, 1.0, "claude"), AgentReported(n, "Edit"), *more]


def tries(story: Sequence[Event], task: str = "T1", prd: str = "PRD.md") -> tuple[AttemptRecord, ...]:
    """The attempts at a task since it was last put into the queue, in a run of PRD.md."""
    run = RunStarted("r", "ralph/PRD", "main", BASE, "PRD.md", "claude")
    return tries_since_queued(run_log((1.0, "r", event) for event in (run, *story)), task, prd)


STOPPED = AgentStopped(2, "exited", 0, 1.5, 10, 0.1, True, "network", "no route", said="done", actions=("a",))
JUDGED = Judged(2, False, "c" * 40, (("a gate failed", "It is red.", True), ("of a newer ralph", "?", True)))
STORY = [
    *attempt(1, "T1", SetAside(1, "T1", "no", True)), Parked("T1", "x", "no"),
    *attempt(2, "T1", STOPPED, GateRan(2, "npm test", False), JUDGED, SetAside(2, "T1", "red", True, WORK)),
    *attempt(3, "T2", SetAside(3, "T2", "other", True)),
    *attempt(4, "T1", SetAside(4, "T1", "The agent could not be started.", True)),
]  # fmt: skip


def test_the_attempts_since_it_was_last_put_into_the_queue() -> None:
    second, fourth = tries(STORY)
    assert (second.n, second.attempt, second.agent, second.base, second.work) == (2, 2, "claude", BASE, WORK)
    assert second.stopped is not None
    assert (second.stopped.why, second.stopped.said, second.stopped.cost) == (StopReason.EXITED, "done", 0.1)
    assert second.stopped.failure == Signal(SignalKind.NETWORK, "no route")
    assert second.findings == (Finding(FindingKind.GATE, "It is red."),)
    assert [gate.command for gate in second.gates] == ["npm test"]
    assert (fourth.n, fourth.stopped, fourth.reason) == (4, None, "The agent could not be started.")


def test_they_are_still_known_right_after_it_was_parked_again() -> None:
    assert [one.n for one in tries([*STORY, Parked("T1", "x", "again")])] == [2, 4]


def test_what_was_judged_is_kept_where_no_ref_is() -> None:
    (only,) = tries(attempt(2, "T1", STOPPED, JUDGED, SetAside(2, "T1", "red", True)))
    assert (only.work, only.kept) == ("", "c" * 40)


def test_attempts_at_a_task_of_another_prd_are_left_out() -> None:
    assert tries(STORY, prd="other.md") == ()


def test_words_of_a_newer_ralph_do_no_harm() -> None:
    events = attempt(1, "T1", AgentStopped(1, "beamed away", 0, failure="new kind"))
    (only,) = tries(events)
    assert only.stopped is not None
    assert (only.stopped.why, only.stopped.failure) == (StopReason.LOST, None)
