"""`ralph clean`: removes what finished runs left in git's folder and in the caches, if it is not needed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ralph.cli.output import say
from ralph.config_values import parse_duration
from ralph.errors import Exit, RalphError
from ralph.git import cleanup as clearing
from ralph.git import restore as undo
from ralph.git import worktrees
from ralph.git.client import Git, GitError
from ralph.git.repository import Repo, discover
from ralph.immutable import immutable
from ralph.prd import document as prd
from ralph.prd.model import Task
from ralph.state import journal, lock
from ralph.state.control import safe_name
from ralph.state.events import RunStarted
from ralph.state.journal import BadLineError
from ralph.state.retention import InUse, is_saved, named_in, needed, of_ref, started
from ralph.text import clean as cleaned

OLD = "14d"
DAY = 86_400.0
SHOWN = 20  # of each kind, in a list
KINDS = {
    "ref": ("ref", "refs"), "log": ("folder or file of logs", "folders and files of logs"),
    "trash": ("folder of trash", "folders of trash"), "worktree": ("worktree", "worktrees"),
}  # fmt: skip


@immutable
class CleanupItem:
    """One removable item: a ref (`path` is None), or files with their size in bytes."""

    kind: str
    name: str
    seen: float  # last use in epoch seconds; 0: unknown
    path: Path | None = None
    size: int = 0


@immutable
class CleanupPlan:
    """The removable items, and sentences about what stays."""

    items: tuple[CleanupItem, ...]
    kept: tuple[str, ...]


def clean(*, older_than: str, everything: bool, dry_run: bool, as_json: bool) -> int:
    """Remove the items, or list them with `dry_run`. Raise RalphError while ralph works in this checkout."""
    before = time.time() - (0.0 if everything else _age(older_than))
    repo = discover(Path.cwd())
    git = Git(repo)
    if not repo.state.is_dir():
        raise RalphError("ralph never worked here", "There is nothing to clean up.")
    journal.refuse_newer(journal.journal_path(repo.state))
    with lock.hold(repo.state / "lock") as killed:
        if killed:
            undo.clear_locks(git)
        plan = plan_cleanup(git, before, everything=everything)
        remaining = [] if dry_run else _remove(git, plan.items)
    gone = [item for item in plan.items if item not in remaining]
    if as_json:
        say(json.dumps(_facts(plan, remaining, dry_run=dry_run)))
    else:
        for line in page(plan, gone, remaining, dry_run=dry_run):
            say(cleaned(line))
    return Exit.PARKED if remaining else Exit.DONE


def _age(text: str) -> float:
    try:
        return parse_duration(text or OLD)
    except ValueError:
        cure = "Write it like 14d, 12h; --all takes everything of runs that are over."
        raise RalphError(f"`--older-than {text}` is no time", cure) from None


# ---------------------------------------------------------------- plan


def plan_cleanup(git: Git, before: float, *, everything: bool = False) -> CleanupPlan:
    """Return everything that is older than `before` and not needed."""
    repo, need, notes = git.where, InUse(), list[str]()
    for state in _states(repo):  # refs are shared by all checkouts of a repository
        try:
            steps = [
                (entry.time, entry.run, entry.event)
                for entry in journal.read_journal(journal.journal_path(state))
                if entry.event
            ]
        except BadLineError as error:
            cure = "The next `ralph` there puts it aside; what it needs can't be told before."
            where = str(journal.journal_path(state))
            raise RalphError(f"a journal is damaged: {error}", cure, where=where) from error
        need |= needed(steps, lambda name, task: _waits(repo.root / name, task))
        over = _ticked(repo, {event.prd for *_, event in steps if isinstance(event, RunStarted)})
        need |= InUse(attempts=frozenset(entry for text in _reviews(state, over) for entry in named_in(text)))
    items = [*_refs(git, need, before, saved=everything), *_files(repo, need, before)]
    if need.runs:
        notes.append(f"everything of {', '.join(sorted(need.runs))}, which did not end, and the worktrees")
    else:
        items += _pool(git, before)
    if need.attempts:
        notes.append(
            f"{len(need.attempts)} attempts at tasks that wait for you (`ralph review`) or are gone on with"
        )
    return CleanupPlan(tuple(items), tuple(notes))


def _states(repo: Repo) -> list[Path]:
    """Return ralph's state folders of all checkouts of this repository."""
    ours = repo.common / "ralph"
    return [folder for folder in (ours, *clearing.folder_entries(ours / "worktrees")) if folder.is_dir()]


def _waits(path: Path, task: str) -> bool:
    """Whether a task is still open. True if that is unknown."""
    tasks = _tasks(path)
    return not tasks or any(other_task.id == task and not other_task.done for other_task in tasks)


def _tasks(path: Path) -> tuple[Task, ...]:
    """Return the tasks of a PRD, or none if it can't be read."""
    try:
        return prd.parse(path.read_bytes(), str(path)).tasks
    except (OSError, RalphError):
        return ()


def _ticked(repo: Repo, prds: set[str]) -> set[str]:
    """Return the names of review files whose tasks are ticked in every PRD that has them."""
    tasks = [task for name in prds for task in _tasks(repo.root / name)]
    return {safe_name(task.id) for task in tasks} - {safe_name(task.id) for task in tasks if not task.done}


def _reviews(state: Path, over: set[str]) -> Iterator[str]:
    """Return the review files that stay, without those of ticked tasks. ralph removes those of accepted tasks."""
    for path in clearing.folder_entries(state / "review"):
        with suppress(OSError):
            if path.stem not in over:
                yield path.read_text(encoding="utf-8", errors="replace")


def _refs(git: Git, need: InUse, before: float, *, saved: bool) -> Iterator[CleanupItem]:
    """Yield removable refs. `saved` refs hold branches that an agent deleted: only `--all` removes them."""
    for name in git.refs():
        run, n = of_ref(name)
        if name.startswith("refs/ralph/") and need.free(run, n, before) and (saved or not is_saved(name)):
            yield CleanupItem("ref", name, need.last.get(run) or started(run))


def _files(repo: Repo, need: InUse, before: float) -> Iterator[CleanupItem]:
    state, attempts = repo.state, {n for _, n in need.attempts}
    for run in clearing.folder_entries(state / "runs"):
        yield from _of_run(run, need, before)
    for path in clearing.folder_entries(state / "trash"):
        if not (path.name.isdigit() and int(path.name) in attempts) and not need.runs:
            yield from _old("trash", path, before)
    for pattern in ("bug-*.log", "journal.bad-*.jsonl", "detached.log"):
        for other_path in sorted(state.glob(pattern)):
            if not (need.runs and other_path.name == "detached.log"):
                yield from _old("log", other_path, before)


def _of_run(run: Path, need: InUse, before: float) -> Iterator[CleanupItem]:
    """Yield the folder of a run or, if attempts in it are needed, the files of the others."""
    numbers = {n for name, n in need.attempts if name == run.name}
    if not need.over(run.name, before, clearing.newest(run)):
        return
    if not numbers:
        yield _item("log", run)
        return
    for path in clearing.folder_entries(run):
        number = path.name.partition(".")[0]
        if not (number.isdigit() and int(number) in numbers):
            yield _item("log", path)


def _pool(git: Git, before: float) -> Iterator[CleanupItem]:
    """Yield worktrees. The last use of one is the last write of ralph's index for it."""
    pool = worktrees.WorktreePool(git, worktrees.cache_folder(dict(os.environ)))
    for place in clearing.folder_entries(pool.folder):
        index = pool.repo(int(place.name)).state / "git" / "index" if place.name.isdigit() else place
        if max(clearing.changed(index), clearing.changed(place)) < before:
            yield _item("worktree", place)


def _old(kind: str, path: Path, before: float) -> Iterator[CleanupItem]:
    if clearing.newest(path) < before:
        yield _item(kind, path)


def _item(kind: str, path: Path) -> CleanupItem:
    return CleanupItem(kind, str(path), clearing.newest(path), path, clearing.size(path))


# ---------------------------------------------------------------- removal


def _remove(git: Git, items: Sequence[CleanupItem]) -> list[CleanupItem]:
    """Remove the items. Return those that could not be removed."""
    remaining = [item for item in items if item.path is not None and not clearing.remove(item.path)]
    refs = [item for item in items if item.path is None]
    try:
        if refs:
            git.update_refs(*(f"delete {item.name}" for item in refs))
    except GitError:
        remaining += refs
    if any(item.kind == "worktree" for item in items):
        _forget_empty(worktrees.WorktreePool(git, worktrees.cache_folder(dict(os.environ))))
    return remaining


def _forget_empty(pool: worktrees.WorktreePool) -> None:
    """Remove the metadata of worktrees if no worktree is left."""
    if not [path for path in clearing.folder_entries(pool.folder) if path.name.isdigit()]:
        pool.forget()


# ---------------------------------------------------------------- output


def page(
    plan: CleanupPlan, gone: Sequence[CleanupItem], remaining: Sequence[CleanupItem], *, dry_run: bool
) -> Iterator[str]:
    """Yield what was or would be removed, what stays and why, and what could not be removed."""
    if dry_run:
        for kind in KINDS:
            yield from _listed([item for item in plan.items if item.kind == kind])
    for kind, (name, many) in KINDS.items():
        if some := [item for item in gone if item.kind == kind]:
            yield f"{len(some):>6} {name if len(some) == 1 else many}{_bytes(sum(item.size for item in some))}"
    for sentence in plan.kept:
        yield f"  kept {sentence}"
    for item in remaining:
        yield f"  can't be removed: {item.name}"
    freed = sum(item.size for item in gone)
    if not gone:
        yield "Nothing to clean up." if not remaining else "Look at the permissions."
    elif dry_run:
        yield f"{_told(freed)} would be freed. Nothing was removed."
    else:
        yield f"{_told(freed)} freed."
    if any(item.kind == "ref" for item in gone) and not dry_run:
        yield "What only the refs held goes with git's own `git gc`, two weeks after it was made."


def _listed(items: Sequence[CleanupItem]) -> Iterator[str]:
    now = time.time()
    for item in items[:SHOWN]:
        age = f"{(now - item.seen) / DAY:.0f}d" if item.seen else "?"
        yield f"{age:>6} {item.name}{_bytes(item.size)}"
    if len(items) > SHOWN:
        yield f"       and {len(items) - SHOWN} more like this"


def _bytes(size: int) -> str:
    return f", {_told(size)}" if size else ""


def _told(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def _facts(plan: CleanupPlan, left: Sequence[CleanupItem], *, dry_run: bool) -> dict[str, object]:
    """Return `{"dry_run", "freed", "items": [...], "kept": [...]}`."""
    items = [{"kind": item.kind, "name": item.name, "bytes": item.size, "removed": not dry_run and item not in left}
             for item in plan.items]  # fmt: skip
    freed = 0 if dry_run else sum(item.size for item in plan.items if item not in left)
    return {"dry_run": dry_run, "freed": freed, "items": items, "kept": list(plan.kept)}
