"""Which task is next, and why the others wait."""

from __future__ import annotations

import pytest

from ralph.prd import document as prd
from ralph.prd import schedule as plan


def chosen(text: str, skip: frozenset[str] = frozenset(), only: str = "") -> str | None:
    task = plan.choose(prd.parse(text.encode()), skip=skip, only=only)
    return task.text if task else None


def waiting(text: str, skip: frozenset[str] = frozenset()) -> list[str]:
    return [f"{task.text}: {reason}" for task, reason in plan.waiting(prd.parse(text.encode()), skip=skip)]


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("- [x] a\n- [ ] b\n- [ ] c\n", "b"),
        ("- [x] a\n", None),
        ("- [ ] a\n  - [x] b\n  - [ ] c\n", "c"),
        ("- [x] a\n  - [ ] b\n", "b"),
        ("- [ ] a\n  - [x] b\n", None),
        ("- [ ] a\n  - Check: x\n  - [x] b\n", "a"),
        ("- [ ] a\n  - Check: x\n  - [ ] b\n", "b"),
        ("- [ ] a\n  - Split by ralph: x\n  - [x] b\n", "a"),
        ("- [ ] a\n  - Split by ralph: x\n  - [ ] b\n", "b"),
        ("- [ ] a\n  - Depends: p\n- [ ] p\n  - Split by ralph: x\n  - [x] c\n", "p"),
        ("- [ ] a\n  - Parked: why\n- [ ] b\n", "b"),
        ("- [ ] a\n  - Parked: why\n  - [ ] b\n- [ ] c\n", "c"),
        ("- [ ] a\n  - Depends: T2\n- [ ] T2 b\n", "T2 b"),
        ("- [ ] a\n  - Depends: T2\n- [x] T2 b\n", "a"),
        ("- [ ] a\n  - After: the other\n- [x] The other one\n", "a"),
        ("- [ ] p\n  - Depends: T2\n  - [ ] c\n- [ ] T2 b\n", "T2 b"),
        ("- [ ] a\n  - Depends: p\n- [x] p\n  - [x] c\n  - [ ] d\n", "d"),
        ("- [ ] a\n  - Depends: p\n- [ ] p\n  - [x] c\n  - [x] d\n", "a"),
        ("- [ ] a\n  - Depends: p\n- [ ] p\n  - Check: x\n  - [x] c\n", "p"),
        ("- [ ] a\n  - Depends: nothing like it\n", None),
    ],
)
def test_the_next_task(text: str, task: str | None) -> None:
    assert chosen(text) == task


def test_tasks_can_be_left_out() -> None:
    text = "- [ ] T1 a\n- [ ] T2 b\n  - [ ] T3 c\n- [ ] T4 d\n"
    assert chosen(text, skip=frozenset({"T1"})) == "T3 c"
    assert chosen(text, skip=frozenset({"T1", "T2"})) == "T4 d"


def test_only_one_task_or_those_below_a_parent() -> None:
    text = "- [ ] T1 a\n- [ ] T2 b\n  - [ ] T3 c\n    - [ ] T4 d\n- [ ] T5 e\n"
    assert chosen(text, only="T5") == "T5 e"
    assert chosen(text, only="T2") == "T4 d"
    assert chosen(text.replace("[ ] T5", "[x] T5"), only="T5") is None


def test_why_the_others_wait() -> None:
    text = (
        "- [ ] T1 a\n- [ ] T2 b\n  - Parked: too vague\n- [ ] T3 c\n  - Depends: T2\n- [ ] T4 d\n  - Depends: T3\n"
        "- [ ] e\n  - Parked: later\n  - [ ] f\n- [ ] g\n  - Depends: none of these\n- [ ] h\n  - Depends: T1\n"
    )
    assert waiting(text, frozenset({"T1"})) == [
        "T1 a: skipped in this run",
        "T2 b: parked: too vague",
        "T3 c: depends on T2, which is parked",
        "T4 d: depends on T3, which is open",
        "f: “e” above it is parked: later",
        "g: depends on “none of these”, which is no task",
        "h: depends on T1, which is skipped in this run",
    ]
    assert waiting("- [x] p\n  - [ ] c\n- [ ] a\n  - Depends: p\n") == ["a: depends on “p”, which is not finished"]


def test_states() -> None:
    document = prd.parse(b"- [x] T1 a\n- [ ] T2 b\n- [ ] T3 c\n  - Parked: x\n  - [ ] T4 d\n- [ ] T5 e\n")
    assert [(task.id, state) for task, state in plan.status(document, running="T2")] == [
        ("T1", "done"),
        ("T2", "running"),
        ("T3", "parked"),
        ("T4", "parked"),
        ("T5", "open"),
    ]


def test_many_tasks_that_wait_are_no_quadratic_work() -> None:
    text = "- [ ] T0 first\n  - Parked: x\n" + "".join(
        f"- [ ] task {n} of many\n  - Depends: {'T0' if n == 0 else f'task {n - 1} of'}\n" for n in range(5_000)
    )
    assert chosen(text) is None
    assert len(waiting(text)) == 5_001
