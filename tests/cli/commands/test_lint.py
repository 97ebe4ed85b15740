"""`ralph lint`: remarks with their lines, about this repository, and an exit code for scripts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from ralph.agents.selection import parse_choice
from ralph.cli.main import main
from ralph.errors import Exit
from tests.conftest import Repository

Capture = pytest.CaptureFixture[str]

RISKY = """\
# Calculator

## Now

- [ ] T1 Improve performance
- [ ] T2 Let calc.py divide, too
  - Check: `python3 calc.py | tee log`
- [ ] T3 Log in with Google, GitHub etc.
  - Fils: `src/**`
  - Verify: Everybody can log in

## Ideas

- [~] Show the year
- [ ] A clock
  - Files: `scr/clock.py`
"""
WRONG = """\
- [ ] T1 Add a clock
  - Depends: T7
  - Agent: nobody
- [ ] T2 Add a calendar
  - Files: `legal/terms.md`
  - Agent: codex
"""


@pytest.fixture
def here(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    repo.commit({"calc.py": "print(1)\n", "src/page.py": "", "legal/terms.md": "", "PRD.md": RISKY})
    monkeypatch.chdir(repo.path)
    return repo


@pytest.fixture
def only_git(here: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No program is on PATH but git: no agent is installed."""
    git = shutil.which("git")
    assert git is not None
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").symlink_to(git)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    parse_choice.cache_clear()


def rules(capsys: Capture, *words: str) -> list[tuple[str, str]]:
    """Severity and rule of each remark; the counts and the exit code agree."""
    capsys.readouterr()
    code = main(["lint", "--json", *words])
    found = json.loads(capsys.readouterr().out)
    severities = [one["severity"] for one in found["remarks"]]
    assert (found["errors"], found["warnings"]) == (severities.count("error"), severities.count("warning"))
    assert code == (Exit.PARKED if found["errors"] else Exit.DONE)
    return [(one["severity"], one["rule"]) for one in found["remarks"]]


def test_what_is_risky(here: Repository, capsys: Capture, snapshot: SnapshotAssertion) -> None:
    assert main(["lint"]) == Exit.DONE
    assert capsys.readouterr().out == snapshot


def test_what_a_run_would_refuse(
    here: Repository, capsys: Capture, snapshot: SnapshotAssertion, only_git: None
) -> None:
    here.write({"plans/next.md": WRONG, "CLAUDE.md": "# Rules\n\n## Do Not Touch\n\n- plans/legal/\n"})
    assert main(["lint", "plans/next.md"]) == Exit.PARKED
    assert capsys.readouterr().out == snapshot


def test_nothing_to_complain_about(here: Repository, capsys: Capture) -> None:
    here.write({"PRD.md": "- [ ] T1 Add a clock to the page\n  - Check: `test -f clock.py`\n- [x] T2 Misc\n"})
    assert main(["lint", "--prd", "PRD.md"]) == Exit.DONE
    assert capsys.readouterr().out == "PRD.md: 1 task to do, nothing to complain about.\n"


def test_settings_of_the_repository_count(here: Repository, capsys: Capture) -> None:
    here.write({"PRD.md": "- [ ] T1 Add a clock to the page\n"})
    assert rules(capsys) == [("warning", "unproved")]
    here.write({"ralph.toml": 'gate = "make test"\nstrict = true\n'})
    assert rules(capsys) == [("error", "no-files")]
    here.write({"PRD.md": "- [ ] T1 Add a clock to the page\n  - Files: `src/**`\n"})
    here.write({"ralph.toml": 'gate = "make test"\nprotected = ["src/page.py"]\n'})
    assert rules(capsys) == [("error", "protected")]


def test_checks_run_where_ralph_was_started(
    here: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.write({"PRD.md": "- [ ] T1 Let page.py print a line\n  - Check: `python3 page.py`\n"})
    assert rules(capsys) == []
    monkeypatch.chdir(here.path / "src")
    assert rules(capsys, "../PRD.md") == [("warning", "own-script")]


def test_a_prd_that_git_ignores(here: Repository, capsys: Capture) -> None:
    here.write({".gitignore": "todo.md\n", "todo.md": "- [ ] T1 Add a clock\n  - Check: `make test`\n"})
    assert rules(capsys, "todo.md") == [("error", "place")]


def test_outside_of_a_repository(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "PRD.md").write_text("- [ ] T1 Improve performance\n  - Files: `scr/a.py`\n")
    assert rules(capsys) == [("warning", "unproved"), ("warning", "vague")]


def test_a_prd_elsewhere(here: Repository, tmp_path: Path, capsys: Capture) -> None:
    other = tmp_path / "other.md"
    other.write_text("- [ ] T1 Add a clock\n  - Check: `make test`\n")
    assert rules(capsys, str(other)) == [("error", "place")]


def test_no_prd(here: Repository, capsys: Capture) -> None:
    assert main(["lint", "nothing.md"]) == Exit.REFUSED
    assert "there is no PRD" in capsys.readouterr().err


def test_control_characters_never_reach_the_terminal(here: Repository, capsys: Capture) -> None:
    here.write({"PRD.md": "- [ ] Support a\x1b[31m, b etc.\n"})
    assert main(["lint"]) == Exit.DONE
    assert "\x1b" not in capsys.readouterr().out
