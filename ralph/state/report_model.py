"""What reports, explanations and messages tell: the values between who puts it together and who shows it."""

from __future__ import annotations

from enum import StrEnum

from ralph.agents.model import Stopped
from ralph.immutable import immutable
from ralph.state.events import GateRan, Reviewed
from ralph.verify.model import Finding, FindingKind


class Result(StrEnum):
    """What became of an attempt."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    BROKE_OFF = "broke off"  # no verdict: a limit, an interruption, a network that was gone
    ASKED = "asked"  # it was only asked for something: a hand-over note, smaller tasks
    TAKEN_BACK = "taken back"  # accepted, and reverted later
    WORKING = "working"


class TaskState(StrEnum):
    """Where a task stands after what is told."""

    DONE = "done"
    PARKED = "parked"
    SPLIT = "split"
    WORKING = "working"
    OPEN = "open"


@immutable
class AttemptRecord:
    """One attempt. Times are epoch seconds, 0 where there is none."""

    run: str
    prd: str
    n: int  # of the checkout: the name of its transcript
    attempt: int  # of the task, from 1
    task: str
    text: str
    purpose: str = ""  # as in `Chosen`: what an agent was only asked for
    agent: str = ""
    begun: float = 0.0
    ended: float = 0.0
    result: Result = Result.WORKING
    how: str = ""  # how its agent ended, a sentence; "": it never got so far
    claimed: bool = False  # the agent said that it was done
    failure: str = ""  # why there was no delivery, in a word or two: "rate limit", "over its time"
    findings: tuple[Finding, ...] = ()
    gates: tuple[GateRan, ...] = ()
    reviewer: Reviewed | None = None
    seconds: float = 0.0  # that its agent worked
    tokens: int = 0
    cost: float | None = None
    about: bool = False  # tokens and cost are an estimate, at least in part; as below
    stopped: Stopped | None = None  # how its agent ended; None: it never got so far
    base: str = ""  # the commit that it started from
    fresh: bool = False  # the first since the task was put into the queue again
    judged: str = ""  # the commit that was judged
    work: str = ""  # the ref that keeps its work
    commit: str = ""  # of an accepted one
    proved: bool = True  # a gate or a Check passed
    level: str = ""  # how strongly an accepted one is proven; "": not known
    reason: str = ""  # why it was set aside
    move: str = ""  # what was decided then: a MoveKind
    counted: bool = True  # it used up a try
    when: float = 0.0  # from which on it was worth to try again
    stat: str = ""  # `git diff --stat` of what it changed
    prompt: str = ""
    logs: tuple[tuple[str, str], ...] = ()  # (command, the last of its output) of the gates that were red

    @property
    def said(self) -> str:
        """Its agent's last words."""
        return self.stopped.said if self.stopped else ""

    @property
    def tail(self) -> str:
        """The last of what its agent printed."""
        return self.stopped.tail if self.stopped else ""

    @property
    def kept(self) -> str:
        """What holds its work: a ref, else the commit that was judged; "" if there is none."""
        return self.work or self.judged

    @property
    def false_claim(self) -> bool:
        """Its agent said that it was done, and it was not; that others changed the same meanwhile is no lie."""
        against = {finding.what for finding in self.findings if finding.rejects}
        return self.claimed and self.result is Result.REJECTED and bool(against - {FindingKind.CLASH})


@immutable
class Note:
    """What happened to a task, or to the run (task ""), between attempts."""

    run: str
    prd: str
    time: float
    kind: str  # a word: "parked", "split", "reopened", "waiting" ...
    text: str
    task: str = ""
    name: str = ""  # the task's text
    commit: str = ""


@immutable
class RunRecord:
    """One run."""

    run: str
    prd: str
    agent: str = ""
    branch: str = ""
    home: str = ""
    begun: float = 0.0
    ended: float = 0.0  # 0: it did not end
    seconds: float = 0.0  # without the time that it was cut off
    code: int | None = None
    why: str = ""


@immutable
class TaskSummary:
    """One task, summed up."""

    task: str
    text: str
    prd: str
    standing: TaskState
    tries: int = 0  # attempts to do it
    seconds: float = 0.0
    tokens: int = 0
    cost: float | None = None
    about: bool = False
    commit: str = ""
    reason: str = ""  # why it is parked, or open
    findings: tuple[Finding, ...] = ()  # of its last try, where that was not accepted
    work: str = ""  # the ref of the last work that is kept
    mark: str = ""  # more about its standing: "put back since", "by hand"
    proof: str = ""  # how strongly a done task is proven: a level; "": not known


@immutable
class RunLog:
    """What the journal tells of some runs."""

    runs: tuple[RunRecord, ...] = ()
    tries: tuple[AttemptRecord, ...] = ()
    remarks: tuple[Note, ...] = ()
    latest: float = 0.0  # the last sign of life


@immutable
class Report:
    """What a report shows; times are epoch seconds."""

    begun: float
    ended: float
    runs: tuple[RunRecord, ...]
    rows: tuple[TaskSummary, ...]
    tries: tuple[AttemptRecord, ...]
    remarks: tuple[Note, ...]
    failures: tuple[tuple[str, int], ...]  # (kind, in how many attempts), most first
    seconds: float  # that ralph ran
    worked: float  # that agents worked
    tokens: int
    cost: float | None
    false_claims: int
    alive: bool = False  # a run is going on
    about: bool = False

    def standing(self, *which: TaskState) -> tuple[TaskSummary, ...]:
        return tuple(row for row in self.rows if row.standing in which)

    @property
    def attempts(self) -> int:
        """Attempts to do a task; without what an agent was only asked for."""
        return sum(not attempt.purpose for attempt in self.tries)


@immutable
class TaskHistory:
    """All that happened to one task in one run, in order."""

    task: str
    text: str
    run: str
    steps: tuple[AttemptRecord | Note, ...]
    standing: TaskState = TaskState.OPEN
    seconds: float = 0.0
    tokens: int = 0
    cost: float | None = None
    about: bool = False
