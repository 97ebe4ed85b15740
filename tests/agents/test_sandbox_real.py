"""The real Claude Code and Codex in the sandbox: they work, commit, and write where they keep their own files.

Claude replaces `~/.claude.json` (counters, caches) by a new file, which a mounted one refuses: it goes on without.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ralph.agents import sandbox
from ralph.agents.model import LaunchRequest
from ralph.agents.registry import get
from tests.conftest import Repository
from tests.helpers.modelserver import ModelServer, shell, text, write
from tests.helpers.realclients import require

HOMES = {"claude": ("$CLAUDE_CONFIG_DIR", ".claude", ".claude.json"), "codex": ("$CODEX_HOME", ".codex")}
LIMIT = 120  # seconds: generous, the machine is shared


@pytest.mark.real
@pytest.mark.skipif(bool(sandbox.available()), reason=sandbox.available() or "-")
@pytest.mark.parametrize("name", ["claude", "codex"])
def test_a_real_agent_works_in_the_sandbox(name: str, repo: Repository, tmp_path: Path) -> None:
    client = require(name)
    steps = [
        write("one.txt", "work\n", "I begin."),
        shell("git add -A && git commit -qm one; git config core.pager ./evil; echo x > ~/stray"),
        text("It is done."),
    ]
    with ModelServer(steps) as server:
        home = tmp_path / "client"
        env = client.environment(home, server.url)
        (home / ".claude").mkdir(exist_ok=True)
        (home / ".claude.json").write_text("{}")
        launch = get(name).launch(LaunchRequest((str(client.binary),), as_root=os.geteuid() == 0))
        git = repo.path / ".git"
        argv = sandbox.wrap(
            launch.argv, {**env, **launch.env}, root=repo.path, here=repo.path, git_dir=git, common=git,
            home_paths=HOMES[name], extra=(), tmp=git / "ralph/tmp/1",
        )  # fmt: skip
        done = subprocess.run(
            [*server.inside, *argv], cwd=repo.path, env={**env, **launch.env}, input="do it", text=True,
            capture_output=True, timeout=LIMIT, check=False,
        )  # fmt: skip
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert repo.subjects() == ["one", "start"], told
    assert "core.pager" not in repo.git("config", "--list", "--local")
    assert not (home / "stray").exists()
    if name == "claude":
        assert list((home / ".claude/projects").rglob("*.jsonl")), "its own record of the conversation"
