"""`ralph init`: three files that work as they are written, and nothing that was there is touched."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from ralph.cli.main import main
from ralph.config import MAX_COST, MAX_TOKENS, OPTIONS, Settings, load
from ralph.config_values import checked
from ralph.errors import Exit
from ralph.prd import document as prd
from ralph.prd.model import Task
from tests.conftest import Repository

Capture = pytest.CaptureFixture[str]
TEMPLATE = Path(__file__).parents[3] / "templates" / "starter" / "ralph.toml"
FILES = ("PRD.md", "CLAUDE.md", "ralph.toml")


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with git and the shell, and with whatever a test adds."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


@pytest.fixture
def here(repo: Repository, programs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    monkeypatch.chdir(repo.path)
    yield repo
    assert repo.refs() == ["refs/heads/main"] or not repo.refs()


def install(programs: Path, name: str) -> None:
    program = programs / name
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)


def test_three_files_and_what_to_do_next(
    here: Repository, programs: Path, capsys: Capture, snapshot: SnapshotAssertion
) -> None:
    install(programs, "claude")
    install(programs, "make")
    here.commit({"Makefile": "test:\n\ttrue\n"})
    assert main(["init"]) == Exit.DONE
    assert capsys.readouterr().out == snapshot
    assert {name: here.read(name) for name in FILES} == snapshot
    settings = load(here.path, {})
    assert (settings.agent, settings.gate) == ("claude", ("make test",))
    assert here.git("status", "--porcelain").split() == ["??", "CLAUDE.md", "??", "PRD.md", "??", "ralph.toml"]


def test_what_it_wrote_has_nothing_to_complain_about(here: Repository, capsys: Capture) -> None:
    main(["init"])
    capsys.readouterr()
    assert main(["lint"]) == Exit.DONE
    assert capsys.readouterr().out == "PRD.md: 2 tasks to do, nothing to complain about.\n"


def test_the_checks_of_the_examples_hold_when_they_are_done(here: Repository) -> None:
    main(["init"])
    first, second = prd.parse((here.path / "PRD.md").read_bytes()).tasks

    def green(task: Task) -> bool:
        return all(subprocess.run(["sh", "-c", one], cwd=here.path, check=False).returncode == 0
                   for one in task.fields.checks)  # fmt: skip

    here.write({"hello.txt": "Hello\n"})
    assert not green(first)
    here.write({"hello.txt": "Hello, world\n"})
    assert green(first)
    assert not green(second)
    here.write({"hello.txt": "Hello, world\nBonjour, le monde\n"})
    assert green(first)
    assert green(second)


def test_the_defaults_in_the_file_are_the_defaults() -> None:
    told = [
        tomllib.loads(line[2:]) for line in TEMPLATE.read_text().splitlines() if re.match(r"# [a-z-]+ = ", line)
    ]
    names = [key.replace("-", "_") for one in told for key in one]
    assert len(names) > 10
    values = {
        name: checked(OPTIONS[name], next(iter(one.values())), None) for name, one in zip(names, told, strict=True)
    }
    default = Settings()
    elsewhere = {"max_cost": MAX_COST, "max_tokens": MAX_TOKENS}
    assert values == {name: elsewhere.get(name, getattr(default, name)) for name in names}


# ---------------------------------------------------------------- what is there already


def test_nothing_is_overwritten(here: Repository, capsys: Capture) -> None:
    mine = {"PRD.md": "- [ ] mine\n", "AGENTS.md": "# mine\n", "ralph.toml": "max-retries = 1\n"}
    here.write(mine)
    assert main(["init"]) == Exit.DONE
    assert {name: here.read(name) for name in mine} == mine
    assert not (here.path / "CLAUDE.md").exists()
    out = capsys.readouterr().out
    assert [line.split()[:2] for line in out.splitlines()[:3]] == [
        ["left", "PRD.md"], ["left", "AGENTS.md"], ["left", "ralph.toml"],
    ]  # fmt: skip
    assert "git add" not in out


def test_a_second_time_nothing_changes(here: Repository) -> None:
    main(["init"])
    before = {name: here.read(name) for name in FILES}
    assert main(["init"]) == Exit.DONE
    assert {name: here.read(name) for name in FILES} == before


def test_links_inside_are_followed_and_links_outside_refused(here: Repository, capsys: Capture) -> None:
    (here.path / "PRD.md").symlink_to("plan.md")
    assert main(["init"]) == Exit.DONE
    assert here.read("plan.md") == here.read("PRD.md")
    (here.path / "PRD.md").unlink()
    (here.path / "PRD.md").symlink_to("../outside.md")
    assert main(["init"]) == Exit.REFUSED
    assert "lies outside the repository" in capsys.readouterr().err
    assert not (here.path.parent / "outside.md").exists()


def test_settings_in_pyproject_are_not_hidden_by_a_new_file(here: Repository, capsys: Capture) -> None:
    here.write({"pyproject.toml": '[tool.ralph]\nprd = "plans/next.md"\nmemory = false\n'})
    assert main(["init"]) == Exit.DONE
    assert not (here.path / "ralph.toml").exists()
    assert not (here.path / "CLAUDE.md").exists()
    assert here.read("plans/next.md").startswith("# What to build")
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()[:2]] == [
        ["wrote", "plans/next.md"], ["left", "pyproject.toml"],
    ]  # fmt: skip


# ---------------------------------------------------------------- agents and places


def test_the_agent_that_was_asked_for(here: Repository, programs: Path) -> None:
    install(programs, "claude")
    install(programs, "codex")
    assert main(["init", "--codex"]) == Exit.DONE
    assert load(here.path, {}).agent == "codex"


def test_an_agent_that_is_not_installed(here: Repository, capsys: Capture) -> None:
    assert main(["init", "--agent", "codex"]) == Exit.REFUSED
    assert "codex was not found on PATH" in capsys.readouterr().err
    assert not any((here.path / name).exists() for name in FILES)


def test_no_agent_and_no_gates(here: Repository, capsys: Capture) -> None:
    assert main(["init"]) == Exit.DONE
    assert "no agent found on PATH; no gates found" in capsys.readouterr().out
    settings = load(here.path, {})
    assert (settings.agent, settings.gate, settings.given) == ("", None, frozenset())


def test_tests_that_can_not_run_are_named(
    here: Repository, programs: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (programs / "git").symlink_to(shutil.which("git") or "")
    monkeypatch.setenv("PATH", str(programs))
    here.write({"package.json": '{"scripts": {"test": "node t.js"}}'})
    assert main(["init"]) == Exit.DONE
    said = "no gates found: add what runs your tests; package.json has a test script, but `npm` is not on PATH"
    assert said in capsys.readouterr().out


def test_gates_with_odd_characters(here: Repository, programs: Path) -> None:
    install(programs, "npm")
    here.write({"package.json": '{"scripts": {"test": "node t.js", "lint": "x"}}'})
    main(["init"])
    assert load(here.path, {}).gate == ("npm test", "npm run lint")


@pytest.mark.usefixtures("programs")
def test_a_repository_without_a_commit(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = Repository(tmp_path / "empty")
    empty.path.mkdir()
    empty.git("init", "-q")
    monkeypatch.chdir(empty.path)
    assert main(["init"]) == Exit.DONE
    assert "git add -A && git commit -m start" in capsys.readouterr().out
    empty.git("add", "-A")
    empty.git("commit", "-q", "-m", "start")
    assert main(["lint"]) == Exit.DONE


def test_from_a_folder_below(here: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    (here.path / "src").mkdir()
    monkeypatch.chdir(here.path / "src")
    assert main(["init"]) == Exit.DONE
    assert all((here.path / name).exists() for name in FILES)
    assert f"  cd {here.path}\n" in capsys.readouterr().out


def test_outside_of_a_repository(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == Exit.REFUSED
    assert "git init" in capsys.readouterr().err
    assert not (tmp_path / "PRD.md").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_can_not_be_written(here: Repository, capsys: Capture) -> None:
    here.path.chmod(0o500)
    assert main(["init"]) == Exit.REFUSED
    here.path.chmod(0o700)
    assert "can't be written" in capsys.readouterr().err
