"""Requirements that must not fall while an agent can write the PRD."""

from __future__ import annotations

import pytest

from ralph.prd.document import parse
from ralph.prd.model import Prd
from ralph.prd.requirements import missing, weakened, with_requirements

BEFORE = """# Plan

- [ ] T1 one
- [ ] T2 two
  - Check: `make two`
  - Protected: `tests/**`
  - Depends: T1
  - Files: `src/**`, `lib/**`
  - Split by ralph: yes
"""


def read(text: str) -> Prd:
    return parse(text.encode(), "PRD.md")


def without(line: str) -> Prd:
    return read(BEFORE.replace(line, ""))


LOST = {
    "  - Check: `make two`\n": "Check: make two",
    "  - Protected: `tests/**`\n": "Protected: tests/**",
    "  - Depends: T1\n": "Depends: T1",
    "  - Files: `src/**`, `lib/**`\n": "Files: src/**, lib/**",
    "  - Split by ralph: yes\n": "Split by ralph: yes",
}


@pytest.mark.parametrize("line", LOST)
def test_a_requirement_that_is_taken_out_stays(line: str) -> None:
    now = without(line)
    kept = weakened(read(BEFORE), now)
    assert list(kept) == ["T2"]
    assert missing(kept["T2"], now.tasks[1]) == (LOST[line],)
    assert with_requirements(now.tasks[1], kept["T2"]).fields == read(BEFORE).tasks[1].fields


STRONGER = [
    ("  - Check: `make two`\n", "  - Check: `make two`\n  - Check: `make three`\n"),
    ("`tests/**`", "`tests/**`, `docs/**`"),
    ("`src/**`, `lib/**`", "`src/**`"),
    ("T2 two", "T2 two, and better"),
    ("# Plan", "# The plan"),
]


@pytest.mark.parametrize(("old", "new"), STRONGER)
def test_a_task_may_require_more(old: str, new: str) -> None:
    assert not weakened(read(BEFORE), read(BEFORE.replace(old, new)))


def test_a_wider_scope_is_weaker() -> None:
    now = read(BEFORE.replace("`src/**`", "`**`"))
    kept = weakened(read(BEFORE), now)
    assert with_requirements(now.tasks[1], kept["T2"]).fields.files == ("src/**", "lib/**")


def test_a_task_that_a_person_deletes_takes_its_requirements_along() -> None:
    assert not weakened(read(BEFORE), read("# Plan\n\n- [ ] T1 one\n"))
    assert not weakened(read(BEFORE.replace("[ ] T2", "[x] T2")), read("# Plan\n\n- [ ] T1 one\n- [x] T2 two\n"))
