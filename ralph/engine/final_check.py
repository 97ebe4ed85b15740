"""Final check of a run in worktrees: the gates once more, in a fresh checkout of the tip.

Ignored files may have helped the gates before; here only git's files and the set-up exist. If a gate is red,
bisection finds the commit that broke it, ralph reverts it, and its task is open again.
"""

from __future__ import annotations

from collections.abc import Sequence

from ralph.agents.model import Stopped, StopReason
from ralph.engine import commit as record
from ralph.engine import gate_selection, linked_sources, prd_file
from ralph.engine.attempt.gates import run_gates
from ralph.engine.context import RunContext
from ralph.engine.parallel import worktree_setup
from ralph.engine.parking import park
from ralph.engine.publish import bring_checkout
from ralph.errors import RalphError
from ralph.git.index import tree_with
from ralph.git.merge import join
from ralph.prd import document as prd
from ralph.prd.model import Prd, Task
from ralph.state.events import Moved, Publishing, Reopened
from ralph.text import clean, one_line
from ralph.verify.model import Finding, FindingKind, GateResult

NO_CULPRIT = "They are red there already before the first task of this run: is a set-up missing (`--setup CMD`)?"


def prove(run: RunContext) -> bool:
    """Run the final check. Return False if a task is open again, True if the tip is green or needs a human."""
    if run.state.proven_tip == run.state.tip or not (run.state.gates and _commits(run)):
        return True
    run.say("The gates once more, in a fresh checkout of all that was accepted.")
    try:
        with worktree_setup.fresh(run) as place:
            worktree_setup.renew(place, run.state.tip)
            if linked_sources.refuse(place, run.state.gates):
                worktree_setup.renew(place, run.state.tip)  # gates ran there
            red = _red(run, place)
            culprit = _culprit(run, place, red) if red else ""
    except RalphError as error:
        run.say(f"It could not be tried: {error.what}. {error.now}", loud=True)
        return True
    run.state.proven_tip = run.state.tip
    if red is None:
        return True
    if not culprit:
        run.say(f"Red in a fresh checkout: {red.gate.command}. {NO_CULPRIT}", loud=True, detail=red.tail)
        return True
    return not _reopen(run, culprit, red)


def _red(run: RunContext, place: RunContext) -> GateResult | None:
    """Return the first gate that fails in the checkout and was not red before the run, or None."""
    gate_selection.look_again(place)
    results = run_gates(place, place.state.gates, 0)
    excused = run.state.red_at_start
    return next((red for red in results if not (red.ok or red.none or red.gate.command in excused)), None)


def _commits(run: RunContext) -> list[str]:
    """Return the commits of this run on the branch, oldest first."""
    words = ("rev-list", "--first-parent", "--reverse", "-F", f"--grep=Ralph-Run: {run.id}", run.state.tip)
    return run.git.repo(*words).decode().split()


def _culprit(run: RunContext, place: RunContext, red: GateResult) -> str:
    """Return the first commit at which the gate is red, or "" if it was red before all of them."""
    commits = _commits(run)
    good, bad = -1, len(commits) - 1
    if _fails(run, place, f"{commits[0]}^", red):
        return ""
    while bad - good > 1:
        middle = (good + bad) // 2
        if _fails(run, place, commits[middle], red):
            bad = middle
        else:
            good = middle
    return commits[bad]


def _fails(run: RunContext, place: RunContext, commit: str, red: GateResult) -> bool:
    worktree_setup.renew(place, run.git.sha(commit))
    result = _red(run, place)
    return result is not None and result.gate.command == red.gate.command


# ---------------------------------------------------------------- revert


def _reopen(run: RunContext, commit: str, red: GateResult) -> bool:
    """Revert the commit and empty its box. Return False, with a message, if that needs a human."""
    now = prd_file.read_prd(run)
    names = run.git.trailers(commit, "Ralph-Task")
    tasks = [task for task in now.tasks if task.id in names]
    joined = join(run.git, commit, f"{commit}^", run.state.tip, run.paths.both)
    why = f"Red in a fresh checkout since commit {commit[:9]}: {red.gate.command}."
    if not tasks or joined.clashes:
        reason = joined.clashes[0].why if joined.clashes else "it is no task of this PRD"
        run.say(f"{why} It can't be reverted by itself: {reason}.", loud=True, detail=red.tail)
        return False
    leaf = tasks[-1]
    again = leaf.id in run.state.history.reopened
    for task in tasks:
        run.note(Reopened(task.id, one_line(clean(task.text)), why, commit))
    _revert(run, commit, joined.tree, now, tasks)
    finding = Finding(FindingKind.GATE, f"{why} Something that git does not have made it pass before.", red.tail)
    run.state.failures[leaf.id] = ((finding,), Stopped(StopReason.EXITED, 0, ended=True))
    if again:
        open_now = next(task for task in prd_file.read_prd(run).tasks if task.id == leaf.id)
        park(run, open_now, f"{why} This is the second time.")
    return True


def _revert(run: RunContext, commit: str, tree: str, now: Prd, tasks: Sequence[Task]) -> None:
    """Publish one commit that reverts the work and empties the boxes."""
    ids, old = [task.id for task in tasks], run.state.tip
    after = prd.with_boxes(now, ids, done=False)
    subject = run.git.repo("log", "-1", "--format=%s", commit).decode(errors="replace").strip()
    text = f'Revert "{one_line(clean(subject), 100)}"\n\nThis reverts commit {commit}.\n\n'
    message = f"{text}Ralph-Run: {run.id}\nRalph-Move: reopen\n"
    blob = run.git.put(run.paths.prd, after.data)
    new = run.git.commit(tree_with(run.git, tree, {run.paths.prd: ("100644", blob)}), [old], message, sign=True)
    files = ((run.paths.prd, run.git.blob_at(old, run.paths.prd), ""),)
    record.publish(run.git, run.note, branch=run.state.branch, event=Publishing(0, new, old, files))
    run.state.tip = new
    bring_checkout(run, old, new, lambda fresh: prd.with_boxes(fresh, ids, done=False))
    run.note(Moved(f'Revert "{one_line(clean(subject), 60)}"', new))
