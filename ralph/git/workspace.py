"""The workspace of an attempt: the user's checkout or a worktree, on a scratch branch.

Before the agent starts, HEAD points at `ralph-wip/<run>-<n>` (no file is touched): its commits land there, and
ralph's branch stays at the last proven commit. Afterwards HEAD and ralph's refs are restored; in a worktree HEAD is
detached, and ralph's branch is not changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace

from ralph.errors import Exit, RalphError
from ralph.git import restore as undo
from ralph.git import stash
from ralph.git.client import Git
from ralph.git.freeze import FrozenWork, OwnFiles, RepoFingerprint, watch
from ralph.git.ignored import restore_protected
from ralph.git.index import Snapshot, WorktreeStatus, fill, lend_index, refresh, scan, take_before
from ralph.git.ref_names import scratch
from ralph.immutable import immutable


@immutable
class Workspace:
    """The location of an attempt. `branch` ("" in a worktree) and `wip` are full ref names, `ref` is the prefix of
    its refs."""

    n: int
    run: str
    branch: str
    before: Snapshot
    watched: RepoFingerprint
    stash: stash.StashList = field(default_factory=stash.StashList)  # the stash list before the attempt
    ignored: tuple[str, ...] = ()  # the ignored files before it, as git lists them

    @property
    def wip(self) -> str:
        return scratch(self.run, self.n)

    @property
    def ref(self) -> str:
        return f"refs/ralph/{self.run}/{self.n}"

    @property
    def kept(self) -> str:
        """The ref of untracked files as they were, where an accepted attempt changed some."""
        return f"refs/ralph/{self.run}/saved/untracked-{self.n}"

    @property
    def ours(self) -> tuple[str, str]:
        return self.wip, self.branch


def prepare(
    git: Git,
    run: str,
    n: int,
    branch: str,
    base: str,
    papers: OwnFiles,
    last: Snapshot | None,
    now: WorktreeStatus | None = None,
) -> Workspace:
    """Snapshot the checkout and create the attempt's branch. Only the name of HEAD changes.

    `now` is a very recent scan, if there is one.
    """
    git.seal()
    now = now or scan(git)
    if set(now.changed) - papers.both:
        refresh(git)
        now = scan(git)
    if dirty := set(now.changed) - papers.both:
        raise _changed_meanwhile(dirty)
    untracked = [path for path in now.untracked if path not in papers.both]
    before = take_before(git, base, untracked, last, f"before attempt {n} of run {run}")
    space = Workspace(n, run, branch, before, watch(git, now.refs), ignored=now.ignored)
    if before.commit != base:
        git.make_ref(f"{space.ref}/before", before.commit)
    space = replace(space, stash=stash.hold(git, space.ref, base))
    git.make_ref(space.wip, base)
    git.point_head(space.wip)
    return space


def carry(git: Git, space: Workspace, work: str, papers: OwnFiles) -> tuple[str, ...]:
    """Restore the unfinished work of an earlier attempt into the tree. Return the paths left out because they
    changed meanwhile."""
    then, work_commit = git.sha(f"{work}^1"), git.sha(work)
    changes = [change for change in git.changes(then, work_commit) if change.path not in papers.both]
    moved = {change.path for change in git.changes(then, space.before.commit)}
    undo.restore(git, [change.backwards for change in changes if change.path not in moved])
    return tuple(change.path for change in changes if change.path in moved)


def _changed_meanwhile(dirty: set[str]) -> RalphError:
    names = ", ".join(sorted(dirty)[:10])
    return RalphError(
        f"files changed while no agent ran: {names}",
        "Commit them or take them back, then run the same command again.",
        code=Exit.STOPPED,
    )


def leave(git: Git, space: Workspace, frozen: FrozenWork, refs: Mapping[str, str], tip: str) -> str:
    """Restore HEAD and ralph's own refs; hold the work in a ref and return its name ("" if there is no work).

    `tip` is the commit of ralph's branch. Other branches are not touched; deleted or moved commits are held under
    `saved/`.
    """
    undo.clear_locks(git)
    held = f"{space.ref}/work" if frozen.work != space.before.commit else ""
    lines = [f"delete {space.ref}/before"] if f"{space.ref}/before" in refs else []
    if space.branch and refs.get(space.branch) != tip:
        lines.append(f"update {space.branch} {tip}")
    for name, old in space.watched.refs.items():
        if refs.get(name) != old and name not in space.ours:
            lines += _saved(git, space, name, old, refs)
    if held:
        git.make_ref(held, frozen.work)
    git.point_head(space.branch or space.before.base)
    if lines:
        git.update_refs(*lines)
    if space.wip in refs:
        git.drop_ref(space.wip)
    return held


def _saved(git: Git, space: Workspace, name: str, old: str, refs: Mapping[str, str]) -> list[str]:
    if name.startswith("refs/ralph/"):
        return [f"update {name} {old}"]
    if name in refs and git.is_ancestor(old, refs[name]):
        return []
    return [f"update refs/ralph/{space.run}/saved/{name.removeprefix('refs/')} {old}"]


def roll_back(git: Git, space: Workspace, frozen: FrozenWork, keep: frozenset[str]) -> None:
    """Make the tree equal to `before` except for `keep` (the PRD, which has its own rules), also after a partial
    rollback. The index becomes the base's."""
    before = space.before
    undo.clear_operations(git, space.n)
    if frozen.hidden or frozen.nested:
        undo.trash(git, (*frozen.hidden, *(path.rstrip("/") for path in frozen.nested)), space.n)
    restore_protected(git, frozen.ignored, git.where.state / "trash" / str(space.n))
    fill(git, frozen.work)
    undo.restore(git, frozen.left, keep)
    undo.restore_untracked(git, before)
    fill(git, before.base)
    lend_index(git)
