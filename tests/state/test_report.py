"""A night of events becomes a report, and the story of one task."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralph.prd import document as prd
from ralph.prd.model import Task
from ralph.state import events
from ralph.state.projection import Step, run_log
from ralph.state.report import report, story
from ralph.state.report_model import AttemptRecord, Note, Report, Result, TaskState, TaskSummary
from tests.helpers.reported import BASE, HOSTILE, NIGHT, START, at, red, stopped


def tasks(text: str) -> list[tuple[str, Task]]:
    return [("PRD.md", task) for task in prd.parse(text.encode()).tasks]


def night(since: float = 0.0, text: str = "") -> Report:
    return report(run_log(NIGHT), tasks(text), since=since)


def row(made: Report, task: str) -> TaskSummary:
    return next(one for one in made.rows if one.task == task)


def test_the_headline() -> None:
    made = night()
    assert (made.attempts, made.false_claims, made.tokens) == (7, 3, 669_400)
    assert made.cost == pytest.approx(3.0)
    assert made.seconds == 75 * 60
    assert made.worked == 510 + 630 + 350 + 1070 + 1000 + 580 + 50 + 50
    assert made.failures == (
        ("a gate failed", 2), ("out of scope", 2), ("interrupted", 1), ("rate limit", 1),
        ("ticked without work", 1),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("task", "standing", "tries", "cost", "commit"),
    [
        ("T1", TaskState.DONE, 1, 0.81, "feedbeefcafe0000"),
        ("T2", TaskState.DONE, 3, 0.05, "c0ffee1234560000"),
        ("T3", TaskState.PARKED, 2, 2.1, ""),
        ("T4", TaskState.SPLIT, 0, 0.03, "5711700aaaa"),
        ("T5", TaskState.OPEN, 1, 0.01, ""),
    ],
)
def test_where_each_task_stands(task: str, standing: TaskState, tries: int, cost: float, commit: str) -> None:
    one = row(night(), task)
    assert (one.standing, one.tries, one.commit) == (standing, tries, commit)
    assert one.cost == pytest.approx(cost)


def test_a_parked_task_tells_what_was_found_last() -> None:
    one = row(night(), "T3")
    assert one.reason == "The gate `npm test` failed (exit code 1)."
    assert [found.what.value for found in one.findings] == [
        "a gate failed",
        "out of scope",
        "the gates wrote files",
    ]
    assert one.work == "refs/ralph/r1/5/work"


@pytest.mark.parametrize(
    ("now", "standing", "mark"),
    [
        ("- [x] T3 by hand", TaskState.DONE, "ticked by hand"),
        ("- [ ] T3 again", TaskState.OPEN, "put back since"),
        ("- [ ] T3 still\n  - Parked: for a reason", TaskState.PARKED, ""),
        ("- [ ] T1 reverted", TaskState.OPEN, "its box is empty again"),
        ("- [x] T1 Count the books", TaskState.DONE, ""),
    ],
)
def test_what_the_prd_says_now_counts_more(now: str, standing: TaskState, mark: str) -> None:
    one = row(night(text=now), now[6:8])
    assert (one.standing, one.mark) == (standing, mark)


def test_tasks_that_were_not_tried_are_open_and_what_was_ticked_before_is_left_out() -> None:
    made = night(text="- [ ] T9 never tried\n- [x] T8 ticked before\n- [x] T1 Count the books\n")
    assert [one.task for one in made.rows] == ["T9", "T1", "T2", "T3", "T4", "T5"]
    assert row(made, "T9").standing is TaskState.OPEN


def test_since_leaves_out_what_was_over_before() -> None:
    made = night(since=START + 52 * 60)
    assert [one.n for one in made.tries] == [6, 7, 8]
    assert [one.task for one in made.rows] == ["T2", "T4", "T5"]
    assert row(made, "T2").tries == 1
    assert made.seconds == 23 * 60


@pytest.mark.parametrize(
    ("findings", "claims"),
    [
        ((), 0),
        ((("a gate failed", "Red.", True),), 1),
        ((("a gate failed", "Red.", False),), 0),
        ((("clashes with work that came in meanwhile", "Others changed a.py.", True),), 0),
        ((("clashes with work that came in meanwhile", "a.py", True), ("out of scope", "b.py", True)), 1),
    ],
)
def test_what_is_a_false_claim(findings: tuple[tuple[str, str, bool], ...], claims: int) -> None:
    judged = events.Judged(1, False, "w", findings)
    steps = (
        *NIGHT[1:4],
        at(8, stopped(1, 1.0, 0, None)),
        at(9, judged),
        at(9, events.SetAside(1, "T1", "no", True)),
    )
    assert report(run_log(steps)).false_claims == claims


def test_a_run_that_was_cut_off_broke_its_attempts_off_and_its_time_ends_there() -> None:
    cut = NIGHT[:6]
    made = run_log(cut)
    assert [one.result for one in made.tries] == [Result.BROKE_OFF, Result.BROKE_OFF]
    assert [one.ended for one in made.tries] == [cut[-1][0]] * 2
    assert made.runs[0].seconds == cut[-1][0] - START
    assert [one.result for one in run_log(cut, alive=True).tries] == [Result.WORKING, Result.WORKING]


def test_the_time_between_a_kill_and_the_next_start_does_not_count() -> None:
    again = events.RunStarted("r1", "ralph/PRD", "main", BASE, "PRD.md", "claude", resumed=True)
    steps = (*NIGHT[:7], at(600, again), at(605, events.RunEnded(0, "done")))
    assert run_log(steps).runs[0].seconds == 9 * 60 + 5 * 60


def test_the_time_before_the_recovery_of_a_killed_run_does_not_count() -> None:
    """The recovery writes events before the run is started again."""
    again = events.RunStarted("r1", "ralph/PRD", "main", BASE, "PRD.md", "claude", resumed=True)
    recovery = (at(600, events.Continued(591 * 60.0)), at(601, events.Noted("The last run was cut off.")))
    steps = (*NIGHT[:7], *recovery, at(601, again), at(605, events.RunEnded(0, "done")))
    assert run_log(steps).runs[0].seconds == 9 * 60 + 5 * 60


def test_what_was_taken_back_is_open_again() -> None:
    back = events.Reopened("T1", "T1 Count the books", "Red in a fresh checkout.", "feedbeefcafe0000")
    made = report(run_log((*NIGHT[:-1], at(74.5, back), NIGHT[-1])))
    assert row(made, "T1").standing is TaskState.OPEN
    assert made.tries[0].result is Result.TAKEN_BACK


# ---------------------------------------------------------------- one task


def test_the_story_of_a_task_is_all_of_it_in_order() -> None:
    about = story(run_log(NIGHT), "T3", "PRD.md")
    assert about is not None
    kinds = [one.kind if isinstance(one, Note) else f"{one.attempt} {one.result}" for one in about.steps]
    assert kinds == ["1 rejected", "agent changed", "2 rejected", "parked"]
    assert (about.standing, about.tokens) == (TaskState.PARKED, 390_000)


def test_the_story_is_that_of_the_newest_run_that_knows_it() -> None:
    start = events.RunStarted("r2", "b", "main", BASE, "PRD.md", "codex")
    later = [at(100, start, "r2"), at(101, events.Chosen(9, "T3", "T3 again", 1, BASE), "r2")]
    about = story(run_log((*NIGHT, *later)), "T3", "PRD.md")
    assert about is not None
    assert [one.n for one in about.steps if isinstance(one, AttemptRecord)] == [9]
    assert story(run_log((*NIGHT, *later)), "T3", "other.md") is None
    assert story(run_log(NIGHT), "T77") is None


def test_ids_are_those_of_one_prd() -> None:
    start = events.RunStarted("r2", "b", "main", BASE, "other.md", "codex")
    later = [at(100, start, "r2"), at(101, events.Chosen(9, "T1", "T1 else", 1, BASE), "r2")]
    made = report(run_log((*NIGHT, *later)))
    assert [(one.prd, one.standing) for one in made.rows if one.task == "T1"] == [
        ("PRD.md", TaskState.DONE), ("other.md", TaskState.OPEN)]  # fmt: skip


# ---------------------------------------------------------------- laws


STEPS = st.lists(st.sampled_from([*NIGHT, *HOSTILE, at(80, red(3)), at(81, stopped(3, 1.0, 5, None))]), max_size=40)


@given(STEPS, st.booleans())
def test_any_part_of_any_journal_can_be_told(steps: list[Step], alive: bool) -> None:
    """Torn, doubled, out of order: there is a report, and each attempt stands in it once."""
    found = run_log(steps, alive=alive)
    made = report(found, alive=alive)
    assert made.seconds >= 0 or steps != sorted(steps, key=lambda one: one[0])
    assert len({(one.run, one.n) for one in made.tries}) == len(made.tries)
    assert {one.task for one in made.tries} <= {one.task for one in made.rows}
    assert sum(one.tokens for one in made.rows) == made.tokens
    assert alive or all(replace(one).result is not Result.WORKING for one in made.tries)
