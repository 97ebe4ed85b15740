"""Which tasks may run at the same time, and why the others wait."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ralph.prd import document as prd
from ralph.prd import schedule as plan
from ralph.prd.model import Prd, Task
from ralph.prd.parallel_schedule import Choice, ready, waves
from ralph.prd.scope_overlap import clash

NONE: frozenset[str] = frozenset()
SPEC_KIT = """# Tasks: sign in

## Phase 1: Setup
- [x] T001 Create the project
- [ ] T002 Add dependencies
- [ ] T003 [P] Configure the linter
- [ ] T004 [P] Configure the formatter

## Phase 2: User Story 1 - Sign in
### Tests
- [ ] T005 [P] [US1] Contract test
- [ ] T006 [US1] [P] Integration test
### Implementation
- [ ] T007 [US1] Implement it
- [ ] T008 [P] [US1] Document it
"""


def choice(text: str, running: str = "", left: int = 9, skip: str = "", only: str = "") -> Choice:
    document = prd.parse(text.encode())
    return ready(document, running=frozenset(running.split()), left=left, skip=frozenset(skip.split()), only=only)


def tasks(*lines: str) -> str:
    """`T1 text | Files: a | Depends: T2` -> a task with its fields."""
    return "".join(f"- [ ] {line.replace(' | ', f'{chr(10)}  - ')}\n" for line in lines)


@pytest.mark.parametrize(
    ("text", "running", "starts"),
    [
        (tasks("T1", "T2", "T3"), "", "T1 T2 T3"),
        (tasks("T1", "T2", "T3"), "T2", "T1 T3"),
        (tasks("T1", "T2 | Depends: T1", "T3"), "", "T1 T3"),
        (tasks("T1", "T2 | Depends: T1", "T3"), "T1", "T3"),
        (tasks("T1 | Files: `a/**`", "T2 | Files: `a/x.py`", "T3 | Files: `/b/`"), "", "T1 T3"),
        (tasks("T1 | Files: `a/**`", "T2 | Files: `a/x.py`", "T3 | Files: `b/**`"), "T2", "T3"),
        (tasks("T1 | Files: `a/**`", "T2", "T3 | Files: `**`"), "", "T1 T2"),
        (tasks("T1 | Files: `a/**` | Parked: x", "T2 | Files: `a/x.py`"), "", "T2"),
        (tasks("T1 | Group: 1", "T2 | Group: 2", "T3 | Group: 1", "T4"), "", "T1 T3 T4"),
        (tasks("T1 | Group: 2", "T2 | Group: 1"), "", "T1"),
        (tasks("T1 | Group: 1", "T2 | Group: 2", "T3 | Group: 1", "T4"), "T3", "T1 T4"),
        (tasks("T1 | Group: 1", "T2 | Group: 2"), "T2", ""),
        (tasks("T1 | Group: 1 | Parked: x", "T2 | Group: 2"), "", "T2"),
        (tasks("T1 | Group: 1 | Depends: T2", "T2 | Group: 2", "T3 | Group: 2"), "", "T2 T3"),
        ("- [ ] T1 p\n  - Group: 1\n  - [ ] T2 a\n  - [ ] T3 b\n- [ ] T4 c\n  - Group: 2\n", "", "T2 T3"),
        ("- [ ] T1 p\n  - Check: x\n  - [x] T2 a\n- [ ] T3 b\n", "", "T1 T3"),
        ("- [ ] T1 p\n  - Check: x\n  - [ ] T2 a\n- [ ] T3 b\n", "T2", "T3"),
        ("- [ ] T1 p\n  - [ ] T2 a\n- [ ] T3 b\n", "T1", "T3"),
        (tasks("T1", "T2"), "T9", "T1 T2"),
        (SPEC_KIT, "", "T002"),
        (SPEC_KIT.replace("[ ] T002", "[x] T002"), "", "T003 T004"),
        (SPEC_KIT.replace("[ ] T002", "[x] T002"), "T004", "T003"),
        (SPEC_KIT.replace("[ ] T00", "[x] T00").replace("[x] T004", "[ ] T004"), "", "T004"),
        (SPEC_KIT.replace("[ ] T002", "[x] T002"), "T003 T004", ""),
        (SPEC_KIT.replace("T002 Add", "T002 [P] Add"), "", "T002 T003 T004"),
        (SPEC_KIT.replace("T002 Add dependencies", "T002 Add\n  - Parked: x"), "", "T003 T004"),
        (SPEC_KIT.replace("T008 [P]", "T008 [P] Late\n  - Group: docs\n- [ ] T009"), "", "T002 T008"),
        (SPEC_KIT.replace("[P] ", ""), "", "T002 T003 T004 T005 T006 T007 T008"),
        (tasks("a [P] in the text", "b", "c"), "", None),
    ],
)
def test_what_may_start(text: str, running: str, starts: str | None) -> None:
    found = choice(text, running).tasks
    assert len(found) == 3 if starts is None else " ".join(task.id for task in found) == starts


def test_no_more_than_there_are_agents() -> None:
    found = choice(tasks("T1", "T2", "T3"), left=2)
    assert [task.id for task in found.tasks] == ["T1", "T2"]
    assert [(task.id, why) for task, why in found.waiting] == [("T3", "no agent is free")]
    assert choice(tasks("T1"), left=0).tasks == ()


def test_what_is_left_out_and_what_alone_is_meant() -> None:
    text = tasks("T1", "T2", "T3 | Depends: T1") + "- [ ] T4 p\n  - [ ] T5 c\n  - [ ] T6 c\n"
    assert [task.id for task in choice(text, skip="T1").tasks] == ["T2", "T5", "T6"]
    assert [task.id for task in choice(text, only="T4").tasks] == ["T5", "T6"]


def test_why_the_others_wait() -> None:
    text = tasks(
        "T1 | Files: `src/a/**`", "T2 | Depends: T1", "T3 | Files: `/docs/`, `src/a/x.py`", "T4 | Files: `web/**`",
        "T5 | Files: `web/x.ts`", "T6 | Parked: unclear", "T7 | Depends: T6", "T8 | Group: 1", "T9 | Group: 2",
    )  # fmt: skip
    found = choice(text, running="T1")
    assert [task.id for task in found.tasks] == ["T4", "T8"]
    assert [f"{task.id} {why}" for task, why in found.waiting] == [
        "T2 depends on T1, which is running",
        "T3 its files src/a/x.py may clash with those of T1, which is running",
        "T5 its files web/x.ts may clash with those of T4, which goes first",
        "T6 parked: unclear",
        "T7 depends on T6, which is parked",
        "T9 T8 of group 1 goes first",
    ]
    assert [why for _, why in choice(text, running="T8 T1").waiting][-1] == "T8 of group 1 is running"


def test_why_phases_wait() -> None:
    reasons = {task.id: why for task, why in choice(SPEC_KIT).waiting}
    assert reasons["T003"] == "T002 goes first, and without [P] one task goes after the other"
    assert reasons["T005"] == "T002 of “Phase 1: Setup” goes first"


def test_patterns_can_be_placed_in_the_repository() -> None:
    document = prd.parse(tasks("T1 | Files: `src/a.py`", "T2 | Files: `../docs/src/a.py`").encode())

    def placed(said: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(one.removeprefix("../") if one.startswith("../") else f"docs/{one}" for one in said)

    assert [task.id for task in ready(document, left=9, placed=placed).tasks] == ["T1"]


def test_waves() -> None:
    found = waves(prd.parse(SPEC_KIT.encode()), at_once=3)
    assert [[task.id for task, _ in wave] for wave in found.waves] == [
        ["T002"], ["T003", "T004"], ["T005", "T006"], ["T007"], ["T008"],
    ]  # fmt: skip
    assert [why for _, why in found.waves[0]] == [""]
    assert found.waves[2][0][1] == "T003 of “Phase 1: Setup” goes first"
    parked = waves(prd.parse(tasks("T1 | Parked: x", "T2 | Depends: T1", "T3").encode()), at_once=1)
    assert [(task.id, why) for task, why in parked.never] == [
        ("T1", "parked: x"), ("T2", "depends on T1, which is parked"),
    ]  # fmt: skip


# ---------------------------------------------------------------- laws

SCOPES = st.sampled_from(
    ["", "`src/**`", "`src/a.py`", "`src/b.py`", "`*.py`", "`docs/`", "`docs/*.md`, `src/b.py`"]
)
HEADINGS = st.sampled_from(
    ["", "", "", "", "## Phase 1: Setup\n", "## Phase 2: Story\n", "### Tests\n", "## Notes\n"]
)


@st.composite
def documents(draw: st.DrawFn) -> Prd:
    """PRDs of some tasks, nested at most once, with anything that may hold them up; circles too."""
    count = draw(st.integers(1, 9))
    marks = draw(st.sampled_from([["", ""], ["", "[P] "]]))
    lines, nested = [], False
    for n in range(1, count + 1):
        heading = draw(HEADINGS)
        nested = bool(n > 1 and not heading and draw(st.integers(0, 3)) == 0)
        indent = "  " if nested else ""
        lines.append(
            f"{heading}{indent}- [{draw(st.sampled_from('    x'))}] T{n} {draw(st.sampled_from(marks))}text\n"
        )
        fields = {
            "Depends": draw(st.sampled_from(["", "", f"T{draw(st.integers(1, count))}"])),
            "Files": draw(SCOPES),
            "Group": draw(st.sampled_from(["", "", "1", "2", "3"])),
            "Parked": draw(st.sampled_from([*[""] * 9, "unclear"])),
            "Check": draw(st.sampled_from(["", "", "true"])),
        }
        lines += [f"{indent}  - {key}: {value}\n" for key, value in fields.items() if value]
    return prd.parse("".join(lines).encode())


def one_by_one(document: Prd) -> list[str]:
    done = []
    while task := plan.choose(document):
        done.append(task.id)
        document = prd.tick(document, task.id)
    return done


@settings(max_examples=300)
@given(documents(), st.integers(1, 4))
def test_wave_after_wave_does_what_one_by_one_does(document: Prd, at_once: int) -> None:
    found = waves(document, at_once=at_once)
    started = [task.id for wave in found.waves for task, _ in wave]
    assert len(started) == len(set(started))
    assert set(started) == set(one_by_one(document))
    assert all(len(wave) <= at_once for wave in found.waves)
    assert all(reason for _, reason in found.never)


@settings(max_examples=300)
@given(documents(), st.data())
def test_what_runs_together_may_run_together(document: Prd, data: st.DataObject) -> None:
    """Tasks begin and end at any moment; what runs at one moment never clashes, nor depends on one another."""
    running: list[Task] = []
    started: list[str] = []
    while True:
        found = ready(document, running=frozenset(task.id for task in running), left=3 - len(running))
        told = {task.id for task, _ in found.waiting} | {task.id for task in found.tasks}
        assert told | {task.id for task in running} >= {
            task.id for task in document.tasks if task.leaf and not task.done
        }
        running += found.tasks
        started += [task.id for task in found.tasks]
        if not running:
            break
        together(running)
        ended = running.pop(data.draw(st.integers(0, len(running) - 1)))
        document = prd.tick(document, ended.id)
    assert len(started) == len(set(started))
    assert plan.choose(document) is None


def together(running: list[Task]) -> None:
    for one in running:
        for other in running:
            if one is not other:
                assert not clash(one.fields.files, other.fields.files)
                assert other.id not in one.fields.depends
                assert one.parent != other.id
    assert len({task.fields.group for task in running if task.fields.group}) < 2
