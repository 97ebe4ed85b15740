"""`ralph` as people and scripts see it: lines, JSON, quiet, the summary, exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from ralph.errors import Exit
from tests.conftest import Repository

PRD = "- [ ] T1 make one\n- [ ] T2 make two\n"
AGENT = 'echo "$RALPH_TASK_ID" > "$RALPH_TASK_ID.txt"; printf "made \\033[31m%s\\n" "$RALPH_TASK_ID"\n'


@pytest.fixture
def project(repo: Repository) -> Repository:
    repo.commit({"PRD.md": PRD, "gate.sh": "test ! -e T2.txt\n"}, "the project")
    (repo.path.parent / "agent.sh").write_text(AGENT)
    return repo


def ralph(project: Repository, *flags: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    agent = project.path.parent / "agent.sh"
    argv = [sys.executable, "-m", "ralph", "--agent-command", f"sh {agent}", *flags]
    return subprocess.run(argv, cwd=cwd or project.path, capture_output=True, text=True, timeout=120)


def steady(text: str, project: Repository) -> str:
    text = re.sub(r"\d\d:\d\d:\d\d ", "", text).replace(str(project.path), "REPO")
    text = re.sub(r"\d+\.\d+s|\b\d+s\b", "TIME", text)
    text = re.sub(r"about [\d.]+k? tokens", "about N tokens", text)
    text = re.sub(r"\d{8}-\d{6}-[0-9a-f]{4}", "RUN", text)
    return re.sub(r"\b[0-9a-f]{7}\b", "COMMIT", text)


def test_lines_and_summary(project: Repository, snapshot: SnapshotAssertion) -> None:
    done = ralph(project, "--gate", "sh gate.sh", "--max-retries", "1")
    assert (done.returncode, done.stderr) == (Exit.PARKED, "")
    assert steady(done.stdout, project) == snapshot


def test_json_on_stdout_and_the_summary_on_stderr(project: Repository) -> None:
    done = ralph(project, "--json", "--max-tasks", "1")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["event"] for one in found if one["event"] in ("run started", "recorded", "run ended")] == [
        "run started", "recorded", "run ended",
    ]  # fmt: skip
    assert all(isinstance(one["time"], float) for one in found)
    assert "Summary: " in done.stderr
    assert done.returncode == Exit.STOPPED


def test_quiet_shows_only_the_summary(project: Repository) -> None:
    done = ralph(project, "--quiet")
    assert done.stdout.startswith("\nSummary: ")
    assert (done.returncode, done.stderr) == (Exit.DONE, "")


def test_nothing_to_do(project: Repository) -> None:
    project.commit({"PRD.md": PRD.replace("[ ]", "[x]")}, "all done")
    done = ralph(project)
    assert done.returncode == Exit.DONE
    assert project.subjects()[0] == "all done"


def test_the_configuration_is_read_and_a_flag_beats_it(project: Repository) -> None:
    project.commit({"ralph.toml": 'max-tasks = 1\ngate = ["true"]\nprd = "PRD.md"\n', "sub/x": ""}, "settings")
    assert ralph(project, cwd=project.path / "sub").returncode == Exit.STOPPED
    assert ralph(project, "--max-tasks", "9").returncode == Exit.DONE


def test_a_refusal_is_two_lines_and_changes_nothing(project: Repository) -> None:
    before = project.refs()
    done = ralph(project, "--gate", "exit 7")
    assert done.returncode == Exit.REFUSED
    assert "gates are red before the first task: exit 7" in done.stderr
    assert (project.refs(), project.git("status", "--porcelain")) == (before, "")


def test_a_reader_that_goes_away_does_not_stop_the_run(project: Repository) -> None:
    agent = project.path.parent / "agent.sh"
    command = f"{sys.executable} -m ralph --agent-command 'sh {agent}' | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=project.path, capture_output=True, text=True, timeout=120)
    assert (done.stdout.splitlines()[-1], done.stderr) == ("0", "")
    assert project.read("PRD.md") == PRD.replace("[ ]", "[x]")


def test_on_a_terminal_it_has_colours(project: Repository) -> None:
    import pexpect

    argv = ["-m", "ralph", "--agent-command", f"sh {project.path.parent}/agent.sh"]
    terminal: pexpect.spawn[bytes] = pexpect.spawn(
        sys.executable, argv, cwd=str(project.path), env={**os.environ, "TERM": "xterm-256color"}, timeout=120
    )
    shown = terminal.read()
    terminal.close()
    assert terminal.exitstatus == Exit.DONE
    assert b"\x1b[32mdone\x1b[0m     T1 is commit" in shown
    assert b"\x1b[31m" not in shown  # that is the agent's own
