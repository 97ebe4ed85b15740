"""Values between the loop and an attempt: the job, the turn, and the outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ralph.agents.model import Stopped
from ralph.engine.attempt.completion import PendingCompletion
from ralph.engine.context import RunContext
from ralph.engine.moves import Move
from ralph.git.index import WorktreeStatus
from ralph.immutable import immutable
from ralph.prd.model import Prd, Task
from ralph.state.attempt import Attempt
from ralph.verify.model import Finding
from ralph.verify.outcomes.model import Outcome


@immutable
class AttemptJob:
    """One attempt to make: task, PRD, place and purpose."""

    n: int
    place: int  # the number of its worktree; 0: the checkout
    task: Task
    prd: Prd
    purpose: str = ""
    left: Attempt | None = None  # an interrupted attempt to resume


@immutable
class FinalScan:
    """The scan of the checkout at the agent's end. The next attempt starts from it without another scan."""

    at: float  # seconds, monotonic
    status: WorktreeStatus
    recorded: frozenset[str]  # paths in the commit
    gone: tuple[str, str]  # dropped refs


@immutable
class ReadyCommit:
    """An accepted attempt: the commit to publish, and the state that goes with it."""

    commit: str
    held: str  # the ref of the work, dropped on publication
    placing: PendingCompletion
    nothing: frozenset[str]  # gate commands that had nothing to run
    proved: bool  # at least one gate or Check passed
    levels: tuple[str, ...]  # how strongly the task is proven, and each parent that is ticked with it
    outcomes: Mapping[str, Outcome]  # command -> what it reported
    scan: FinalScan | None = None  # None: gates ran since, or it was a worktree


@immutable
class Rejected:
    """An attempt that was set aside. `move` is None if recovery set it aside."""

    move: Move | None = None


@immutable
class Answer:
    """The end of an agent that was asked a question."""

    stopped: Stopped


AttemptOutcome = ReadyCommit | Rejected | Answer


class Turn(Protocol):
    """The interface of the loop for an attempt."""

    def take(self) -> str:
        """Wait until this attempt may be judged. Return the tip, which stays until the outcome."""

    def report_failure(self, task: str, failure: tuple[tuple[Finding, ...], Stopped]) -> None:
        """Keep the failure for the next prompt."""

    def report_prd_edit(self) -> None:
        """Report that the agent changed the PRD of the user's checkout from its worktree."""


class OnlyTurn:
    """The turn of the only attempt."""

    def __init__(self, run: RunContext) -> None:
        self._run = run

    def take(self) -> str:
        return self._run.state.tip

    def report_failure(self, task: str, failure: tuple[tuple[Finding, ...], Stopped]) -> None:
        """Do nothing: the run has the failure already."""

    def report_prd_edit(self) -> None:
        """Do nothing: the PRD is in the attempt's work tree and examined with it."""
