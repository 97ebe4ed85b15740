"""Forked worker: one attempt in a worktree. Only the parent publishes its outcome."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from ralph.engine import resume
from ralph.engine.attempt import attempt
from ralph.engine.attempt.gates import GatesInterruptedError
from ralph.engine.attempt.job import AttemptJob, AttemptOutcome
from ralph.engine.context import RunContext
from ralph.engine.parallel.channel import ParentChannel, WaitingEndedError, pack, worker_context
from ralph.errors import NO_ROOM, RalphError
from ralph.git import worktrees
from ralph.git.index import list_ignored
from ralph.prd import document as prd
from ralph.process.supervisor import Link, WorkerMessage

Prepare = Callable[[RunContext], None]  # makes a worktree ready: links, copies, the user's setup command


def work(
    run: RunContext, pool: worktrees.WorktreePool, job: AttemptJob, prepare: Prepare
) -> Callable[[Link], WorkerMessage]:
    """Return the child's function. Its last message is the outcome, or the reason why there is none."""

    def child(link: Link) -> WorkerMessage:
        parent = ParentChannel(link, run.id)
        git = pool.open(job.place, run.state.tip, run.settings.brought)
        own = worker_context(run, git, parent, job.n, job.prd)
        try:
            return {"kind": "outcome", "data": pack(_outcome(own, job, parent, prepare))}
        except (WaitingEndedError, GatesInterruptedError):
            return {"kind": "later"}
        except RalphError as error:
            return {"kind": "refused", "data": pack((error.what, error.now))}
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            return {"kind": "full", "data": pack(str(error.strerror))}

    return child


def _outcome(run: RunContext, job: AttemptJob, parent: ParentChannel, prepare: Prepare) -> AttemptOutcome:
    if job.left is not None:
        return resume.take_up(run, job.left, parent)
    at, seen = time.monotonic(), worktrees.check_out(run.git, run.state.tip, job.n)
    job = replace(job, prd=prd.parse(run.editor.read(run.paths.prd) or b"", run.paths.prd))
    run.state.reading.prd, run.state.reading.data = job.prd, job.prd.data
    prepare(run)
    seen = replace(seen, ignored=list_ignored(run.git))  # with the links and copies that were just made
    run.state.last_scan = None if run.settings.setup else (at, seen)  # a setup may leave files that git shows
    return attempt.attempt(run, job, parent)
