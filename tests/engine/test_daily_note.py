"""Runs that stand in the daily note: seen while they go on, gone afterwards, and never in the way of anything."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ralph.errors import Exit
from ralph.git.client import Git
from ralph.git.poll import polling
from ralph.git.repository import discover
from ralph.memory import daily_note as daily
from tests.conftest import Repository
from tests.engine.test_stories import LIMIT, Play

PRD = "- [ ] T1 make one\n  - Files: `T1.txt`\n"
HAND = f"# Today\n\nBought milk.\n\n## {daily.TITLE}\n\n- backup, by hand\n"
SEEING = 'cat memory/*.md > "$0.seen"\n'
LINE = re.compile(
    r"^- ralph \(pid \d+\), since \d\d:\d\d\. To start it again: `cd (\S+) && ralph .*`$", re.MULTILINE
)


def today() -> str:
    return daily.path(datetime.now(UTC))


def play(repo: Repository, agent: str = "", **story: object) -> Play:
    """An agent that keeps what it saw of the note, then works."""
    made = Play(repo, {"prd": PRD, "agent": f"{SEEING}{agent}\ngood", **story})
    repo.commit({"ralph.toml": "daily-notes = true\n"}, "settings")
    return made


def seen(made: Play) -> str:
    return Path(f"{made.agent}.seen").read_text()


@pytest.mark.parametrize(
    "flags", [(), pytest.param(("--parallel",), marks=pytest.mark.slow)], ids=["one", "parallel"]
)
def test_it_is_listed_while_it_goes_on(repo: Repository, flags: tuple[str, ...]) -> None:
    made = play(repo, agent=f"cd {repo.path}; cat memory/*.md > $0.seen; cd -" if flags else "")
    done = made.ralph(*flags)
    assert done.returncode == Exit.DONE, done.stdout
    text = seen(made)
    assert text.startswith("# 20")
    assert f"\n\n## {daily.TITLE}\n\n- ralph (pid " in text
    found = LINE.search(text)
    assert found is not None
    assert found[1] == str(repo.path)
    assert not (repo.path / "memory").exists()
    assert "memory" not in repo.git("log", "--all", "--name-only", "--format=")
    assert repo.git("status", "--porcelain") == ""


def test_a_note_that_git_tracks_is_as_before_but_for_what_a_person_wrote(repo: Repository) -> None:
    """Nobody is blamed for the note, it is in no commit, and the next run is not refused."""
    note = today()
    made = play(repo, agent=f"echo by hand >> {note}", files={note: HAND})
    done = made.ralph()
    assert done.returncode == Exit.DONE, done.stdout
    assert "- backup, by hand\n- ralph (pid " in seen(made)
    assert repo.read(note) == HAND + "by hand\n"
    assert repo.git("show", f"HEAD:{note}") + "\n" == HAND
    assert repo.git("status", "--porcelain") == f"M {note}"
    repo.write({"PRD.md": repo.read("PRD.md") + "- [ ] T2 make two\n"})
    assert made.ralph().returncode == Exit.DONE
    assert repo.read(note) == HAND + "by hand\nby hand\n"


@pytest.mark.slow
def test_what_attempts_leave_is_taken_back_and_the_note_stays(repo: Repository) -> None:
    note = today()
    made = Play(repo, {"prd": PRD, "agent": f"echo by hand >> {note}; echo x > T9.txt", "untracked": {note: HAND}})
    repo.write({"ralph.toml": "daily-notes = true\n"})
    assert made.ralph("--max-retries", "0").returncode == Exit.PARKED
    assert repo.read(note) == HAND + "by hand\n"
    assert not (repo.path / "T9.txt").exists()


@pytest.mark.slow
def test_a_note_that_becomes_ignored_is_not_hidden_work(repo: Repository) -> None:
    made = play(repo, agent="echo memory/ > .gitignore", prd="- [ ] T1 make one\n")
    done = made.ralph("--max-retries", "0")
    assert done.returncode == Exit.DONE, done.stdout
    assert repo.git("show", "HEAD:.gitignore") == "memory/"


def test_a_run_that_was_killed_leaves_its_line_and_the_next_one_takes_it_out(repo: Repository) -> None:
    made = Play(repo, {"prd": PRD, "agent": 'test -e "$0.again" && good && exit; touch "$0.again"; sleep 60'})
    repo.commit({"ralph.toml": "daily-notes = true\n", today(): HAND}, "settings")
    words = [sys.executable, "-m", "ralph", "--agent-command", f"sh {made.agent}"]
    with subprocess.Popen(words, cwd=repo.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + LIMIT
        while not Path(f"{made.agent}.again").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    (note,) = (repo.path / "memory").iterdir()
    assert LINE.search(note.read_text())
    note.write_text(note.read_text() + "\nDied, at some time.\n")
    os.utime(note, (time.time() + 3600,) * 2)  # a person came an hour later
    done = made.ralph()
    assert done.returncode == Exit.DONE, done.stdout
    assert note.read_text() == HAND + "\nDied, at some time.\n"


def test_no_line_goes_through_a_link(repo: Repository, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    repo.path.joinpath("memory").symlink_to(tmp_path / "elsewhere")
    repo.commit({"PRD.md": "- [x] one\n", "ralph.toml": "daily-notes = true\n"})
    words = [sys.executable, "-m", "ralph", "--agent-command", "true"]
    done = subprocess.run(words, cwd=repo.path, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == Exit.DONE
    assert f"{today()} is left alone: it is a link, or lies behind one." in done.stdout + done.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_look_at_what_an_agent_changes_does_not_see_it(repo: Repository) -> None:
    repo.commit({"kept.md": "one\n"})
    git = Git(discover(repo.path))
    git.freeze()
    git.tree("read-tree", git.sha("HEAD"))
    repo.write({"kept.md": "two\n", "new.md": "x", "mine.md": "x"})
    git.unseen = frozenset({"kept.md", "new.md"})
    with polling(git, every=0.0) as looker:
        deadline, found = time.monotonic() + LIMIT, None
        while found is None and time.monotonic() < deadline:
            found = looker.poll()
    assert found is not None
    assert "mine.md" in found
    assert not {"kept.md", "new.md"} & set(found)
