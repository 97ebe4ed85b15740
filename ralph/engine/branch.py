"""The branch that ralph may commit to: never the default one, unless it is told so."""

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
from ralph.state import other_checkouts as beside
from ralph.state.events import Noted

DEFAULT_BRANCHES = ("main", "master", "trunk")
MOST = 100  # branches of one name with a number


def take_branch(run: RunContext, now: Prd) -> None:
    """Stand on it: where HEAD is, on a new branch, or on one that goes on from here with the same PRD."""
    head, commit = run.git.head()
    run.home = short_name(head)
    wanted = run.settings.branch
    if not wanted and (run.settings.no_branch or run.home not in default_branches(run)):
        run.branch, run.tip = head, commit
        return
    names = run.git.refs()
    run.branch = "refs/heads/" + _free_name(run, wanted or _default_name(run, names), names, commit, now)
    old = names.get(run.branch, "")
    run.tip = old if old and not run.git.is_ancestor(old, commit) else commit
    if run.tip != commit and run.settings.at_once:
        fast_forward_checkout(run.git, commit, run.tip)
    elif run.tip != commit:
        _bring_files(run, commit)
    run.git.update_refs(f"update {run.branch} {run.tip} {old or run.git.zero}")
    run.git.point_head(run.branch)
    if not run.settings.at_once:
        lend_index(run.git)


def default_branches(run: RunContext) -> set[str]:
    """The usual names, what git calls new repositories' branch here, and what the remote says."""
    origin = run.git.default_of_origin()
    named = run.git.config.get("init.defaultbranch", [])
    return {*DEFAULT_BRANCHES, *named[-1:], *([origin] if origin else [])}


def _default_name(run: RunContext, names: Mapping[str, str]) -> str:
    """`ralph/PRD` for PRD.md; `ralph-PRD` where a branch `ralph` leaves no room for that."""
    stem = "".join(name if name.isalnum() or name in "-_." else "-" for name in Path(run.paths.prd).stem)
    stem = stem.replace("..", "-").strip("-.").removesuffix(".lock") or "PRD"
    return f"ralph-{stem}" if "refs/heads/ralph" in names else f"ralph/{stem}"


def _free_name(run: RunContext, name: str, names: Mapping[str, str], commit: str, now: Prd) -> str:
    """The name itself where its branch can be used, else with a number."""
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
    """git keeps branches like files: `a` and `a/b` can't both exist."""
    return any(other.startswith(f"{full}/") or full.startswith(f"{other}/") for other in names)


def _elsewhere(run: RunContext) -> frozenset[str]:
    """Branches that other worktrees stand on, or record on: moving one would pull it away under their files."""
    if not (run.git.where.common / "worktrees").is_dir():
        return frozenset()
    listed = run.git.repo("worktree", "list", "--porcelain").decode(errors="surrogateescape").split("\n\n")
    others = (block for block in listed if f"worktree {run.root}" not in block.splitlines())
    stood_on = (line[7:] for block in others for line in block.splitlines() if line.startswith("branch "))
    return beside.branches(run.git.where).union(stood_on)


def _continues(run: RunContext, tip: str, commit: str, now: Prd) -> bool:
    """It goes on from HEAD, with the same tasks, and the PRD is not edited here."""
    if not run.git.is_ancestor(commit, tip):
        return False
    there = prd.parse(run.git.blob(f"{tip}:{run.paths.prd}"), run.paths.prd)
    edited = run.git.put(run.paths.prd, now.data) != run.git.blob_at(commit, run.paths.prd)
    return not edited and [task.id for task in there.tasks] == [task.id for task in now.tasks]


def _bring_files(run: RunContext, commit: str) -> None:
    """The work tree goes from HEAD to the tip; git changes nothing where a file is in the way."""
    try:
        run.git.tree("read-tree", "-m", "-u", commit, run.tip)
    except GitError as error:
        name = short_name(run.branch)
        raise RalphError(
            f"the files of {name} can't be brought here: {error.stderr.removeprefix('error: ')}",
            "Move that file away or commit it, or start on a new branch with `--branch NAME`.",
        ) from error
