"""Rebase of finished work on a moved tip: the merged work, or a finding that shows the conflict."""

from __future__ import annotations

from dataclasses import replace

from ralph.engine.attempt import completion
from ralph.engine.context import RunContext
from ralph.git import worktrees
from ralph.git.freeze import FrozenWork
from ralph.git.index import Snapshot
from ralph.git.merge import MergeConflict, join, merge_texts
from ralph.git.workspace import Workspace
from ralph.text import clean, mask
from ralph.verify.model import Finding, FindingKind, Verdict

MOST_SHOWN = 4_000  # characters of a conflict in the next prompt
MOST_LISTED = 1_500  # characters of the commits that came in meanwhile


def on_the_tip(
    run: RunContext, space: Workspace, frozen: FrozenWork, left: bytes | None
) -> tuple[Workspace, FrozenWork] | Verdict:  # fmt: skip
    """Put the work on top of the tip, with the tip's PRD and both memory files merged.

    Return a Verdict if the two conflict.
    """
    git, base, tip = run.git, space.before.base, run.state.tip
    if tip == base:
        return space, frozen
    joined = join(git, base, frozen.tree, tip, run.paths.both)
    if joined.clashes:
        return Verdict((clash(run, joined.clashes, base),))
    then, now = run.git.blob_at(base, run.paths.memory), run.git.blob_at(tip, run.paths.memory)
    git.tree(*worktrees.WORKERS, "read-tree", "--reset", "-u", joined.tree)
    if run.paths.memory:
        run.editor.put(run.paths.memory, _both_memories(run, git.blob(then), git.blob(now), left))
    before = Snapshot(tip, tip, git.tree_of(tip))
    changes = git.changes(tip, joined.tree)
    return replace(space, before=before), replace(frozen, tree=joined.tree, changes=changes)


def _both_memories(run: RunContext, then: bytes, now: bytes, left: bytes | None) -> bytes | None:
    """Return the memory file with the agent's valid additions and those published meanwhile."""
    if left is None or left == then:
        return now or None
    additions = completion.merged(run, then or None, left)[0]
    return merge_texts(run.git, additions or b"", then, now, union=True)[0] or None


def explain_meanwhile(run: RunContext, verdict: Verdict, base: str) -> Verdict:
    """Return the verdict with the commits published meanwhile in its gate findings, for the next prompt."""
    if run.state.tip == base:
        return verdict
    prefix = f"It was tested on top of what came in meanwhile:\n{_meanwhile(run, base)}\n\n"
    findings = (
        replace(finding, detail=prefix + finding.detail)
        if finding.what is FindingKind.GATE and finding.rejects
        else finding
        for finding in verdict.findings
    )
    return Verdict(tuple(findings))


def _meanwhile(run: RunContext, base: str) -> str:
    """Return the commits since `base` with the files of each, without PRD and memory file."""
    words = ("log", "--format=%h %s", "--name-only", f"{base}..{run.state.tip}")
    lines = run.git.repo(*words).decode(errors="replace").strip().splitlines()
    text = "\n".join(line for line in lines if line not in run.paths.both)
    return mask(clean(text), run.secrets)[:MOST_LISTED]


def clash(run: RunContext, clashes: tuple[MergeConflict, ...], base: str) -> Finding:
    """Return the finding for a conflict, with both sides for the next prompt."""
    shown = "\n\n".join(f"{conflict.path}:\n{_hunks(conflict.text)}" for conflict in clashes if conflict.text)
    detail = mask(clean(f"What came in meanwhile:\n{_meanwhile(run, base)}\n\n{shown}"), run.secrets)[:MOST_SHOWN]
    return Finding(FindingKind.CLASH, f"{clashes[0].why}{_more(len(clashes) - 1)}.", detail)


def _more(others: int) -> str:
    return f", and {others} other {'file' if others == 1 else 'files'}" if others else ""


def _hunks(text: str) -> str:
    """Return the conflict hunks of a merged text."""
    lines, shown, inside = text.splitlines(), [], False
    for line in lines:
        inside |= line.startswith("<<<<<<< ")
        if inside:
            shown.append(line)
        inside &= not line.startswith(">>>>>>> ")
    return "\n".join(shown)
