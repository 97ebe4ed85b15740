"""Events of a run, which the journal stores and the screen shows. Each is a frozen value.

Each has a docstring: without one Python asks for its signature at every start, 0.2 ms for each.

An event becomes one JSON object (`to_json`) and comes back (`from_json`); unknown fields of newer versions are
dropped, missing ones take their defaults, an unknown event is None.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from functools import cache
from typing import Any, ClassVar

from ralph.immutable import immutable


@immutable
class Event:
    """One event. `NAME` is its name in the journal."""

    NAME: ClassVar[str] = ""


@immutable
class RunStarted(Event):
    """The run is on its branch, and all checks passed."""

    NAME: ClassVar[str] = "run started"
    run: str
    branch: str  # ralph's branch, short
    home: str  # the branch that the user was on, short; or a commit
    base: str
    prd: str  # path relative to the repository's root
    agent: str
    pid: int = 0
    gates: tuple[str, ...] = ()
    said: tuple[str, ...] = ()  # defaults taken, warnings: one sentence each
    resumed: bool = False
    at_once: int = 0  # so many agents at most, each in a worktree; 0: one, in the checkout


@immutable
class RunEnded(Event):
    """The last event of a run."""

    NAME: ClassVar[str] = "run ended"
    code: int
    why: str  # a sentence
    seconds: float = 0.0
    tokens: int = 0
    cost: float | None = None
    about: bool = False  # an estimate, at least in part; as in all events that tell what was spent


@immutable
class Continued(Event):
    """A later ralph continues a run that was cut off. Written before it recovers anything."""

    NAME: ClassVar[str] = "continued"
    away: float  # seconds since the last event of the run


@immutable
class Chosen(Event):
    """A task was chosen; attempt `n` counts all attempts of this checkout, `attempt` those of this task, from 1."""

    NAME: ClassVar[str] = "chosen"
    n: int
    task: str
    text: str
    attempt: int
    base: str
    purpose: str = ""  # "": to do it; else what an agent is only asked for ("split", "hand over"): never recorded


@immutable
class Sent(Event):
    """An attempt has its own process, in a worktree."""

    NAME: ClassVar[str] = "sent"
    n: int
    pid: int
    started: float  # its start time as the system tells it
    place: int  # number of the worktree


@immutable
class WorkspaceReady(Event):
    """The attempt has its workspace, and a ref holds the state before it."""

    NAME: ClassVar[str] = "workspace ready"
    n: int
    before: str  # the snapshot, a commit
    unsaved: tuple[str, ...] = ()  # untracked files too large to be held by it
    carried: bool = False  # the unfinished work of an earlier attempt is brought back in


@immutable
class AgentStarted(Event):
    """The runner process exists; the agent starts after this event."""

    NAME: ClassVar[str] = "agent started"
    n: int
    pid: int  # its runner
    started: float  # the runner's start time as the system tells it (pids are used again)
    agent: str = ""


@immutable
class AgentReported(Event):
    """A report of the agent, at most every 30 s and at each displayed tool call."""

    NAME: ClassVar[str] = "agent reported"
    n: int
    action: str = ""
    tokens: int = 0
    cost: float | None = None
    about: bool = False


@immutable
class AgentStopped(Event):
    """The agent ended. Holds all that is needed to judge the attempt after a crash."""

    NAME: ClassVar[str] = "agent stopped"
    n: int
    why: str
    code: int | None = None
    seconds: float = 0.0
    tokens: int = 0
    cost: float | None = None
    ended: bool | None = None
    failure: str = ""  # the Kind of its last error, if any
    message: str = ""
    resets_at: float | None = None
    said: str = ""
    tail: str = ""
    actions: tuple[str, ...] = ()
    names: tuple[str, ...] = ()  # which of PRD and memory file its stream shows it writing or naming
    output: int = 0
    detail: str = ""
    about: bool = False


@immutable
class GateStarted(Event):
    """A gate started. Shown live, not journaled."""

    NAME: ClassVar[str] = "gate started"
    n: int  # 0: before the first task, or at the end of the run
    command: str


@immutable
class GateRan(Event):
    """A gate ended."""

    NAME: ClassVar[str] = "gate ran"
    n: int  # 0: before the first task
    command: str
    ok: bool
    seconds: float = 0.0
    none: bool = False
    timed_out: bool = False
    base_tests: bool = False


@immutable
class Judged(Event):
    """The verdict on an attempt, with its findings."""

    NAME: ClassVar[str] = "judged"
    n: int
    accepted: bool
    work: str  # the frozen commit
    findings: tuple[tuple[str, str, bool], ...] = ()  # (kind, sentence, rejects)


@immutable
class Placed(Event):
    """PRD and memory file are about to get the commit's content in the checkout. Undone if a gate is red."""

    NAME: ClassVar[str] = "placed"
    n: int
    files: tuple[str, ...]


@immutable
class Publishing(Event):
    """A finished commit is about to become the tip. Written before the branch moves."""

    NAME: ClassVar[str] = "publishing"
    n: int  # 0: a move of ralph's own, not an attempt's
    commit: str
    parent: str
    files: tuple[tuple[str, str, str], ...] = ()


@immutable
class Recorded(Event):
    """The attempt was accepted: its commit is the tip, its box is ticked."""

    NAME: ClassVar[str] = "recorded"
    n: int
    task: str
    commit: str
    also: tuple[str, ...] = ()  # parents ticked in the same commit
    proved: bool = True  # a gate or a Check passed
    level: str = ""  # how strongly it is proven; "": by an earlier ralph
    parents: tuple[str, ...] = ()  # the levels of `also`

    @property
    def levels(self) -> dict[str, str]:
        """Ticked task -> level."""
        unknown = ("",) * (len(self.also) - len(self.parents))
        return dict(zip((self.task, *self.also), (self.level, *self.parents, *unknown), strict=False))


@immutable
class SetAside(Event):
    """The attempt was not accepted. A ref keeps its work."""

    NAME: ClassVar[str] = "set aside"
    n: int
    task: str
    reason: str
    counted: bool  # it used up a try
    work: str = ""  # the ref that keeps the work
    same: str = ""  # what tells whether two failures are alike
    move: str = ""  # what follows: a MoveKind
    tree: str = ""  # of the work
    when: float | None = None  # epoch seconds from which on it is worth to try again
    tokens: int = 0  # what it spent, where its agent's end is not in the journal: ralph was killed meanwhile
    cost: float | None = None
    about: bool = False


@immutable
class Parked(Event):
    """The task is left to a human."""

    NAME: ClassVar[str] = "parked"
    task: str
    text: str
    reason: str
    commit: str = ""


@immutable
class Reopened(Event):
    """An accepted task is reverted and its box emptied. Written before that is done."""

    NAME: ClassVar[str] = "reopened"
    task: str
    text: str
    reason: str
    commit: str  # that is reverted


@immutable
class Split(Event):
    """A task was split into subtasks in the PRD."""

    NAME: ClassVar[str] = "split"
    task: str
    text: str
    into: tuple[str, ...]  # their texts
    ids: tuple[str, ...] = ()
    commit: str = ""


@immutable
class AgentChanged(Event):
    """The next agent in fallback order takes the task."""

    NAME: ClassVar[str] = "agent changed"
    task: str
    agent: str  # as the ladder names it: "codex", "claude:opus"
    reason: str


@immutable
class Waiting(Event):
    """The run waits until `until` (epoch seconds), even if it is killed and restarted meanwhile."""

    NAME: ClassVar[str] = "waiting"
    reason: str
    until: float
    task: str = ""


@immutable
class Waited(Event):
    """A wait is over."""

    NAME: ClassVar[str] = "waited"
    seconds: float
    why: str = ""  # what ended it early, if anything did


@immutable
class Paused(Event):
    """Nothing starts until `ralph resume`: a person paused the run, or a checkpoint is due."""

    NAME: ClassVar[str] = "paused"
    reason: str
    checkpoint: bool = False
    until: float = 0.0  # epoch seconds at which the run ends instead


@immutable
class Resumed(Event):
    """A pause is over."""

    NAME: ClassVar[str] = "resumed"
    seconds: float


@immutable
class Skipped(Event):
    """The task is skipped in this run; its box is unchanged."""

    NAME: ClassVar[str] = "skipped"
    task: str
    text: str


@immutable
class Reviewed(Event):
    """A second agent reviewed the work. `ok` is None if its answer was not readable."""

    NAME: ClassVar[str] = "reviewed"
    n: int
    agent: str
    ok: bool | None
    text: str = ""
    seconds: float = 0.0
    tokens: int = 0
    cost: float | None = None
    about: bool = False


@immutable
class Learned(Event):
    """An agent reported window or price of one of its models. 0 or (): nothing new."""

    NAME: ClassVar[str] = "learned"
    agent: str
    model: str
    window: int = 0  # tokens
    price: tuple[float, ...] = ()  # USD per million tokens: input, cached input, output


@immutable
class Moved(Event):
    """A commit without a task: a hand edit, or ralph's own (put back, ticked again)."""

    NAME: ClassVar[str] = "moved"
    subject: str
    commit: str
    why: str = ""  # the task whose box was ticked again, where it was that


@immutable
class Noted(Event):
    """A sentence for people. `loud`: a warning."""

    NAME: ClassVar[str] = "noted"
    text: str
    loud: bool = False
    detail: str = ""
    n: int = 0  # of the attempt that it is about, where several go on; 0: of none, or of the only one
    once: bool = False  # noted once in a run, whoever finds it out


EVENTS: dict[str, type[Event]] = {
    kind.NAME: kind
    for kind in (
        RunStarted, RunEnded, Continued, Chosen, Sent, WorkspaceReady, AgentStarted, AgentReported, AgentStopped,
        GateRan, Judged, Placed, Publishing, Recorded, SetAside, Parked, Reopened, Split, AgentChanged, Waiting,
        Waited, Paused, Resumed, Skipped, Reviewed, Learned, Moved, Noted,
    )
}  # fmt: skip


def to_json(event: Event) -> dict[str, Any]:
    """Return `{"event": name, ...fields}`, ready for JSON."""
    return {"event": event.NAME, **asdict(event)}


def from_json(data: dict[str, Any]) -> Event | None:
    """Return the event, or None if this version does not know it. Raise TypeError if a value has another type."""
    kind = EVENTS.get(str(data.get("event")))
    if kind is None:
        return None
    types = _types(kind.NAME)
    values = {name: _tuples(value) for name, value in data.items() if name in types}
    if wrong := [name for name, value in values.items() if not _fits(value, types[name])]:
        raise TypeError(f"{kind.NAME}: another type was expected for {', '.join(wrong)}")
    return kind(**values)


#: How a type is spelled above -> what a value may be.
_KINDS: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "bool": (bool,), "float": (int, float),
                                       "tuple": (tuple,), "None": (type(None),)}  # fmt: skip


@cache
def _types(event: str) -> dict[str, tuple[type, ...]]:
    """Return what the value of each field of an event may be."""
    return {
        field.name: tuple(one for name in str(field.type).split(" | ") for one in _KINDS[name.partition("[")[0]])
        for field in fields(EVENTS[event])
    }


def _fits(value: Any, kinds: tuple[type, ...]) -> bool:
    """Return whether a value read from JSON has the type of a field. What is in tuples must be hashable."""
    return isinstance(value, kinds) and not (isinstance(value, tuple) and _holds_table(value))


def _holds_table(values: tuple[Any, ...]) -> bool:
    return any(isinstance(value, dict) or (isinstance(value, tuple) and _holds_table(value)) for value in values)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(entry) for entry in value) if isinstance(value, list) else value
