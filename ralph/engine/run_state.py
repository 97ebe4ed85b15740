"""The part of a run that changes while it works. Everything fixed is in `engine.context`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ralph.agents.model import Stopped
from ralph.agents.usage import Spent
from ralph.git.index import Snapshot, WorktreeStatus
from ralph.prd.model import Fields, Prd
from ralph.state.events import Event
from ralph.state.history import History
from ralph.verify.gate_code.closure import Closure
from ralph.verify.model import Finding, Gate
from ralph.verify.outcomes.model import Outcome

FRESH = 1.0  # seconds
Failure = tuple[tuple[Finding, ...], Stopped]


def notify_nobody(_event: Event) -> Sequence[str]:
    """Send no notification."""
    return ()


@dataclass
class PrdReading:
    """The PRD at the last reading."""

    prd: Prd | None = None
    startable: frozenset[str] = frozenset()  # ids of tasks that may start: the others were just written
    data: bytes = b""  # the bytes that ralph read last, or wrote itself
    edited_at: float = 0.0  # when a person's edit was last seen (file time, epoch seconds)

    def start_from(self, prd: Prd) -> None:
        """Take the first reading: no task of it is new."""
        self.prd, self.data, self.startable = prd, prd.data, frozenset(task.id for task in prd.tasks)


@dataclass
class RunState:
    """How far a run came. `RunContext.note` alone changes `history`."""

    history: History
    branch: str = ""  # ralph's branch, full ref name
    home: str = ""  # the branch that the user was on, short
    tip: str = ""  # the last proven commit: where the branch stands
    proven_tip: str = ""  # the tip that was last proven in a fresh checkout
    accepted: int = 0  # attempts
    looked_at: float = field(default_factory=time.monotonic)  # when a person last looked at the work
    reading: PrdReading = field(default_factory=PrdReading)
    vanished: dict[str, str] = field(
        default_factory=dict
    )  # open tasks that went away while an agent ran: id -> text
    kept_fields: dict[str, Fields] = field(default_factory=dict)  # task id -> what it required before an attempt
    unparkable: set[str] = field(default_factory=set)  # ids of tasks that could not even be parked
    failures: dict[str, Failure] = field(default_factory=dict)  # task id -> its last failure
    gates: tuple[Gate, ...] = ()
    red_at_start: frozenset[str] = frozenset()  # commands that were red before the first task (--baseline)
    without_tests: set[str] = field(default_factory=set)  # commands that had nothing to run the last time
    reported_missing: set[str] = field(default_factory=set)  # sentences on tests that can't run
    floors: dict[str, Outcome] = field(default_factory=dict)  # command -> what it must not fall below
    known_failures: dict[str, frozenset[str]] = field(default_factory=dict)  # command -> tests red at the start
    confirmed: frozenset[str] = frozenset()  # tasks that a person confirmed with `ralph accept`
    base_checks: dict[tuple[str, str], bool] = field(default_factory=dict)  # (base, Check) -> whether it was red
    unreportable: set[str] = field(default_factory=set)  # commands that a request for a report breaks
    code: dict[tuple[str, str], Closure] = field(default_factory=dict)  # (tip, command) -> what it executes
    files: frozenset[str] = frozenset()  # of the tip in `code`
    own_sources: set[tuple[str, ...]] = field(default_factory=set)  # links, and a gate that loads nothing by them
    in_progress: Spent = field(default_factory=Spent)  # what the attempts in progress used so far
    memory: tuple[str, bytes | None] = ("", None)  # a commit, and the memory file there
    snapshot: Snapshot | None = None  # of the work tree, before the last attempt
    last_scan: tuple[float, WorktreeStatus] | None = None  # when (monotonic), and what the scan found
    notify: Callable[[Event], Sequence[str]] = notify_nobody  # tells people; returns its failures, sentences

    def copy(self) -> RunState:
        """Return a state that goes on by itself. Both share the sets and dictionaries."""
        return replace(self, reading=replace(self.reading))

    def just_scanned(self) -> WorktreeStatus | None:
        """Return the last scan of the work tree if it is less than FRESH seconds old, once; else None."""
        at, status = self.last_scan or (0.0, None)
        self.last_scan = None
        return status if time.monotonic() - at < FRESH else None

    def keep_scan(self, scan: WorktreeStatus, at: float, *, new: frozenset[str], gone: Sequence[str]) -> None:
        """Keep a scan for the next task: `new` paths are recorded now, `gone` refs deleted, the tip has moved."""
        refs = {name: sha for name, sha in scan.refs.items() if name not in gone} | {self.branch: self.tip}
        untracked = tuple(path for path in scan.untracked if path not in new)
        self.last_scan = (at, WorktreeStatus((), untracked, refs, scan.ignored))
