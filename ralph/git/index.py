"""ralph's own index: snapshots of the work tree as trees that git keeps.

The index is kept between attempts for its stat data, so that a scan of 20,000 files costs one walk. It is never a
copy of the user's, which an agent can blind with `assume-unchanged`. It holds tracked paths only; the stat data of
untracked files is recorded, and their content saved, beside it.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path

from ralph.git.client import Git
from ralph.git.parse import REFS
from ralph.immutable import immutable

SAVED_EACH = 1_000_000  # maximum bytes of an untracked file whose content is saved
SAVED_ALL = 100_000_000
UNTRACKED = ("ls-files", "-o", "-z", "--exclude-standard")
IGNORED = ("ls-files", "-o", "-i", "-z", "--directory", "--exclude-standard")

Stat = tuple[int, int, int, int]  # size, mtime in ns, inode, mode


@immutable
class WorktreeStatus:
    """The differences of the work tree from the index, and all refs. Nested repositories end in `/`."""

    changed: tuple[str, ...]
    untracked: tuple[str, ...]
    refs: Mapping[str, str]
    ignored: tuple[str, ...] = ()  # as git lists them: a folder of which all is ignored ends in `/`

    @property
    def paths(self) -> tuple[str, ...]:
        return (*self.changed, *self.untracked)


@immutable
class Snapshot:
    """The work tree at the start of an attempt: `commit` holds all saved content."""

    base: str
    commit: str
    tree: str  # of `commit`
    untracked: Mapping[str, Stat] = field(default_factory=dict)
    unsaved: tuple[str, ...] = ()  # untracked files too large to save


def scan(git: Git) -> WorktreeStatus:
    """Scan the work tree, the untracked and ignored files and the refs at the same time."""
    changed, untracked, refs, ignored = git.together(
        ("tree", ("diff-files", "--name-only", "-z")), ("tree", UNTRACKED), ("repo", REFS), ("tree", IGNORED)
    )
    return WorktreeStatus(_seen(git, changed), _seen(git, untracked), git.shown(refs), _seen(git, ignored))


def list_ignored(git: Git) -> tuple[str, ...]:
    """Return the ignored files, as in `WorktreeStatus`."""
    return _seen(git, git.tree(*IGNORED))


def _seen(git: Git, out: bytes) -> tuple[str, ...]:
    return tuple(path for path in split_zero(out) if path not in git.unseen)


def split_zero(out: bytes) -> tuple[str, ...]:
    return tuple(os.fsdecode(part) for part in out.split(b"\0") if part)


def join(paths: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(path) + b"\0" for path in paths)


def fill(git: Git, commit: str) -> None:
    """Make the index equal to a commit or tree; equal entries keep their stat data."""
    git.tree("read-tree", "--reset", commit)


def keep_index(git: Git, tree: str) -> bool:
    """Make ralph's own index hold this tree, without flags that hide changes. Return whether it did not.

    Agents and gates can reach the index: a flag, or a staged file, would hide a change from every diff.
    """
    listed = git.tree("ls-files", "-v", "-z").split(b"\0")
    flagged = [line[2:] for line in listed if line[:1].islower() or line[:1] == b"S"]
    if not flagged and write_tree(git) == tree:
        return False
    git.index.unlink(missing_ok=True)
    fill(git, tree)
    refresh(git)
    return True


def refresh(git: Git) -> None:
    git.tree("update-index", "-q", "--refresh", ok=(0, 1))


def stage(git: Git, paths: Iterable[str]) -> None:
    """Copy the work tree's state of these paths into the index, deletions included.

    What git can't hold (a pipe, a socket, a device) counts as a deletion.
    """
    files = [path for path in paths if not path.endswith("/")]
    beyond = {path for path in files if _beyond_a_link(git.where.root, path) or _is_special(git.where.root / path)}
    unstage(git, beyond)
    if data := join(path for path in files if path not in beyond):
        git.tree("update-index", "--add", "--remove", "--replace", "-z", "--stdin", data=data)


def _beyond_a_link(root: Path, path: str) -> bool:
    """Return whether a folder above the path became a link: git refuses it, and the file there is another one."""
    return any((root / folder).is_symlink() for folder in Path(path).parents[:-1])


def _is_special(path: Path) -> bool:
    found = stat_of(path)
    return found is not None and stat.S_IFMT(found[3]) not in (stat.S_IFREG, stat.S_IFLNK, stat.S_IFDIR)


def unstage(git: Git, paths: Iterable[str]) -> None:
    """Remove these paths from the index; the files stay."""
    if data := join(paths):
        git.tree("update-index", "--force-remove", "-z", "--stdin", data=data)


def write_tree(git: Git) -> str:
    return git.tree("write-tree").decode().strip()


def tree_with(git: Git, commit: str, blobs: Mapping[str, tuple[str, str]]) -> str:
    """Return a commit's tree with some paths replaced: path -> (mode, blob); an empty blob removes the path."""
    spare = git.index.with_name("index.spare")
    index, git.index = git.index, spare
    try:
        fill(git, commit)
        lines = (f"{mode if blob else '0'} {blob or git.zero}\t{path}" for path, (mode, blob) in blobs.items())
        git.tree("update-index", "-z", "--index-info", data=b"".join(os.fsencode(line) + b"\0" for line in lines))
        return write_tree(git)
    finally:
        git.index = index
        spare.unlink(missing_ok=True)


def lend_index(git: Git) -> None:
    """Make the user's index equal to ralph's. The copy keeps its time, by which git detects racy files."""
    theirs = git.where.git_dir / "index"
    lock = theirs.with_name("index.lock")
    descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "wb") as file, git.index.open("rb") as ours:
        shutil.copyfileobj(ours, file, 1 << 20)
    shutil.copystat(git.index, lock)
    lock.replace(theirs)


# ---------------------------------------------------------------- untracked files


def stat_files(root: Path, paths: Iterable[str]) -> dict[str, Stat]:
    """Return the stat data of the files that exist."""
    seen = {}
    for path in paths:
        if (stat := stat_of(root / path)) is not None:
            seen[path] = stat
    return seen


def stat_of(path: Path) -> Stat | None:
    try:
        stat = path.lstat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_mode


def take_before(git: Git, base: str, untracked: Iterable[str], last: Snapshot | None, message: str) -> Snapshot:
    """Snapshot the start of an attempt. The index equals `base` before and after; nothing moves.

    Reuse the last snapshot if neither the base nor an untracked file changed.
    """
    seen = stat_files(git.where.root, (path for path in untracked if not path.endswith("/")))
    if not seen:
        return Snapshot(base, base, git.tree_of(base))
    if last is not None and last.base == base and last.untracked == seen:
        return last
    saved = _affordable(seen)
    stage(git, saved)
    tree = write_tree(git)
    unstage(git, saved)
    unsaved = tuple(path for path in seen if path not in saved)
    return Snapshot(base, git.commit(tree, [base], message), tree, seen, unsaved)


def _affordable(seen: Mapping[str, Stat]) -> set[str]:
    saved, total = set(), 0
    for path, (size, _, _, mode) in sorted(seen.items(), key=lambda item: item[1][0]):
        if size > SAVED_EACH or total + size > SAVED_ALL or not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            continue
        saved.add(path)
        total += size
    return saved
