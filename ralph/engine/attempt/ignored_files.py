"""The ignored files of an attempt: recorded before the agent starts, compared afterwards, kept from the gates.

What an agent writes where git ignores it is in no commit. It is in the way until a gate was green without it.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ralph import paths
from ralph.engine import gate_selection
from ralph.engine.context import RunContext
from ralph.files import replace_file
from ralph.git import ignored
from ralph.git.ignored import IgnoredWork, Names
from ralph.git.index import Stat, WorktreeStatus, stat_of
from ralph.git.workspace import Workspace
from ralph.prd.model import Task
from ralph.verify.strength import executed

LARGEST = 1_000_000  # bytes of a protected file that is copied


def record_ignored(run: RunContext, space: Workspace, task: Task, protected: tuple[str, ...]) -> None:
    """Record the ignored files before the agent starts. Copy the protected ones, and programs of the gates."""
    now = _now(run, space.ignored, protected)
    kept = {path: seen for path, seen in now.items() if paths.matches(protected, path)}
    programs = _programs(run, task)
    ignored.copy_files(run.git, {**kept, **programs}, _copies(run), LARGEST)
    record = {"before": sorted(now), "protected": kept, "patterns": protected, "programs": programs}
    run.folder.mkdir(parents=True, exist_ok=True)
    replace_file(run.folder / f"{space.n}.ignored.json", json.dumps(record).encode())


def examine_ignored(run: RunContext, n: int, status: WorktreeStatus) -> IgnoredWork:
    """Return what the attempt did to ignored files, and keep in mind what it wrote there for the next one."""
    record = _read(run.folder / f"{n}.ignored.json", {})
    if not record:
        return IgnoredWork()
    patterns, before = tuple(record["patterns"]), record["before"]
    now = _now(run, status.ignored, patterns)
    earlier = set(_read(_suspects(run), []))
    new = ignored.written_since(now, (path for path in before if path not in earlier))
    forced = ignored.staged_by_force(run.git, new)
    left = tuple(path for path in new if path not in forced)
    remember(run, left)
    kept: Mapping[str, Stat] = {path: tuple(seen) for path, seen in record["protected"].items()}
    hit = [path for path, seen in kept.items() if ignored.is_changed(run.git, path, seen, _copies(run))]
    hit += [path for path in left if path not in kept and path not in earlier and paths.matches(patterns, path)]
    programs = [
        path for path, seen in record.get("programs", {}).items()
        if ignored.is_changed(run.git, path, tuple(seen), _copies(run))
    ]  # fmt: skip
    return IgnoredWork(left, forced, tuple(hit), tuple(programs), _copies(run))


def remember(run: RunContext, left: tuple[str, ...]) -> None:
    """Keep the ignored files that no gate was green without: a later attempt did not find them in a commit."""
    if left or _suspects(run).exists():
        replace_file(_suspects(run), json.dumps(left).encode())


@contextmanager
def without(run: RunContext, new: tuple[str, ...]) -> Iterator[None]:
    """Keep what the attempt wrote to ignored files out of the work tree."""
    ignored.move_away(run.git, new)
    try:
        yield
    finally:
        ignored.put_back(run.git)


def _programs(run: RunContext, task: Task) -> dict[str, Stat]:
    """Return the small files that gates run, that lie in the work tree, and that git does not track."""
    gates = gate_selection.gates_for(run, task)
    texts = [text for gate in gates for text in (gate.command, *gate_selection.code_of(run, gate.command).texts)]
    words, root = frozenset().union(*map(executed, texts)), run.root.resolve()
    found: dict[str, Stat] = {}
    for file in (run.here / word for word in words):
        seen = stat_of(file)  # None also for a word that is too long for a name
        if (
            seen is None
            or not stat.S_ISREG(seen[3])
            or seen[0] > LARGEST
            or not file.resolve().is_relative_to(root)
        ):
            continue
        path = file.resolve().relative_to(root).as_posix()
        if path not in run.state.files:
            found[path] = seen
    return found


def _now(run: RunContext, listed: tuple[str, ...], protected: tuple[str, ...]) -> dict[str, Stat]:
    def is_left_out(path: str) -> bool:
        return path in run.paths.both or (paths.is_installed(path) and not paths.matches(protected, path))

    return ignored.stat_ignored(run.git, listed, Names(is_left_out, paths.is_built))


def _copies(run: RunContext) -> Path:
    return run.state_folder / "tmp" / f"protected-{_place(run)}"


def _suspects(run: RunContext) -> Path:
    return run.folder / f"ignored-{_place(run)}.json"


def _place(run: RunContext) -> str:
    return run.git.where.git_dir.name if run.apart else "checkout"


def _read(path: Path, default: Any) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return default
