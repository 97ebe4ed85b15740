"""Give a task to a human: the reason in the PRD, and a review file with everything needed to decide."""

from __future__ import annotations

from ralph.engine import prd_file as paper
from ralph.engine import recovery_policy as recovery
from ralph.engine.context import RunContext, RunResult
from ralph.engine.review_file import dossier
from ralph.errors import Exit, RalphError
from ralph.git.ref_names import short_name
from ralph.prd import schedule as plan
from ralph.prd.model import Task
from ralph.state import journal
from ralph.state.attempt_facts import AttemptFacts, attempts_of
from ralph.state.events import Parked
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
        run.skipped.add(task.id)
        run.say(f"{error.what}. It is left out of this run instead of parked. {error.now}", loud=True)
    run.note(Parked(task.id, one_line(clean(task.text)), told, run.tip))
    left = plan.choose(paper.read_prd(run), skip=run.left_out, only=run.settings.only) is not None
    alike = recovery.stop_after(run.history.alike, left=left)
    return RunResult(Exit.STOPPED, alike.reason) if alike else None


def _keep_review(run: RunContext, task: Task, reason: str, question: str) -> None:
    entries = journal.read_journal(journal.journal_path(run.state))
    events = [entry.event for entry in entries if entry.event is not None]
    known = attempts_of(task.id, events)
    tried = [attempt.n for attempt in known if not attempt.purpose]
    details = {tried[-1]: run.failed[task.id][0]} if tried and task.id in run.failed else {}
    stats = {attempt.n: _stat(run, attempt) for attempt in known[-STATS:] if attempt.work}
    whole = attempts_of(task.id, events, details=details, stats=stats)
    branch = short_name(run.branch)
    text = dossier(
        task, whole, reason=reason, question=question, prd_name=run.paths.prd, branch=branch, secrets=run.secrets
    )
    run.control.keep_review(task.id, text)


def _stat(run: RunContext, attempt: AttemptFacts) -> str:
    words = ("diff", "--stat", "--no-color", "--no-ext-diff", attempt.base, attempt.work)
    return run.git.repo(*words, ok=(0, 128)).decode(errors="replace")
