"""The branch that ralph commits to: never a default branch without `--no-branch`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ralph.engine.context import RunContext
from ralph.errors import RalphError
from ralph.git.client import GitError
from ralph.git.fast_forward import fast_forward_checkout
from ralph.git.index import lend_index
from ralph.git.ref_names import short_name
from ralph.prd import document as prd
from ralph.prd.model import Prd
from ralph.state import other_checkouts
from ralph.state.events import Noted

DEFAULT_BRANCHES = ("main", "master", "trunk")
MOST = 100  # branches of one name with a number


def take_branch(run: RunContext, now: Prd) -> None:
    """Take the current branch, a new one, or an existing one that continues HEAD with the same PRD."""
    head, commit = run.git.head()
    run.state.home = short_name(head)
    wanted = run.settings.branch
    if not wanted and (run.settings.no_branch or run.state.home not in default_branches(run)):
        run.state.branch, run.state.tip = head, commit
        return
    names = run.git.refs()
    run.state.branch = "refs/heads/" + _free_name(run, wanted or _default_name(run, names), names, commit, now)
    old = names.get(run.state.branch, "")
    run.state.tip = old if old and not run.git.is_ancestor(old, commit) else commit
    if run.state.tip != commit and run.settings.at_once:
        fast_forward_checkout(run.git, commit, run.state.tip)
    elif run.state.tip != commit:
        _bring_files(run, commit)
    run.git.update_refs(f"update {run.state.branch} {run.state.tip} {old or run.git.zero}")
    run.git.point_head(run.state.branch)
    if not run.settings.at_once:
        lend_index(run.git)


def default_branches(run: RunContext) -> set[str]:
    """Return the usual default branches, that of `init.defaultBranch`, and that of the remote."""
    origin = run.git.default_of_origin()
    named = run.git.config.get("init.defaultbranch", [])
    return {*DEFAULT_BRANCHES, *named[-1:], *([origin] if origin else [])}


def _default_name(run: RunContext, names: Mapping[str, str]) -> str:
    """Return `ralph/PRD` for PRD.md, or `ralph-PRD` if a branch `ralph` exists."""
    stem = "".join(name if name.isalnum() or name in "-_." else "-" for name in Path(run.paths.prd).stem)
    stem = stem.replace("..", "-").strip("-.").removesuffix(".lock") or "PRD"
    return f"ralph-{stem}" if "refs/heads/ralph" in names else f"ralph/{stem}"


def _free_name(run: RunContext, name: str, names: Mapping[str, str], commit: str, now: Prd) -> str:
    """Return the name if its branch can be used, otherwise with a number. Raise RalphError if none is free."""
    elsewhere = _elsewhere(run)
    for candidate in (name, *(f"{name}-{number}" for number in range(2, MOST))):
        full = f"refs/heads/{candidate}"
        tip = names.get(full)
        if full in elsewhere or _has_no_room(full, names):
            continue
        if tip is None or run.git.is_ancestor(tip, commit) or _continues(run, tip, commit, now):
            if candidate != name:
                run.tell(Noted(f"The branch {name} can't be used, it holds other work: this is {candidate}."))
            return candidate
    raise RalphError(f"no branch can be named {name}: others are in its way", "Name another one with `--branch`.")


def _has_no_room(full: str, names: Mapping[str, str]) -> bool:
    """Whether another branch is in the way: git can't hold both `a` and `a/b`."""
    return any(other.startswith(f"{full}/") or full.startswith(f"{other}/") for other in names)


def _elsewhere(run: RunContext) -> frozenset[str]:
    """Return the branches that other worktrees have checked out or commit to: moving one would break them."""
    if not (run.git.where.common / "worktrees").is_dir():
        return frozenset()
    listed = run.git.repo("worktree", "list", "--porcelain").decode(errors="surrogateescape").split("\n\n")
    others = (block for block in listed if f"worktree {run.root}" not in block.splitlines())
    stood_on = (line[7:] for block in others for line in block.splitlines() if line.startswith("branch "))
    return other_checkouts.branches(run.git.where).union(stood_on)


def _continues(run: RunContext, tip: str, commit: str, now: Prd) -> bool:
    """Whether `tip` continues HEAD with the same tasks, and the PRD has no uncommitted edit."""
    if not run.git.is_ancestor(commit, tip):
        return False
    continued = prd.parse(run.git.blob(f"{tip}:{run.paths.prd}"), run.paths.prd)
    edited = run.git.put(run.paths.prd, now.data) != run.git.blob_at(commit, run.paths.prd)
    return not edited and [task.id for task in continued.tasks] == [task.id for task in now.tasks]


def _bring_files(run: RunContext, commit: str) -> None:
    """Check out the tip's files. Raise RalphError if a file is in the way; git then changes nothing."""
    try:
        run.git.tree("read-tree", "-m", "-u", commit, run.state.tip)
    except GitError as error:
        name = short_name(run.state.branch)
        raise RalphError(
            f"the files of {name} can't be brought here: {error.stderr.removeprefix('error: ')}",
            "Move that file away or commit it, or start on a new branch with `--branch NAME`.",
        ) from error
