"""Freeze an attempt's work as one commit, then gather the evidence from that commit.

The agent's claims are not used. Nothing here changes the work tree; the frozen commit never moves.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from pathlib import Path

from ralph.git.client import Git
from ralph.git.ignored import IgnoredWork
from ralph.git.index import Snapshot, WorktreeStatus, fill, stage, stat_files, unstage, write_tree
from ralph.git.model import Change, Commit, StashChange
from ralph.git.parse import log, parse_log, parse_raw, staged_diff
from ralph.git.ref_names import short_name
from ralph.git.restore import OPERATIONS, differences
from ralph.immutable import immutable

LARGEST = 1_000_000  # bytes of a changed file that is searched for conflict markers
IGNORE_FILE = ".gitignore"
NOTHING_IGNORED = IgnoredWork()


@immutable
class OwnFiles:
    """The two files that ralph itself writes: paths in the repository, "" if there is none."""

    prd: str
    memory: str = ""

    @property
    def both(self) -> frozenset[str]:
        return frozenset(path for path in (self.prd, self.memory) if path)


@immutable
class RepoFingerprint:
    """What an agent may change besides files: recorded before and after."""

    refs: Mapping[str, str]
    files: Mapping[str, str]  # hooks, config, excludes: path -> fingerprint


@immutable
class FrozenWork:
    """An attempt's work, held by commits."""

    work: str  # the complete work, on top of `before`
    tree: str  # the work to record: base + changes, without PRD and memory file
    changes: tuple[Change, ...]  # base -> tree
    left: tuple[Change, ...]  # before -> work: the changes that a rollback undoes
    commits: tuple[Commit, ...] = ()
    untracked: tuple[str, ...] = ()  # untracked before, changed since, not in the task's Files
    hidden: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()  # nested repositories: can't be frozen
    rewritten: str = ""
    refs: tuple[str, ...] = ()
    config: tuple[str, ...] = ()
    stash: StashChange = field(default_factory=StashChange)
    ignored: IgnoredWork = field(default_factory=IgnoredWork)

    @property
    def empty(self) -> bool:
        return not (self.left or self.hidden or self.nested)


def watch(git: Git, refs: Mapping[str, str]) -> RepoFingerprint:
    """Record refs, hooks and config before an agent starts."""
    common = git.where.common
    names = ["config", "config.worktree", "info/exclude", "info/attributes"]
    files = {name: _digest(common / name) for name in names}
    if (common / "hooks").is_dir():
        files |= {f"hooks/{path.name}": _digest(path) for path in (common / "hooks").iterdir()}
    return RepoFingerprint(dict(refs), files)


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def freeze(
    git: Git,
    before: Snapshot,
    now: WorktreeStatus,
    papers: OwnFiles,
    *,
    ours: tuple[str, str],
    watched: RepoFingerprint,
    named: Callable[[str], bool],
    message: str,
    tips: list[str] | None = None,
    ignored: IgnoredWork = NOTHING_IGNORED,
) -> FrozenWork:
    """Freeze an attempt's work and return it with its evidence. The index holds `tree` afterwards.

    `ours` are the full names of the attempt's branch and of ralph's; `named` tells whether the task's Files match a
    path that was untracked before. `tips`: the ends of its commits, if already known.
    """
    seen = stat_files(git.where.root, now.untracked)
    touched = differences(seen | stat_files(git.where.root, before.untracked), before.untracked)
    nested = tuple(path for path in now.untracked if path.endswith("/"))
    new = [path for path in now.untracked if path not in before.untracked]
    taken = [path for path in touched if named(path)]
    own = [path for path in (*now.changed, *new) if path in papers.both]
    stage(git, [path for path in (*now.changed, *new, *taken, *ignored.forced) if path not in papers.both])
    tips = _tips(git, before.base, ours, now) if tips is None else tips
    tree, changes, commits = _frozen(git, before, tips)
    complete = _whole_tree(git, tree, own, before)
    parents = [before.commit, *tips]
    differs = complete != before.tree or len(parents) > 1
    work = git.commit(complete, parents, message) if differs else before.commit
    plain = complete == tree and before.commit == before.base
    undo = changes if plain else git.changes(before.commit, complete)
    return FrozenWork(
        work=work, tree=tree, changes=changes, left=undo,
        commits=commits,
        untracked=_not_ours(touched, taken, undo, before),
        hidden=_hidden(git, before, changes), nested=nested,
        obstacles=(*_operations(git), *_nested(nested), *_markers(git, changes),
                   *_submodules(changes), *_dirty_submodules(git, now.changed, changes)),
        rewritten=_rewritten(git, before.base, tips, commits),
        refs=_refs_changed(git, watched.refs, now.refs, ours), config=config_changed(watched, git, now.refs),
        ignored=ignored,
    )  # fmt: skip


def _frozen(git: Git, before: Snapshot, tips: list[str]) -> tuple[str, tuple[Change, ...], tuple[Commit, ...]]:
    """Return the index as a tree, its changes, and the agent's commits; the calls run at the same time."""
    logs = (("repo", log(before.base, tip)) for tip in tips)
    tree, changed, *rest = git.together(("tree", ("write-tree",)), ("tree", staged_diff(before.base)), *logs)
    return tree.decode().strip(), parse_raw(changed), tuple(commit for out in rest for commit in parse_log(out))


def _not_ours(
    touched: Iterable[str], taken: list[str], changes: tuple[Change, ...], before: Snapshot
) -> tuple[str, ...]:
    """Return untracked files whose content changed (a new time alone is no change)."""
    changed = {change.path for change in changes} | set(before.unsaved)
    return tuple(path for path in touched if path in changed and path not in taken)


def _whole_tree(git: Git, tree: str, own: list[str], before: Snapshot) -> str:
    """Return the tree with all changes: PRD, memory file and untracked files included."""
    if not own and not before.untracked:
        return tree
    stage(git, own)
    saved = [path for path in before.untracked if path not in before.unsaved]
    stage(git, saved)
    tree_id = write_tree(git)
    unstage(git, saved)
    fill(git, tree)
    return tree_id


def _tips(git: Git, base: str, ours: tuple[str, str], now: WorktreeStatus) -> list[str]:
    """Return the ends of the agent's commits: its branch, ralph's if it moved, and HEAD if that is elsewhere."""
    tips = [now.refs[name] for name in ours if name in now.refs]
    if _head_elsewhere(git, ours[0]):
        tips.append(git.head()[1])
    return [tip for tip in dict.fromkeys(tips) if tip and tip != base]


def _head_elsewhere(git: Git, wip: str) -> bool:
    try:
        return (git.where.git_dir / "HEAD").read_text().strip() != f"ref: {wip}"
    except OSError:
        return True


def _rewritten(git: Git, base: str, tips: list[str], commits: tuple[Commit, ...]) -> str:
    grown = {parent for commit in commits for parent in commit.parents}
    for tip in tips:
        if (base not in grown or len(tips) > 1) and not git.is_ancestor(base, tip):
            return f"commit {base[:9]}, where the attempt began, is no longer part of the history of {tip[:9]}"
    return ""


def _refs_changed(
    git: Git, then: Mapping[str, str], now: Mapping[str, str], ours: tuple[str, str]
) -> tuple[str, ...]:
    if now == then:
        return ()
    sentences, known = [], git.other_branches().union(ours)
    for name in sorted({*then, *now} - known):
        old, new = then.get(name, ""), now.get(name, "")
        if old == new or name.startswith("refs/ralph/"):
            continue
        short = short_name(name)
        if not old:
            sentences.append(f"{short} is new, at {new[:9]}")
        elif not new:
            sentences.append(f"{short} was deleted; it stood at {old[:9]}")
        elif not git.is_ancestor(old, new):
            sentences.append(f"{short} was moved from {old[:9]} to {new[:9]}, which does not contain it")
        else:
            sentences.append(f"{short} was moved on from {old[:9]} to {new[:9]}")
    return tuple(sentences)


def config_changed(watched: RepoFingerprint, git: Git, refs: Mapping[str, str]) -> tuple[str, ...]:
    """Return what changed of hooks, configuration and excludes, sentences."""
    now = watch(git, refs).files
    names = sorted({*watched.files, *now})
    return tuple(
        f".git/{name} {'was changed' if watched.files.get(name) and now.get(name) else 'is new or gone'}"
        for name in names
        if watched.files.get(name, "") != now.get(name, "")
    )


def _operations(git: Git) -> list[str]:
    begun = (what for name, (what, _) in OPERATIONS.items() if (git.where.git_dir / name).exists())
    return [f"{what} is not finished" for what in begun]


def _nested(nested: tuple[str, ...]) -> list[str]:
    return [f"{path} is a repository of its own: git records nothing that is in it" for path in nested]


def _submodules(changes: tuple[Change, ...]) -> list[str]:
    return [
        f"{change.path} is a repository of its own (a submodule): what is in it is not recorded"
        for change in changes
        if change.new_mode == "160000"
    ]


def _dirty_submodules(git: Git, changed: Sequence[str], changes: tuple[Change, ...]) -> list[str]:
    """Name submodules with changes that no commit of this repository holds."""
    others = [path for path in changed if path not in {change.path for change in changes}]
    if not others or not (git.where.root / ".gitmodules").exists():
        return []
    listed = git.tree("ls-files", "-s", "-z", "--", *others).split(b"\0")
    paths = [os.fsdecode(line.partition(b"\t")[2]) for line in listed if line.startswith(b"160000")]
    return [f"{path} is a submodule with changes of its own, which this repository can't record" for path in paths]


def _markers(git: Git, changes: tuple[Change, ...]) -> list[str]:
    sentences = []
    for change in changes:
        path = git.where.root / change.path
        if not change.new_mode.startswith("100") or _size(path) > LARGEST or not _conflicted(path.read_bytes()):
            continue
        if not _conflicted(git.blob(change.old_blob) if change.status == "M" else b""):
            sentences.append(f"{change.path} contains conflict markers")
    return sentences


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return LARGEST + 1


def _conflicted(content: bytes) -> bool:
    if b"<<<<<<< " not in content or b">>>>>>> " not in content:
        return False
    starts = [line[:8] for line in content.splitlines()]
    return (
        b"<<<<<<< " in starts
        and b"=======" in [line[:7] for line in content.splitlines()]
        and b">>>>>>> " in starts
    )


# ---------------------------------------------------------------- hidden from git


def _hidden(git: Git, before: Snapshot, changes: tuple[Change, ...]) -> tuple[str, ...]:
    """Return the files that only ignore rules of this attempt hide. Runs only if an ignore file changed."""
    if not any(os.path.basename(change.path) == IGNORE_FILE for change in changes):  # noqa: PTH119
        return ()
    rules = (f"--exclude-from={git.own / name}" for name in ("info/exclude", "excludes"))
    everything = git.tree("ls-files", "-o", "-z", *rules)
    shown = set(git.tree("ls-files", "-o", "-z", "--exclude-standard").split(b"\0"))
    notes = {os.fsencode(path) for path in git.unseen}
    unseen = [path for path in everything.split(b"\0") if path and path not in shown | notes]
    ignored = _ignored_before(git, before, unseen) if unseen else set()
    return tuple(os.fsdecode(path) for path in unseen if path not in ignored)


def _ignored_before(git: Git, before: Snapshot, paths: list[bytes]) -> set[bytes]:
    """Return the paths that the ignore files at the attempt's start already hid, by git itself in a bare copy."""
    import tempfile

    with tempfile.TemporaryDirectory(dir=git.where.state) as folder:
        listed = git.tree("ls-tree", "-r", "-z", "--name-only", before.base).split(b"\0")
        for name in (os.fsdecode(path) for path in listed if path.split(b"/")[-1] == IGNORE_FILE.encode()):
            copy = Path(folder) / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(git.blob(f"{before.base}:{name}"))
        call = ("--work-tree", folder, "check-ignore", "--no-index", "-z", "--stdin")
        return set(git.tree(*call, data=b"\0".join(paths) + b"\0", ok=(0, 1)).split(b"\0"))
