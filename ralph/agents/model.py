"""The values of an agent's session: what its stream reports, how it is started, how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from ralph.immutable import immutable


class SignalKind(StrEnum):
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


# The errors that an agent reports itself: those that pass, those that a person has to cure, and the rest.
# `engine/recovery_policy.py` decides what follows from each.
TRANSIENT = frozenset({SignalKind.RATE_LIMIT, SignalKind.OVERLOADED, SignalKind.NETWORK})
REFUSALS = frozenset({SignalKind.AUTH, SignalKind.CREDIT, SignalKind.MODEL})
FAILURES = TRANSIENT | REFUSALS | {SignalKind.ERROR}


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

    kind: SignalKind
    text: str = ""
    tool: str = ""
    paths: tuple[str, ...] = ()
    command: str = ""
    usage: Usage | None = None
    resets_at: float | None = None  # epoch seconds
    ok: bool | None = None
    session: str = ""  # the agent's own name for this session, where it keeps a file about it


@immutable
class LaunchRequest:
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


class StopReason(StrEnum):
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

    why: StopReason
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
        return self.why is StopReason.EXITED and self.code == 0 and self.ended is True
