"""Review of the work by a second agent with fresh context, before the commit: one more gate.

A refusal is a finding. So is an answer that stays unreadable: a review that was asked for is required.
"""

from __future__ import annotations

from collections.abc import Sequence

from ralph.agents.model import Stopped, StopReason
from ralph.agents.selection import AgentChoice, parse_choice
from ralph.agents.session import session
from ralph.engine.attempt import prompt
from ralph.engine.attempt.gates import GatesInterruptedError
from ralph.engine.attempt.monitor import AttemptMonitor
from ralph.engine.attempt.run_agent import sandboxed, write_prompt
from ralph.engine.context import RunContext
from ralph.engine.launch import launch_of
from ralph.errors import Exit
from ralph.git.freeze import FrozenWork
from ralph.git.workspace import Workspace
from ralph.package_data import templates
from ralph.prd.model import Criterion, Task
from ralph.state.events import Reviewed
from ralph.text import clean, mask, one_line
from ralph.verify import review_answer as review
from ralph.verify.model import Finding, FindingKind, GateResult
from ralph.verify.review_answer import ReviewAnswer

MOST_DIFF = 200_000  # characters of the diff that the reviewer gets


def review_work(
    run: RunContext, space: Workspace, task: Task, frozen: FrozenWork, results: tuple[GateResult, ...],
    criteria: Sequence[Criterion] = (),
) -> tuple[list[Finding], tuple[Criterion, ...]]:  # fmt: skip
    """Return the reviewer's findings and the criteria that it confirms. The caller undoes the reviewer's writes."""
    worker = parse_choice(run.settings.review_with)
    question = _question(run, task, frozen, results, criteria)
    answer = _answer(run, space, task, worker, question)
    if answer.ok is None and not run.hurried:
        answer = _answer(run, space, task, worker, question)
    if answer.ok is None:
        text = f"The reviewer {worker.name} gave no readable answer, twice: nobody reviewed the work."
        return [Finding(FindingKind.UNREVIEWED, text)], ()
    if answer.ok:
        return [], tuple(criterion for number, criterion in enumerate(criteria, 1) if number in answer.met)
    problems = [mask(clean(problem), run.secrets) for problem in answer.problems]
    first = one_line(problems[0], 200) if problems else "it gave no reason"
    return [Finding(FindingKind.REVIEW, f"The reviewer {worker.name} refused it: {first}", "\n".join(problems))], ()


def _answer(run: RunContext, space: Workspace, task: Task, worker: AgentChoice, question: str) -> ReviewAnswer:
    """Ask the reviewer once. Journal what it answered, and what it cost."""
    end = _asked(run, space, task, worker, question)
    answer = review.read_answer(end.said) if end.well else ReviewAnswer(None)
    text = one_line(mask(clean(" ".join(answer.problems)), run.secrets), 400)
    run.note(Reviewed(
        space.n, worker.name, answer.ok, text, round(end.seconds, 3), end.tokens, end.cost, end.about
    ))  # fmt: skip
    if end.why in (StopReason.LIMIT, StopReason.INTERRUPTED):
        raise GatesInterruptedError("interrupted while the work was reviewed", code=Exit.INTERRUPTED)
    return answer


def _question(
    run: RunContext, task: Task, frozen: FrozenWork, results: tuple[GateResult, ...], criteria: Sequence[Criterion]
) -> str:  # fmt: skip
    words = ("diff", "--no-color", "--no-ext-diff", "--no-textconv", "--text", run.state.tip, frozen.tree)
    diff = run.git.tree(*words).decode(errors="replace")
    cut = diff if len(diff) <= MOST_DIFF else f"{diff[:MOST_DIFF]}\n... {len(diff) - MOST_DIFF} characters more"
    texts = [criterion.text for criterion in criteria]
    return prompt.ask_review(
        templates(), task=task, diff=cut, gates=results, secrets=run.secrets, criteria=texts
    )  # fmt: skip


def _asked(run: RunContext, space: Workspace, task: Task, worker: AgentChoice, question: str) -> Stopped:
    path = write_prompt(run, space.n, question, "review")
    env = {**run.environment(), **session.NONINTERACTIVE, "RALPH_PROMPT_FILE": str(path), "RALPH_RUN_ID": run.id}
    with sandboxed(run, launch_of(run, worker, read_only=True), worker, env) as launch:
        follower = AttemptMonitor(run, space.n, task, worker)
        return follower.follow(launch, env, path, run.folder / f"{space.n}.review.log", run.settings.task_timeout)
