"""The sandbox: what an agent in it can write, what it keeps, and that nothing outlives it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ralph.agents import sandbox
from ralph.agents.model import Stopped, StopReason
from ralph.errors import RalphError
from ralph.process import tree
from tests.conftest import Repository
from tests.helpers.families import AGENTS, GENEROUS, After, Desk, survivors, wait_until

WHY_NOT = sandbox.available()
inside = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "-")
HOME = (".agent", ".agent.json", "$AGENT_HOME")

# what may be written from inside: yes, no, or "own" (it can be written, and outside nothing is seen of it)
WRITABLE = """
yes {repo}/README.md
yes {repo}/new.txt
yes {repo}/.git/COMMIT_EDITMSG
yes {home}/.agent/state
yes {home}/.agent.json
yes {home}/elsewhere/state
yes {home}/.cache/tool
yes {base}/added/file
own /tmp/private-{pid}
own /var/tmp/private-{pid}
own {base}/new
own /dev/shm/private-{pid}
no  {repo}/.git/config
no  {repo}/.git/hooks/pre-commit
no  {repo}/.git/info/exclude
no  {repo}/.git/ralph/journal.jsonl
no  {home}/.bashrc
no  {home}/.gitconfig
no  {home}/new
no  {base}/other/file
no  /etc/ralph-test-{pid}
no  /usr/ralph-test-{pid}
"""


@dataclass
class Box:
    """A repository, a home folder, and a way to run a script in the sandbox on a real terminal."""

    repo: Repository
    home: Path
    desk: Desk
    env: Mapping[str, str]
    git_dir: Path
    common: Path
    extra: list[str] = field(default_factory=list)
    here: Path | None = None

    def argv(self, *words: str) -> tuple[str, ...]:
        return sandbox.wrap(
            words, {**os.environ, **self.env}, root=self.repo.path, here=self.here or self.repo.path,
            git_dir=self.git_dir, common=self.common, home_paths=HOME, extra=self.extra,
            tmp=self.common / "ralph/tmp/1",
        )  # fmt: skip

    def run(self, script: str) -> Stopped:
        return self.desk.run(self.argv("sh", "-c", script), env=self.env, cwd=self.repo.path)


def made(tmp_path: Path, home: Path, repo: Repository) -> Box:
    (repo.path / ".git/ralph").mkdir()
    for name in ("journal.jsonl",):
        (repo.path / ".git/ralph" / name).write_text("kept\n")
    for name in (".agent", "elsewhere", ".cache"):
        (home / name).mkdir()
    for name in (".agent.json", ".bashrc"):
        (home / name).write_text("mine\n")
    for name in ("added", "other", "desk"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("mine\n")
    git = repo.path / ".git"
    env = {"AGENT_HOME": str(home / "elsewhere")}
    return Box(repo, home, Desk(tmp_path / "desk"), env, git, git, [str(tmp_path / "added")])


@pytest.fixture
def box(tmp_path: Path, sealed: Path, repo: Repository) -> Box:
    return made(tmp_path, sealed, repo)


@pytest.fixture(autouse=True)
def reaped() -> Iterator[None]:
    yield
    tree.end_descendants(time.monotonic() + 5)


@inside
def test_what_can_be_written(box: Box, tmp_path: Path) -> None:
    names = {"repo": box.repo.path, "home": box.home, "base": tmp_path, "pid": os.getpid()}
    rows = [line.format(**names).split(None, 1) for line in WRITABLE.strip().splitlines()]
    end = box.run("; ".join(f"(echo xx >> '{path}') 2>/dev/null && echo yes || echo no" for _, path in rows))
    found = [_outside(Path(path), wrote) for wrote, (_, path) in zip(end.tail.split(), rows, strict=True)]
    assert list(zip(found, rows, strict=True)) == [(row[0], row) for row in rows]


def _outside(path: Path, wrote: str) -> str:
    """What became of a write, seen from outside."""
    there = path.is_file() and path.read_bytes().endswith(b"xx\n")
    return "own" if wrote == "yes" and not there else "yes" if there else "no"


@inside
def test_the_real_tmp_is_out_of_sight_but_for_what_is_named(box: Box, tmp_path: Path) -> None:
    """The test itself lies below /tmp, like many a repository and many a program in CI."""
    with tempdir_beside(tmp_path) as other:
        end = box.run(f"ls {other.parent}; cat {box.home}/.bashrc; echo left > /tmp/mark; cat README.md")
        assert other.name not in end.tail
    assert "mine" in end.tail, "$HOME is named by the environment"
    assert "# A project" in end.tail
    assert not Path("/tmp/mark").exists()
    assert (box.common / "ralph/tmp/1/mark").read_text() == "left\n"


class tempdir_beside:  # noqa: N801
    """A folder in the real /tmp that nothing names."""

    def __init__(self, _: Path) -> None:
        self.path = Path(f"/tmp/sandbox-unnamed-{os.getpid()}")

    def __enter__(self) -> Path:
        self.path.mkdir()
        return self.path

    def __exit__(self, *_: object) -> None:
        self.path.rmdir()


COMMIT = "echo work > one.txt && git add one.txt && git commit -q -m one && git branch mine && git status --short"


@inside
@pytest.mark.parametrize("folder", ["plain", "with a blank", 'ünïcode \'n "quotes"'])
def test_an_agent_can_commit(tmp_path: Path, sealed: Path, folder: str) -> None:
    repo = Repository(tmp_path / folder)
    repo.path.mkdir()
    repo.git("init", "-q")
    repo.commit({"README.md": "# A project\n"}, "start")
    box = made(tmp_path, sealed, repo)
    end = box.run(COMMIT)
    assert end.well, end.tail
    assert repo.subjects("mine") == ["one", "start"]
    assert repo.git("fsck") == ""


@inside
def test_an_agent_can_commit_in_a_linked_worktree(box: Box, tmp_path: Path) -> None:
    repo = box.repo
    repo.git("worktree", "add", "-q", "-b", "linked", str(tmp_path / "linked tree"))
    box.repo = Repository(tmp_path / "linked tree")
    box.git_dir = repo.path / ".git/worktrees/linked tree"
    end = box.run(f"{COMMIT} && echo x > .git || echo kept; echo x > {repo.path}/README.md")
    assert repo.subjects("mine") == ["one", "start"], end.tail
    assert "kept" in end.tail
    assert repo.read("README.md") == "# A project\n", "the other checkout"
    assert repo.git("status", "--porcelain") == ""


@inside
@pytest.mark.parametrize(
    "script",
    ["git config core.fsmonitor ./evil", "mv .git old && git init -q", "rm -rf .git", "mv .git/hooks .git/h",
     "rm .git/config", "ln -sf /tmp/evil .git/config", "mount -o remount,rw /", "mount -t tmpfs x .git/hooks",
     "mknod disk b 254 0 && dd if=disk of=/dev/null count=1", "unshare -Urm mount -o remount,rw,bind .git/hooks"],
)  # fmt: skip
def test_what_git_acts_on_stays(box: Box, script: str) -> None:
    before = (box.common / "config").read_bytes(), sorted((box.common / "hooks").iterdir())
    end = box.run(f"{script} 2>&1")
    assert end.code != 0, end.tail
    assert ((box.common / "config").read_bytes(), sorted((box.common / "hooks").iterdir())) == before


@inside
def test_the_terminal_the_environment_and_the_folder_are_the_agents(box: Box) -> None:
    box.here = box.repo.path / "sub"
    box.here.mkdir()
    end = box.run(
        "test -t 1 && test -t 2 && stty size < /dev/tty && echo to the terminal > /dev/tty && "
        'echo "$AGENT_HOME" && '
        "pwd && grep -cE 'Sig(Blk|Ign):.0*(180000000)?$' /proc/self/status && echo $$"
    )
    lines = end.tail.splitlines()
    assert lines[:2] == ["50 200", "to the terminal"]
    assert lines[2:4] == [box.env["AGENT_HOME"], str(box.here)]
    assert int(lines[4]) == 2, "none is ignored or blocked but the C library's 32 and 33"
    assert int(lines[5]) < 10, "its own process numbers"


@inside
def test_the_prompt_is_its_standard_input(box: Box) -> None:
    end = box.desk.run(box.argv("cat"), prompt=b"do this\n", cwd=box.repo.path)
    assert end.tail == "do this"


@inside
def test_the_network_is_there(box: Box) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        program = f"printf hello > /dev/tcp/127.0.0.1/{port}"
        end = box.desk.run(box.argv("/bin/bash", "-c", program), cwd=box.repo.path)
        assert end.well, end
        server.settimeout(GENEROUS)
        connection, _ = server.accept()
        with connection:
            assert connection.recv(9) == b"hello"


@inside
@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 3", 3), ("exit 128", 128), ("exit 255", 255)])
def test_the_exit_code_comes_through(box: Box, script: str, code: int) -> None:
    end = box.run(script)
    assert sandbox.exit_code(end.code) == code


@inside
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_the_signal_that_ended_it_comes_through(box: Box, number: signal.Signals) -> None:
    assert sandbox.exit_code(box.run(f"kill -{number.value} $$").code) == -number


@inside
def test_nothing_outlives_the_agent(box: Box) -> None:
    word = f"30{os.getpid()}"
    end = box.run(
        f"(setsid sleep {word} &); env -i setsid sh -c 'trap \"\" TERM HUP; sleep {word}; sleep {word}' & "
        f"nohup sleep {word} >/dev/null 2>&1 & sleep 0.2; echo done"
    )
    assert end.well
    assert end.seconds < 5
    assert survivors(word) == []


@inside
def test_a_stubborn_agent_is_ended_with_all_it_started(box: Box) -> None:
    word = f"31{os.getpid()}"
    stop = After(lambda: bool(survivors(word)))
    script = f"trap '' TERM HUP INT; setsid sleep {word} & sleep {word}; sleep {word}"
    end = box.desk.run(box.argv("sh", "-c", script), cwd=box.repo.path, stop=stop)
    assert end.why is StopReason.INTERRUPTED
    assert time.monotonic() - stop.at < 3
    assert survivors(word) == []


@inside
def test_it_ends_when_whoever_started_it_is_killed(box: Box) -> None:
    word = f"32{os.getpid()}"
    argv = box.argv("sh", "-c", f"env -i setsid sleep {word} & sleep {word}")
    parent = subprocess.Popen([sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])", *argv])
    assert wait_until(lambda: len(survivors(word)) >= 2)
    parent.kill()
    parent.wait()
    assert wait_until(lambda: not survivors(word))


@inside
def test_what_an_agent_floods_and_forks_stays_in_there(box: Box) -> None:
    end = box.desk.run(box.argv(sys.executable, "-S", str(AGENTS / "many.py")), cwd=box.repo.path, silence=2.0)
    assert end.why in (StopReason.EXITED, StopReason.SILENT)
    assert survivors(str(AGENTS / "many.py")) == []


def test_auto_is_off_and_on_refuses_where_there_is_no_bubblewrap(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    sandbox.available.cache_clear()
    try:
        assert not sandbox.wanted("auto")
        assert not sandbox.wanted("off")
        assert sandbox.sandbox_notice("auto", tmp_path).startswith(
            "NO SANDBOX: bubblewrap was not found. Install it"
        )
        with pytest.raises(RalphError, match="bubblewrap was not found") as refused:
            sandbox.wanted("on")
        assert refused.value.code == 2
        assert "apt install bubblewrap" in refused.value.now
    finally:
        sandbox.available.cache_clear()


def test_a_bubblewrap_that_may_not_is_told_with_a_cure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    sandbox.available.cache_clear()
    try:
        assert "can't make a sandbox here: setting up uid map: Permission denied. " in sandbox.available()
        with pytest.raises(RalphError, match="uid map: Permission denied\n") as refused:
            sandbox.wanted("on")
        assert "user namespaces" in refused.value.now
    finally:
        sandbox.available.cache_clear()


@inside
def test_with_bubblewrap_auto_is_on(tmp_path: Path) -> None:
    assert shutil.which("bwrap")
    assert sandbox.wanted("auto")
    assert sandbox.wanted("on")
    assert sandbox.sandbox_notice("off", tmp_path) == ""
    assert sandbox.sandbox_notice("auto", tmp_path).startswith("Sandbox: bubblewrap.")


def test_what_ralph_toml_adds_must_exist(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    assert sandbox.extra_paths(["here", "~/here", str(tmp_path)], tmp_path, tmp_path) == (
        tmp_path / "here", tmp_path / "here", tmp_path,
    )  # fmt: skip
    with pytest.raises(RalphError, match="`~/none` in sandbox_paths does not exist"):
        sandbox.extra_paths(["~/none"], tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("code", "own"), [(None, None), (0, 0), (1, 1), (128, 128), (137, -9), (143, -15), (255, 255), (-15, -15)]
)
def test_exit_codes(code: int | None, own: int | None) -> None:
    assert sandbox.exit_code(code) == own
