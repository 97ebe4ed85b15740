"""The stash list belongs to people: what agents take from it comes back, and none of it is committed unreported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import pytest

from tests.conftest import Repository, spread
from tests.engine.parallel.test_loop import Parallel
from tests.engine.test_stories import Play

MODES = [(), ("--isolate",)]
TASK = "- [ ] T1 make one\n"
OWN = "echo work > w.txt; "
TAKES = {
    "pop": "git stash pop -q",
    "stash and pop with a clean tree": "git stash -q; git stash pop -q",
    "pop the oldest": "git stash pop -q stash@{2}",
    "pop, and edit it": "git stash pop -q; echo more >> mine.txt",
    "pop, and commit it": "git stash pop -q; git add -A; git commit -qm all",
    "a branch from it": "git stash branch idea >&2; git add -A; git commit -qm idea",
    "apply, then drop": "git stash apply -q; git stash drop -q",
    "apply, then clear, then gc": "git stash apply -q; git stash clear; git gc -q --prune=now",
    "apply": "git stash apply -q",
    "apply by id": "git stash apply -q $(git rev-parse stash@{1})",
    "the file of it": "git checkout -q stash@{0} -- mine.txt",
}
HONEST = {
    "its own work, stashed and popped": "echo work > w.txt; git add -A; git stash -q; git stash pop -q",
    "with untracked files": "echo work > w.txt; git stash -q -u; git stash pop -q",
    "on a branch": "git switch -qc own; echo work > w.txt; git stash -qu; git stash pop -q; git switch -q -",
    "a look at the list": "git stash list; git stash show -p stash@{0}; echo work > w.txt",
    "work in the same file": "sed -i '1s/.*/first line of the task/' mine.txt",
    "one line in common with a longer entry": "echo 'import os and more' >> long.txt; echo other >> long.txt",
}
DROPS = {
    "clear": "git stash clear",
    "clear and gc": "git stash clear; git reflog expire --expire=now --all; git gc -q --prune=now",
    "drop the one in the middle": "git stash drop -q stash@{1}",
    "drop the newest": "git stash drop -q",
    "drop all, and stash its own twice": "git stash clear; for n in a b; do echo $n > $n.txt; git stash -qu; done",
}


def play(repo: Repository, does: str, prd: str = TASK) -> Play:
    """A checkout with three stash entries of the user: the middle one of an untracked file, with a message."""
    files = {"mine.txt": "first line\nbase\n", "long.txt": "base\n"}
    it = Play(repo, {"prd": prd, "files": files, "agent": does})
    long = "import os and more\nclass First\ndef second\ndef third\n"
    repo.write({"long.txt": f"base\n{long}"})
    repo.git("stash", "-q")
    repo.write({"new.txt": "an untracked idea\n"})
    repo.git("stash", "push", "-q", "-u", "-m", "the: middle one")
    repo.write({"mine.txt": "first line\nbase\nhalf an idea\n"})
    repo.git("stash", "-q")
    return it


def listed(repo: Repository) -> list[str]:
    return repo.git("stash", "list", "--format=%H %gn %ge %gs").splitlines()


@pytest.mark.parametrize(("takes", "flags"), spread(product(TAKES, MODES), daily=6, ci=2))
def test_what_came_from_a_users_entry_is_in_no_task(repo: Repository, takes: str, flags: tuple[str, ...]) -> None:
    it = play(repo, f"{TAKES[takes]}; {OWN}")
    before, times = listed(repo), repo.git("reflog", "--date=raw", "refs/stash")
    done = it.ralph("--gate", "true", "--max-retries", "0", *flags)
    assert it.boxes() == "p", done.stdout
    assert done.returncode == 1
    assert listed(repo) == before
    assert repo.git("reflog", "--date=raw", "refs/stash") == times
    assert "The stash entry" in done.stdout
    assert "half an idea" not in repo.git("log", "-p")
    repo.git("fsck", "--strict")
    repo.git("gc", "-q", "--prune=now")
    assert repo.git("show", "stash@{1}^3:new.txt") == "an untracked idea"
    assert not [ref for ref in repo.refs() if ref.endswith("/stash") and ref != "refs/stash"]


@pytest.mark.parametrize(("drops", "flags"), spread(product(DROPS, MODES), daily=6, ci=2))
def test_what_an_agent_drops_comes_back_and_what_it_adds_stays(
    repo: Repository, drops: str, flags: tuple[str, ...]
) -> None:  # fmt: skip
    it = play(repo, f"{DROPS[drops]}; {OWN}")
    before = listed(repo)
    done = it.ralph("--gate", "true", "--max-retries", "0", *flags)
    assert (it.boxes(), done.returncode) == ("x", 0), done.stdout
    assert listed(repo)[-3:] == before
    assert len(listed(repo)) == (5 if "its own" in drops else 3)
    assert "vanished from the stash list" in done.stdout
    assert ("New in the stash list" in done.stdout) == ("its own" in drops)
    repo.git("gc", "-q", "--prune=now")
    repo.git("stash", "apply", "-q", f"stash@{{{len(listed(repo)) - 2}}}")
    assert repo.read("new.txt") == "an untracked idea\n"


@pytest.mark.parametrize(("honest", "flags"), spread(product(HONEST, MODES), daily=6, ci=2))
def test_honest_work_beside_a_full_stash_list_is_accepted_without_a_word(
    repo: Repository, honest: str, flags: tuple[str, ...]
) -> None:  # fmt: skip
    it = play(repo, HONEST[honest])
    before = listed(repo)
    done = it.ralph("--gate", "true", "--max-retries", "0", *flags)
    assert (it.boxes(), done.returncode) == ("x", 0), done.stdout
    assert "stash" not in done.stdout.replace(str(repo.path.parent), "")
    assert listed(repo) == before


def test_some_lines_of_an_entry_that_is_still_there_are_reported_and_do_not_reject(repo: Repository) -> None:
    it = play(repo, "printf 'import os and more\\nclass First\\ndef second\\n' >> long.txt")
    done = it.ralph("--gate", "true", "--max-retries", "0")
    assert (it.boxes(), done.returncode) == ("x", 0), done.stdout
    assert "is partly in the work: long.txt" in done.stdout


def test_a_task_that_names_the_stash_may_use_it(repo: Repository) -> None:
    it = play(repo, "git stash pop -q", "- [ ] T1 finish what is in the stash\n")
    before = listed(repo)
    done = it.ralph("--gate", "true", "--max-retries", "0")
    assert (it.boxes(), done.returncode) == ("x", 0), done.stdout
    assert "half an idea" in repo.git("show", "HEAD:mine.txt")
    assert listed(repo) == before


@pytest.mark.parametrize("flags", MODES)
def test_an_agent_may_pop_what_an_earlier_try_at_the_same_task_left(
    repo: Repository, flags: tuple[str, ...]
) -> None:  # fmt: skip
    does = "if [ $RALPH_ATTEMPT = 1 ]; then echo work > w.txt; git stash -q -u; else git stash pop -q; fi"
    it = play(repo, does)
    before = listed(repo)
    done = it.ralph("--gate", "true", *flags)
    assert (it.boxes(), done.returncode) == ("x", 0), done.stdout
    assert "the work is only in a stash" in done.stdout
    assert repo.git("show", "HEAD:w.txt") == "work"
    assert listed(repo)[-3:] == before


def test_what_another_task_left_in_a_stash_is_not_work_of_the_next(repo: Repository) -> None:
    does = "if [ $RALPH_TASK_ID = T1 ]; then echo one > w.txt; git stash -q -u; else git stash pop -q; fi"
    it = Play(repo, {"agent": does})
    done = it.ralph("--gate", "true", "--max-retries", "0")
    assert it.boxes() == "pp", done.stdout
    assert len(listed(repo)) == 1


@pytest.mark.parametrize("flags", MODES)
@pytest.mark.parametrize("leaves", ["git add -A; git stash -q", "git stash -q -u", "git stash -q -u; exit 1"])
def test_work_that_is_only_in_a_stash_is_no_work(repo: Repository, leaves: str, flags: tuple[str, ...]) -> None:
    it = Play(repo, {"prd": TASK, "agent": f"echo work > w.txt; {leaves}"})
    done = it.ralph("--gate", "true", "--max-retries", "0", *flags)
    assert (it.boxes(), done.returncode) == ("p", 1), done.stdout
    assert "the work is only in a stash" in done.stdout
    assert "New in the stash list since T1 started: stash@{0}" in done.stdout
    assert repo.git("show", "stash@{0}^3:w.txt" if "-u" in leaves else "stash@{0}:w.txt") == "work"


def test_a_persons_untracked_file_that_an_agent_stashes_is_back_where_it_was(repo: Repository) -> None:
    it = Play(repo, {"prd": TASK, "untracked": {"notes/mine.txt": "mine\n"}, "agent": f"git stash -q -u; {OWN}"})
    (repo.path / "notes/mine.txt").chmod(0o600)
    done = it.ralph("--gate", "true", "--max-retries", "0")
    assert (it.boxes(), done.returncode) == ("x", 0), done.stdout
    assert repo.read("notes/mine.txt") == "mine\n"
    assert (repo.path / "notes/mine.txt").stat().st_mode & 0o777 == 0o600
    assert repo.git("status", "--porcelain") == "?? notes/"
    assert len(listed(repo)) == 1


@pytest.mark.parametrize("flags", MODES)
def test_a_ralph_that_was_killed_while_the_stash_was_empty_puts_it_back(
    repo: Repository, flags: tuple[str, ...]
) -> None:  # fmt: skip
    near = repo.path.parent
    empties = f"git stash clear; git gc -q --prune=now; touch {near}/cleared; sleep 600"
    does = f"[ -e {near}/again ] || {{ {empties}; }}; {OWN}"
    it = play(repo, does)
    before = listed(repo)
    words = ["--agent-command", f"sh {it.agent}", "--gate", "true", *flags]
    killed = subprocess.Popen(
        [sys.executable, "-m", "ralph", *words], cwd=repo.path, start_new_session=True, stdout=subprocess.DEVNULL
    )
    _until(near / "cleared")
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert listed(repo) == []
    (near / "again").touch()
    done = it.ralph("--gate", "true", *flags)
    assert done.returncode == 0, done.stdout
    assert listed(repo) == before
    repo.git("gc", "-q", "--prune=now")
    assert repo.git("show", "stash@{1}^3:new.txt") == "an untracked idea"


# ---------------------------------------------------------------- several at once

SWAP = """
work > /dev/null; near=$NEAR/s-$RALPH_TASK_ID
case $RALPH_TASK_ID in T1) other=$NEAR/s-T2;; *) other=$NEAR/s-T1;; esac
wait_for() { until [ -e $1 ]; do sleep 0.02; done; }
if try_is 1; then
  together 2
  [ $RALPH_TASK_ID = T1 ] || wait_for $NEAR/s-T1
  git stash -q -u; touch $near; wait_for $NEAR/s-T2
  [ $RALPH_TASK_ID = T1 ] || wait_for $NEAR/popped
  git stash pop -q; touch $NEAR/popped
fi
"""
TWO = "- [ ] T1 a\n- [ ] T2 b\n"


def test_two_agents_that_pop_each_others_stash_get_nothing_accepted_for_it(repo: Repository) -> None:
    it = Parallel(repo, {"prd": TWO, "agent": SWAP})
    code, said = it.run()
    assert (it.boxes(), code) == ("xx", 0), said
    assert said.count("was popped into the work") >= 2
    for task in ("T1", "T2"):
        commit = repo.git("log", "--format=%H", f"--grep=^Ralph-Task: {task}$")
        assert f"{task}.txt" in repo.git("show", "--name-only", "--format=", commit).splitlines()
    assert repo.git("stash", "list") == ""


def test_an_agent_whose_stash_another_one_popped_hears_of_it_and_its_work_is_kept(repo: Repository) -> None:
    does = """
    if try_is 1 && [ $RALPH_TASK_ID = T1 ]; then work; git stash -q -u; touch $NEAR/there
      until [ -e $NEAR/taken ]; do sleep 0.02; done; git stash pop -q; true
    elif try_is 1; then until [ -e $NEAR/there ]; do sleep 0.02; done; git stash pop -q; touch $NEAR/taken; work
    else work; fi
    """
    it = Parallel(repo, {"prd": TWO, "agent": does})
    code, said = it.run()
    assert (it.boxes(), code) == ("xx", 0), said
    assert "was popped into the work" in said
    assert "the work is only in a stash" in said
    saved = [ref for ref in repo.refs() if "/saved/stash/" in ref]
    assert [repo.git("show", f"{ref}^3:T1.txt") for ref in saved] == ["work of T1"]


def test_agents_that_stash_and_pop_one_after_the_other_are_left_alone(repo: Repository) -> None:
    does = "work; flock $NEAR/turn sh -c 'git stash -q -u && git stash pop -q'; together 2"
    it = Parallel(repo, {"prd": TWO, "agent": does})
    repo.write({"PRD.md": TWO + "\nA note.\n"})
    repo.git("stash", "-q")
    before = listed(repo)
    code, said = it.run()
    assert (it.boxes(), code) == ("xx", 0), said
    assert "stash" not in said.replace(str(it.near), "")
    assert listed(repo) == before


def test_the_entry_of_an_agent_that_goes_on_is_not_put_back_by_one_that_began_meanwhile(repo: Repository) -> None:
    does = """
    wait_for() { until [ -e $NEAR/$1 ]; do sleep 0.02; done; }
    case $RALPH_TASK_ID in
      T1) work; git stash -q -u; touch $NEAR/stashed; wait_for third; git stash pop -q; touch $NEAR/popped;;
      T2) wait_for stashed; work;;
      T3) touch $NEAR/third; wait_for popped; work;;
    esac
    """
    prd = "- [ ] T1 a\n- [ ] T2 b\n- [ ] T3 c\n  - Depends: T2\n"
    it = Parallel(repo, {"prd": prd, "agent": does})
    code, said = it.run()
    assert (it.boxes(), code) == ("xxx", 0), said
    assert "stash" not in said.replace(str(it.near), "")
    assert listed(repo) == []


def test_attempts_that_end_at_the_same_time_put_each_entry_back_once(repo: Repository) -> None:
    four = "".join(f"- [ ] T{n} a\n" for n in range(1, 5))
    it = Parallel(repo, {"prd": four, "agent": "together 4; git stash clear; work"})
    for n in range(6):
        repo.write({"PRD.md": f"{four}{n}\n"})
        repo.git("stash", "push", "-q", "-m", f"number {n}")
    before = listed(repo)
    code, said = it.run()
    assert (it.boxes(), code) == ("xxxx", 0), said
    assert listed(repo) == before
    repo.git("fsck", "--strict")


def _until(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
