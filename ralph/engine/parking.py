"""Give a task to a human: the reason in the PRD, and a review file with everything needed to decide."""

from __future__ import annotations

from dataclasses import replace

from ralph.engine import prd_file as paper
from ralph.engine import recovery_policy as recovery
from ralph.engine.context import RunContext, RunResult
from ralph.engine.review_file import dossier
from ralph.errors import Exit, RalphError
from ralph.git.ref_names import short_name
from ralph.prd import schedule as plan
from ralph.prd.model import Task
from ralph.state import journal
from ralph.state.events import Parked
from ralph.state.projection import run_log, tries_since_queued
from ralph.state.report_model import AttemptRecord
from ralph.text import clean, one_line

STATS = 3  # attempts whose `git diff --stat` is shown: the newest


def park(run: RunContext, task: Task, reason: str, question: str = "") -> RunResult | None:
    """Park it; tasks that do not depend on it go on. An Ending where too many failed alike."""
    told = f"It asks: {one_line(clean(question))}" if question else reason
    try:
        _keep_review(run, task, reason, question)
    except RalphError as error:
        run.say(f"Its review file could not be written: {error.what}.", loud=True)
    try:
        paper.park_in_prd(run, task, told)
    except RalphError as error:
        run.state.unparkable.add(task.id)
        run.say(f"{error.what}. It is left out of this run instead of parked. {error.now}", loud=True)
    run.note(Parked(task.id, one_line(clean(task.text)), told, run.state.tip))
    left = plan.choose(paper.read_prd(run), skip=run.left_out, only=run.settings.only) is not None
    alike = recovery.stop_after(run.state.history.alike, left=left)
    return RunResult(Exit.STOPPED, alike.reason) if alike else None


def _keep_review(run: RunContext, task: Task, reason: str, question: str) -> None:
    attempts = _attempts(run, task)
    branch = short_name(run.state.branch)
    text = dossier(
        task, attempts, reason=reason, question=question, prd_name=run.paths.prd, branch=branch, secrets=run.secrets
    )
    run.control.keep_review(task.id, text)


def _attempts(run: RunContext, task: Task) -> tuple[AttemptRecord, ...]:
    """Return the attempts since the task was put into the queue, with what only git and this run know of them."""
    entries = journal.read_journal(journal.journal_path(run.state_folder))
    steps = ((entry.time, entry.run, entry.event) for entry in entries if entry.event is not None)
    attempts = list(tries_since_queued(run_log(steps, alive=True), task.id, run.paths.prd))
    attempts[-STATS:] = [replace(attempt, stat=_stat(run, attempt)) for attempt in attempts[-STATS:]]
    tried = [number for number, attempt in enumerate(attempts) if not attempt.purpose]
    if tried and task.id in run.state.failures:
        attempts[tried[-1]] = replace(attempts[tried[-1]], findings=run.state.failures[task.id][0])
    return tuple(attempts)


def _stat(run: RunContext, attempt: AttemptRecord) -> str:
    if not attempt.kept:
        return ""
    words = ("diff", "--stat", "--no-color", "--no-ext-diff", attempt.base, attempt.kept)
    return run.git.repo(*words, ok=(0, 128)).decode(errors="replace")
