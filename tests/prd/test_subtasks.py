"""What an agent proposes instead of a task that was too large: texts and narrower paths, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralph.errors import RalphError
from ralph.prd import document as prd
from ralph.prd.model import Task
from ralph.prd.subtasks import SplitAnswer, SplitRefusal, lines, parse

PRD = b"""\
# Plan

- [ ] T1 Make the whole thing
  - Files: `src/**`, `README.md`
  - Protected: `src/old/**`
  - Timeout: 20m
  - Check: test -e src/c
- [ ] T2 Write the manual
"""
THREE = """\
- [ ] Write the parser
- [ ] Write the printer
- [ ] Join the two of them
"""


def task(name: str = "T1", data: bytes = PRD) -> Task:
    return next(one for one in prd.parse(data).tasks if one.id == name)


def proposed(answer: str, parent: Task | None = None) -> SplitAnswer:
    plan = parse(answer, parent or task(), prd.parse(PRD).tasks, protected=("src/old/**",),
                 papers=frozenset({"PRD.md", "CLAUDE.md"}))  # fmt: skip
    assert isinstance(plan, SplitAnswer), plan
    return plan


def refused(answer: str) -> str:
    plan = parse(answer, task(), prd.parse(PRD).tasks)
    assert isinstance(plan, SplitRefusal)
    return plan.reason


def texts(answer: str) -> list[str]:
    return [part.text for part in proposed(answer).parts]


@pytest.mark.parametrize(
    "answer",
    [
        THREE,
        f"I looked at it.\n\n{THREE}",
        f"First I thought:\n\n```\n- [ ] one thing only\n```\n\nThen:\n\n```markdown\n{THREE}```\nDone.",
        THREE.replace("- [ ]", "1. [ ]"),
        THREE.replace("- [ ]", "- [x]"),
        THREE.replace("Write the parser", "T7: Write the parser <!-- id: T2 -->"),
    ],
)
def test_the_last_list_counts(answer: str) -> None:
    assert texts(answer) == ["Write the parser", "Write the printer", "Join the two of them"]


def test_what_is_no_plan_is_refused_with_a_sentence() -> None:
    assert refused("I can't split that.") == "0 smaller tasks were proposed, not 3 to 5."
    assert refused(THREE * 2).startswith("6 smaller tasks")
    assert "twice" in refused(THREE.replace("printer", "parser"))
    assert "a task already" in refused(THREE.replace("Write the parser", "T9 write the MANUAL!"))
    assert "a task already" in refused(THREE.replace("Write the parser", "Make the whole thing"))
    assert "no task" in refused(THREE.replace("Write the parser", "Go"))


def test_only_paths_and_criteria_are_taken_over() -> None:
    fields = "\n".join(
        f"  - {one}"
        for one in (
            "Check: rm -rf /",
            "Parked: no",
            "Agent: codex",
            "Depends: T2",
            "Protected: x",
            "Done when: it reads",
        )
    )
    plan = proposed(THREE.replace("parser\n", f"parser\n{fields}\n"))
    assert lines(plan)[:5] == (
        "- [ ] Write the parser",
        "  - Files: `src/**`, `README.md`",
        "  - Protected: `src/old/**`",
        "  - Done when: it reads",
        "  - Timeout: 1200s",
    )


@pytest.mark.parametrize(
    ("files", "kept"),
    [
        ("`src/parser.py`", True),
        ("`src/parser/**`", True),
        ("`README.md`, `src/*.py`", True),
        ("`docs/a.md`", False),
        ("`**`", False),
        ("`src/../x`", False),
        ("`!src/a`", False),
        ("`src/a`, `other`", False),
        ("`src/old/a`", False),
        ("`src/old/**`", False),
    ],
)
def test_a_scope_is_never_wider_than_the_parent_s(files: str, kept: bool) -> None:
    plan = proposed(THREE.replace("parser\n", f"parser\n  - Files: {files}\n"))
    assert bool(plan.parts[0].files) is kept


def test_without_a_scope_papers_and_protected_paths_stay_out() -> None:
    parent = task("T2")
    for files, kept in (("`docs/a.md`", True), ("`PRD.md`", False), ("`CLAUDE.md`", False), ("`src/old/x`", False)):
        plan = proposed(THREE.replace("parser\n", f"parser\n  - Files: {files}\n"), parent)
        assert bool(plan.parts[0].files) is kept, files


# ---------------------------------------------------------------- into the PRD


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_the_smaller_tasks_stand_below_all_that_the_task_has(end: bytes) -> None:
    before = prd.parse(PRD.replace(b"\n", end))
    after = prd.add_subtasks(before, "T1", lines(proposed(THREE)))
    head, tail = before.data.split(b"- [ ] T2")
    assert after.data.startswith(head)
    assert after.data.endswith(b"- [ ] T2" + tail)
    children = [one for one in after.tasks if one.parent == "T1"]
    assert [one.text for one in children] == texts(THREE)
    assert all(one.fields.files == ("src/**", "README.md") and not one.fields.checks for one in children)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_task_that_an_agent_split_is_marked_and_not_ticked_by_its_subtasks(end: bytes) -> None:
    """Nor is the task above it; one that a person split is."""
    before = prd.parse(PRD.replace(b"\n", end))
    after = prd.add_subtasks(prd.mark_split(before, "T1"), "T1", lines(proposed(THREE)))
    assert after.tasks[0].fields.split
    assert prd.mark_split(after, "T1") is after
    kept = [replace(task, number=0, line=0, offset=0) for task in (before.tasks[-1], after.tasks[-1])]
    assert kept[0] == kept[1]
    plain = prd.parse(b"- [ ] T1 all of it\n")
    by_hand = prd.add_subtasks(plain, "T1", ["- [ ] a", "- [ ] b", "- [ ] c"])
    by_agent = prd.mark_split(by_hand, "T1")
    for document, expected in ((after, []), (by_agent, []), (by_hand, ["T1"])):
        first, second, third = (task.id for task in document.tasks if task.parent == "T1")
        ticked = prd.with_boxes(document, [first, second], done=True)
        assert [task.id for task in prd.parents_done_with(ticked, third)] == expected


def test_a_task_in_the_last_line_without_an_end() -> None:
    after = prd.add_subtasks(
        prd.parse(b"1. [ ] all of it"), prd.parse(b"1. [ ] all of it").tasks[0].id, ["- [ ] a part"]
    )
    assert after.data == b"1. [ ] all of it\n   - [ ] a part"


@pytest.mark.parametrize(
    "document",
    [b"- [ ] a task\n  ```\n  open fence\n", b"- [ ] a task\n  <!-- open\n", b"- [ ] a task\n\n      code\n"],
)
def test_it_holds_or_is_refused(document: bytes) -> None:
    before = prd.parse(document)
    try:
        after = prd.add_subtasks(before, before.tasks[0].id, ["- [ ] a part", "  - Files: `x`"])
    except RalphError:
        return
    assert [one.text for one in after.tasks if one.parent] == ["a part"]


PIECES = (
    "- [ ] a", "- [ ] b", "  - [ ] c", "  - Files: `x`", "", "text", "    more", "```", "> q", "* [ ] d",
    "1. [ ] e",
    "# H", "\t- [ ] t",
)  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=9), st.integers(0, 8))
def test_law_all_else_stays_or_it_is_refused(document: list[str], number: int) -> None:
    before = prd.parse("\n".join(document).encode())
    if not before.tasks:
        return
    chosen = before.tasks[number % len(before.tasks)]
    try:
        after = prd.add_subtasks(before, chosen.id, ["- [ ] part one", "  - Files: `x`", "- [ ] part two"])
    except RalphError:
        return
    new = [one for one in after.tasks if one.text.startswith("part ")]
    assert [one.parent for one in new] == [chosen.id] * 2
    assert [(one.id, one.text, one.fields) for one in after.tasks if one not in new] == [
        (one.id, one.text, one.fields) for one in before.tasks
    ]
    more = len(after.data) - len(before.data)
    ends = [n for n in range(len(before.data) + 1) if before.data[n:] == after.data[n + more :]]
    assert any(after.data.startswith(before.data[:n]) for n in ends)
