"""A person repaired the tree after a crash: ralph touches nothing until it is told what to do with the files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.upgrade.test_upgrade import RECORDINGS, Recorded, bystander, number

__all__ = ["bystander"]
CUT_OFF = next(one for one in RECORDINGS if number(one) == "serial-working")  # the agent had written half.txt
OWN = frozenset(("repo/.git/ralph/lock", "repo/.git/ralph/journal.jsonl"))  # ralph was here, and said so


@pytest.fixture
def repaired(tmp_path: Path, bystander: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """Killed while the agent worked; long after that a person edits a file."""
    play = Recorded(CUT_OFF, tmp_path / "recorded", bystander.pid, monkeypatch)
    play.repo.write({"README.md": "# Repaired by a person\n"})
    return play


def test_nothing_is_touched(repaired: Recorded) -> None:
    before, refs = repaired.everything(), repaired.repo.git("for-each-ref")
    events = [line["event"] for line in repaired.journal()]
    for _ in range(2):
        done = repaired.go_on()
        assert done.returncode == 2, done.stdout + done.stderr
        assert "files changed since: README.md\n" in done.stderr, "only what a person changed is named"
        assert "`ralph resume --set-aside`" in done.stderr
        assert "`ralph resume --keep`" in done.stderr
    after = repaired.everything()
    assert {name for name in {*before, *after} if before.get(name) != after.get(name)} <= OWN
    assert repaired.repo.git("for-each-ref") == refs
    assert [line["event"] for line in repaired.journal()] == [*events, "continued", "noted", "noted"]


def test_set_aside_keeps_all_of_it_in_a_ref_and_goes_on(repaired: Recorded) -> None:
    done = repaired.go_on("resume", "--set-aside")
    assert (repaired.boxes(), done.returncode) == ("xx", 0), done.stdout + done.stderr
    assert repaired.repo.read("README.md") == "# A project\n"
    assert not (repaired.repo.path / "half.txt").exists()
    (held,) = (ref for ref in repaired.repo.refs() if ref.endswith("/1/work"))
    assert repaired.repo.git("show", f"{held}:README.md") == "# Repaired by a person"
    assert repaired.repo.git("show", f"{held}:half.txt") == "half"
    repaired.check_invariants()
    repaired.check_work()


def test_keep_leaves_the_files_as_they_are(repaired: Recorded) -> None:
    """The next step is the person's: what is not committed is in the way of the next attempt, and ralph says so."""
    done = repaired.go_on("resume", "--keep")
    assert repaired.repo.read("README.md") == "# Repaired by a person\n"
    assert repaired.repo.read("half.txt") == "half\n"
    assert (repaired.boxes(), done.returncode) == ("..", 2), done.stdout + done.stderr
    repaired.repo.git("commit", "-q", "-a", "-m", "repaired")
    done = repaired.go_on()
    assert (repaired.boxes(), done.returncode) == ("xx", 0), done.stdout + done.stderr
    assert repaired.repo.read("README.md") == "# Repaired by a person\n"
    repaired.check_work()


def test_what_the_agent_left_is_no_repair(repaired: Recorded) -> None:
    """The file that a person edited is as old as the agent's: no question is asked."""
    path = repaired.repo.path / "half.txt"
    os.utime(repaired.repo.path / "README.md", ns=(path.stat().st_mtime_ns, path.stat().st_mtime_ns))
    assert repaired.go_on().returncode == 0
