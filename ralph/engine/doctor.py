"""`ralph doctor`: checks of the machine and the repository. They change nothing and spend no tokens."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from ralph.agents import registry as agents
from ralph.agents import sandbox
from ralph.agents.selection import find_agent
from ralph.config import load
from ralph.engine.startup import find_memory
from ralph.errors import RalphError
from ralph.git import ref_names
from ralph.git.client import Git, GitError
from ralph.git.repository import Repo, discover
from ralph.immutable import immutable
from ralph.memory import file as memory
from ralph.process.logout import ends_at_logout
from ralph.process.tmux import INSTALL
from ralph.text import clean, one_line
from ralph.verify import gates

LITTLE, HARDLY = 5_000_000_000, 500_000_000  # bytes of free space
Level = Literal["ok", "warning", "problem"]


@immutable
class DoctorFinding:
    """One line: the subject of the check, its state, and the cure if there is a problem."""

    level: Level
    what: str
    said: str
    cure: str = ""


def examine(here: Path) -> Iterator[DoctorFinding]:
    """Yield the findings of all checks. Without a repository, yield those of the machine only."""
    yield of_system(os.uname().sysname, os.uname().release)
    yield DoctorFinding("ok", "python", sys.version.split()[0])
    yield from _tools()
    yield from _logout()
    try:
        repo = discover(here)
        settings = load(repo.root, {})
    except RalphError as error:
        yield DoctorFinding("problem", "repository", clean(error.what), clean(error.now))
        yield from _agents("")
        return
    git = Git(repo)
    yield DoctorFinding("ok", "repository", clean(str(repo.root)))
    yield _identity(git)
    try:
        chosen = find_agent(settings)[0].NAME
        yield from _agents(chosen)
    except RalphError as error:
        yield DoctorFinding("problem", "agent", error.what, error.now)
        yield from _agents("")
    yield from _gates(here, settings.gate)
    try:
        yield from _memory(repo, find_memory(settings, repo.root))
    except RalphError as error:
        yield DoctorFinding("problem", "memory", error.what, error.now)
    yield _disk(repo.root)
    yield from _leftovers(git)


# ---------------------------------------------------------------- the machine


def of_system(name: str, release: str) -> DoctorFinding:
    """Return the limits of ralph on this operating system."""
    if name == "Linux":
        return DoctorFinding("ok", "system", f"Linux {release}: what an agent starts ends with it")
    kind = {"Darwin": "macOS"}.get(name, name)
    lacks = "a daemon that leaves its parent may outlive its agent, agents have no /dev/tty and no sandbox"
    return DoctorFinding(
        "warning", "system", f"{kind}, kernel {release}: {lacks}", "On Linux, or in WSL, all of it holds."
    )


def _tools() -> Iterator[DoctorFinding]:
    git = _version("git", "--version")
    yield (
        DoctorFinding("ok", "git", git)
        if git
        else DoctorFinding("problem", "git", "not found", "Install git 2.31 or newer.")
    )
    tmux = _version("tmux", "-V")
    yield DoctorFinding("ok", "tmux", tmux) if tmux else DoctorFinding("warning", "tmux", "not found", INSTALL)
    problem, _, cure = sandbox.available().partition(". ")
    yield (
        DoctorFinding("warning", "bubblewrap", problem, cure)
        if problem
        else DoctorFinding("ok", "bubblewrap", "agents can be sandboxed")
    )


def _logout() -> Iterator[DoctorFinding]:
    """Yield a warning if a run started here would end at logout."""
    if warning := ends_at_logout(os.getpid()):
        problem, cure = warning
        yield DoctorFinding("warning", "logout", f"of a run that is started here: {problem}", cure)


def _version(program: str, flag: str) -> str:
    """Return the version that the program reports, or "" if it is missing."""
    try:
        done = subprocess.run([program, flag], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return one_line(clean(done.stdout)).removeprefix(f"{program} ").removeprefix("version ")


def _agents(chosen: str) -> Iterator[DoctorFinding]:
    """Yield a finding for each installed agent. The login state is a guess, so at most a warning."""
    for agent in agents.ADAPTERS:
        if not agent.PROGRAM or not shutil.which(agent.PROGRAM):
            continue
        name = f"{agent.NAME}{' (the one that works)' if chosen == agent.NAME else ''}"
        match agent.login(os.environ, lambda path: (Path.home() / path).exists()):
            case False:
                yield DoctorFinding("warning", name, "no trace of a login", agent.CURE)
            case True:
                yield DoctorFinding("ok", name, "seems logged in")
            case None:
                yield DoctorFinding("ok", name, "installed; its login can't be told from here")


def _disk(root: Path) -> DoctorFinding:
    free = shutil.disk_usage(root).free
    level: Level = "problem" if free < HARDLY else "warning" if free < LITTLE else "ok"
    cure = "" if level == "ok" else "Make room: worktrees, logs and build folders need it."
    return DoctorFinding(level, "disk", f"{free / 1e9:.1f} GB free", cure)


# ---------------------------------------------------------------- the repository


def _identity(git: Git) -> DoctorFinding:
    try:
        author = git.repo("var", "GIT_AUTHOR_IDENT").decode(errors="replace").rpartition(" <")[0]
    except GitError:
        author = ""
    if author:
        return DoctorFinding("ok", "identity", clean(author))
    cure = "Run `git config --global user.name 'Your Name'` and `git config --global user.email you@example.org`."
    return DoctorFinding("problem", "identity", "git does not know who commits", cure)


def _gates(here: Path, configured: tuple[str, ...] | None) -> Iterator[DoctorFinding]:
    commands = [gate.command for gate in gates.detect_gates(here)] if configured is None else list(configured)
    missing = gates.missing(here) if configured is None else ()
    for other_missing in missing:
        yield DoctorFinding("problem", "gates", clean(other_missing.what), clean(other_missing.cure))
    if commands:
        yield DoctorFinding("ok", "gates", one_line(clean(", ".join(commands))))
    elif not missing:
        yield DoctorFinding(
            "warning", "gates", "none found: only git is looked at", "Add tests, or name one with --gate."
        )


def _memory(repo: Repo, name: str) -> Iterator[DoctorFinding]:
    path = repo.root / name
    if not name or not path.is_file():
        yield DoctorFinding("ok", "memory", f"{name} is made with the first task" if name else "switched off")
        return
    data = path.read_bytes()
    if memory.conflicted(data):
        yield DoctorFinding("problem", "memory", f"{name}: a merge left its conflict markers", "Resolve them.")
    elif why := memory.unwritable(data):
        yield DoctorFinding(
            "warning", "memory", f"{name} gets no queue and no log. {why}", "Close it, or make it smaller."
        )
    else:
        yield DoctorFinding("ok", "memory", f"{name}, {len(data):,} bytes")


def _leftovers(git: Git) -> Iterator[DoctorFinding]:
    """Yield leftovers of a killed run or of another tool called ralph."""
    wip = [name for name in git.refs() if name.startswith(ref_names.SCRATCH)]
    if wip:
        yield DoctorFinding("warning", "leftovers", f"{len(wip)} scratch branches of ralph's (ralph-wip/)",
                    "The next `ralph` takes away those of a run that was cut off.")  # fmt: skip
    places = [path.name for path in (git.where.common / "worktrees").glob("ralph-*")]
    if places:
        yield DoctorFinding("warning", "leftovers", f"{len(places)} worktrees of a run that goes on or was cut off",
                    "`ralph status` tells which; the next `ralph` takes them away.")  # fmt: skip
    for name in (".ralph", ".ralphrc"):
        if (git.where.root / name).exists():
            yield DoctorFinding(
                "warning",
                "leftovers",
                f"{name} belongs to another tool called ralph: it is not read",
                "Leave it, or remove it if nobody uses that tool.",
            )
