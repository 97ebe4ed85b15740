"""Files that git ignores are kept out of the gates' way, and are back afterwards, also after a kill."""

from __future__ import annotations

import signal

import pytest

from tests.conftest import Repository
from tests.engine.test_stories import Play

AGENT = "mkdir -p src/lib; echo ok > src/lib/util.txt; echo main > main.txt"
STORY = {"prd": "- [ ] T1 both\n", "files": {".gitignore": "lib/\n"}, "agent": AGENT}
KILLS = """test -e main.txt || exit 0
test -e src/lib/util.txt && exit 0
test -e ../killed && exit 1
touch ../killed; kill -9 $(grep -o '"pid": *[0-9]*' .git/ralph/journal.jsonl | grep -o '[0-9]*' | head -1)
sleep 60"""


def test_a_killed_run_puts_them_back(repo: Repository) -> None:
    it = Play(repo, STORY)
    gate = repo.path.parent / "gate.sh"
    gate.write_text(KILLS)
    cut = it.ralph("--max-retries", "0", "--gate", f"sh {gate}")
    assert cut.returncode == -signal.SIGKILL, cut.stdout + cut.stderr
    assert not (repo.path / "src").exists()
    done = it.ralph("--max-retries", "0", "--gate", f"sh {gate}")
    assert repo.read("src/lib/util.txt") == "ok\n", done.stdout
    assert (it.boxes(), it.attempts()) == ("p", 1), done.stdout
    it.check_invariants()


def test_files_that_the_gates_do_not_need_stay(repo: Repository) -> None:
    it = Play(repo, STORY)
    times = repo.path.parent / "times"
    done = it.ralph("--gate", f"echo . >> {times}")
    assert (it.boxes(), repo.read("src/lib/util.txt")) == ("x", "ok\n"), done.stdout
    assert len(times.read_text().split()) == 3, "before the first agent, on the work, and without the ignored file"


def test_what_one_gate_was_green_without_is_not_tried_again(repo: Repository) -> None:
    it = Play(repo, {**STORY, "prd": "- [ ] T1 a\n- [ ] T2 b\n", "agent": AGENT + "; date > $RALPH_TASK_ID.txt"})
    times = repo.path.parent / "times"
    done = it.ralph("--gate", f"echo . >> {times}")
    assert it.boxes() == "xx", done.stdout
    assert len(times.read_text().split()) == 4


def test_in_a_fresh_worktree_there_is_nothing_to_keep_away(repo: Repository) -> None:
    it = Play(repo, {**STORY, "files": {".gitignore": "lib/\n", "ralph.toml": 'gates_in = "clean"\n'}})
    done = it.ralph("--max-retries", "0", "--gate", "test ! -e main.txt || grep -q ok src/lib/util.txt")
    assert it.boxes() == "p", done.stdout
    assert "git ignores" not in done.stdout


@pytest.mark.parametrize("flags", [(), ("--isolate",)])
def test_a_copy_of_a_protected_file_is_not_kept(repo: Repository, flags: tuple[str, ...]) -> None:
    story = {"prd": "- [ ] T1 one\n  - Protected: `.env`\n", "files": {".gitignore": ".env\n"}, "agent": "good"}
    it = Play(repo, {**story, "untracked": {".env": "KEY=a-real-value\n"}})
    assert it.ralph(*flags).returncode == 0
    assert it.boxes() == "x"
    inside = [path for path in (repo.path / ".git").rglob("*") if path.is_file()]
    assert not [path for path in inside if b"a-real-value" in path.read_bytes()]


def test_a_word_of_a_gate_that_is_too_long_for_a_name_is_no_file(repo: Repository) -> None:
    it = Play(
        repo, {"prd": "- [ ] T1 one\n", "files": {"gate.sh": f"true; {'x' * 5000} || true\n"}, "agent": "good"}
    )
    done = it.ralph("--gate", "sh gate.sh", "--gate", f"true || {'y' * 5000}")
    assert it.boxes() == "x", done.stdout + done.stderr
