"""Result of a run: the limits that stop it, and its last sentence and exit code."""

from __future__ import annotations

from ralph.engine import budget, red_base
from ralph.engine import tick_proofs as ticks
from ralph.engine.context import RunContext, RunResult
from ralph.errors import Exit
from ralph.prd import schedule as plan
from ralph.prd.model import Prd


def no_room(why: str) -> RunResult:
    """Return the result for a full disk or quota. The last completed step stands."""
    cure = "Make room, then run the same command again: it goes on from here."
    return RunResult(Exit.STOPPED, f"Nothing can be written any more: {why}. {cure}")


def reason_to_stop(run: RunContext) -> str:
    """Return the reason to stop: an interrupt, `ralph stop` or a reached limit. Return "" to go on."""
    settings = run.settings
    if run.stop:
        return "interrupted"
    if request := run.control.stop_asked():
        return f"somebody asked for it (`ralph stop{' --now' if request == 'now' else ''}`)"
    if run.state.history.attempts >= settings.max_iterations:
        return f"the limit of {settings.max_iterations} attempts is reached (--max-iterations)"
    if settings.max_tasks and run.state.accepted >= settings.max_tasks:
        return f"the limit of {settings.max_tasks} tasks is reached (--max-tasks)"
    return budget.reached_limit(run)


def stopped(run: RunContext, prd: Prd, reason: str) -> RunResult:
    if run.stop:
        return RunResult(Exit.INTERRUPTED, "Interrupted. The same command goes on from here.")
    if plan.choose(prd, skip=run.left_out, only=run.settings.only) is None:
        return finished(run, prd)
    return RunResult(Exit.STOPPED, f"Stopped with work left: {reason}.")


def finished(run: RunContext, prd: Prd) -> RunResult:
    """Return the result if no task is left to try."""
    present = {task.id for task in prd.tasks}
    if gone := [text for task, text in run.state.vanished.items() if task not in present]:
        return RunResult(
            Exit.STOPPED, f"Open tasks vanished from {run.paths.prd} while an agent ran: {', '.join(gone)}."
        )
    held = red_base.why_held(run, prd)
    parked = [task for task in prd.tasks if not task.done and task.fields.parked is not None]
    waiting = plan.waiting(prd, skip=run.left_out, only=run.settings.only)
    if parked:
        rest = f", and {len(waiting)} wait for them" if len(waiting) > len(parked) else ""
        return RunResult(Exit.PARKED, f"Finished; parked for a human: {len(parked)}{rest}. {held}".rstrip())
    if held:
        return RunResult(Exit.STOPPED, held)
    if waiting:
        return RunResult(Exit.STOPPED, "; ".join(f"{task.id}: {why}" for task, why in waiting[:5]))
    return RunResult(Exit.DONE, ticks.sentence(run, prd))
