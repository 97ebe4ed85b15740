"""The nouns: frozen values that every part of ralph passes around. No behaviour beyond reading them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from ralph.immutable import immutable

# ---------------------------------------------------------------- the PRD


@immutable
class Fields:
    """What a task says about itself in nested `Key: value` bullets. Empty means: not said."""

    files: tuple[str, ...] = ()  # gitignore-style patterns, relative to the PRD's folder
    protected: tuple[str, ...] = ()
    depends: tuple[str, ...] = ()  # written ids or texts as the human wrote them
    checks: tuple[str, ...] = ()  # commands, run by `sh -c`: the only text of a PRD that is ever run
    done_when: tuple[str, ...] = ()  # for the agent and the reviewer
    group: str = ""
    agent: str = ""
    model: str = ""
    attempts: int | None = None  # tries in all
    timeout: float | None = None  # seconds
    parked: str | None = None  # the reason; None: not parked


@immutable
class Task:
    """One checkbox. `id` is the written id, or a hash of the text and its parents' texts."""

    id: str
    written: bool  # the id stands in the PRD
    number: int  # 1-based, in document order, over all boxes that are tasks
    line: int  # 1-based line of the box
    offset: int  # byte offset of the character inside the brackets
    text: str  # what stands behind the box, first paragraph, without an id comment
    done: bool
    parent: str | None = None  # id of the enclosing task
    leaf: bool = True
    body: str = ""  # everything below it that is no checkbox, dedented; fields included
    headings: tuple[str, ...] = ()  # its place: the headings above it, outermost first
    fields: Fields = field(default_factory=Fields)


@immutable
class NearMiss:
    """A line that looks like a task and is none. Left alone and reported."""

    line: int
    text: str
    why: str


@immutable
class Criterion:
    """A box under acceptance criteria or the like: not a task."""

    task: str | None  # id of the task that it stands under
    line: int  # 1-based line of the box
    offset: int  # byte offset of the character inside the brackets
    text: str
    done: bool
    asked: bool = True  # False: it stands under "Out of scope"


@immutable
class Prd:
    """A parsed PRD: its bytes, and what was found in them."""

    data: bytes
    tasks: tuple[Task, ...]
    near_misses: tuple[NearMiss, ...] = ()
    criteria: tuple[Criterion, ...] = ()


# ---------------------------------------------------------------- agents


class Kind(StrEnum):
    """What one piece of an agent's stream means."""

    TEXT = "text"
    TOOL = "tool"  # a tool call began: `tool`, and `paths` it writes or the `command` it runs
    TOOL_DONE = "tool done"
    USAGE = "usage"
    RATE_LIMIT = "rate limit"  # `resets_at` where the agent told it
    OVERLOADED = "overloaded"
    NETWORK = "network"
    AUTH = "not logged in"
    CREDIT = "no credit"
    MODEL = "model unknown"
    ERROR = "error"  # any other error that the agent itself reported
    ALIVE = "alive"  # it works (thinks, plans) and tells nothing more: progress
    RETRY = "retry"  # the agent retries by itself: no progress
    SCREEN = "screen"  # what stands last on the terminal and is no event: perhaps somebody is asked
    ENDED = "ended"  # the terminal event; `ok` tells whether it claims success


@immutable
class ModelUse:
    """What an agent reports of one of its models at its end. `split`, `written`: as in Usage. 0, None: not told."""

    model: str
    split: tuple[int, int, int] = (0, 0, 0)
    written: int = 0
    cost: float | None = None
    window: int = 0


@immutable
class Usage:
    """Tokens and money. `key` names the message counted: a later report with the same key replaces it.

    `final` replaces everything before it. `cost` is in USD, None where the agent does not tell. `context` is what
    the model's window holds at this moment, `window` its size, both in tokens; 0: the agent does not tell.
    `split` are the tokens as they are priced: (fresh input, cached input, output); `written` of the fresh ones
    were put into the cache, which costs more. `wrote` are output tokens of this event alone, estimated from its
    text: they add up, where the stream holds a placeholder. `models` is what a final report tells of each model.
    """

    tokens: int = 0
    cost: float | None = None
    key: str = ""
    final: bool = False
    context: int = 0
    window: int = 0
    split: tuple[int, int, int] = (0, 0, 0)
    written: int = 0
    wrote: int = 0
    model: str = ""
    models: tuple[ModelUse, ...] = ()


@immutable
class Signal:
    """One fact read from an agent's stream. `text` is capped by the reader (2,000 characters).

    A TOOL has as its text what tells it from other calls of that tool, a TOOL_DONE the result, where the agent
    tells it.
    """

    kind: Kind
    text: str = ""
    tool: str = ""
    paths: tuple[str, ...] = ()
    command: str = ""
    usage: Usage | None = None
    resets_at: float | None = None  # epoch seconds
    ok: bool | None = None
    session: str = ""  # the agent's own name for this session, where it keeps a file about it


@immutable
class Order:
    """What an adapter needs to know to write a command line."""

    program: tuple[str, ...]  # the program found on PATH, or the words of --agent-command
    model: str = ""
    args: tuple[str, ...] = ()
    as_root: bool = False
    budget: float | None = None  # USD that the attempt may cost, for agents that can end themselves there
    turns: int | None = None  # model calls at most
    tools: tuple[str, ...] = ()  # the only tools it may use, in the agent's own names; empty: all
    commands: tuple[str, ...] = ()  # the only shell commands it may run, how they begin; empty: all
    read_only: bool = False  # it is asked something, and may change nothing


@immutable
class Launch:
    """How to start an agent: argv, and what to add to the environment. The prompt is its standard input."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    said: tuple[str, ...] = ()  # sentences for the first lines of the run ("runs as root: IS_SANDBOX=1 is set")


class Why(StrEnum):
    """Why an agent stopped."""

    EXITED = "exited"
    SILENT = "silent"  # ended by ralph, as all below
    PROMPT = "waiting for a person"
    CIRCLES = "going in circles"
    DRIFT = "drifting"  # it went on changing what is not its own
    FULL = "context nearly full"
    RETRYING = "retrying without end"
    OVERRAN = "over its time"
    REFUSED = "refused"  # not logged in or no credit, and the agent went on asking
    LIMIT = "over a limit"  # tokens, cost, or the time of the run
    TASK_LIMIT = "over a limit of its task"  # tokens or cost of one task, turns of one attempt
    SKIPPED = "skipped"  # `ralph skip`
    INTERRUPTED = "interrupted"  # Ctrl-C, `ralph stop --now`
    LOST = "lost"  # its runner died
    UNSTARTED = "could not be started"


@immutable
class Stopped:
    """How a session ended, and what its stream told. `failure` is the agent's last error of a known kind."""

    why: Why
    code: int | None = None  # exit code; negative: signal number
    seconds: float = 0.0
    ended: bool | None = None  # the terminal event: True success, False failure, None: there was none
    failure: Signal | None = None
    tokens: int = 0
    cost: float | None = None
    said: str = ""  # the last text of the agent, capped at 4,000 characters
    tail: str = ""  # the last output, control characters removed, capped at 4,000 characters
    actions: tuple[str, ...] = ()  # the last 10 tool calls, one line each
    wrote: tuple[str, ...] = ()  # paths that its stream says it wrote (at most 500)
    commands: tuple[str, ...] = ()  # shell commands that its stream shows (at most 500)
    output: int = 0  # bytes that it printed
    detail: str = ""  # what the watch saw when it ended the attempt: one sentence
    about: bool = False  # tokens and cost are, at least in part, an estimate

    @property
    def well(self) -> bool:
        """It ended by itself, with exit code 0 and a terminal event that claims success."""
        return self.why is Why.EXITED and self.code == 0 and self.ended is True


# ---------------------------------------------------------------- evidence and verdict


@immutable
class Change:
    """One path that differs between base and work. Modes are git's (`100644`), blobs full object ids."""

    path: str
    status: str  # A M D T
    old_mode: str = "000000"
    new_mode: str = "000000"
    old_blob: str = ""
    new_blob: str = ""

    @property
    def backwards(self) -> Change:
        """The change that undoes it."""
        status = {"A": "D", "D": "A"}.get(self.status, self.status)
        return Change(self.path, status, self.new_mode, self.old_mode, self.new_blob, self.old_blob)


@immutable
class Commit:
    """A commit that the agent made. `body` is its whole message."""

    sha: str
    subject: str
    body: str = ""
    parents: tuple[str, ...] = ()


@immutable
class Gate:
    """A command that must succeed. Run by `sh -c` in the folder where ralph was started."""

    command: str
    source: str = "found"  # "--gate", "ralph.toml", "Check of T3", "package.json" ...


@immutable
class GateResult:
    """What a gate said. `none` means: there is nothing to run yet ("no tests"), which is neither green nor red."""

    gate: Gate
    ok: bool
    code: int | None = None
    seconds: float = 0.0
    tail: str = ""
    timed_out: bool = False
    none: bool = False


@immutable
class StashEntry:
    """An entry of the stash list. `message` is what `git stash list` shows; `who` is name, mail and time as in a
    reflog, "" where it is not known."""

    sha: str
    message: str = ""
    who: str = ""

    @property
    def branch(self) -> str:
        """The branch that it was made on, short; "" where the message does not name it."""
        words = self.message.removeprefix("WIP on ").removeprefix("On ")
        return words.partition(":")[0] if words != self.message and ":" in words else ""


@immutable
class StashMatch:
    """A stash entry that the attempt did not make, and what of it the work holds. `whole`: each file, unchanged."""

    entry: StashEntry
    paths: tuple[str, ...]
    whole: bool
    gone: bool  # it vanished from the list during the attempt


@immutable
class StashChange:
    """What became of the stash list during an attempt."""

    new: tuple[StashEntry, ...] = ()  # entries that appeared: they stay
    gone: tuple[StashEntry, ...] = ()  # entries that vanished and are put back
    lost: tuple[StashEntry, ...] = ()  # made by the attempt, and in the list no more
    matches: tuple[StashMatch, ...] = ()


class What(StrEnum):
    """The kinds of findings. Their words stand in the journal, the prompts and on the screen."""

    NOTHING = "nothing changed"
    ONLY_PAPER = "only the PRD or the memory file changed"
    TICKED = "ticked without work"
    TICKS = "ticked boxes itself"
    PRD = "rewrote the PRD"
    MEMORY = "rewrote the memory file"
    GATE = "a gate failed"
    SCOPE = "out of scope"
    PROTECTED = "protected path changed"
    TESTS = "passes only with the changed tests"
    GATE_FILES = "the gate itself was changed"
    HIDDEN = "hidden from git"
    HISTORY = "history was rewritten"
    UNRECORDABLE = "git can't record it"
    EMPTY = "empty output"
    BAD_END = "did not end well"
    CONFIG = "git's hooks or config changed"
    REFS = "other branches or tags changed"
    UNTRACKED = "files that git does not track were changed"
    GATE_WROTE = "the gates wrote files"
    GONE = "its task is gone from the PRD"
    CLASH = "clashes with work that came in meanwhile"
    REVIEW = "the reviewer refused it"
    STASH = "holds the content of a stash"


@immutable
class Finding:
    """One thing that was found. `rejects`: the attempt can't be accepted; else it is only told."""

    what: What
    text: str  # one sentence, with names and numbers
    detail: str = ""  # more lines: the tail of a gate, a diff, paths
    rejects: bool = True


@immutable
class PrdEdit:
    """How the PRD differs after an attempt, sorted by whose it is (never guessed: see the design)."""

    by_agent: bool = False  # its stream, or for agents without events its commits, show it
    ticked: tuple[str, ...] = ()  # ids of boxes that became ticked
    rewrote: bool = False  # anything else than ticks differs
    diff: str = ""


@immutable
class Evidence:
    """Everything that an attempt is judged by. Paths are relative to the repository's root, with `/`."""

    base: str  # the commit that it started from
    work: str  # the frozen commit
    stopped: Stopped
    changes: tuple[Change, ...] = ()  # PRD and memory file left out
    commits: tuple[Commit, ...] = ()
    prd: PrdEdit = field(default_factory=PrdEdit)
    memory_changed: bool = False
    memory_dropped: tuple[str, ...] = ()  # what of its edit of the memory file is dropped, one sentence each
    rewritten: str = ""  # how history was rewritten, a sentence; empty: it was not
    hidden: tuple[str, ...] = ()  # paths that only the attempt's own rules or flags hide from git
    obstacles: tuple[str, ...] = ()  # why git can't record the work, sentences
    config: tuple[str, ...] = ()  # hooks and config that changed, sentences
    refs: tuple[str, ...] = ()  # other branches and tags that changed, sentences
    untracked: tuple[str, ...] = ()  # paths that were untracked before and changed, and are not named by Files
    texts: Mapping[str, tuple[bytes, bytes]] = field(default_factory=dict)  # path -> (base, work) of config files
    gates: tuple[GateResult, ...] = ()
    base_tests: tuple[GateResult, ...] = ()  # the gates with the base versions of changed tests
    gate_wrote: tuple[str, ...] = ()
    stash: StashChange = field(default_factory=StashChange)


@immutable
class Rules:
    """What the verdict holds the evidence against, fixed before the attempt starts. Patterns as in gitignore,
    relative to the repository's root."""

    scope: tuple[str, ...] = ()  # empty: everything
    protected: tuple[str, ...] = ()
    prd: str = ""  # the PRD's path in the repository
    memory: str = ""  # the memory file's path in the repository
    text: str = ""  # the task's text and body: a test file named there may change
    tracked: frozenset[str] = frozenset()  # words of the gates' commands that name tracked files
    baseline: frozenset[str] = frozenset()  # commands that were red before the run (--baseline)
    checks: frozenset[str] = frozenset()  # the task's own checks: never excused by the baseline
    standing: frozenset[str] | None = None  # commands of gates that had something to run before; None: not known
    strict: bool = False
    only_checked: bool = False  # no agent worked: all below is done, and its own checks alone shall prove it


@immutable
class Verdict:
    """Accepted when no finding rejects."""

    findings: tuple[Finding, ...] = ()

    @property
    def accepted(self) -> bool:
        return not any(finding.rejects for finding in self.findings)

    @property
    def reasons(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.rejects)


# ---------------------------------------------------------------- what is decided


class MoveKind(StrEnum):
    """What to do after an attempt that was not accepted."""

    RETRY = "retry"
    WAIT = "wait"  # until `when`, then the same again
    HAND_OVER = "hand over"  # go on with fresh context from where it stands
    CHANGE = "change the agent"
    SPLIT = "split"
    SKIP = "skip"
    PARK = "park"
    STOP = "stop"


@immutable
class Move:
    """The answer to a failed attempt. `reason` is a sentence for people; `when` an epoch time to start again."""

    kind: MoveKind
    reason: str
    when: float | None = None
    counted: bool = True  # it used up a try


@immutable
class Letter:
    """One message to a human, for all receivers."""

    title: str
    body: str  # plain text
    line: str  # both in one line
    data: Mapping[str, Any]  # the newest event, for programs; older ones in "earlier"
    mood: str = "warning"  # success, warning, failure
