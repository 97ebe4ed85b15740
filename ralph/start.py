"""Before the first task: find everything, refuse with a cure what can't work, and only then change anything.

The steps of `STEPS` are questions; none of them changes the repository. What they find is one `Run`.
"""

from __future__ import annotations

import os
import secrets as random
import shlex
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ralph import agents, paper
from ralph.config import Settings
from ralph.core import plan, prd, sensitive
from ralph.core.life import replay
from ralph.errors import RalphError
from ralph.events import Event, Noted, RunStarted
from ralph.judging import run_gates, take_back_writes
from ralph.model import Prd
from ralph.run import Run, Stop
from ralph.system import examine, gates, journal, lock, record
from ralph.system.git import Git, discover
from ralph.system.snapshot import fill, lend_index, refresh, scan, split
from ralph.system.undo import OPERATIONS

DEFAULT_BRANCHES = ("main", "master", "trunk")


@contextmanager
def open_run(settings: Settings, cwd: Path, tell: Callable[[Event], None]) -> Iterator[Run]:
    """A run that may begin: locked, recovered, checked, on its branch. RalphError (exit 2) where it may not."""
    repo = discover(cwd)
    path = find_prd(settings, cwd, repo.root)
    with lock.hold(repo.state / "lock"), Stop().listening() as stop:
        run = _assemble(settings, cwd, tell, Git(repo), path, stop)
        try:
            _wake(run)
            yield run
        finally:
            run.journal.close()
            shutil.rmtree(repo.state / "tmp", ignore_errors=True)


def find_prd(settings: Settings, cwd: Path, root: Path) -> str:
    """The PRD's path in the repository."""
    asked = cwd / settings.prd
    if asked.is_dir():
        raise RalphError(
            f"{settings.prd} is a folder", "Name a Markdown file with checkboxes: `ralph --prd PRD.md`."
        )
    if not asked.exists():
        cure = "Write one (a line `- [ ] what to do` is enough), or name another file with `--prd PATH`."
        raise RalphError(f"{settings.prd} was not found", cure)
    real = asked.resolve()
    try:
        return str(real.relative_to(root.resolve()))
    except ValueError:
        cure = "Copy it into the repository: its history is where the ticks are proven."
        raise RalphError(f"{settings.prd} lies outside the repository {root}", cure) from None


def _assemble(settings: Settings, cwd: Path, tell: Callable[[Event], None], git: Git, path: str, stop: Stop) -> Run:
    kept, entries, said = journal.open_for(git.where.state / "journal.jsonl", "")
    history = replay((entry.time, entry.run, entry.event) for entry in entries if entry.event is not None)
    cut_off = history.run
    git.freeze(again=cut_off is None, caches=sensitive.CACHES)
    kept.run = cut_off.run if cut_off else f"{time.strftime('%Y%m%d-%H%M%S')}-{random.token_hex(2)}"
    agent, program = find_agent(settings)
    run = Run(
        settings=settings, id=kept.run, git=git, here=cwd, papers=record.Papers(git), agent=agent, program=program,
        paths=examine.Papers(path, find_memory(settings, git.where.root)), branch="", journal=kept, tell=tell,
        history=history, stop=stop,
    )  # fmt: skip
    if said:
        tell(Noted(said, loud=True))
    return run


def find_memory(settings: Settings, root: Path) -> str:
    """CLAUDE.md, else an AGENTS.md that is there; a link inside the repository is followed. "": switched off."""
    if not settings.memory:
        return ""
    name = next((one for one in ("CLAUDE.md", "AGENTS.md") if (root / one).exists()), "CLAUDE.md")
    try:
        return str((root / name).resolve().relative_to(root.resolve()))
    except ValueError:
        cure = "Put a file there, or switch the memory off (`memory = false` in ralph.toml)."
        raise RalphError(f"{name} is a link that leads out of the repository", cure) from None


def find_agent(settings: Settings) -> tuple[agents.Agent, tuple[str, ...]]:
    """The agent's adapter and the words of its program."""
    if settings.agent_command:
        return agents.get("command"), _program(tuple(shlex.split(settings.agent_command)))
    if settings.agent:
        agent = agents.get(settings.agent)
        found = shutil.which(agent.PROGRAM)
        if found is None:
            raise RalphError(f"{agent.PROGRAM} was not found on PATH", f"Install it: {agent.INSTALL}")
        return agent, (found,)
    for agent in agents.AGENTS.values():
        if agent.PROGRAM and (found := shutil.which(agent.PROGRAM)):
            return agent, (found,)
    names = ", ".join(agent.PROGRAM for agent in agents.AGENTS.values() if agent.PROGRAM)
    cure = "Install one, or name any program with `--agent-command CMD`. `ralph demo` needs none."
    raise RalphError(f"no agent was found on PATH (looked for {names})", cure)


def _program(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words:
        raise RalphError("--agent-command is empty", "Name a program: `--agent-command './agent.sh --fast'`.")
    if shutil.which(words[0]) is not None:
        return words
    what = "is not executable" if Path(words[0]).exists() else "was not found"
    raise RalphError(
        f"the agent's program {words[0]} {what}", "Look at --agent-command; `chmod +x` makes a file executable."
    )


# ---------------------------------------------------------------- waking up


def _wake(run: Run) -> None:
    """First what a killed run left, then the questions, then the first change that people see."""
    cut_off = run.history.run
    if cut_off is not None:
        _recover(run, cut_off)
    now = _checked_prd(run)
    if not any(task.leaf and not task.done for task in now.tasks) and cut_off is None:
        run.branch, run.tip = run.git.head()
        return
    for question in STEPS:
        question(run)
    fill(run.git, run.git.head()[1])
    refresh(run.git)
    refuse_dirty(run)
    if cut_off is None:
        _ask_gates(run, now)
        take_branch(run)
    else:
        run.branch, run.tip = run.git.head()
        run.gates = run.found_gates()
    _begin(run, now, resumed=cut_off is not None)


def _recover(run: Run, cut_off: RunStarted) -> None:
    from ralph import loop

    run.branch = f"refs/heads/{cut_off.branch}"
    run.tip = run.git.sha(run.branch)
    loop.recover(run)


def _checked_prd(run: Run) -> Prd:
    data = run.papers.read(run.paths.prd)
    now = prd.parse(data or b"", run.settings.prd)
    prd.check(now, run.settings.prd)
    return now


def _begin(run: Run, now: Prd, *, resumed: bool) -> None:
    home = run.home or run.branch.removeprefix("refs/heads/")
    commands = tuple(gate.command for gate in run.gates)
    branch = run.branch.removeprefix("refs/heads/")
    lines = tuple(said(run, now))
    agent = run.agent.NAME
    run.note(RunStarted(run.id, branch, home, run.tip, run.paths.prd, agent, os.getpid(), commands, lines, resumed))
    tracked = run.git.blob_at(run.tip, run.paths.prd)
    paper.commit_hand_edit(run, now.data, "docs(prd): edited by hand" if tracked else "docs(prd): add")
    if run.paths.memory:
        known = run.git.blob_at(run.tip, run.paths.memory)
        paper.commit_memory_edit(run, "docs(memory): edited by hand" if known else "docs(memory): add")


def said(run: Run, now: Prd) -> list[str]:
    """The first lines of a run: defaults taken, and what they mean."""
    settings = run.settings
    money = f"${run.max_cost:g}" if run.max_cost is not None else ""
    tokens = f"{run.max_tokens:,} tokens" if run.max_tokens is not None else ""
    limits = [money, tokens, f"{settings.max_time / 3600:g} h", f"{settings.max_iterations} attempts"]
    lines = [f"Limits: {', '.join(part for part in limits if part)}; {settings.max_retries} retries for each task."]
    lines.append(
        "What is edited here while an agent works is judged with its work; the PRD may be edited at any time."
    )
    if not run.gates:
        lines.append(
            "NO GATES: no tests or linters were found, so only git is looked at. Add some, or name one with --gate."
        )
    if near := len(now.near_misses):
        lines.append(
            f"{near} lines look like tasks and are none (line {now.near_misses[0].line}: {now.near_misses[0].why})."
        )
    lines += list(run.launch().said)
    if run.agent.login(os.environ, lambda name: (Path.home() / name).exists()) is False:
        lines.append(f"{run.agent.NAME} may not be logged in. If so: {run.agent.CURE}")
    lines += [f"Hooks are not run by ralph's commits; as a gate: {one}" for one in gates.hooks_offered(run.root)]
    return lines


# ---------------------------------------------------------------- questions


def refuse_states(run: Run) -> None:
    """An unborn or detached HEAD, ralph's scratch branch, a merge in progress."""
    branch, commit = run.git.head()
    if not commit:
        raise RalphError("there is no commit yet", "Make one: `git add -A && git commit -m start`.")
    busy = [name for name in OPERATIONS if name in BUSY and (run.git.where.git_dir / name).exists()]
    if busy:
        raise RalphError(
            f"{BUSY[busy[0]]} is in progress", f"Finish it, or `git {BUSY[busy[0]].split()[-1]} --abort`."
        )
    if not branch:
        raise RalphError("HEAD is detached: commits would belong to no branch", "Run `git switch -c NAME` first.")
    if branch.startswith("refs/heads/ralph-wip/"):
        raise RalphError("HEAD is on ralph's scratch branch, and the journal that knows why is gone",
                         "Look at `git branch`, then e.g. `git symbolic-ref HEAD refs/heads/main`.")  # fmt: skip
    if (run.git.where.git_dir / "index.lock").exists():
        raise RalphError("another git process holds the index (.git/index.lock)",
                         "Wait for it; if none runs, delete that file.")  # fmt: skip


BUSY = {"MERGE_HEAD": "a merge", "CHERRY_PICK_HEAD": "a cherry-pick", "REVERT_HEAD": "a revert",
        "rebase-merge": "a rebase", "rebase-apply": "a rebase", "BISECT_LOG": "a bisect"}  # fmt: skip


def refuse_ignored(run: Run) -> None:
    """A PRD that git ignores can't hold proof. An ignored memory file is not written."""
    if run.git.ignores(run.paths.prd):
        raise RalphError(
            f"git ignores {run.paths.prd}", "Take it out of .gitignore: its ticks are part of the history."
        )
    if run.paths.memory and run.git.ignores(run.paths.memory):
        run.tell(Noted(f"git ignores {run.paths.memory}: it is left alone.", loud=True))
        run.paths = examine.Papers(run.paths.prd)


def refuse_sparse(run: Run) -> None:
    if run.git.repo("config", "--bool", "core.sparseCheckout", ok=(0, 1)).strip() == b"true":
        raise RalphError("this is a sparse checkout: files of the repository are missing here",
                         "Run `git sparse-checkout disable`, or start ralph in a full clone.")  # fmt: skip


def refuse_protected_scopes(run: Run) -> None:
    """A scope that touches a protected path is refused before any agent starts; in strict mode, a missing one."""
    now = _checked_prd(run)
    tasks = [task for task in now.tasks if task.leaf and not task.done and task.fields.parked is None]
    tracked = split(run.git.repo("ls-files", "-z")) if any(task.fields.files for task in tasks) else ()
    for task in tasks:
        if run.settings.strict and not task.fields.files:
            raise RalphError(f"{task.id} names no Files, which --strict asks for", "Add a line `- Files: src/**`.",
                             where=f"{run.settings.prd}:{task.line}")  # fmt: skip
        protected = run.patterns(task.fields.protected) + run.settings.protected
        scope = run.patterns(task.fields.files)
        if not (scope and protected):
            continue
        both = [path for path in tracked if sensitive.matches(protected, path) and sensitive.matches(scope, path)]
        both += [path for path in scope if path in protected]
        if both:
            raise RalphError(f"the Files of {task.id} touch a protected path: {both[0]}",
                             "Narrow its Files, or take the path out of the protected ones.",
                             where=f"{run.settings.prd}:{task.line}")  # fmt: skip


def refuse_dirty(run: Run) -> None:
    """Uncommitted changes of tracked files, staged or not; repositories inside the repository."""
    now = scan(run.git)
    staged = split(run.git.repo("diff-index", "--cached", "--name-only", "-z", "HEAD", "--"))
    dirty = sorted({*now.changed, *staged} - run.paths.both)
    if dirty:
        names = "".join(f"\n    {path}" for path in dirty[:20]) + ("\n    ..." if len(dirty) > 20 else "")
        raise RalphError(f"{len(dirty)} tracked files have uncommitted changes:{names}",
                         "Commit them, or put them away with `git stash`, then start again.")  # fmt: skip
    nested = [path for path in now.untracked if path.endswith("/")]
    if nested:
        raise RalphError(f"{nested[0]} is a git repository inside this one: git can't record what changes in it",
                         "Move it out, add it as a submodule, or put it into .gitignore.")  # fmt: skip
    large = [path for path in now.untracked if _large(run.root / path)]
    if large:
        run.tell(Noted(f"Untracked files of more than 1 MB are not protected: {', '.join(large[:5])}", loud=True))


def _large(path: Path) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size > 1_000_000


STEPS: tuple[Callable[[Run], None], ...] = (refuse_states, refuse_ignored, refuse_sparse, refuse_protected_scopes)


def _ask_gates(run: Run, now: Prd) -> None:
    """Green before the first task, or the run is refused. "No tests yet" is neither."""
    run.gates = run.found_gates()
    if plan.choose(now, only=run.settings.only or "") is None or not run.gates:
        return
    results = run_gates(run, run.gates, 0)
    take_back_writes(run, None)
    red = [result for result in results if not result.ok and not result.none]
    run.gates = tuple(result.gate for result in results if not result.none)
    if red and not run.settings.baseline:
        names = "; ".join(result.gate.command for result in red)
        what = f"gates are red before the first task: {names}\n\n{red[0].tail.rstrip()}\n"
        raise RalphError(
            what, "Make them green first, or start with `--baseline`: what is green now must stay green."
        )
    run.red = frozenset(result.gate.command for result in red)


# ---------------------------------------------------------------- the branch


def take_branch(run: Run) -> None:
    """Stand on the branch that ralph may commit to: never the default one, unless told otherwise."""
    head, commit = run.git.head()
    run.home = head.removeprefix("refs/heads/")
    wanted = run.settings.branch
    if not wanted and (run.settings.no_branch or run.home not in default_branches(run)):
        run.branch, run.tip = head, commit
        return
    names = run.git.refs()
    run.branch = f"refs/heads/{_free_name(run, wanted or _default_name(run, names), names, commit)}"
    run.tip = names.get(run.branch, commit)
    if run.git.is_ancestor(run.tip, commit):
        run.tip = commit
        run.git.update_refs(f"update {run.branch} {commit}")
    elif run.tip != commit:
        run.git.tree("read-tree", "-m", "-u", commit, run.tip)
    run.git.point_head(run.branch)
    lend_index(run.git)


def default_branches(run: Run) -> set[str]:
    origin = (
        run.git.repo("symbolic-ref", "-q", "--short", "refs/remotes/origin/HEAD", ok=(0, 1, 128)).decode().strip()
    )
    return {*DEFAULT_BRANCHES, *([origin.removeprefix("origin/")] if origin else [])}


def _default_name(run: Run, names: dict[str, str]) -> str:
    stem = "".join(char if char.isalnum() or char in "-_." else "-" for char in Path(run.paths.prd).stem).strip(
        "-."
    )
    stem = stem.replace("..", "-") or "PRD"
    return f"ralph-{stem}" if "refs/heads/ralph" in names else f"ralph/{stem}"


def _free_name(run: Run, name: str, names: dict[str, str], commit: str) -> str:
    """The name itself where its branch can be used, else with a number."""
    for candidate in (name, *(f"{name}-{number}" for number in range(2, 100))):
        tip = names.get(f"refs/heads/{candidate}")
        if tip is None or run.git.is_ancestor(tip, commit) or _continues(run, tip, commit):
            if candidate != name:
                run.tell(Noted(f"The branch {name} has other work on it: {candidate} is used."))
            return candidate
    raise RalphError(f"there are 100 branches named {name}", "Delete old ones, or name one with `--branch`.")


def _continues(run: Run, tip: str, commit: str) -> bool:
    """It goes on from HEAD, with the same PRD as here."""
    here = run.papers.read(run.paths.prd)
    same = run.git.blob_at(commit, run.paths.prd) == run.git.blob_at(tip, run.paths.prd)
    return run.git.is_ancestor(commit, tip) and (same or run.git.blob(f"{tip}:{run.paths.prd}") == here)
