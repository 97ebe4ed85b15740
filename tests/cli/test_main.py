"""What people type: commands, flags, help, and the sentence for everything that goes wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from ralph.cli.main import main
from ralph.cli.registry import COMMANDS, split_command
from ralph.config import OPTIONS
from ralph.errors import Exit
from tests.conftest import Repository

Capture = pytest.CaptureFixture[str]


def ralph(*words: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "ralph", *words]
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=60, env={**os.environ, **env})


def test_help(capsys: Capture, snapshot: SnapshotAssertion) -> None:
    assert main(["--help"]) == Exit.DONE
    assert capsys.readouterr().out == snapshot


@pytest.mark.parametrize("words", [["-h"], ["run", "--help"], ["--prd", "x.md", "--help"], ["resume", "--help"]])
def test_help_of_the_loop_is_the_same_page(words: list[str], capsys: Capture) -> None:
    assert main(words) == Exit.DONE
    assert capsys.readouterr().out.startswith("Usage: ralph [--prd PRD.md]")


def test_help_fits_and_names_every_flag_that_is_built(capsys: Capture) -> None:
    main(["--help"])
    page = capsys.readouterr().out
    assert max(map(len, page.splitlines())) <= 116
    assert not [one.flag_name for one in OPTIONS.values() if one.flag
                and one.flag_name not in page]  # fmt: skip


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("run", "resume")])
def test_help_of_a_command(command: str, capsys: Capture, snapshot: SnapshotAssertion) -> None:
    assert main([command, "--help"]) == Exit.DONE
    assert capsys.readouterr().out == snapshot


def test_version() -> None:
    done = ralph("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ralph 0.1.0\n", "")


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("run", "resume")])
def test_help_of_a_command_behind_its_other_words(command: str, capsys: Capture) -> None:
    assert main([command, "x", "--banana", "-h"]) == Exit.DONE
    assert capsys.readouterr().out.startswith(f"Usage: ralph {command} [OPTIONS]")


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        ("", "run"),
        ("--prd status", "run --prd status"),
        ("run --claude", "run --claude"),
        ("status --json", "status --json"),
        ("report x", "report x"),
        ("--", "run --"),
    ],
)
def test_the_loop_needs_no_command(typed: str, means: str) -> None:
    name, words = split_command(typed.split())
    assert [name, *words] == means.split()


WRONG = {
    "flag": "--max-retry 3",
    "agent": "--cluade",
    "flag of a command": "status --jason",
    "flag without a value": "--prd",
    "flag without a value behind others": "--gate x --json --prd",
    "value of a switch": "--strict=yes",
    "value of an agent's flag": "--claude=opus",
    "flag that is cut short": "--agent-com x",
    "flag that is cut short, of a command": "retry T1 --no x",
    "short flag": "-p PRD.md",
    "negative number": "--max-tasks -1",
    "key of the file only": "--no-memory",
    "no task": "skip",
    "two tasks": "skip T1 T2",
    "flag behind --": "logs -- T1 --json",
    "command": "statsu",
    "no such command at all": "banana",
    "a file": "docs/PRD.md",
    "command behind flags": "--verbose status",
    "a PRD without its flag": "status docs/PRD.md",
    "two agents": "--claude --agent-command x",
    "format": "--format org",
    "an agent without a flag": "--gemini",
    "an unknown agent": "--agent gemini --prd tasks.md",
    "command of another program": "plan x",
    "time without a unit": "--silence 10",
    "no PRD": "status",
    "no run": "logs",
    "task that is not there": "logs T9 --prd tasks.md",
    "task that begins twice": "logs make --prd tasks.md",
    "task that was not tried": "logs 1 --prd tasks.md",
    "folder": "status --prd docs",
}


@pytest.mark.parametrize("case", WRONG)
def test_sentences(
    case: str, repo: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion
) -> None:
    repo.write({"tasks.md": "- [ ] make one\n- [ ] make two\n", "docs/x.md": ""})
    monkeypatch.chdir(repo.path)
    assert main(WRONG[case].split()) == Exit.REFUSED
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.replace(str(repo.path), "REPO") == snapshot


def test_every_command_that_is_built_is_on_the_page(capsys: Capture) -> None:
    main(["--help"])
    page = capsys.readouterr().out
    assert not [name for name in COMMANDS if name != "run" and f"\n  {name} " not in page]


def test_every_command_of_the_contract_is_known() -> None:
    contract = (
        "run demo init lint status logs report audit review explain accept retry skip pause resume stop start "
        "attach ls tail doctor clean completion notify"
    )
    assert set(contract.split()) == {*COMMANDS}


def test_outside_of_a_repository(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([]) == Exit.REFUSED
    assert "is not inside a git repository\n  Run `git init" in capsys.readouterr().err


def test_a_bug_becomes_a_log_and_a_sentence(
    repo: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> int:
        raise ZeroDivisionError("oh no")

    monkeypatch.chdir(repo.path)
    monkeypatch.setenv("MY_TOKEN", "hunter2-hunter2")
    monkeypatch.setattr("ralph.cli.commands.run.run", broken)
    assert main(["--model", "hunter2-hunter2"]) == Exit.BUG
    said = capsys.readouterr().err
    assert said.startswith("ralph: a bug of ralph's own: ZeroDivisionError: oh no\n  ")
    assert "Traceback" not in said
    (log,) = (repo.path / ".git/ralph").glob("bug-*.log")
    assert str(log) in said
    assert "in broken" in log.read_text()
    assert "hunter2" not in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_bug_outside_of_a_repository(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> int:
        raise ZeroDivisionError("oh no")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("ralph.cli.commands.status.status", broken)
    assert main(["status"]) == Exit.BUG
    (log,) = tmp_path.glob("bug-*.log")
    assert str(log) in capsys.readouterr().err


def test_ctrl_c(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("ralph.cli.commands.status.status", interrupted)
    assert main(["status"]) == Exit.INTERRUPTED
    assert capsys.readouterr().err == ""


def test_a_reader_that_goes_away_is_no_error(repo: Repository) -> None:
    repo.write({"PRD.md": "".join(f"- [ ] task {n} {'x' * 200}\n" for n in range(2000))})
    command = f"{sys.executable} -m ralph status | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=repo.path, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout == "PRD.md: 2000 open\n0\n"


def test_any_characters_can_be_shown(repo: Repository) -> None:
    repo.write({"PRD.md": "- [ ] naïve 日本 \x1b[2J\n".encode() + b"- [ ] \xff\xfe raw\n"})
    done = ralph("status", cwd=repo.path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "na?ve ??" in done.stdout
