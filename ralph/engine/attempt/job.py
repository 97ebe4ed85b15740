"""What an attempt is for, what it needs from the loop, and what comes out of it."""

from __future__ import annotations

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


@immutable
class AttemptJob:
    """What an attempt is for."""

    n: int
    place: int  # the number of its worktree; 0: the checkout
    task: Task
    prd: Prd
    purpose: str = ""
    left: Attempt | None = None  # an attempt that a crash left behind


@immutable
class FinalScan:
    """What the checkout held when the agent was done. The next attempt starts from it without another scan."""

    at: float  # seconds, monotonic
    status: WorktreeStatus
    recorded: frozenset[str]  # paths that the commit holds now
    gone: tuple[str, str]  # refs that are dropped


@immutable
class ReadyCommit:
    """The attempt is accepted: a commit that is ready to be published, and what goes with it."""

    commit: str
    held: str  # the ref of the work, which is dropped
    placing: PendingCompletion
    nothing: frozenset[str]  # commands that had nothing to run
    proved: bool  # at least one gate or Check passed
    scan: FinalScan | None = None  # None: gates ran since, or it was a worktree


@immutable
class Rejected:
    """The attempt is set aside. `move` is what follows; None: recovery set it aside."""

    move: Move | None = None


@immutable
class Answer:
    """What an agent answered to a question."""

    stopped: Stopped


AttemptOutcome = ReadyCommit | Rejected | Answer


class Turn(Protocol):
    """What an attempt needs from the loop."""

    def take(self) -> str:
        """Wait until this attempt may be judged. Return the tip, which stays until the outcome is known."""

    def report_failure(self, task: str, failure: tuple[tuple[Finding, ...], Stopped]) -> None:
        """Keep what the next prompt quotes."""

    def report_prd_edit(self) -> None:
        """The agent changed the PRD of the user's checkout from its worktree."""


class OnlyTurn:
    """The turn of the only attempt."""

    def __init__(self, run: RunContext) -> None:
        self._run = run

    def take(self) -> str:
        return self._run.tip

    def report_failure(self, task: str, failure: tuple[tuple[Finding, ...], Stopped]) -> None:
        """The run knows it already."""

    def report_prd_edit(self) -> None:
        """The PRD is in the work tree of the attempt, and examined with it."""
