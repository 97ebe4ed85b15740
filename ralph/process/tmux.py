"""The only module that calls tmux: a server of ralph's own, without the user's configuration.

tmux only displays. A run is ended through its control file: `kill-session` leaves processes that ignore a hang-up
alive, so it only removes a pane whose program has ended. Text that people typed is never part of tmux's command
line: a word that ends in `;` would begin a command there, and `#{...}` would be expanded.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ralph.errors import RalphError
from ralph.immutable import immutable

DEADLINE = 10.0  # seconds of one call; it takes 4 ms
LONGEST = 100  # bytes of a socket's path: the kernel takes 107, macOS 103
HISTORY = 50_000  # lines of a pane
SHOWN = "#{session_name}\t#{pane_pid}\t#{pane_dead}\t#{pane_dead_status}\t#{pane_dead_signal}"
INSTALL = "Install it (`apt install tmux`, `brew install tmux`), or run without it: `ralph start --detach`."
OPTIONS = (
    ("-s", "exit-empty", "on"), ("-s", "set-clipboard", "off"), ("-g", "update-environment", ""),
    ("-wg", "remain-on-exit", "on"), ("-wg", "allow-passthrough", "off"), ("-g", "history-limit", str(HISTORY)),
    ("-g", "status-left", "#{session_name}  "), ("-g", "status-left-length", "50"),
    ("-g", "status-right", "leave: Ctrl-b d"),
)  # fmt: skip

# the environment of the server; each run gets the whole environment of the terminal that started it
KEPT = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TERM", "TMPDIR", "TZ")


@immutable
class Pane:
    """A session as tmux reports it, with its single pane."""

    name: str
    pid: int
    dead: bool
    code: int | None = None  # negative: the signal that ended the program


class Tmux:
    """The server behind one socket. Sessions are matched by their full name only."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.socket = socket_path(folder)
        self._env = {name: env[name] for name in KEPT if name in env}
        self._program = shutil.which("tmux", path=env.get("PATH", os.defpath))

    @property
    def installed(self) -> bool:
        return self._program is not None

    def panes(self) -> dict[str, Pane]:
        """Return all sessions by name; {} if no server runs or tmux is missing."""
        if not self.installed:
            return {}
        out, _, code = self._call("list-panes", "-a", "-F", SHOWN)
        sessions = [_pane(line) for line in out.splitlines()] if code == 0 else []
        return {pane.name: pane for pane in sessions if pane is not None}

    def start(self, name: str, argv: Sequence[str]) -> None:
        """Start a detached session. `argv` runs unchanged, without a shell, in the root folder."""
        command = ["start-server"]
        for where, option, value in OPTIONS:
            command += [";", "set-option", "-q", where, option, value]
        command += [";", "new-session", "-d", "-s", name, "-x", "200", "-y", "50", "-c", "/", "--", *argv]
        _, errors, code = self._call(*command)
        if code:
            problem = f"tmux did not start the session: {_first(errors)}"
            raise RalphError(problem, "`ralph start --detach` runs without it.", where=str(self.socket))

    def text(self, name: str) -> str:
        """Return the text of a session's pane without escapes; "" if there is no such session."""
        out, _, code = self._call("capture-pane", "-p", "-J", "-S", "-", "-t", f"={name}:")
        return out.rstrip() if code == 0 else ""

    def forget(self, name: str) -> None:
        """Remove a session whose program has ended; a running one stays."""
        pane = self.panes().get(name)
        if pane is not None and pane.dead:
            self._call("kill-session", "-t", f"={name}")

    def attach_words(self, name: str) -> list[str]:
        """Return the command that shows a session in this terminal."""
        return [*self._words(), "attach-session", "-t", f"={name}"]

    def _words(self) -> list[str]:
        if self._program is None:
            raise RalphError("tmux was not found on PATH", INSTALL)
        return [self._program, "-S", str(self.socket), "-f", "/dev/null"]

    def _call(self, *words: str) -> tuple[str, str, int]:
        """Return (output, errors, exit code)."""
        try:
            done = subprocess.run(
                [*self._words(), *words], cwd="/", env=self._env, stdin=subprocess.DEVNULL, capture_output=True,
                timeout=DEADLINE, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            cure = "`ralph status` and `ralph stop` work without it, in the folder of the run."
            raise RalphError("tmux does not answer", cure, where=str(self.socket)) from error
        except OSError as error:
            raise RalphError(f"tmux could not be started: {error.strerror}", INSTALL) from error
        return done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"), done.returncode


def socket_path(folder: Path) -> Path:
    """Return the socket's path in that folder or, if it is too long, a hashed name in a folder of the user's."""
    path = folder / "tmux.sock"
    if len(os.fsencode(path)) <= LONGEST:
        return path
    short = Path("/var/tmp") / f"ralph-{os.getuid()}"  # noqa: S108 - looked at below; not emptied at a restart
    short.mkdir(mode=0o700, exist_ok=True)
    seen = short.lstat()
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.getuid() or seen.st_mode & 0o077:
        cure = "Remove it, or set XDG_STATE_HOME to a folder with a short name."
        raise RalphError("tmux's socket can't be there: it is no folder of yours alone", cure, where=str(short))
    return short / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}.sock"


def _pane(line: str) -> Pane | None:
    parts = line.split("\t")
    if len(parts) != 5 or not parts[1].isdigit():
        return None
    name, pid, dead, code, signal = parts
    ended = int(code) if code.isdigit() else -int(signal) if signal.isdigit() else None
    return Pane(name, int(pid), dead == "1", ended)


def _first(text: str) -> str:
    return (text.strip().splitlines() or ["it gives no reason"])[0]
