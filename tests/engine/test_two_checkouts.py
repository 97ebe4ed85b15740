"""Two ralphs at once in two worktrees of one repository: neither sees, moves or tidies what is the other's."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import product

import pytest

from tests.conftest import Repository, spread

PATIENCE = 120
PRD = "- [ ] T1 a\n- [ ] T2 b\n- [ ] T3 c\n"

# Each works only while an agent of the other side works at the task of the same name.
AGENT = """
touch {near}/$SIDE-$RALPH_TASK_ID
until [ -e {near}/$OTHER-$RALPH_TASK_ID ]; do sleep 0.02; done
echo $SIDE > $SIDE-$RALPH_TASK_ID.txt
git add -A && git commit -qm "$SIDE does $RALPH_TASK_ID"
touch {near}/$SIDE-$RALPH_TASK_ID-made
until [ -e {near}/$OTHER-$RALPH_TASK_ID-made ]; do sleep 0.02; done
"""


class Pair:
    """The checkout `here` on main, and the worktree `there` on a branch that is a default one nowhere."""

    def __init__(self, repo: Repository, there: str = "side") -> None:
        self.near = repo.path.parent
        self.here, self.there = repo, Repository(self.near / "there")
        repo.commit({"PRD.md": PRD}, "the project")
        repo.git("worktree", "add", "-q", "-b", there, str(self.there.path))
        (self.near / "agent.sh").write_text(AGENT.format(near=self.near))

    def begin(self, where: Repository, name: str, other: str, flags: Sequence[str]) -> subprocess.Popen[str]:
        agent = f"env SIDE={name} OTHER={other} sh {self.near / 'agent.sh'}"
        words = [sys.executable, "-m", "ralph", "--agent-command", agent, "--gate", "true", "--no-split", *flags]
        return subprocess.Popen(
            words, cwd=where.path, env=os.environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def run(self, flags: tuple[Sequence[str], Sequence[str]], *, after: str = "") -> list[tuple[int, str]]:
        """(exit code, what it said) of both; the other one starts when this file is there."""
        started = [self.begin(self.here, "here", "there", flags[0])]
        try:
            while after and not (self.near / after).exists():
                assert started[0].poll() is None
                time.sleep(0.02)
            started.append(self.begin(self.there, "there", "here", flags[1]))
            said = [one.communicate(timeout=PATIENCE)[0] for one in started]
        except subprocess.TimeoutExpired:
            for one in started:
                one.kill()
            pytest.fail("one of them did not end:\n" + "\n---\n".join(one.communicate()[0] for one in started))
        finally:
            for one in started:
                one.kill()
                one.wait()
        return [(one.returncode, text) for one, text in zip(started, said, strict=True)]


def work_of(where: Repository) -> list[str]:
    """Its own files, sorted."""
    return sorted(one.name for one in where.path.glob("*-T*.txt"))


WAYS = [(), ("--parallel", "--max-parallel", "3")]


def ways_of(ways: tuple[Sequence[str], Sequence[str]]) -> str:
    return " beside ".join(way[0].strip("-") if way else "one" for way in ways)


@pytest.mark.parametrize(
    "flags", spread(((ways,) for ways in product(WAYS, repeat=2)), daily=3, ci=2, ids=lambda one: ways_of(one[0]))
)
def test_each_does_its_own(repo: Repository, flags: tuple[Sequence[str], Sequence[str]]) -> None:
    pair = Pair(repo)
    for code, said in pair.run(flags):
        assert code == 0, said
        assert "aside" not in said, said
        assert "Other branches" not in said, said
    for where, name, branch in ((pair.here, "here", "ralph/PRD"), (pair.there, "there", "side")):
        assert where.git("symbolic-ref", "--short", "HEAD") == branch
        assert where.git("status", "--porcelain") == ""
        assert where.read("PRD.md").count("[x]") == 3
        assert work_of(where) == [f"{name}-T{n}.txt" for n in (1, 2, 3)]
        assert len(where.subjects(f"main..{branch}")) == 3
    assert [ref for ref in repo.refs() if not ref.startswith("refs/ralph/")] == [
        "refs/heads/main", "refs/heads/ralph/PRD", "refs/heads/side",
    ]  # fmt: skip
    assert not list(repo.path.rglob("*.lock"))
    assert len(repo.git("worktree", "list").splitlines()) == 2


def test_a_branch_that_the_other_works_on_is_not_taken(repo: Repository) -> None:
    """While it works HEAD stands on a scratch branch: git does not show whose the branch is."""
    pair = Pair(repo, "master")
    done = pair.run(((), ()), after="here-T1")
    assert [code for code, _ in done] == [0, 0], done
    assert sorted(ref for ref in repo.refs() if "/ralph" in ref and "heads" in ref) == [
        "refs/heads/ralph/PRD", "refs/heads/ralph/PRD-2",
    ]  # fmt: skip
