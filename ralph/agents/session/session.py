"""One agent session: runs an agent on its own terminal with fresh context until it stops or must be stopped.

The parent has no threads and decides. A forked runner reads the agent (`session.pty`, `session.reader`) and ends
everything that it started (`process.supervisor`, `process.tree`). On Linux none of it survives, even if ralph or
the runner is killed with -9. Neither the sleep of a laptop (times are monotonic) nor a frozen machine is silence.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from ralph.agents.model import Launch, Signal, SignalKind, Stopped, StopReason
from ralph.agents.session.pty import Terminal
from ralph.agents.session.reader import EventReader, PlainReader, SignalWriter, unpack
from ralph.agents.session.usage import UsageCounter
from ralph.process import supervisor as runner
from ralph.process import tree
from ralph.process.child import ChildSupervisor
from ralph.process.supervisor import Link, WorkerMessage
from ralph.process.transcript import CappedFile, plain_output

__all__ = ["NONINTERACTIVE", "UsageCounter", "run_session"]

TAIL = 4000  # characters
BUSY = 0.2  # average share of one core; more is not a hang
FIRST_LOOK = 0.1  # share of the patience after which CPU time counts
PAUSE = 5.0  # seconds between two looks; more means that the whole machine stood still

Stop = Callable[[], tuple[StopReason, str] | StopReason | None]
Tell = Callable[[Signal], bool | None]

NONINTERACTIVE: Final[Mapping[str, str]] = {
    "CI": "1",
    "GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": "true", "GIT_SEQUENCE_EDITOR": "true", "GIT_MERGE_AUTOEDIT": "no",
    "GIT_PAGER": "cat", "PAGER": "cat", "MANPAGER": "cat", "SYSTEMD_PAGER": "cat", "GH_PAGER": "cat",
    "AWS_PAGER": "", "EDITOR": "true", "VISUAL": "true",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=20",
    "GIT_ASKPASS": "false", "SSH_ASKPASS": "false", "SSH_ASKPASS_REQUIRE": "never", "SUDO_ASKPASS": "false",
    "GCM_INTERACTIVE": "never", "GH_PROMPT_DISABLED": "1",
    "DEBIAN_FRONTEND": "noninteractive", "APT_LISTCHANGES_FRONTEND": "none", "NEEDRESTART_MODE": "a",
    "NONINTERACTIVE": "1", "HOMEBREW_NO_AUTO_UPDATE": "1",
    "npm_config_yes": "true", "npm_config_fund": "false", "npm_config_update_notifier": "false",
    "COREPACK_ENABLE_DOWNLOAD_PROMPT": "0", "YARN_ENABLE_PROGRESS_BARS": "0",
    "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "POETRY_NO_INTERACTION": "1",
    "COMPOSER_NO_INTERACTION": "1", "TF_INPUT": "0", "TF_IN_AUTOMATION": "1",
}  # fmt: skip
"""Variables for an agent's environment, so that its programs do not wait for a person."""


def run_session(
    launch: Launch, *, cwd: Path, env: Mapping[str, str], prompt: Path, transcript: Path,
    read: Callable[[str], Sequence[Signal]] | None,
    silence: float, open_tool_silence: float, wall: float,
    started: Callable[[int, float], None], tell: Tell, stop: Stop,
    answer: Callable[[], str | None] | None = None, secrets: Sequence[str] = (),
) -> Stopped:  # fmt: skip
    """Run an agent to its end and return how it ended. Everything that it started has ended then, too.

    The agent's environment is `env` with the launch's additions; its standard input is the file `prompt`; its
    output goes to `transcript` (0600; only beginning and end if it is long). `read` turns a line of output into
    signals, in the runner. Without it the agent has no events, and output counts as progress.

    `started(pid, start time)` is called with the runner's values before anything runs. `tell` gets each signal.
    `stop` is called after each signal and at least five times a second: a returned reason, with or without a
    sentence, ends the agent within 1.5 s. `answer` is called ten times a second between signals and may return a
    text to type into the agent's terminal, with Enter.

    The agent is also ended after `wall` seconds, and after `silence` seconds without progress (while a tool call is
    open, after `open_tool_silence` if that is longer), or twice as many if its processes use much CPU. A signal is
    progress unless `tell` returns False; screen text only if it returns True; a retry never.

    `secrets`, plain and as JSON strings, and everything shaped like a token are masked in the transcript and in the
    signals.
    """
    import pexpect.fdpexpect  # noqa: F401 - here, so that the runners need not import it, each

    log, file = transcript.absolute(), prompt.absolute()
    environment = {**env, **launch.env}
    session = Session(read is not None, silence, max(silence, open_tool_silence), wall, tell, stop)
    with runner.fork(lambda link: _work(link, launch.argv, cwd, environment, file, log, read, secrets)) as forked:
        started(forked.pid, forked.started)
        session.begin(forked.pid)
        forked.go()
        last = runner.follow(forked, session.hear, session.over, answer)
    return session.stopped(last, log)


class Session:
    """The parent's side: the signals so far, and whether it is time to end."""

    def __init__(
        self, events: bool, silence: float, patience: float, wall: float, tell: Tell, stop: Stop
    ) -> None:  # fmt: skip
        self._events, self._silence, self._patience, self._wall = events, silence, patience, wall
        self._tell, self._stop = tell, stop
        self._tally = UsageCounter()
        self._why: StopReason | None = None
        self._detail = ""

    def begin(self, pid: int) -> None:
        """Start the clock. The agent will be a descendant of this process."""
        self._began = self._progress = self._looked = time.monotonic()
        self._effort = UsageMeter(pid)

    def hear(self, message: WorkerMessage) -> None:
        """Handle one signal of the agent."""
        signal = unpack(message["signal"])
        self._tally.add(signal)
        if _is_progress(signal, self._tell(signal)):
            self._progress = time.monotonic()
            self._effort.forget()

    def over(self, quiet: bool) -> bool:
        """Whether the agent must end now. Silence counts only if no message is pending (`quiet`)."""
        now = time.monotonic()
        self._leave_out_pause(now)
        if self._asked_to_stop():
            return True
        if now - self._began > self._wall:
            self._why = StopReason.OVERRAN
        elif quiet and self._silent(now):
            self._why, self._detail = StopReason.SILENT, self._effort.sentence(now - self._progress)
        return self._why is not None

    def _leave_out_pause(self, now: float) -> None:
        """Exclude a time in which this process did not run: the machine was frozen or overloaded."""
        if (pause := now - self._looked) > PAUSE:
            self._began += pause
            self._progress += pause
        self._looked = now

    def _asked_to_stop(self) -> bool:
        if asked := self._stop():
            self._why, self._detail = (asked, "") if isinstance(asked, StopReason) else asked
        return bool(asked)

    def _silent(self, now: float) -> bool:
        """Return whether there was no progress for too long. Processes that use much CPU get twice the time."""
        patience = self._patience if self._tally.open_tools else self._silence
        silent = now - self._progress
        if silent > patience * FIRST_LOOK:
            self._effort.look(now, judge=silent > patience)
        return silent > patience * (2 if self._effort.busy else 1)

    def stopped(self, last: WorkerMessage | None, transcript: Path) -> Stopped:
        """The whole session as a value. `last` is the runner's last message; None: it died."""
        if last and "unstarted" in last:
            return _unstarted(last["unstarted"])
        code = last["code"] if last else None
        if self._why is None and not last and not self._asked_to_stop():
            self._why = StopReason.LOST
        why = self._why or StopReason.EXITED
        tail, tally = last["tail"] if last else _tail(transcript), self._tally
        tail = _besides_events(tail) if self._events else tail
        return Stopped(
            why, code, time.monotonic() - self._began, tally.ended if self._events else _ended(why, code),
            tally.failure, tally.tokens, tally.cost, tally.said if self._events else tail, tail,
            tally.actions, tally.wrote, tally.commands, last["output"] if last else _size(transcript),
            self._detail,
        )  # fmt: skip


class UsageMeter:
    """The CPU time of a process tree during silence: a busy agent is not silent."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.forget()

    def forget(self) -> None:
        """Reset the measurement after progress."""
        self._since: float | None = None
        self._used = self._share = 0.0
        self._judged = False

    def look(self, now: float, judge: bool) -> None:
        """Start the measurement on the first call. Finish it on the first call with `judge`."""
        if self._since is None:
            self._since, self._used = now, tree.cpu_seconds(self._pid)
        elif judge and not self._judged:
            self._judged = True
            self._share = (tree.cpu_seconds(self._pid) - self._used) / (now - self._since)

    @property
    def busy(self) -> bool:
        """Whether the measured processes used much CPU."""
        return self._share >= BUSY

    def sentence(self, silent: float) -> str:
        """Return the measurement as a sentence, or "" if the agent was not busy."""
        if not self.busy:
            return ""
        return (
            f"The agent made no progress for {silent:.0f} s and was ended, "
            f"though its processes used {self._share:.0%} of a core."
        )


def _is_progress(signal: Signal, verdict: bool | None) -> bool:
    if signal.kind is SignalKind.RETRY:
        return False
    return verdict is True if signal.kind is SignalKind.SCREEN else verdict is not False


def _work(
    link: Link, argv: Sequence[str], cwd: Path, env: Mapping[str, str], prompt: Path, transcript: Path,
    read: Callable[[str], Sequence[Signal]] | None, secrets: Sequence[str],
) -> WorkerMessage:  # fmt: skip
    """Run the agent to its end, in the runner process. Return the last message for the parent."""
    try:
        os.chdir(cwd)
        terminal = Terminal(argv, env, prompt)
    except OSError as error:
        return {"unstarted": str(error)}
    writer = SignalWriter(link, secrets)
    reader = EventReader(read, writer) if read else PlainReader(writer)
    with CappedFile(transcript, secrets=secrets) as log:

        def swallow(data: bytes) -> None:
            log.write(data)
            reader.swallow(data)

        code = ChildSupervisor(terminal, link, swallow, terminal.type).keep(reader.pulse)
        reader.flush()
    note = f"\n[ralph: the transcript is incomplete: {log.error}]" if log.error else ""
    return {"code": code, "output": log.total, "tail": _text(log.tail(4 * TAIL)) + note}


def _unstarted(error: str) -> Stopped:
    return Stopped(StopReason.UNSTARTED, failure=Signal(SignalKind.ERROR, error[:2000]), tail=error[-TAIL:])


def _ended(why: StopReason, code: int | None) -> bool | None:
    """Return the terminal event of an agent without events: True for exit code 0, otherwise None."""
    return True if why is StopReason.EXITED and code == 0 else None


def _tail(transcript: Path) -> str:
    try:
        with transcript.open("rb") as file:
            file.seek(max(0, _size(transcript) - 4 * TAIL))
            return _text(file.read())
    except OSError:
        return ""


def _text(output: bytes) -> str:
    return plain_output(output).strip()[-TAIL:]


def _besides_events(tail: str) -> str:
    """Return the output between the events. Drop the first line of a cut text."""
    cut = len(tail) >= TAIL
    return "\n".join(line for line in tail.splitlines()[cut:] if not line.lstrip().startswith("{")).strip()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
