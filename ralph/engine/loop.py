"""The whole program on one page: read, choose, brief, work, examine, judge, record. Then choose again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ralph.config import Settings
from ralph.engine import checkpoints as steering
from ralph.engine import commit as record
from ralph.engine import daily_note as noting
from ralph.engine import notifications as notifying
from ralph.engine import prd_file as paper
from ralph.engine import recovery as healing
from ralph.engine import recovery_policy as recovery
from ralph.engine import resume as waking
from ralph.engine import startup as start
from ralph.engine import tick_proofs as ticks
from ralph.engine.attempt import judge as judging
from ralph.engine.attempt import prd_edits as settling
from ralph.engine.attempt import stash as stashes
from ralph.engine.attempt.gates import GatesInterruptedError
from ralph.engine.attempt.run_agent import begin, brief, let_work, told
from ralph.engine.context import Ending, Run
from ralph.errors import NO_ROOM, Exit, RalphError
from ralph.git import restore as undo
from ralph.git import workspace
from ralph.git.freeze import Frozen, freeze
from ralph.git.index import scan
from ralph.git.workspace import Workspace
from ralph.model import Move, MoveKind, Prd, Stopped, Task, Verdict, Why
from ralph.prd import schedule as plan
from ralph.process import command as proc
from ralph.state.attempt import CHECK, Attempt, State
from ralph.state.events import Event, Recorded, RunEnded, SetAside
from ralph.text import one_line


def run(
    settings: Settings, cwd: Path, tell: Callable[[Event], None], beat: Callable[[Run], None] | None = None
) -> int:  # fmt: skip
    """Work through the PRD. Returns the exit code; raises RalphError (exit 2) where nothing could be started.

    `tell` gets what happens; `beat` is called several times a second while the run waits for something.
    """
    with start.open_run(settings, cwd, tell, beat) as this, noting.listed(this), notifying.ringing(this):
        try:
            ending = _how(this)(this)
        except RalphError as error:
            ending = Ending(error.code or Exit.STOPPED, f"{error.what}. {error.now}".strip())
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            ending = no_room(str(error.strerror))
        spent = this.spent
        ended = RunEnded(
            ending.code, ending.why, round(this.seconds, 1), spent.tokens, spent.cost, spent.about
        )  # fmt: skip
        if not this.history.running:
            this.note(ended)
        else:
            tell(ended)  # not in the journal: the next start takes up what is unfinished
            this.ring(ended)
        return ending.code


def no_room(why: str) -> Ending:
    """A full disk, or something like it: everything is as it was at the last step."""
    cure = "Make room, then run the same command again: it goes on from here."
    return Ending(Exit.STOPPED, f"Nothing can be written any more: {why}. {cure}")


def _how(run: Run) -> Callable[[Run], Ending]:
    """One after the other here, or in worktrees."""
    if not run.settings.at_once and not any(one.place for one in run.history.running.values()):
        _forget_worktrees(run)
        return work
    from ralph.engine.parallel import loop as parallel

    return parallel.work


def _forget_worktrees(run: Run) -> None:
    """A killed run with several agents may have left some that git knows."""
    if (run.git.where.common / "worktrees").is_dir():
        from ralph.engine.parallel import worktree_setup as fitting

        fitting.pool(run).close()


def work(run: Run) -> Ending:
    """Take tasks until there is nothing left to try."""
    while True:
        prd = paper.read(run)
        if reason := reason_to_stop(run):
            return stopped(run, prd, reason)
        if run.history.waiting or run.history.owed:
            if ending := healing.go_on(run):
                return ending
            continue
        steering.note_skips(run, prd)
        task = choose(run, prd)
        if task is None:
            if not paper.wait_for_quiet(run, prd):
                return finished(run, prd)
            continue
        if why := steering.reason_to_pause(run):
            if ending := steering.stand_still(run, why):
                return ending
            continue
        move = attempt(run, task, prd)
        if move is not None and move.kind is MoveKind.STOP:
            return healing.stop(run, move)


def choose(run: Run, prd: Prd) -> Task | None:
    """The next task that may be tried; one that was just typed waits until its author is done typing."""
    new = frozenset(task.id for task in prd.tasks if task.id not in run.known)
    return plan.choose(prd, skip=new | run.left_out, only=run.settings.only)


def attempt(run: Run, task: Task, prd: Prd) -> Move | None:
    """One try at one task. None: it was accepted; else what was decided, which is in the journal, too."""
    if not task.leaf and not run.tally(task).checked:
        return check(run, task, prd)
    space = begin(run, task, work=run.tally(task).work)
    run.look_for_gates()
    end = let_work(run, space, task, brief(run, task, prd, space.n))
    run.note(told(run, space.n, end))
    return finish(run, space, task, prd, end)


def check(run: Run, task: Task, prd: Prd) -> Move | None:
    """All that was below this task is done: its own checks may prove it without an agent."""
    space = begin(run, task, CHECK)
    run.look_for_gates()
    end = Stopped(Why.EXITED, 0, ended=True, said="Nobody was asked: all tasks below it are done.")
    run.note(told(run, space.n, end))
    return finish(run, space, task, prd, end)


def finish(
    run: Run, space: Workspace, task: Task, prd: Prd, end: Stopped, tips: list[str] | None = None
) -> Move | None:
    """Examine what is there, judge it, and record it or set it aside. Also where a killed run is taken up again."""
    undo.refuse_gone(run.git)
    run.git.seal()
    at, now = time.monotonic(), scan(run.git)
    frozen = freeze(
        run.git, space.before, now, run.paths, ours=space.ours, watched=space.watched, tips=tips,
        named=lambda path: judging.names(run, task, path), message=f"work of attempt {space.n}",
    )  # fmt: skip
    held = workspace.leave(run.git, space, frozen, now.refs, run.tip)
    frozen = stashes.settle(run, space, task.id, frozen)
    settled = settling.settle(run, prd, task, end, frozen)
    changed = leaves_work(run, frozen)
    if recovery.ending(end, changed=changed) is not recovery.Ending.REJECTED:
        return set_aside(run, space, task, frozen, settled, end, None, held)
    try:
        judged = judging.judge(run, space, task, frozen, settled, end)
    except GatesInterruptedError:
        return set_aside(run, space, task, frozen, settled, replace(end, why=Why.INTERRUPTED), None, held)
    run.note(judging.event(space.n, frozen, judged.verdict))
    if judged.placing is None:
        return set_aside(run, space, task, frozen, settled, end, judged.verdict, held)
    parent = judging.build_hand_edit(run, settled, task) if settled.by_hand else run.tip
    commit = judging.build_commit(run, task, frozen, judged, judged.placing, parent)
    judging.publish(run, space.n, commit, held, judged.placing.new.get(run.paths.memory))
    run.accepted += 1
    if not judged.evidence.gates:
        recorded = frozenset(change.path for change in frozen.changes) | judged.placing.new.keys()
        run.saw(now, at, new=recorded, gone=(space.wip, held))
    run.failed.pop(task.id, None)
    also = tuple(one.id for one in judged.placing.also)
    run.note(Recorded(space.n, task.id, commit, also, any(one.ok for one in judged.evidence.gates)))
    run.control.forget(task.id)
    return None


def leaves_work(run: Run, frozen: Frozen) -> bool:
    """Whether the attempt changed more than the PRD, or put something into a stash."""
    stashed = frozen.stash.new or frozen.stash.lost
    return bool(stashed) or any(change.path != run.paths.prd for change in frozen.left)


def set_aside(
    run: Run, space: Workspace, task: Task, frozen: Frozen, settled: settling.Settled, end: Stopped,
    verdict: Verdict | None, held: str,
) -> Move:  # fmt: skip
    """Keep the work in its ref, make the tree as it was before, and decide what to do."""
    changed = leaves_work(run, frozen)
    same, tree = recovery.same(end, verdict, changed=changed), run.git.tree_of(frozen.work)
    counts = healing.counts(run, task, end, tree, same, verdict)
    cure = run.worker(task).agent.CURE
    move = recovery.move(end, changed=changed, verdict=verdict, counts=counts, cure=cure, now=time.time())
    workspace.roll_back(run.git, space, frozen, frozenset({run.paths.prd}))
    if settled.by_hand:
        paper.commit_hand_edit(run, settled.prd.data, f"docs(prd): changed while {one_line(task.id, 40)} ran")
    if verdict is not None or task.id not in run.failed:
        run.failed[task.id] = (verdict.findings if verdict else (), end)
    run.note(SetAside(
        space.n, task.id, move.reason, move.counted, held, same, move.kind.value, tree, move.when
    ))  # fmt: skip
    return move


# ---------------------------------------------------------------- endings


def reason_to_stop(run: Run) -> str:
    """The limit that is reached, or that somebody pressed Ctrl-C. Empty: go on."""
    settings = run.settings
    if run.stop:
        return "interrupted"
    if asked := run.control.stop_asked():
        return f"somebody asked for it (`ralph stop{' --now' if asked == 'now' else ''}`)"
    if run.history.attempts >= settings.max_iterations:
        return f"the limit of {settings.max_iterations} attempts is reached (--max-iterations)"
    if settings.max_tasks and run.accepted >= settings.max_tasks:
        return f"the limit of {settings.max_tasks} tasks is reached (--max-tasks)"
    return run.limit()


def stopped(run: Run, prd: Prd, reason: str) -> Ending:
    if run.stop:
        return Ending(Exit.INTERRUPTED, "Interrupted. The same command goes on from here.")
    if plan.choose(prd, skip=run.left_out, only=run.settings.only) is None:
        return finished(run, prd)
    return Ending(Exit.STOPPED, f"Stopped with work left: {reason}.")


def finished(run: Run, prd: Prd) -> Ending:
    """Nothing is left that could be tried."""
    there = {task.id for task in prd.tasks}
    if gone := [text for task, text in run.vanished.items() if task not in there]:
        return Ending(
            Exit.STOPPED, f"Open tasks vanished from {run.paths.prd} while an agent ran: {', '.join(gone)}."
        )
    parked = [task for task in prd.tasks if not task.done and task.fields.parked is not None]
    waiting = plan.waiting(prd, skip=run.left_out, only=run.settings.only)
    if parked:
        rest = f", and {len(waiting)} wait for them" if len(waiting) > len(parked) else ""
        return Ending(Exit.PARKED, f"Finished; parked for a human: {len(parked)}{rest}.")
    if waiting:
        return Ending(Exit.STOPPED, "; ".join(f"{task.id}: {why}" for task, why in waiting[:5]))
    return Ending(Exit.DONE, ticks.sentence(run, prd))


# ---------------------------------------------------------------- taking up a run that was killed


def recover(run: Run) -> None:
    """Finish or set aside what a killed run left. The table of `core.life` says what each state needs."""
    if run.history.publishing is not None:
        waking.finish_move(run, run.history.publishing)
    for current in list(run.history.running.values()):
        if current.place:
            waking.finish_apart(run, current)
        else:
            _recover(run, current)
            record.settle(run.git, run.tip)  # people's edits may have been recorded before the kill


def _recover(run: Run, current: Attempt) -> None:
    run.say(f"The last run was cut off in attempt {current.n} ({one_line(current.text, 60)}): {current.state}.")
    proc.end_tree(current.pid, current.started)
    proc.end_leftovers(current.run)
    undo.refuse_gone(run.git)
    waking.clear_locks(run, current)
    if current.state is State.CHOSEN or (current.state is State.PREPARED and not current.carried):
        waking.undo_choice(run, current)
    elif current.state is not State.JUDGED or not waking.finish_recording(run, current):
        _take_up(run, current)


def _take_up(run: Run, current: Attempt) -> None:
    space, prd, task = waking.workspace_of(run, current)
    run.seen, run.wrote = prd, prd.data
    if task is None or current.stopped is None or current.purpose not in ("", CHECK):
        waking.refuse_later_repairs(run, current)
        waking.abandon(run, space, current, prd, task)
        return
    run.look_for_gates()
    waking.count_review(run, current)
    tips = waking.back_to_work(run, space, prd, current.placed)
    finish(run, space, task, prd, waking.stopped_of(current.stopped), tips)
